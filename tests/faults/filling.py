"""A site that has been at work for years: ended incidents, and messages of which most are sent.

It runs in the folder of the version whose site it is, and in a process of its own.
"""

from __future__ import annotations

import sys
from datetime import timedelta

RECIPIENTS = 500
EVENTS_DUE = 2  # whose messages nobody has been sent yet


def fill(incidents: int, deliveries: int) -> None:
    """Add to what `tests.faults.site` prepared; as many deliveries are sent, and some more are due."""
    import django

    django.setup()

    from django.utils import timezone
    from simple_history.utils import bulk_create_with_history

    from incidents.lifecycle import IncidentStatus
    from incidents.models import Component, OutboxEvent, Page, User
    from status.delivery import owing
    from status.models import Delivery, Subscriber
    from tests.old_incidents import make_history

    page, ada, now = Page.objects.get(), User.objects.get(username="ada"), timezone.now()
    apart = timedelta(hours=3)
    make_history(page, list(Component.objects.all()), ada, count=incidents, before=now - timedelta(days=1), apart=apart)
    rows = [
        Subscriber(page=page, address=f"reader-{n}@example.com", state=Subscriber.State.ACTIVE)
        for n in range(RECIPIENTS - Subscriber.objects.count())
    ]
    bulk_create_with_history(rows, Subscriber, batch_size=500, default_user=ada)
    ends = OutboxEvent.objects.filter(update__status=IncidentStatus.RESOLVED).order_by("-id")
    for event in ends[: deliveries // RECIPIENTS + EVENTS_DUE]:
        event.notify = True
        owing.owe(event)
        event.save()
    due = Delivery.objects.order_by("-id").values("event")[: RECIPIENTS * EVENTS_DUE]
    Delivery.objects.exclude(event__in=due).update(
        state=Delivery.State.SENT, finished_at=timezone.now(), attempts=1, answer="250 2.0.0 taken"
    )


if __name__ == "__main__":
    fill(*map(int, sys.argv[1:]))
