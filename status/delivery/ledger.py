"""How each public fact was delivered: how many are owed its message, how many have it, and how long that took."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Count, Max, Q

from incidents.isolation import each, loop
from incidents.models import OutboxEvent
from incidents.record_time import record_time
from status.models import Delivery, Recipient, Tally

State = Delivery.State
QUARANTINED = Q(state=State.CANCELLED, reason="quarantined")
COUNTS = {
    "due": Q(state=State.DUE),
    "sent": Q(state=State.SENT),
    "failed": Q(state=State.FAILED),
    "quarantined": QUARANTINED,
    "cancelled": Q(state=State.CANCELLED) & ~QUARANTINED,
}
WATCHED = timedelta(days=2)  # a mail is given up after one


def totals(events: Iterable[OutboxEvent]) -> dict[int, dict[str, Any]]:
    """Of each event, by its primary key: COUNTS, and `last`, when the last message was sent; one query."""
    wanted: dict[str, Any] = {name: Count("pk", filter=which) for name, which in COUNTS.items()}
    wanted["last"] = Max("finished_at", filter=Q(state=State.SENT))
    rows: Any = Delivery.objects.filter(event__in=list(events)).values("event").annotate(**wanted)
    return {row["event"]: row for row in rows}


@loop("tally")
def settle() -> int:
    """Note how many people each update has reached by e-mail, for pages that say so; returns how many notes changed.

    Each is noted once everybody was tried, and again when nothing is due any more: a change of an update's line is
    published twice at the most. For the clock, as often as it likes.
    """
    posted = OutboxEvent.objects.filter(kind=OutboxEvent.Kind.UPDATE_POSTED, notify=True, page__shows_totals=True)
    recent = posted.filter(owed_at__isnull=False, created_at__gt=record_time() - WATCHED)
    open_ones = recent.exclude(tally__is_final=True).order_by("id").select_related("page", "incident", "update")
    return each("tally", open_ones, _settle)


@transaction.atomic
def _settle(event: OutboxEvent) -> bool:
    mails = Delivery.objects.filter(event=event, recipient__channel=Recipient.Channel.EMAIL)
    if mails.due().filter(attempts=0).exists():
        return False
    is_final = not mails.due().exists()
    found = mails.filter(state=State.SENT).aggregate(people=Count("pk"), last=Max("finished_at"))
    took = found["last"] - event.created_at if found["last"] else timedelta()
    before = Tally.objects.filter(event=event).first()
    Tally.objects.update_or_create(
        event=event, defaults={"people": found["people"], "took": took, "is_final": is_final}
    )
    is_news: bool = found["people"] != (before.people if before else 0)
    if is_news:  # the relay publishes it
        OutboxEvent.objects.create(
            page=event.page, kind=OutboxEvent.Kind.DELIVERIES_COUNTED, incident=event.incident, update=event.update
        )
    return is_news
