"""The public JSON, key for key that of Statuspage's API v2: a client written for it must not notice the difference.

Every function returns one document as UTF-8 bytes that depend on the snapshot alone. Keys come in the order in which
Statuspage serves them, lists newest first and at most 50 long, instants in the page's zone with milliseconds.
"""

from __future__ import annotations

import json
from datetime import date, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from status.rendering.markdown import to_v2
from status.rendering.stories import report_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from status.rendering.snapshot import (
        Component,
        Group,
        Incident,
        IncidentUpdate,
        Page,
        Postmortem,
        Site,
    )

CAP = 50


def summary(site: Site) -> bytes:
    """`/api/v2/summary.json`: where everything stands now, with what is open and what is ahead."""
    return _document(
        site.page,
        components=_component_rows(site),
        incidents=_incidents(site.page, site.open_incidents),
        scheduled_maintenances=_incidents(site.page, (*site.active_maintenances, *site.upcoming_maintenances)),
        status=_status(site),
    )


def status(site: Site) -> bytes:
    """`/api/v2/status.json`: one word and one sentence."""
    return _document(site.page, status=_status(site))


def components(site: Site) -> bytes:
    """`/api/v2/components.json`: every component, each group right before its own."""
    return _document(site.page, components=_component_rows(site))


def incidents(site: Site) -> bytes:
    """`/api/v2/incidents.json`: the newest incidents, open or not."""
    return _document(site.page, incidents=_incidents(site.page, site.recent_incidents))


def incidents_unresolved(site: Site) -> bytes:
    """`/api/v2/incidents/unresolved.json`."""
    return _document(site.page, incidents=_incidents(site.page, site.open_incidents))


def incident(page: Page, incident: Incident) -> bytes:
    """`/api/v2/incidents/<id>.json`; a maintenance has such a document too, with its two window keys."""
    return _document(page, incident=_incident(page, incident))


def scheduled_maintenances(site: Site) -> bytes:
    """`/api/v2/scheduled-maintenances.json`: the newest maintenances, completed ones too."""
    return _document(site.page, scheduled_maintenances=_incidents(site.page, site.recent_maintenances))


def scheduled_maintenances_upcoming(site: Site) -> bytes:
    """`/api/v2/scheduled-maintenances/upcoming.json`: those still `scheduled`."""
    return _document(site.page, scheduled_maintenances=_incidents(site.page, site.upcoming_maintenances))


def scheduled_maintenances_active(site: Site) -> bytes:
    """`/api/v2/scheduled-maintenances/active.json`: those `in_progress` or `verifying`."""
    return _document(site.page, scheduled_maintenances=_incidents(site.page, site.active_maintenances))


def _document(page: Page, **parts: object) -> bytes:
    zone = ZoneInfo(page.time_zone)

    def text(value: object) -> str:
        if isinstance(value, datetime):
            local = value.astimezone(zone)
            stamp = local.isoformat(timespec="milliseconds")
            # As Statuspage: `Z` is for pages kept in UTC; London in winter is "+00:00".
            return stamp.replace("+00:00", "Z") if local.tzname() == "UTC" else stamp
        if isinstance(value, date):
            return value.isoformat()
        raise TypeError(f"{type(value).__name__} has no place in a v2 document")

    head = {
        "id": page.id,
        "name": page.name,
        "url": page.url,
        "time_zone": page.time_zone,
        "updated_at": page.updated_at,
    }
    return json.dumps({"page": head, **parts}, ensure_ascii=False, separators=(",", ":"), default=text).encode()


def _status(site: Site) -> dict[str, object]:
    return {"indicator": site.indicator, "description": site.description}


def _component_rows(site: Site) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    groups = {group.id: group for group in site.groups}
    for component in site.components:
        if component.group_id in groups:
            rows.append(_group(groups.pop(component.group_id)))
        rows.append(_component(component))
    return rows + [_group(group) for group in groups.values()]


def _component(component: Component) -> dict[str, object]:
    return {
        "id": component.id,
        "name": component.name,
        "status": component.status,
        "created_at": component.created_at,
        "updated_at": component.updated_at,
        "position": component.position,
        "description": component.description,
        "showcase": component.showcase,
        "start_date": component.start_date,
        "group_id": component.group_id,
        "page_id": component.page_id,
        "group": False,
        "only_show_if_degraded": component.only_show_if_degraded,
    }


def _group(group: Group) -> dict[str, object]:
    return {
        "id": group.id,
        "name": group.name,
        "status": group.status,
        "created_at": group.created_at,
        "updated_at": group.updated_at,
        "position": group.position,
        "description": group.description,
        "showcase": False,
        "start_date": None,
        "group_id": None,
        "page_id": group.page_id,
        "group": True,
        "only_show_if_degraded": False,
        "components": group.component_ids,
    }


def _incidents(page: Page, incidents: Iterable[Incident]) -> list[dict[str, object]]:
    return [_incident(page, incident) for incident in list(incidents)[:CAP]]


def _incident(page: Page, incident: Incident) -> dict[str, object]:
    updates = [_update(update) for update in incident.updates]
    if incident.postmortem:
        updates.insert(0, _postmortem(page, incident, incident.postmortem))
    # The last keys are what sets the two kinds apart.
    own: dict[str, object] = {"reminder_intervals": None}
    if incident.is_maintenance:
        own = {"scheduled_for": incident.scheduled_for, "scheduled_until": incident.ends_at}
    return {
        "id": incident.id,
        "name": incident.name,
        "status": incident.status,
        "created_at": incident.created_at,
        "updated_at": incident.updated_at,
        "monitoring_at": incident.monitoring_at,
        "resolved_at": incident.resolved_at,
        "impact": incident.impact,
        "shortlink": f"{page.url}/incidents/{incident.id}",
        "started_at": incident.started_at,
        "page_id": incident.page_id,
        "incident_updates": updates,
        "components": [_component(component) for component in incident.components],
        **own,
    }


def _update(update: IncidentUpdate) -> dict[str, object]:
    return {
        "id": update.id,
        "status": update.status,
        "body": to_v2(update.body),
        "incident_id": update.incident_id,
        "created_at": update.created_at,
        "updated_at": update.updated_at,
        "display_at": update.display_at,
        "affected_components": [
            {
                "code": affected.code,
                "name": affected.name,
                "old_status": affected.old_status,
                "new_status": affected.new_status,
            }
            for affected in update.affected_components
        ]
        or None,
        "deliver_notifications": update.deliver_notifications,
        "custom_tweet": None,
        "tweet_id": None,
    }


def _postmortem(page: Page, incident: Incident, postmortem: Postmortem) -> dict[str, object]:
    """The published postmortem as the newest update of its incident, which is how Statuspage serves it."""
    return {
        "id": postmortem.id,
        "status": "postmortem",
        "body": to_v2(report_text(postmortem, page.time_zone)),
        "incident_id": incident.id,
        # The update came to be when it was published; when its draft was begun is nobody's business.
        "created_at": postmortem.published_at,
        "updated_at": postmortem.updated_at,
        "display_at": postmortem.display_at,
        "affected_components": None,
        "deliver_notifications": postmortem.deliver_notifications,
        "custom_tweet": None,
        "tweet_id": None,
    }
