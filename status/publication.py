"""Writes what changed, and can tell whether what is published is true.

A publication takes the page's file lock after the commit that it publishes and reads its snapshot under that
lock, so an older render never overwrites a newer one. Its cost depends on what changed, not on history.
"""

from __future__ import annotations

import json
import logging
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import chain
from pathlib import Path
from typing import Any

from django.db.models import F, Q, QuerySet
from django.utils import timezone

from incidents.lifecycle import Kind
from incidents.models import IncidentUpdate, MetricFeed, OutboxEvent, Page
from status import charts, documents, files, open_data, projection
from status.documents import Documents
from status.projection import Reader

logger = logging.getLogger(__name__)

FAST_PATIENCE = 1.0  # seconds that a staff member's request waits for another publication
AT_ONCE = 200  # incidents that a page-wide change re-renders right away; more are left to the clock
CHUNK = 200
STATE = ".state.json"


@dataclass(slots=True)
class Report:
    written: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    is_complete: bool = True  # False: a page-wide change is left to the clock


def on_event(*, page_id: int, **_kwargs: Any) -> None:
    """Right after a commit: publish if there is still something to publish."""
    page = Page.objects.get(pk=page_id)
    if OutboxEvent.objects.unpublished().filter(page=page).exists():
        try:
            publish(page, patience=FAST_PATIENCE, is_fast=True)
        except files.Busy:
            logger.warning("page %s is being published by another process; the clock will publish the rest", page)


def publish(page: Page, *, patience: float = 60.0, is_fast: bool = False, rebuild: bool = False) -> Report:
    """Publish what is not yet published of `page`. Raises `files.Busy`, or OSError when the disk refuses.

    `is_fast` leaves a page-wide change of a page with a long history to the clock, but for its bounded documents;
    `rebuild` renders everything, whatever is said to be published.
    """
    root = files.folder(page.public_id)
    report = Report()
    with files.locked(root, patience=patience):
        page.refresh_from_db()
        events = list(_unpublished(page))
        if not page.is_published:
            files.empty(root)
        else:
            is_page_wide = rebuild or not (root / STATE).exists() or any(map(_is_page_wide, events))
            if is_page_wide and is_fast and projection.showing(page)[AT_ONCE:].exists():
                is_page_wide = report.is_complete = False
            with projection.consistent():
                # Events committed since are in this snapshot or publish themselves next.
                reader = Reader(page, projection.today(page))
                parts, gone = (_everything(page, reader), None) if is_page_wide else _changed(page, reader, events)
                kept: set[str] = set()
                for part in parts:
                    report.written += files.write(root, part)
                    kept |= part.keys()
            gone = (files.tracked(root) if gone is None else gone) - kept
            report.removed = [path for path in sorted(gone) if files.remove(root, path)]
            beat(page)
            if report.is_complete:
                files.replace(root / STATE, json.dumps({"date": reader.today.isoformat()}).encode())
        files.link(_hosts())
        if report.is_complete:
            keys = [event.pk for event in events]
            OutboxEvent.objects.filter(pk__in=keys).update(published_at=timezone.now())
    return report


def draw(page: Page) -> bool:
    """Draw the charts of a page anew if measurements came; returns whether they had. Raises as `publish` does.

    Nothing else of the page is read or written, so its cost does not depend on the page.
    """
    root = files.folder(page.public_id)
    is_new = Q(charted_at=None) | Q(changed_at__gt=F("charted_at"))
    feeds = MetricFeed.objects.filter(is_new, metric__page=page, metric__deleted_at=None, changed_at__isnull=False)
    if not page.is_published or not (root / STATE).exists() or not feeds.exists():
        return False
    with files.locked(root, patience=1.0):
        drawn = list(feeds.values_list("pk", "changed_at"))
        with projection.consistent():
            reader = Reader(page, projection.today(page))
            files.write(root, documents.of_metrics(reader.page, reader.metrics(charts.SPAN)))
    for pk, changed_at in drawn:
        MetricFeed.objects.filter(pk=pk).update(charted_at=changed_at)
    return True


def is_due(page: Page) -> bool:
    """Whether something is unpublished, or a new day has begun in the page's zone."""
    state = _state(files.folder(page.public_id))
    if not state:
        return page.is_published
    is_stale = page.is_published and state.get("date") != projection.today(page).isoformat()
    return is_stale or OutboxEvent.objects.unpublished().filter(page=page).exists()


def _state(root: Path) -> dict[str, str]:
    """Of the last complete publication; empty when it cannot be read."""
    try:
        return dict(json.loads((root / STATE).read_bytes()))
    except (OSError, ValueError):
        return {}


def beat(page: Page) -> None:
    """Tell readers that what they see is current. Call it only when it is."""
    content = json.dumps({"at": timezone.now().strftime("%Y-%m-%dT%H:%M:%SZ")}).encode()
    files.replace(files.folder(page.public_id) / "heartbeat.json", content)


def differences(page: Page) -> list[str]:
    """The paths whose published bytes are not what a full render gives now, or that should not be there."""
    root = files.folder(page.public_id)
    with files.locked(root, patience=60.0):
        page.refresh_from_db()
        if not page.is_published:
            return sorted(files.tracked(root))
        wrong, expected = [], set[str]()
        with projection.consistent():
            for part in _everything(page, Reader(page, projection.today(page))):
                wrong += [path for path, content in part.items() if files.read(root, path) != content]
                expected |= part.keys()
        return sorted({*wrong, *(files.tracked(root) - expected)})


def _unpublished(page: Page) -> QuerySet[OutboxEvent]:
    rows = OutboxEvent.objects.unpublished().filter(page=page).order_by("id")
    return rows.select_related("update", "component_change", "incident")


def _is_page_wide(event: OutboxEvent) -> bool:
    return event.kind == OutboxEvent.Kind.PAGE_CHANGED


def _hosts() -> dict[str, str]:
    live = list(Page.objects.published().order_by("id"))
    hosts = {page.host: page.public_id for page in live}
    return hosts | {"_default": live[0].public_id} if live else {}


def _changed(page: Page, reader: Reader, events: list[OutboxEvent]) -> tuple[Iterator[Documents], set[str]]:
    """The documents that `events` touch, and the paths that go if they are not among them."""
    touched = projection.touched_by(page, events)
    # An update that was taken back may have been the first: its incident is filed nowhere now.
    told = [row.first_posted_at for row in touched] + [event.update.display_at for event in events if event.update]
    shown = _times_shown(events)
    months = {reader.month_name(instant) for instant in chain(told, *shown.values()) if instant}
    gone = {path for row in touched for path in documents.paths_of_incident(row.public_id)}
    gone |= {documents.path_of_report(row.postmortem.public_id) for row in touched if row.postmortem}
    gone |= {documents.path_of_month(month) for month in months}
    root = files.folder(page.public_id)
    known = open_data.entries(files.read(root, open_data.INDEX))
    gone |= {path for month in known.keys() - set(reader.span()) for path in open_data.paths_of(month)}

    def is_published(month: str) -> bool:
        return (root / documents.path_of_month(month)).exists()

    def render() -> Iterator[Documents]:
        site = reader.site()
        yield _of_incidents(reader, [row.pk for row in touched])
        read = {month: reader.month(month) for month in months}
        # A month that comes or goes changes the links of those beside it.
        moved = [month for month in read.values() if bool(month.incidents) != is_published(month.month)]
        for neighbour in {m for month in moved for m in (month.previous, month.next) if m} - read.keys():
            read[neighbour] = reader.month(neighbour)
        yield {p: c for m in read.values() if m.incidents for p, c in documents.of_month(m).items()}
        if any(map(_is_page_wide, events)):  # which metrics there are may have changed
            yield documents.of_metrics(reader.page, reader.metrics(charts.SPAN))
        yield from _data(reader, known, months.union(reader.span(_restless_since(root, reader, events, shown))))
        newest = site.last_month and (read.get(site.last_month) or reader.month(site.last_month))
        yield documents.of_site(site, newest or None)

    return render(), gone


def _everything(page: Page, reader: Reader) -> Iterator[Documents]:
    keys = list(projection.showing(page).values_list("pk", flat=True))
    for start in range(0, len(keys), CHUNK):
        yield _of_incidents(reader, keys[start : start + CHUNK])
    newest = None
    for month in reader.months():
        newest = reader.month(month)
        yield documents.of_month(newest)
    yield from _data(reader, {}, set())
    yield documents.of_metrics(reader.page, reader.metrics(charts.SPAN))
    yield documents.of_site(reader.site(), newest)


def _data(reader: Reader, known: dict[str, open_data.Entry], due: set[str]) -> Iterator[Documents]:
    """The open data of the months that are due, or of which nothing is known; then the index of all."""
    entries = {}
    for month in reader.span():
        if month in known and month not in due:
            entries[month] = known[month]
        else:
            found = open_data.documents(reader.record(month))
            entries[month] = open_data.entry(found)
            yield found
    yield {open_data.INDEX: open_data.index(reader.page, entries)}


def _times_shown(events: list[OutboxEvent]) -> dict[int, list[datetime]]:
    """Every time that an update which was corrected has shown, by its key: its incident may have been filed there."""
    corrected = {event.update_id for event in events if event.kind == OutboxEvent.Kind.UPDATE_CORRECTED}
    shown: dict[int, list[datetime]] = defaultdict(list)
    rows = IncidentUpdate.history.filter(id__in=corrected).order_by()
    for key, instant in rows.values_list("id", "display_at").distinct():
        shown[key].append(instant)
    return shown


def _restless_since(
    root: Path, reader: Reader, events: list[OutboxEvent], shown: dict[int, list[datetime]]
) -> datetime:
    """From when on components may have had another status than the published data says."""
    # What was not over on the day of the last publication went on.
    day = date.fromisoformat(_state(root).get("date", reader.today.isoformat()))
    found = [reader.midnight(min(day, reader.today))]
    for event in events:
        if event.component_change:
            found.append(event.component_change.effective_at)
        if event.kind == OutboxEvent.Kind.UPDATE_CORRECTED:
            times = shown[event.update_id or 0]
            found += times if len(times) > 1 else []  # else its words alone
            continue
        if event.update:
            found.append(event.update.display_at)
        if event.incident and event.incident.kind == Kind.MAINTENANCE and event.incident.first_posted_at:
            found.append(event.incident.first_posted_at)  # it may lie over its components no more
    return min(found)


def _of_incidents(reader: Reader, keys: list[int]) -> Documents:
    found: Documents = {}
    for incident in reader.incidents(keys):
        found |= documents.of_incident(reader.page, incident)
    return found
