"""Which documents of a page outbox events make out of date."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import chain

from incidents.lifecycle import Kind
from incidents.models import Incident, IncidentUpdate, OutboxEvent, Page
from status import projection
from status.projection import Reader
from status.publication.state import State
from status.rendering import documents, open_data


@dataclass(frozen=True, slots=True)
class Changes:
    incidents: list[Incident]  # whose own documents may be
    months: set[str]  # whose page may be: in which these incidents are filed, or were
    data_months: set[str]  # whose open data may be

    def paths(self) -> set[str]:
        """All the documents that they may have; what is not made anew goes."""
        found = {documents.path_of_month(month) for month in self.months}
        for row in self.incidents:
            found.update(documents.paths_of_incident(row.public_id))
            if row.postmortem:
                found.add(documents.path_of_report(row.postmortem.public_id))
        return found


def find(page: Page, reader: Reader, events: Iterable[OutboxEvent], before: State | None) -> Changes:
    """What `events` touch, and the days since the publication `before`."""
    incidents, shown = projection.touched_by(page, events), _times_shown(events)
    months = _months(reader, incidents, events, shown)
    since = _statuses_changed_since(before, reader, events, shown)
    return Changes(incidents, months, months.union(reader.calendar_months(since)))


def history_paths(page: Page, reader: Reader) -> set[str]:
    """The paths that the documents of all of history may have."""
    found = {documents.path_of_month(month) for month in reader.months_with_incidents()}
    found |= {path for month in reader.calendar_months() for path in open_data.paths_of(month)}
    for incident, report in projection.public_incidents(page).values_list("public_id", "postmortem__public_id"):
        found.update([*documents.paths_of_incident(incident), documents.path_of_report(report or "")])
    return found


def _times_shown(events: Iterable[OutboxEvent]) -> dict[int, list[datetime]]:
    """Every time that an update which was corrected has shown, by its key: its incident may have been filed there."""
    changed = (OutboxEvent.Kind.UPDATE_CORRECTED, OutboxEvent.Kind.RECORDED_AFTERWARDS)
    corrected = {event.update_id for event in events if event.kind in changed}
    shown: dict[int, list[datetime]] = defaultdict(list)
    rows = IncidentUpdate.history.filter(id__in=corrected).order_by()
    for key, instant in rows.values_list("id", "display_at").distinct():
        shown[key].append(instant)
    return shown


def _months(
    reader: Reader, touched: Iterable[Incident], events: Iterable[OutboxEvent], shown: dict[int, list[datetime]]
) -> set[str]:
    """The months in which these incidents are filed, or were."""
    # An update that was taken back may have been the first: its incident is filed nowhere now.
    posted = [row.first_posted_at for row in touched] + [event.update.display_at for event in events if event.update]
    return {reader.month_name(instant) for instant in chain(posted, *shown.values()) if instant}


def _statuses_changed_since(
    before: State | None, reader: Reader, events: Iterable[OutboxEvent], shown: dict[int, list[datetime]]
) -> datetime:
    """The earliest instant at which a component may have another status than the published data says."""
    # What was not over on the day of the last publication went on.
    day = before.date if before else reader.today
    found = [reader.midnight(min(day, reader.today))]
    for event in events:
        if event.component_change:
            found.append(event.component_change.effective_at)
        if event.kind == OutboxEvent.Kind.UPDATE_CORRECTED:
            times = shown[event.update_id or 0]
            found += times if len(times) > 1 else []  # else only its text changed
            continue
        if event.update:
            found.append(event.update.display_at)
        if event.incident and event.incident.kind == Kind.MAINTENANCE and event.incident.first_posted_at:
            found.append(event.incident.first_posted_at)  # it may not cover its components any more
    return min(found)
