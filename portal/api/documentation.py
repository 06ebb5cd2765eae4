"""What the OpenAPI document says beside what it learns from the views."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _

DESCRIPTION = _("""
Two interfaces, both in the shapes of Atlassian Statuspage, so that programs written for it work here.

**Reading, for everybody**: `GET /api/v2/summary.json` on the address of a status page, and beside it `status.json`,
`components.json`, `incidents.json`, `incidents/unresolved.json`, `incidents/<id>.json`, `scheduled-maintenances.json`,
`scheduled-maintenances/upcoming.json` and `scheduled-maintenances/active.json`. No key, any origin, and no limit:
these are files, written when something changes, with an `ETag`.

**Writing, with a key**: what is listed below. Send the key as `Authorization: OAuth <key>`; what it writes is recorded
in its name. Bodies are JSON, or forms like `incident[name]=...`. Every path works with `.json` at its end, too.
A refusal is `{"error": "a sentence"}`, and then nothing was written.
""")

SETTINGS: dict[str, Any] = {
    "DESCRIPTION": DESCRIPTION,
    "TAGS": [
        {"name": name}
        for name in (
            *("pages", "components", "component groups", "uptime", "incidents", "incident updates"),
            *("postmortems", "timeline", "incident templates", "subscribers", "metrics", "status embed", "audit"),
        )
    ],
}
