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
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db.models import F, Q

from incidents.models import MetricFeed, OutboxEvent, Page
from incidents.record_time import record_time
from status import outside, projection
from status.projection import Reader
from status.publication import changes, files, parts, publisher, state
from status.publication.state import State
from status.rendering import documents, gone, open_data
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
        except (files.Busy, publisher.NotOurs) as error:
            logger.warning("page %s is left to the clock: %s", page, error)


def publish(page: Page, *, timeout: float = 60.0, seconds: float = math.inf, rebuild: bool = False) -> Publication:
    """Publish what is not yet published of `page`. Raises `files.Busy`, `NotOurs`, or OSError when the disk refuses.

    With `rebuild` everything is rendered, whatever was published before. See `publish_months_left` for `seconds`.
    """
    root = files.folder(page.public_id)
    publication = Publication()
    with writing(page, timeout=timeout) as before:
        rows = OutboxEvent.objects.unpublished().filter(page=page).order_by("id")
        events = list(rows.select_related("update", "component_change", "incident"))
        if page.is_published:
            is_page_wide = rebuild or any(map(_is_page_wide, events))
            publication = _publish_news(page, root, events, before, is_page_wide=is_page_wide)
            write_heartbeat(page)
        else:
            files.leave_only(root, _of_nobody(page))
        link_hosts(timeout=timeout)
        keys = [event.pk for event in events]
        OutboxEvent.objects.filter(publisher.is_still_here(), pk__in=keys).update(published_at=record_time())
    publication.written += publish_months_left(page, timeout=timeout, seconds=seconds)
    return publication


def publish_months_left(page: Page, *, timeout: float, seconds: float) -> list[str]:
    """Make the months anew that are left, the newest first, for about `seconds`; returns what was written.

    The lock is free between some incidents and the next, so that an urgent update waits for these and not for years.
    """
    root = files.folder(page.public_id)
    ends_at = time.monotonic() + seconds
    written: list[str] = []
    while seconds > 0 and state.months_left(root):
        with writing(page, timeout=timeout) as before, reading(page) as reader:
            if not before or not before.months_left:  # another process was faster
                break
            *older, month = before.months_left
            after = before.made_to[1] if before.made_to[0] == month else 0
            is_there = month in reader.calendar_months()
            made, last = parts.of_month(reader, root, month, after) if is_there else ([], 0)
            for part in made:
                written += files.write(root, part)
            done = replace(before, made_to=(month, last)) if last else replace(before, months_left=tuple(older))
            state.write(root, done)
        if time.monotonic() >= ends_at:
            break
        time.sleep(2 * files.POLL)
    return written


def link_hosts(*, timeout: float) -> None:
    """Have each host name lead to its page. Raises `files.Busy`."""
    with files.locked(files.root(), timeout=timeout):  # who is last to link was last to read
        files.write(files.root() / files.NOBODY, {"404.html": gone.nobody()})
        files.link(_hosts())


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
    with writing(page, timeout=1.0), reading(page) as reader:
        files.write(root, parts.of_charts(reader))
    for pk, changed_at in changed:
        MetricFeed.objects.filter(pk=pk).update(charted_at=changed_at)
    return True


def has_news(page: Page) -> bool:
    """Whether something is unpublished, or a new day has begun in the page's zone, or the software is new."""
    known = state.read(files.folder(page.public_id))
    is_current = known and (known.date, known.version) == (projection.today(page), state.VERSION)
    return (page.is_published and not is_current) or OutboxEvent.objects.unpublished().filter(page=page).exists()


def is_due(page: Page) -> bool:
    """Whether anything of it is not as it should be: it has news, or months that are left."""
    return has_news(page) or bool(page.is_published and state.months_left(files.folder(page.public_id)))


def write_heartbeat(page: Page) -> None:
    """Record that what readers see is current, by which their pages know. Call it only when it is."""
    content = json.dumps({"at": record_time().strftime("%Y-%m-%dT%H:%M:%SZ")}).encode()
    files.replace(files.folder(page.public_id) / "heartbeat.json", content)


def last_heartbeat(page: Page) -> float:
    """When it was written, in seconds; 0 when it never was."""
    try:
        return (files.folder(page.public_id) / "heartbeat.json").stat().st_mtime
    except OSError:
        return 0.0


def differences(page: Page) -> list[str]:
    """The paths whose published bytes are not what a full render gives now, or that should not be there."""
    root = files.folder(page.public_id)
    wrong: set[str] = set()

    def compare(found: Documents) -> None:
        wrong.update(path for path, content in found.items() if files.read(root, path) != content)

    with _locked(page, timeout=60.0), reading(page) as reader:
        months = reader.calendar_months()
        if page.is_published:
            bounded = parts.of_site(reader) | parts.of_charts(reader) | parts.index(reader, parts.known(root))
            compare(bounded)
            wrong |= files.tracked(root) - bounded.keys() - changes.history_paths(page, reader)
            wrong |= {path for path in files.GONE if (root / path).exists()}
    if not page.is_published:
        compare(_of_nobody(page))
        return sorted(wrong | files.tracked(root))
    for month in months:  # between two of them others may publish
        with _locked(page, timeout=60.0), reading(page) as reader:
            read = reader.month(month)
            data = open_data.documents(reader.record(read))
            incidents = parts.of_incidents(reader, reader.incidents_of(month).values())
            compare(incidents | documents.of_month(read) | data)
            if parts.known(root).get(month) != open_data.index_entry(data):
                wrong.add(open_data.INDEX)
    return sorted(wrong)


# --- What there is to publish -----------------------------------------------------------------------------------------


@contextmanager
def writing(page: Page, *, timeout: float) -> Iterator[State | None]:
    """Nobody else writes the files of a page meanwhile, of which this yields the state. Raises `Busy` and `NotOurs`."""
    publisher.check_folder()
    with _locked(page, timeout=timeout) as before:
        if before:
            publisher.check_version(before.version)
        yield before


@contextmanager
def _locked(page: Page, *, timeout: float) -> Iterator[State | None]:
    root = files.folder(page.public_id)
    with files.locked(root, timeout=timeout):
        page.refresh_from_db()
        yield state.read(root)


@contextmanager
def reading(page: Page) -> Iterator[Reader]:
    """Reads a page as it is at one instant; under the lock of its files, so that older bytes never replace newer."""
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


def _publish_news(
    page: Page, root: Path, events: list[OutboxEvent], before: State | None, *, is_page_wide: bool
) -> Publication:
    """Write what `events` and the day touch, and note which months are left."""
    is_page_wide = is_page_wide or before is None or before.version != state.VERSION
    publication, kept, sizes = Publication(), set[str](), dict[str, int]()
    with reading(page) as reader:  # events committed since are in this snapshot or publish themselves next
        changed = changes.find(page, reader, events, before)
        span, known = set(reader.calendar_months()), parts.known(root).keys()
        due = changed.data_months & span
        at_once = sorted(due)[-MONTHS_AT_ONCE:]
        gone = changed.paths() | {path for month in known - span for path in open_data.paths_of(month)}
        left = (due | span - known).difference(at_once).union(before.months_left if before else ()) & span
        if is_page_wide:
            gone, left = files.tracked(root) - changes.history_paths(page, reader) | {*files.GONE}, span
        for part in parts.of_news(reader, root, changed, at_once, is_page_wide=is_page_wide):
            publication.written += files.write(root, part)
            kept |= part.keys()
            if "index.html" in part:
                sizes = {path: len(content) for path, content in part.items()}
    publication.removed = [path for path in sorted(gone - kept) if files.remove(root, path)]
    made_to = before.made_to if before and not is_page_wide else ("", 0)
    state.write(root, State(reader.today, state.VERSION, tuple(sorted(left)), made_to, sizes))
    return publication
