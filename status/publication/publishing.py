"""Writes what changed, and can tell whether what is published is true.

A publication takes the page's file lock after the commit that it publishes and reads its snapshot under that
lock, so an older render never overwrites a newer one. Its cost depends on what changed, not on history: what touches
all of history (a component is renamed, the software is new) is gone through month by month, and between two months
whoever has news publishes them.
"""

from __future__ import annotations

import json
import logging
import math
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from hashlib import sha256
from itertools import chain
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from incidents.lifecycle import Kind
from incidents.models import Incident, IncidentUpdate, MetricFeed, OutboxEvent, Page
from status import projection
from status.projection import Reader
from status.publication import files
from status.rendering import charts, documents, open_data, snapshot
from status.rendering.documents import Documents

logger = logging.getLogger(__name__)

FAST_TIMEOUT = 1.0  # seconds that a staff member's request waits for another publication
MONTHS_AT_ONCE = 2  # whose open data is written together with the news that touch it
STATE = ".state.json"


def _version() -> str:
    """Changes with whatever makes documents, so that an upgrade makes all of them anew."""
    status = settings.BASE_DIR / "status"
    sources = [*status.rglob("*.py"), *status.glob("static/status/*")]
    sources += (settings.BASE_DIR / "templates" / "status").iterdir()
    return sha256(b"".join(path.read_bytes() for path in sorted(sources) if path.is_file())).hexdigest()[:16]


VERSION = _version()  # of this process, whatever is put beside it while it runs


@dataclass(slots=True)
class Report:
    written: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class State:
    """Of the last publication: its day, its VERSION, and the months whose documents are still to be made anew."""

    date: str
    version: str
    rest: tuple[str, ...] = ()  # oldest first


def on_event(*, page_id: int, **_kwargs: Any) -> None:
    """Right after a commit: publish if there is still something to publish; what touches all months is the clock's."""
    page = Page.objects.get(pk=page_id)
    if OutboxEvent.objects.unpublished().filter(page=page).exists():
        try:
            publish(page, timeout=FAST_TIMEOUT, seconds=0)
        except files.Busy:
            logger.warning("page %s is being published by another process; the clock will publish the rest", page)


def publish(page: Page, *, timeout: float = 60.0, seconds: float = math.inf, rebuild: bool = False) -> Report:
    """Publish what is not yet published of `page`. Raises `files.Busy`, or OSError when the disk refuses.

    With `rebuild` everything is rendered, whatever is said to be published. See `go_on` for `seconds`.
    """
    root = files.folder(page.public_id)
    report = Report()
    with files.locked(root, timeout=timeout):
        page.refresh_from_db()
        events = list(_unpublished(page))
        if page.is_published:
            report = _publish_news(page, root, events, is_page_wide=rebuild or any(map(_is_page_wide, events)))
            beat(page)
        else:
            files.empty(root)
        with files.locked(files.root(), timeout=timeout):  # who is last to link was last to read
            files.link(_hosts())
        OutboxEvent.objects.filter(pk__in=[event.pk for event in events]).update(published_at=timezone.now())
    report.written += go_on(page, timeout=timeout, seconds=seconds)
    return report


def go_on(page: Page, *, timeout: float, seconds: float) -> list[str]:
    """Make the months anew that are left, the newest first, for about so long; returns what was written.

    The lock is free between two of them, so that an urgent update waits for one month and not for years.
    """
    root = files.folder(page.public_id)
    ends_at = time.monotonic() + seconds
    written: list[str] = []
    while time.monotonic() < ends_at and _rest(root):
        with _reading(page, timeout=timeout) as reader:
            if not (left := _rest(root)):  # another process has done it meanwhile
                break
            *rest, month = left
            for part in (_of_month(reader, month), *_data(reader, root, [month])):
                written += files.write(root, part)
            _note(root, reader, rest)
        if rest:
            time.sleep(2 * files.POLL)
    return written


def draw(page: Page) -> bool:
    """Draw the charts of a page anew if measurements came; returns whether they had. Raises as `publish` does.

    Nothing else of the page is read or written, so its cost does not depend on the page.
    """
    root = files.folder(page.public_id)
    is_new = Q(charted_at=None) | Q(changed_at__gt=F("charted_at"))
    feeds = MetricFeed.objects.filter(is_new, metric__page=page, metric__deleted_at=None, changed_at__isnull=False)
    drawn = list(feeds.values_list("pk", "changed_at"))
    if not drawn or not page.is_published or not _state(root):
        return False
    with _reading(page, timeout=1.0) as reader:
        files.write(root, _charts(reader))
    for pk, changed_at in drawn:
        MetricFeed.objects.filter(pk=pk).update(charted_at=changed_at)
    return True


def is_due(page: Page) -> bool:
    """Whether something is unpublished or left over, or a new day has begun in the page's zone."""
    is_current = _state(files.folder(page.public_id)) == State(projection.today(page).isoformat(), VERSION)
    return (page.is_published and not is_current) or OutboxEvent.objects.unpublished().filter(page=page).exists()


def beat(page: Page) -> None:
    """Tell readers that what they see is current. Call it only when it is."""
    content = json.dumps({"at": timezone.now().strftime("%Y-%m-%dT%H:%M:%SZ")}).encode()
    files.replace(files.folder(page.public_id) / "heartbeat.json", content)


def differences(page: Page) -> list[str]:
    """The paths whose published bytes are not what a full render gives now, or that should not be there."""
    root = files.folder(page.public_id)
    wrong: set[str] = set()

    def compare(found: Documents) -> None:
        wrong.update(path for path, content in found.items() if files.read(root, path) != content)

    with _reading(page, timeout=60.0) as reader:
        months = reader.span()
        if page.is_published:
            bounded = _of_site(reader, {}) | _charts(reader) | _index(reader, _known(root))
            compare(bounded)
            wrong |= files.tracked(root) - bounded.keys() - _standing(page, reader)
    if not page.is_published:
        return sorted(files.tracked(root))
    for month in months:  # between two of them others may publish
        with _reading(page, timeout=60.0) as reader:
            data = open_data.documents(reader.record(reader.month(month)))
            compare(_of_month(reader, month) | data)
            if _known(root).get(month) != open_data.index_entry(data):
                wrong.add(open_data.INDEX)
    return sorted(wrong)


# --- What there is to publish -----------------------------------------------------------------------------------------


@contextmanager
def _reading(page: Page, *, timeout: float) -> Iterator[Reader]:
    """Reads a page as it is at one moment, while nobody else writes its files."""
    with files.locked(files.folder(page.public_id), timeout=timeout):
        page.refresh_from_db()
        with projection.consistent():
            yield Reader(page, projection.today(page))


def _unpublished(page: Page) -> QuerySet[OutboxEvent]:
    rows = OutboxEvent.objects.unpublished().filter(page=page).order_by("id")
    return rows.select_related("update", "component_change", "incident")


def _is_page_wide(event: OutboxEvent) -> bool:
    return event.kind == OutboxEvent.Kind.PAGE_CHANGED


def _hosts() -> dict[str, str]:
    live = list(Page.objects.published().order_by("id"))
    hosts = {page.host: page.public_id for page in live}
    return hosts | {"_default": live[0].public_id} if live else {}


def _publish_news(page: Page, root: Path, events: list[OutboxEvent], *, is_page_wide: bool) -> Report:
    """Write what `events` and the day touch, and note which months are left."""
    before = _state(root)
    is_page_wide = is_page_wide or before is None or before.version != VERSION
    report, kept = Report(), set[str]()
    with projection.consistent():
        # Events committed since are in this snapshot or publish themselves next.
        reader = Reader(page, projection.today(page))
        touched = projection.touched_by(page, events)
        shown = _times_shown(events)
        months = _months(reader, touched, events, shown)
        span, known = set(reader.span()), _known(root).keys()
        due = months.union(reader.span(_restless_since(before, reader, events, shown))) & span
        at_once = sorted(due)[-MONTHS_AT_ONCE:]
        gone = _paths(touched, months) | {path for month in known - span for path in open_data.paths_of(month)}
        left = (due | span - known).difference(at_once).union(_rest(root)) & span
        if is_page_wide:
            gone, left = files.tracked(root) - _standing(page, reader), span
        for part in _news(reader, root, touched, months, at_once, is_page_wide=is_page_wide):
            report.written += files.write(root, part)
            kept |= part.keys()
    report.removed = [path for path in sorted(gone - kept) if files.remove(root, path)]
    _note(root, reader, sorted(left))
    return report


def _times_shown(events: Iterable[OutboxEvent]) -> dict[int, list[datetime]]:
    """Every time that an update which was corrected has shown, by its key: its incident may have been filed there."""
    corrected = {event.update_id for event in events if event.kind == OutboxEvent.Kind.UPDATE_CORRECTED}
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
    told = [row.first_posted_at for row in touched] + [event.update.display_at for event in events if event.update]
    return {reader.month_name(instant) for instant in chain(told, *shown.values()) if instant}


def _restless_since(
    before: State | None, reader: Reader, events: Iterable[OutboxEvent], shown: dict[int, list[datetime]]
) -> datetime:
    """From when on components may have had another status than the published data says."""
    # What was not over on the day of the last publication went on.
    day = date.fromisoformat(before.date) if before else reader.today
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


def _paths(touched: Iterable[Incident], months: Iterable[str]) -> set[str]:
    """What goes, if it is not made anew."""
    found = {documents.path_of_month(month) for month in months}
    for row in touched:
        found.update(documents.paths_of_incident(row.public_id))
        if row.postmortem:
            found.add(documents.path_of_report(row.postmortem.public_id))
    return found


def _standing(page: Page, reader: Reader) -> set[str]:
    """All paths that history may have."""
    found = {documents.path_of_month(month) for month in reader.months()}
    found |= {path for month in reader.span() for path in open_data.paths_of(month)}
    for incident, report in projection.showing(page).values_list("public_id", "postmortem__public_id"):
        found.update([*documents.paths_of_incident(incident), documents.path_of_report(report or "")])
    return found


# --- What is known of the files ---------------------------------------------------------------------------------------


def _state(root: Path) -> State | None:
    """None when it cannot be read, so that everything is to be made anew."""
    try:
        known = json.loads((root / STATE).read_bytes())
        return State(known["date"], known["version"], tuple(known["rest"]))
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _rest(root: Path) -> tuple[str, ...]:
    state = _state(root)
    return state.rest if state else ()


def _note(root: Path, reader: Reader, rest: Iterable[str]) -> None:
    state = State(reader.today.isoformat(), VERSION, tuple(rest))
    files.replace(root / STATE, json.dumps(asdict(state)).encode())


def _known(root: Path) -> dict[str, open_data.IndexEntry]:
    """The months whose open data is published."""
    return open_data.read_index(files.read(root, open_data.INDEX))


# --- The documents ----------------------------------------------------------------------------------------------------


def _news(
    reader: Reader,
    root: Path,
    touched: Iterable[Incident],
    months: Iterable[str],
    at_once: Iterable[str],
    *,
    is_page_wide: bool,
) -> Iterator[Documents]:
    yield _of_incidents(reader, reader.incidents([row.pk for row in touched]))
    read = {month: reader.month(month) for month in months}
    # A month that comes or goes changes the links of those beside it.
    moved = [
        month for month in read.values()
        if bool(month.incidents) != (root / documents.path_of_month(month.month)).exists()
    ]  # fmt: skip
    for neighbour in {m for month in moved for m in (month.previous, month.next) if m} - read.keys():
        read[neighbour] = reader.month(neighbour)
    for month in read.values():
        yield documents.of_month(month)
    yield _of_site(reader, read)
    if is_page_wide:  # which metrics there are may have changed
        yield _charts(reader)
    yield from _data(reader, root, at_once, read)


def _of_site(reader: Reader, read: dict[str, snapshot.Month]) -> Documents:
    site = reader.site()
    newest = site.last_month and (read.get(site.last_month) or reader.month(site.last_month))
    return documents.of_site(site, newest or None)


def _of_month(reader: Reader, month: str) -> Documents:
    """The page of a month, and those of its incidents."""
    return documents.of_month(reader.month(month)) | _of_incidents(reader, reader.incidents_of(month))


def _of_incidents(reader: Reader, incidents: Iterable[snapshot.Incident]) -> Documents:
    found: Documents = {}
    for incident in incidents:
        found |= documents.of_incident(reader.page, incident)
    return found


def _charts(reader: Reader) -> Documents:
    return documents.of_metrics(reader.page, reader.metrics(charts.SPAN))


def _data(
    reader: Reader, root: Path, months: Iterable[str], read: dict[str, snapshot.Month] | None = None
) -> Iterator[Documents]:
    """The open data of these months, and the index of all that is known."""
    known = _known(root)
    for month in months:
        found = open_data.documents(reader.record((read or {}).get(month) or reader.month(month)))
        known[month] = open_data.index_entry(found)
        yield found
    yield _index(reader, known)


def _index(reader: Reader, known: dict[str, open_data.IndexEntry]) -> Documents:
    return {open_data.INDEX: open_data.index(reader.page, {m: known[m] for m in reader.span() if m in known})}
