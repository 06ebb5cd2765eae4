"""Documents of Statuspage's API v2, read as what `incidents.elsewhere` writes down."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from incidents.authorship import authored_by
from incidents.elsewhere.records import AffectedComponent, Record, Update
from incidents.lifecycle import ComponentStatus, Impact, IncidentStatus
from incidents.models import Component, Page, User

FOLDER = Path(__file__).parent / "status" / "github-incidents"


def documents() -> list[dict[str, Any]]:
    """Those of githubstatus.com, the oldest incident first."""
    found = [json.loads(path.read_text()) for path in FOLDER.glob("*.json")]
    return sorted(found, key=lambda document: str(document["incident"]["created_at"]))


def record_of(document: dict[str, Any]) -> Record:
    incident = document["incident"]
    return Record(
        id=incident["id"],
        title=incident["name"],
        created_at=_instant(incident["created_at"]),
        updated_at=_instant(incident["updated_at"]),
        updates=[_update(each) for each in reversed(incident["incident_updates"])],
        impact=Impact(incident["impact"]),
        began_at=_instant(incident["started_at"]),
    )


def make_page(admin: User) -> tuple[Page, dict[str, Component]]:
    """A page with the ids, the name and all the components of theirs, by their ids."""
    head = documents()[-1]["page"]
    facts = {name: head[name] for name in ("name", "url", "time_zone")}
    with authored_by(admin):
        page = Page.objects.create(public_id=head["id"], host=urlsplit(head["url"]).hostname or "", **facts)
        named = _components().items()
        return page, {key: Component.objects.create(page=page, public_id=key, **facts) for key, facts in named}


def _components() -> dict[str, dict[str, Any]]:
    """All that are named; of those that were deleted there the name is known, and nothing else."""
    found: dict[str, dict[str, Any]] = {}
    for document in documents():
        for update in document["incident"]["incident_updates"]:
            for each in update["affected_components"] or ():
                found[each["code"]] = {"name": each["name"], "showcase": False}
    for document in documents():
        for row in document["incident"]["components"]:
            found[row["id"]] = {name: row[name] for name in ("name", "position", "showcase")} | {
                "description": row["description"] or "",
                "created_at": _instant(row["created_at"]),
                "start_date": date.fromisoformat(row["start_date"]) if row["start_date"] else None,
            }
    return found


def _update(row: dict[str, Any]) -> Update:
    return Update(
        id=row["id"],
        status=IncidentStatus(row["status"]),
        body=row["body"],
        display_at=_instant(row["display_at"]),
        created_at=_instant(row["created_at"]),
        updated_at=_instant(row["updated_at"]),
        components=list(_affected(row)),
        deliver_notifications=row["deliver_notifications"],
    )


def _affected(row: dict[str, Any]) -> Iterator[AffectedComponent]:
    for each in row["affected_components"] or ():
        old, new = ComponentStatus(each["old_status"]), ComponentStatus(each["new_status"])
        yield AffectedComponent(each["code"], each["name"], old, new)


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
