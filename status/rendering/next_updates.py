"""When the public will hear more of what is open: our own document, for Statuspage's API v2 has no place for it."""

from __future__ import annotations

import json
from datetime import UTC
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from status.rendering.snapshot import Site


def document(site: Site) -> bytes:
    """`/api/next-updates.json`: each open incident that promised another update, with the time, in UTC."""
    promised = [
        {"incident_id": each.id, "due_at": each.next_update_due_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")}
        for each in (*site.open_incidents, *site.active_maintenances, *site.upcoming_maintenances)
        if each.next_update_due_at
    ]
    page = {"id": site.page.id, "name": site.page.name, "url": site.page.url}
    return json.dumps({"page": page, "next_updates": promised}, ensure_ascii=False, separators=(",", ":")).encode()
