"""From the outbox to the world, by the clock: publishes what is not yet published, notes who is told of it."""

from __future__ import annotations

import logging
from datetime import timedelta

from django.utils import timezone

from incidents.models import OutboxEvent, Page
from status import files, notifications, publication

logger = logging.getLogger(__name__)

LATE = timedelta(minutes=1)


def relay() -> int:
    """Publish every page that has something unpublished or a new day; returns how many.

    A page that fails stops no other, and is tried again at the next tick.
    """
    count = 0
    for page in Page.objects.order_by("id"):
        if not publication.is_due(page):
            continue
        try:
            publication.publish(page, patience=1.0)
            count += 1
        except files.Busy:
            logger.info("page %s is being published by another process", page)
        except OSError:
            logger.exception("page %s could not be published; the next tick tries again", page)
    return count


def draw() -> int:
    """Draw the charts of every page that measurements came for; returns of how many pages."""
    count = 0
    for page in Page.objects.published().filter(metrics__deleted_at=None).distinct().order_by("id"):
        try:
            count += publication.draw(page)
        except files.Busy:
            logger.info("page %s is being published by another process", page)
        except OSError:
            logger.exception("the charts of page %s could not be drawn; the next tick tries again", page)
    return count


def owe() -> int:
    """Write down who is told of what, in order; returns how many deliveries were added."""
    notifications.cancel_withdrawn()
    return sum(notifications.owe(event) for event in OutboxEvent.objects.unowed().order_by("id")[:100])


def heartbeat() -> None:
    """Say on every page that it is current, but not on one whose newest facts are not out."""
    late = OutboxEvent.objects.unpublished().filter(created_at__lt=timezone.now() - LATE).values("page")
    for page in Page.objects.published().exclude(pk__in=late):
        try:
            if files.folder(page.public_id).exists():
                publication.beat(page)
        except OSError:
            logger.exception("the heartbeat of page %s could not be written", page)
