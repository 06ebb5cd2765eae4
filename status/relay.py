"""From the outbox to the world, by the clock: publishes what is not yet published, and owes the messages about it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import InterfaceError, OperationalError

from incidents.models import OutboxEvent, Page
from status.delivery import owing
from status.publication import files, publishing

logger = logging.getLogger(__name__)

RUN = 5.0  # seconds that one tick goes through the history of a page


def relay() -> int:
    """Publish every page that has something unpublished or a new day; returns how many.

    Each page's news come before any page's history.
    """
    count = 0
    pages = list(Page.objects.order_by("id"))
    for page in pages:
        with _isolated(page):
            if publishing.is_due(page):
                publishing.publish(page, timeout=1.0, seconds=0)
                count += 1
    for page in pages:
        with _isolated(page):
            publishing.publish_months_left(page, timeout=1.0, seconds=RUN)
    return count


def draw() -> int:
    """Draw the charts of every page that measurements came for; returns of how many pages."""
    count = 0
    for page in Page.objects.published().filter(metrics__deleted_at=None).distinct().order_by("id"):
        with _isolated(page):
            count += publishing.publish_charts(page)
    return count


def owe() -> int:
    """Write down which messages are owed to whom, in order; returns how many deliveries were added."""
    owing.cancel_withdrawn()
    events = OutboxEvent.objects.unowed().select_related("page", "update").order_by("id")
    return sum(owing.owe(event) for event in events[:100])


def heartbeat() -> None:
    """Say on every page that it is current, but not on one whose newest facts, or whose day, are not published."""
    for page in Page.objects.published():
        with _isolated(page):
            if not publishing.is_due(page):
                publishing.write_heartbeat(page)


@contextmanager
def _isolated(page: Page) -> Iterator[None]:
    """What fails of one page stops no other, and is tried again at the next tick."""
    try:
        yield
    except files.Busy:
        logger.info("page %s is being published by another process", page)
    except (OperationalError, InterfaceError):
        raise
    except Exception:  # of whatever kind: the disk, a template, a row that no one foresaw
        logger.exception("page %s could not be published; the next tick tries again", page)
