"""Messages of long ago: who was notified is forgotten some day, and never owed anew."""

from __future__ import annotations

import logging
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from incidents.history import seals
from incidents.lifecycle import OPEN
from incidents.marks import is_same
from incidents.models import OutboxEvent, Postmortem
from incidents.record_time import record_time
from status.delivery import owing
from status.models import Delivery

AT_ONCE = 2000

logger = logging.getLogger(__name__)


def drop_old() -> int:
    """Delete messages about what has been over for DELIVERIES_KEPT days, a few at a time; returns how many.

    What an incident that goes on, or a report that is not public yet, still needs is kept, and so is every message that
    is about no event: there are few, and their recipients' histories say how many.
    """
    if not settings.DELIVERIES_KEPT:
        return 0
    today = record_time().replace(hour=0, minute=0, second=0, microsecond=0)
    until = seals.let_go(Delivery, before=today - timedelta(days=settings.DELIVERIES_KEPT))
    if until is None:
        return 0
    unpublished = Q(event__incident__postmortem__isnull=False) & ~Q(
        event__incident__postmortem__state=Postmortem.State.PUBLISHED
    )
    old = Delivery.objects.filter(finished_at__lte=until, event__isnull=False)
    old = old.exclude(Q(event__incident__status__in=OPEN) | unpublished)
    with transaction.atomic():
        found = list(old.order_by("finished_at", "pk").values_list("pk", "event")[:AT_ONCE])
        events = OutboxEvent.objects.filter(pk__in={event for _key, event in found}).order_by("pk")
        # One of which somebody removed a message stays miscounted, for `audit --verify`.
        counted = [
            event
            for event in events.select_for_update(no_key=True)
            if is_same(event.mark, event.mark_owed(event.deliveries.count()))
        ]
        # Not what staff have sent again meanwhile
        count, _by_model = Delivery.objects.filter(
            pk__in=[key for key, _event in found], finished_at__lte=until
        ).delete()
        for event in counted:
            owing.note_owed(event)
    if count:
        logger.info("deleted %d messages that finished by %s", count, until)
    return count
