"""An incident that another place tells."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from incidents.elsewhere.records import AffectedComponent, PostmortemRecord, Record, Update
from incidents.lifecycle import ComponentStatus, Impact, IncidentStatus

START = datetime(2024, 5, 1, 9, tzinfo=UTC)
UP, SLOW, DOWN = ComponentStatus.OPERATIONAL, ComponentStatus.DEGRADED_PERFORMANCE, ComponentStatus.MAJOR_OUTAGE
MAINTENANCE = ComponentStatus.UNDER_MAINTENANCE


def at(minutes: int) -> datetime:
    return START + timedelta(minutes=minutes)


def update(key: str, status: str, minutes: int, *affected: AffectedComponent, **facts: Any) -> Update:
    body = facts.pop("body", f"Said: {status}.")
    when = at(minutes)
    return Update(key, IncidentStatus(status), body, when, when, when, affected, **facts)


RECORD = Record(
    id="4711",
    title="Errors",
    created_at=at(0),
    updated_at=at(61),
    updates=(
        update("first0000000", "investigating", 0, AffectedComponent("1", "API", UP, DOWN)),
        update("000000000001", "resolved", 60, AffectedComponent("1", "API", DOWN, UP)),
    ),
    impact=Impact.MINOR,
    began_at=at(-1),
)
REPORT = PostmortemRecord("77", "Errors", "It broke.", display_at=at(90), published_at=at(91))
WINDOW = at(10), at(40)
KINDS = {
    "over": RECORD,
    "open": replace(RECORD, updates=RECORD.updates[:1]),
    "with a report": replace(RECORD, report=REPORT),
    "maintenance ahead of its time": replace(RECORD, window=WINDOW, updates=[update("a", "scheduled", 0)]),
    "maintenance that runs": replace(
        RECORD, window=WINDOW, updates=[update("a", "scheduled", 0), update("b", "in_progress", 10)]
    ),
}


TWICE = [AffectedComponent("1", "API", UP, DOWN), AffectedComponent("2", "API v2", UP, SLOW)]


def moved(wrong: datetime) -> Iterator[Record]:
    """A record for each of its times, of which one is this."""
    whole = replace(RECORD, report=REPORT, ended_at=at(60))
    places: list[tuple[Any, Callable[[Any], Record]]] = [
        (whole, lambda row: row),
        (RECORD.updates[1], lambda row: replace(whole, updates=(RECORD.updates[0], row))),
        (REPORT, lambda row: replace(whole, report=row)),
    ]
    for row, put in places:
        for field in fields(row):
            if isinstance(getattr(row, field.name), datetime):
                yield put(replace(row, **{field.name: wrong}))
