"""From the outbox to the world, by the clock: publishes what is not yet published, and owes the messages about it.

What a page has to say now comes before what is only old, all pages together have some seconds, and what is left comes
at the next tick.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import datetime
from functools import wraps

from incidents import isolation
from incidents.isolation import each, in_turn, isolated, loop
from incidents.models import Failure, OutboxEvent, Page
from incidents.outages import is_outage
from status.delivery import owing
from status.publication import files, healing, publisher, publishing, state

logger = logging.getLogger(__name__)

AT_ONCE = 100


def _oldest_unpublished() -> datetime | None:
    return OutboxEvent.objects.unpublished().order_by("id").values_list("created_at", flat=True).first()


def _oldest_unowed() -> datetime | None:
    return OutboxEvent.objects.unowed().order_by("id").values_list("created_at", flat=True).first()


def _here_and_alone(work: Callable[[], int]) -> Callable[[], int]:
    """Only in the folder that pages are published in, and not while the tick before is still at it."""

    @wraps(work)
    def tried() -> int:
        try:
            publisher.check_folder()
            with files.locked(files.root() / ".ticks" / work.__name__, timeout=0):
                return work()
        except (files.Busy, publisher.NotOurs):
            return 0

    return tried


def relay() -> int:
    """Publish what there is to say, and then for a while what is old; returns how many pages had something to say."""
    count = publish_news()
    go_through_history()
    return count


@loop("publish", oldest=_oldest_unpublished)
@_here_and_alone
def publish_news() -> int:
    """Publish every page that has something unpublished or a new day; returns how many.

    First those that have something to say, then those that nobody can read yet, then the rest.
    """
    waiting = OutboxEvent.objects.unpublished().order_by("id").values_list("page", flat=True)
    urgent = list(dict.fromkeys(waiting))
    pages = [page for page in Page.objects.order_by("id") if page.pk in urgent or _may_have_news(page)]
    pages.sort(key=lambda page: (_rank(page, urgent), page.pk))
    return each("publish", pages, _unless_busy(_publish))


@loop("history")
@_here_and_alone
def go_through_history() -> int:
    """Make the months anew that are left of any page, where the fewest are first; returns how many documents differed.

    So a page of which little is old does not wait for the whole history of another one.
    """
    ends_at = time.monotonic() + isolation.TICK

    def publish(page: Page) -> int:
        return len(publishing.publish_months_left(page, timeout=1.0, seconds=ends_at - time.monotonic()))

    months = {page: len(state.months_left(files.folder(page.public_id))) for page in Page.objects.order_by("id")}
    left = sorted((page for page in months if months[page]), key=lambda page: months[page])
    count = each("history", left, _unless_busy(publish))
    with isolated("history", "aside"):
        files.drop_aside(ends_at - time.monotonic())
    return count


@loop("chart")
@_here_and_alone
def draw() -> int:
    """Draw the charts of every page that measurements came for; returns of how many pages."""
    pages = Page.objects.published().filter(metrics__deleted_at=None).distinct().order_by("id")
    return each("chart", list(pages), _unless_busy(publishing.publish_charts))


@loop("owe", oldest=_oldest_unowed)
def owe() -> int:
    """Write down which messages are owed to whom, in order; returns how many deliveries were added."""
    in_turn(owing.cancel_withdrawn)
    events = OutboxEvent.objects.unowed().select_related("page", "update").order_by("id")
    return each("owe", events, owing.owe, most=AT_ONCE)


@loop("heartbeat")
@_here_and_alone
def heartbeat() -> int:
    """Say on every page that it is current, but not on one whose newest facts, or whose day, are not published.

    Those that were confirmed longest ago come first. Returns how many were.
    """
    with isolated("heartbeat", "hosts"):
        publishing.link_hosts(timeout=1.0)
    pages = sorted(Page.objects.published(), key=publishing.last_heartbeat)
    return each("heartbeat", pages, _unless_busy(_beat))


@loop("heal")
@_here_and_alone
def heal() -> int:
    """Go on comparing what is published with the record, and make it right; returns how many files were wrong."""
    ends_at = time.monotonic() + isolation.TICK
    begun = healing.place().page
    pages = sorted(Page.objects.published(), key=lambda page: (page.pk < begun, page.pk))
    return each("heal", pages, _unless_busy(lambda page: _heal(page, ends_at)))


def note_folder() -> None:
    """Where another folder is published in, have staff read so."""
    key = publisher.identity()
    with isolated(publisher.FAILURE, key, Failure.objects.filter(kind=publisher.FAILURE, key=key).first()):
        publisher.check_folder()


def _rank(page: Page, urgent: list[int]) -> int:
    if page.pk in urgent:
        return urgent.index(page.pk) - len(urgent)
    return int(state.read(files.folder(page.public_id)) is not None)


def _publish(page: Page) -> int:
    publishing.publish(page, timeout=1.0, seconds=0)
    return 1


def _beat(page: Page) -> int:
    if publishing.is_due(page):
        return 0
    if healing.is_damaged(page):
        wrong = publishing.publish(page, timeout=1.0, seconds=0).written
        logger.warning("page %s had files of a wrong size, which are made anew: %s", page, ", ".join(wrong))
    else:
        publishing.write_heartbeat(page)
    return 1


def _heal(page: Page, ends_at: float) -> int:
    at, count = healing.place(), 0
    if at.page != page.pk:
        at = healing.Place(page.pk)
    while at.page == page.pk and time.monotonic() < ends_at and not publishing.is_due(page):
        wrong, at = healing.heal(page, at, timeout=1.0)
        if wrong:
            logger.warning("page %s had files that were not right, which are made anew: %s", page, ", ".join(wrong))
        count += len(wrong)
    healing.note(at)
    return count


def _may_have_news(page: Page) -> bool:
    """Also when that cannot be known: then publishing says why."""
    try:
        return publishing.has_news(page)
    except Exception as error:
        if is_outage(error):
            raise
        return True


def _unless_busy(act: Callable[[Page], int]) -> Callable[[Page], int]:
    def tried(page: Page) -> int:
        try:
            return act(page)
        except (files.Busy, publisher.NotOurs) as error:
            logger.info("page %s is left to the next tick: %s", page, error)
            return 0

    return tried
