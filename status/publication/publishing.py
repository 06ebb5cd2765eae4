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
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db.models import F, Q

from incidents.models import MetricFeed, OutboxEvent, Page
from incidents.record_time import record_time
from status import outside, projection
from status.projection import Reader
from status.publication import changes, files, state
from status.rendering import charts, documents, gone, open_data, snapshot
from status.rendering.documents import Documents

logger = logging.getLogger(__name__)

FAST_TIMEOUT = 1.0  # seconds that a staff member's request waits for another publication
MONTHS_AT_ONCE = 2  # whose open data is written together with the news that touch it


@dataclass(slots=True)
class Publication:
    written: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)


def on_event(*, page_id: int, **_kwargs: Any) -> None:
    """Right after a commit: publish what is not yet published; what touches all months is left to the clock."""
    outside.give_back_slot()
    page = Page.objects.get(pk=page_id)
    if OutboxEvent.objects.unpublished().filter(page=page).exists():
        try:
            publish(page, timeout=FAST_TIMEOUT, seconds=0)
        except files.Busy:
            logger.warning("page %s is being published by another process; the clock will publish the rest", page)


def publish(page: Page, *, timeout: float = 60.0, seconds: float = math.inf, rebuild: bool = False) -> Publication:
    """Publish what is not yet published of `page`. Raises `files.Busy`, or OSError when the disk refuses.

    With `rebuild` everything is rendered, whatever was published before. See `publish_months_left` for `seconds`.
    """
    root = files.folder(page.public_id)
    publication = Publication()
    with files.locked(root, timeout=timeout):
        page.refresh_from_db()
        rows = OutboxEvent.objects.unpublished().filter(page=page).order_by("id")
        events = list(rows.select_related("update", "component_change", "incident"))
        if page.is_published:
            publication = _publish_news(page, root, events, is_page_wide=rebuild or any(map(_is_page_wide, events)))
            write_heartbeat(page)
        else:
            files.leave_only(root, _of_nobody(page))
        with files.locked(files.root(), timeout=timeout):  # who is last to link was last to read
            files.write(files.root() / files.NOBODY, {"404.html": gone.nobody()})
            files.link(_hosts())
        OutboxEvent.objects.filter(pk__in=[event.pk for event in events]).update(published_at=record_time())
    publication.written += publish_months_left(page, timeout=timeout, seconds=seconds)
    return publication


def publish_months_left(page: Page, *, timeout: float, seconds: float) -> list[str]:
    """Make the months anew that are left, the newest first, for about `seconds`; returns what was written.

    The lock is free between two of them, so that an urgent update waits for one month and not for years.
    """
    root = files.folder(page.public_id)
    ends_at = time.monotonic() + seconds
    written: list[str] = []
    while time.monotonic() < ends_at and state.months_left(root):
        with _reading(page, timeout=timeout) as reader:
            if not (left := state.months_left(root)):  # another process was faster
                break
            *older, month = left
            for part in (_of_month(reader, month), *_data(reader, root, [month])):
                written += files.write(root, part)
            _write_state(root, reader, older)
        if older:
            time.sleep(2 * files.POLL)
    return written


def publish_charts(page: Page) -> bool:
    """Publish the charts of a page if measurements came; returns whether they had. Raises as `publish` does.

    Nothing else of the page is read or written, so its cost does not depend on the page.
    """
    root = files.folder(page.public_id)
    is_new = Q(charted_at=None) | Q(changed_at__gt=F("charted_at"))
    feeds = MetricFeed.objects.filter(is_new, metric__page=page, metric__deleted_at=None, changed_at__isnull=False)
    changed = list(feeds.values_list("pk", "changed_at"))
    if not changed or not page.is_published or not state.read(root):
        return False
    with _reading(page, timeout=1.0) as reader:
        files.write(root, _charts(reader))
    for pk, changed_at in changed:
        MetricFeed.objects.filter(pk=pk).update(charted_at=changed_at)
    return True


def is_due(page: Page) -> bool:
    """Whether something is unpublished or left over, or a new day has begun in the page's zone."""
    current = state.State(projection.today(page).isoformat(), state.VERSION)
    is_current = state.read(files.folder(page.public_id)) == current
    return (page.is_published and not is_current) or OutboxEvent.objects.unpublished().filter(page=page).exists()


def write_heartbeat(page: Page) -> None:
    """Record that what readers see is current, by which their pages know. Call it only when it is."""
    content = json.dumps({"at": record_time().strftime("%Y-%m-%dT%H:%M:%SZ")}).encode()
    files.replace(files.folder(page.public_id) / "heartbeat.json", content)


def differences(page: Page) -> list[str]:
    """The paths whose published bytes are not what a full render gives now, or that should not be there."""
    root = files.folder(page.public_id)
    wrong: set[str] = set()

    def compare(found: Documents) -> None:
        wrong.update(path for path, content in found.items() if files.read(root, path) != content)

    with _reading(page, timeout=60.0) as reader:
        months = reader.calendar_months()
        if page.is_published:
            bounded = _of_site(reader, {}) | _charts(reader) | _index(reader, _known(root))
            compare(bounded)
            wrong |= files.tracked(root) - bounded.keys() - changes.history_paths(page, reader)
            wrong |= {path for path in files.GONE if (root / path).exists()}
    if not page.is_published:
        compare(_of_nobody(page))
        return sorted(wrong | files.tracked(root))
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
    """Reads a page as it is at one instant, while nobody else writes its files."""
    with files.locked(files.folder(page.public_id), timeout=timeout):
        page.refresh_from_db()
        with projection.consistent():
            yield Reader(page, projection.today(page))


def _is_page_wide(event: OutboxEvent) -> bool:
    return event.kind == OutboxEvent.Kind.PAGE_CHANGED


def _hosts() -> dict[str, str]:
    """Whose each host name is, by public id: a page's, also of one that was deleted, or "" for nobody's.

    No name shows another page than its own. A name that is no page's shows the only page that there is, or the one
    that DEFAULT_PAGE names.
    """
    rows = sorted(Page.objects.all(), key=lambda page: (page.deleted_at is None, page.pk))  # a live page has the name
    hosts = {page.host: page.public_id if page.is_live else "" for page in rows}
    live = [page for page in rows if page.is_published]
    named = [page for page in live if page.host == settings.DEFAULT_PAGE] if settings.DEFAULT_PAGE else live
    return hosts | {"_default": named[0].public_id if len(named) == 1 else ""}


def _of_nobody(page: Page) -> Documents:
    """What stands at the address of a page that is not public: that it is gone, if it was."""
    return gone.documents(Reader(page, projection.today(page)).page) if page.deleted_at and page.is_live else {}


def _publish_news(page: Page, root: Path, events: list[OutboxEvent], *, is_page_wide: bool) -> Publication:
    """Write what `events` and the day touch, and note which months are left."""
    before = state.read(root)
    is_page_wide = is_page_wide or before is None or before.version != state.VERSION
    publication, kept = Publication(), set[str]()
    with projection.consistent():
        # Events committed since are in this snapshot or publish themselves next.
        reader = Reader(page, projection.today(page))
        changed = changes.find(page, reader, events, before)
        span, known = set(reader.calendar_months()), _known(root).keys()
        due = changed.data_months & span
        at_once = sorted(due)[-MONTHS_AT_ONCE:]
        gone = changed.paths() | {path for month in known - span for path in open_data.paths_of(month)}
        left = (due | span - known).difference(at_once).union(before.months_left if before else ()) & span
        if is_page_wide:
            gone, left = files.tracked(root) - changes.history_paths(page, reader) | {*files.GONE}, span
        for part in _news(reader, root, changed, at_once, is_page_wide=is_page_wide):
            publication.written += files.write(root, part)
            kept |= part.keys()
    publication.removed = [path for path in sorted(gone - kept) if files.remove(root, path)]
    _write_state(root, reader, sorted(left))
    return publication


def _write_state(root: Path, reader: Reader, months_left: Iterable[str]) -> None:
    state.write(root, state.State(reader.today.isoformat(), state.VERSION, tuple(months_left)))


def _known(root: Path) -> dict[str, open_data.IndexEntry]:
    """The months whose open data is published."""
    return open_data.read_index(files.read(root, open_data.INDEX))


# --- The documents ----------------------------------------------------------------------------------------------------


def _news(
    reader: Reader,
    root: Path,
    changed: changes.Changes,
    at_once: Iterable[str],
    *,
    is_page_wide: bool,
) -> Iterator[Documents]:
    yield _of_incidents(reader, reader.incidents([row.pk for row in changed.incidents]))
    read = {month: reader.month(month) for month in changed.months}
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
    months = {month: known[month] for month in reader.calendar_months() if month in known}
    return {open_data.INDEX: open_data.index(reader.page, months)}
