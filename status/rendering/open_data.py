"""The complete history as data: for each month one JSON document and the same as NDJSON, and an index with hashes.

Instants are UTC. What stands here is what the pages show: of components that show their uptime, when they were not
operational; of incidents, all of their updates.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, date, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from status.rendering.markdown import to_v2
from status.rendering.stories import report_text
from status.rendering.uptime import WEIGHTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from status.rendering.snapshot import Incident, IncidentUpdate, MonthRecord, Page, Uptime

INDEX = "data/index.json"
FORMULA = "uptime = 1 - (1.0 * seconds.major_outage + 0.3 * seconds.partial_outage) / seconds of all days that count"
STATUSES = ("major_outage", "partial_outage", "degraded_performance", "under_maintenance")

IndexEntry = dict[str, Any]  # what the index has of one month


def documents(record: MonthRecord) -> dict[str, bytes]:
    """Both documents of a month, by their paths."""
    month = record.month
    incidents = [_incident(month.page, each) for each in month.incidents]
    intervals = [asdict(each) for each in record.intervals]
    names = {each.id: each.full_name for each in record.components}
    uptimes = [_uptime(names[each.component_id], each) for each in record.uptimes if each.ratio is not None]
    whole = {
        "page": _page(month.page),
        "month": month.month,
        "incidents": incidents,
        "component_intervals": intervals,
        "uptime_formula": FORMULA,
        "uptime": uptimes,
    }
    lines = [*_lines(incidents), *({"type": "component_interval", **each} for each in intervals)]
    lines += [{"type": "uptime", "month": month.month, **each, "formula": FORMULA} for each in uptimes]
    as_json, as_lines = paths_of(month.month)
    return {as_json: _json(whole), as_lines: b"".join(_json(line) for line in lines)}


def paths_of(month: str) -> tuple[str, str]:
    return f"data/{month}.json", f"data/{month}.ndjson"


def index_entry(documents: Mapping[str, bytes]) -> IndexEntry:
    """What the index says of a month with these documents."""
    files = [
        {"path": f"/{path}", "bytes": len(content), "sha256": sha256(content).hexdigest()}
        for path, content in documents.items()
    ]
    return {"files": files}


def index(page: Page, entries: Mapping[str, IndexEntry]) -> bytes:
    """`/data/index.json`: every month, oldest first."""
    months = [{"month": month, **entries[month]} for month in sorted(entries)]
    return _json({"page": _page(page), "months": months})


def read_index(index: bytes | None) -> dict[str, IndexEntry]:
    """What a published index says of each month; nothing when it cannot be read."""
    try:
        return {row["month"]: {"files": row["files"]} for row in json.loads(index or b"")["months"]}
    except (ValueError, TypeError, KeyError):
        return {}


def _lines(incidents: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for incident in incidents:
        yield {"type": "incident", **{name: value for name, value in incident.items() if name != "updates"}}
        for update in incident["updates"]:
            yield {"type": "incident_update", "incident_id": incident["id"], **update}


def _page(page: Page) -> dict[str, str]:
    return {"id": page.id, "name": page.name, "url": page.url, "time_zone": page.time_zone}


def _incident(page: Page, incident: Incident) -> dict[str, Any]:
    report = incident.postmortem
    return {
        "id": incident.id,
        "url": f"{page.url}/incidents/{incident.id}",
        "kind": "maintenance" if incident.is_maintenance else "incident",
        "name": incident.name,
        "status": incident.status,
        "impact": incident.impact,
        "created_at": incident.created_at,
        "started_at": incident.started_at,
        "monitoring_at": incident.monitoring_at,
        "resolved_at": incident.resolved_at,
        "scheduled_for": incident.scheduled_for,
        "scheduled_until": incident.ends_at,
        "began_at": incident.began_at,
        "is_cancelled": incident.is_cancelled,
        "recorded_at": incident.recorded_at,
        "caused_by": incident.caused_by and (incident.caused_by.id or None),
        "postmortem": report
        and {"url": f"{page.url}/postmortems/{report.id}", "body": to_v2(report_text(report, page.time_zone))},
        "updates": [_update(each) for each in reversed(incident.updates)],
    }


def _update(update: IncidentUpdate) -> dict[str, Any]:
    return {
        "id": update.id,
        "status": update.status,
        "body": to_v2(update.body),
        "display_at": update.display_at,
        "published_at": update.published_at,
        "edited_at": update.edited_at,
        "components": [
            {"id": each.code, "name": each.name, "old_status": each.old_status, "new_status": each.new_status}
            for each in update.affected_components
        ],
    }


def _uptime(name: str, uptime: Uptime) -> dict[str, Any]:
    counted = [day for day in uptime.days if day.uptime is not None]
    return {
        "component_id": uptime.component_id,
        "component_name": name,
        "first_day": counted[0].date,
        "last_day": counted[-1].date,
        "seconds": {status: sum(getattr(day, status) for day in counted) for status in STATUSES},
        "weights": WEIGHTS,
        "uptime": uptime.ratio,
    }


def _json(value: object) -> bytes:
    """One line."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=_text).encode() + b"\n"


def _text(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no place in open data")
