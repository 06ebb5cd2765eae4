"""From the outbox to the world, by the clock: publishes what is not yet published, and owes the messages about it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

from incidents.isolation import each, in_turn, loop
from incidents.models import OutboxEvent, Page
from incidents.outages import is_outage
from status.delivery import owing
from status.publication import files, publishing, state

logger = logging.getLogger(__name__)

RUN = 5.0  # seconds that one tick goes through the history of a page
AT_ONCE = 100


def _oldest_unpublished() -> datetime | None:
    return OutboxEvent.objects.unpublished().order_by("id").values_list("created_at", flat=True).first()


def _oldest_unowed() -> datetime | None:
    return OutboxEvent.objects.unowed().order_by("id").values_list("created_at", flat=True).first()


@loop("publish", oldest=_oldest_unpublished)
def relay() -> int:
    """Publish every page that has something unpublished or a new day; returns how many.

    Each page's news come before any page's history.
    """
    pages = list(Page.objects.order_by("id"))
    count = each("publish", [page for page in pages if _may_be_due(page)], _unless_busy(_publish))
    go_through_history(pages)
    return count


@loop("history")
def go_through_history(pages: list[Page]) -> None:
    """Make the months anew that are left of these pages."""
    left = [page for page in pages if state.months_left(files.folder(page.public_id))]
    each("history", left, _unless_busy(_publish_months_left))


@loop("chart")
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
def heartbeat() -> None:
    """Say on every page that it is current, but not on one whose newest facts, or whose day, are not published."""
    each("heartbeat", list(Page.objects.published()), _beat)


def _publish(page: Page) -> int:
    publishing.publish(page, timeout=1.0, seconds=0)
    return 1


def _publish_months_left(page: Page) -> int:
    return len(publishing.publish_months_left(page, timeout=1.0, seconds=RUN))


def _beat(page: Page) -> int:
    if publishing.is_due(page):
        return 0
    publishing.write_heartbeat(page)
    return 1


def _may_be_due(page: Page) -> bool:
    """Also when that cannot be known: then publishing says why."""
    try:
        return publishing.is_due(page)
    except Exception as error:
        if is_outage(error):
            raise
        return True


def _unless_busy(act: Callable[[Page], int]) -> Callable[[Page], int]:
    def tried(page: Page) -> int:
        try:
            return act(page)
        except files.Busy:
            logger.info("page %s is being published by another process", page)
            return 0

    return tried
