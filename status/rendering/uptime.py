"""Uptime from the log of a component's statuses.

Statuspage's formula: uptime = 1 - (major outage + 0.3 x partial outage) / time, with degraded performance
and maintenance counted as up. All days of the window count at their full length (23 and 25 hours where
clocks change), from the day the component counts from.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from status.rendering import snapshot

WEIGHTS = {"major_outage": 1.0, "partial_outage": 0.3}


@dataclass(frozen=True, slots=True)
class Change:
    at: datetime
    status: str


@dataclass(frozen=True, slots=True)
class Span:
    """While a maintenance ran; without an end it still does."""

    begin: datetime
    end: datetime | None


def overlaid(changes: Sequence[Change], spans: Sequence[Span]) -> list[Change]:
    """The log with maintenance laid over it: where it is operational within a span it is under maintenance.

    What is worse shows through. `changes` are in order; spans may overlap, and none begins before the first change
    counts: an earlier one counts from it.
    """
    first = changes[0].at
    begun = sorted(max(span.begin, first) for span in spans)
    ended = sorted(max(span.end, first) for span in spans if span.end)
    found: list[Change] = []
    for at in sorted({*(change.at for change in changes), *begun, *ended}):
        own = changes[bisect_right(changes, at, key=lambda change: change.at) - 1].status
        is_covered = bisect_right(begun, at) > bisect_right(ended, at)
        status = "under_maintenance" if is_covered and own == "operational" else own
        if not found or found[-1].status != status:
            found.append(Change(at, status))
    return found


def intervals(changes: Sequence[Change], end: datetime | None) -> list[tuple[datetime, datetime | None, str]]:
    """Begin, end and status of each time that was not operational; the last one lasts until `end`."""
    ends = [*(change.at for change in changes[1:]), end]
    return [
        (change.at, until, change.status)
        for change, until in zip(changes, ends, strict=True)
        if change.status != "operational"
    ]


def uptime(
    component_id: str,
    changes: Sequence[Change],
    *,
    counts_from: date,
    first: date,
    today: date,
    as_of: datetime,
    zone: ZoneInfo,
) -> snapshot.Uptime:
    """The days from `first` to `today`; `changes` are in order and begin with the status at `first`'s midnight.

    What is not over counts up to `as_of`, the newest public fact, and for a minute at least: a document depends
    on rows and the date alone, and a day with an outage must show it.
    """
    midnights = [
        datetime.combine(first + timedelta(days=n), time.min, zone).astimezone(UTC)
        for n in range((today - first).days + 2)
    ]
    horizon = min(max(as_of, changes[-1].at + timedelta(minutes=1), midnights[-2]), midnights[-1])
    days = []
    down = length = 0.0
    index = 0
    for n, (start, end) in enumerate(pairwise(midnights)):
        day = first + timedelta(days=n)
        spent = dict.fromkeys(("major_outage", "partial_outage", "degraded_performance", "under_maintenance"), 0.0)
        while index + 1 < len(changes) and changes[index + 1].at <= start:
            index += 1
        position = index
        while position < len(changes) and changes[position].at < min(end, horizon):
            until = changes[position + 1].at if position + 1 < len(changes) else horizon
            seconds = (min(until, end, horizon) - max(changes[position].at, start)).total_seconds()
            if changes[position].status in spent:
                spent[changes[position].status] += max(seconds, 0.0)
            position += 1
        ratio = None
        if day >= counts_from:
            lost = sum(weight * spent[status] for status, weight in WEIGHTS.items())
            down += lost
            length += (end - start).total_seconds()
            ratio = 1 - lost / (end - start).total_seconds()
        days.append(snapshot.Day(date=day, uptime=ratio, **spent))
    return snapshot.Uptime(component_id, tuple(days), 1 - down / length if length else None)
