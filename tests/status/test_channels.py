"""Every channel is driven by the clock: one that no task sends would keep its messages due for ever."""

from __future__ import annotations

import pytest
from django.core.management import call_command
from django.utils import timezone

from incidents.authorship import authored_by
from incidents.models import OutboxEvent, Page, User
from status.delivery.channels import CHANNELS
from status.models import Delivery, Nudge, Recipient

pytestmark = pytest.mark.long


@pytest.mark.parametrize("channel", Recipient.Channel.values)
def test_a_task_of_the_clock_claims_what_is_due_by_each_channel(channel: str, page: Page, admin: User) -> None:
    with authored_by(admin):
        # Nobody is reached: what is owed to somebody who has left is cancelled by whoever claims it.
        recipient = Recipient.objects.create(
            page=page, channel=channel, address="a@acme.example", state=Recipient.State.UNSUBSCRIBED, everything=False
        )
    now = timezone.now()
    if Delivery.Purpose.NUDGE in CHANNELS[channel].writes:
        nudge = Nudge.objects.create(page=page, key=Nudge.TEST, subject="x", title="Test", path="/", due_at=now)
        delivery = Delivery(recipient=recipient, nudge=nudge, purpose=Delivery.Purpose.NUDGE, due_at=now)
    else:
        event = OutboxEvent.objects.create(page=page, kind=OutboxEvent.Kind.PAGE_CHANGED)
        delivery = Delivery(recipient=recipient, event=event, due_at=now)
    delivery.save()

    call_command("tick")

    delivery.refresh_from_db()
    assert (delivery.state, delivery.reason) == (Delivery.State.CANCELLED, Recipient.State.UNSUBSCRIBED)
