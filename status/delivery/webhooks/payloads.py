"""What programs are sent: Statuspage's payloads."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from incidents.models import OutboxEvent
from incidents.record_time import record_time
from status import projection, tokens
from status.rendering import api_v2, snapshot

if TYPE_CHECKING:
    from collections.abc import Sequence

DOCUMENTATION = "https://www.standardwebhooks.com/"

# The keys of Statuspage's payloads, in its order. They are those of API v2 but for what `_incident` adds.
_INCIDENT = (
    *("name", "status", "created_at", "updated_at", "monitoring_at", "resolved_at", "impact", "shortlink"),
    *("scheduled_for", "scheduled_until", "scheduled_remind_prior", "scheduled_reminded_at", "impact_override"),
    *("scheduled_auto_in_progress", "scheduled_auto_completed", "metadata", "started_at", "reminder_intervals"),
    *("id", "page_id", "incident_updates", "components"),
)
_UPDATE = ("status", "body", "created_at", "updated_at", "display_at", "id", "incident_id", "affected_components")
_COMPONENT_OF_INCIDENT = (
    *("status", "name", "created_at", "updated_at", "position", "description", "showcase", "id", "page_id", "group_id"),
)
_COMPONENT = ("created_at", "id", "name", "page_id", "position", "status", "updated_at", "showcase")

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Payload:
    """What one request says; `key` sets several of one event apart, so that each has an id of its own."""

    key: str
    content: Json

    def to(self, public_id: str) -> bytes:
        """As it goes to one recipient, with its own link to unsubscribe."""
        meta = self.content["meta"]
        link = meta["unsubscribe"] + tokens.subscription(public_id)
        content = self.content | {"meta": meta | {"unsubscribe": link}}
        return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def event_payloads(event: OutboxEvent) -> list[Payload]:
    """The incident, and one for each component that the update changed; none when it was taken back, or is not public
    any more.
    """
    page, update, change = event.page, event.update, event.component_change
    if not page.is_published:
        return []
    with projection.consistent():
        reader = projection.Reader(page, projection.today(page))
        incident = next(iter(reader.incidents([event.incident_id])), None) if event.incident_id else None
        site = reader.site()
    head = {
        "meta": {
            "unsubscribe": f"{page.url}/subscriptions/",  # each recipient's token comes behind it
            "documentation": DOCUMENTATION,
            "generated_at": _instant(record_time()),
        },
        "page": {"id": site.page.id, "status_indicator": site.indicator, "status_description": site.description},
    }
    if change:
        row = _row(site, change.component.public_id)
        number = sha256(f"{change.pk} {change.component.public_id}".encode()).hexdigest()[:12]
        facts = (change.old_status, change.status, change.created_at, number)
        return [Payload("", head | _component(row, *facts))] if row else []
    if incident is None:
        return []
    document = _incident(site.page, incident)
    if event.is_report:
        return [Payload("", head | {"incident": document})] if incident.postmortem else []
    if event.kind == OutboxEvent.Kind.MAINTENANCE_REMINDER:
        return [Payload("", head | {"incident": document})] if incident.is_ahead else []
    posted = next((each for each in incident.updates if update and each.id == update.public_id), None)
    if posted is None:
        return []
    changed = [each for each in posted.affected_components if each.old_status != each.new_status]
    rows = {row["id"]: row for row in document["components"]}
    return [
        Payload("", head | {"incident": document}),
        *(
            Payload(
                f"_{each.code}",
                head | _component(rows[each.code], each.old_status, each.new_status, posted.created_at, posted.id),
            )
            for each in changed
        ),
    ]


def _incident(page: snapshot.Page, incident: snapshot.Incident) -> Json:
    # Webhooks say instants in UTC, whatever the page's zone.
    public = json.loads(api_v2.incident(replace(page, time_zone="Etc/UTC"), incident))["incident"]
    plan = incident.plan
    values = {
        "scheduled_for": None,
        "scheduled_until": None,
        "scheduled_remind_prior": bool(plan and plan.reminders),
        "scheduled_reminded_at": _instant(plan.reminded_at) if plan and plan.reminded_at else None,
        "impact_override": incident.impact_override,
        "scheduled_auto_in_progress": bool(plan and plan.starts_by_itself),
        "scheduled_auto_completed": bool(plan and plan.ends_by_itself),
        # Statuspage's place for what others add: each of its keys holds an object
        "metadata": {"next_update": {"due_at": _instant(due_at)}} if (due_at := incident.next_update_due_at) else {},
        "reminder_intervals": None,
        **public,
        "incident_updates": [_only(_UPDATE, update) for update in public["incident_updates"]],
        "components": [_only(_COMPONENT_OF_INCIDENT, component) for component in public["components"]],
    }
    return _only(_INCIDENT, values)


def _row(site: snapshot.Site, public_id: str) -> Json | None:
    """A component as API v2 has it, with instants in UTC; None when it is not public here."""
    in_utc = replace(site, page=replace(site.page, time_zone="Etc/UTC"))
    rows: list[Json] = json.loads(api_v2.components(in_utc))["components"]
    return next((row for row in rows if row["id"] == public_id), None)


def _component(row: Json, old_status: str, new_status: str, at: datetime, update_id: str) -> Json:
    return {
        "component": _only(_COMPONENT, row | {"status": new_status}),
        "component_update": {
            "old_status": old_status,
            "new_status": new_status,
            "created_at": _instant(at),
            "component_type": "Component",
            "state": "sn_created",
            "id": update_id,
            "component_id": row["id"],
        },
    }


def _only(keys: Sequence[str], values: Json) -> Json:
    return {key: values[key] for key in keys}


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
