"""Webhooks that are due: many are posted side by side, so that one that hangs holds up no other.

A webhook that fails is tried for days, and its owner is told on the first one. Only one that has failed for
GIVEN_UP_AFTER, or says itself that it is gone, is put into quarantine: an outage of ours must not cost anybody their
subscription.
"""

from __future__ import annotations

import logging
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import timedelta

from django.db import InterfaceError, OperationalError
from django.db.models import Q
from django.utils import timezone

from incidents.authorship import service
from incidents.models import User
from incidents.people import service_user
from incidents.permissions import Verb
from status.addresses import INTERNET, Network
from status.delivery import webhooks
from status.delivery.engine import (
    RUN,
    Outcome,
    State,
    Telling,
    claim,
    record,
)
from status.models import Delivery, Recipient
from status.subscriptions import subscribers

logger = logging.getLogger(__name__)

AT_ONCE = 32
GIVEN_UP_AFTER = timedelta(days=5)
BLIP = timedelta(hours=1)  # a failure that is over by then is nothing to write home about

BY_WEBHOOK = Q(recipient__channel=Recipient.Channel.WEBHOOK) & Q(purpose=Delivery.Purpose.EVENT)


def deliver_webhooks(seconds: float = RUN, network: Network = INTERNET) -> int:
    """Post what is due until nothing is, or for about so long; returns how many were accepted."""
    ends_at = time.monotonic() + seconds
    telling, count = Telling(webhooks.messages_of, webhooks.READ), 0
    under_way: dict[Future[webhooks.Answer], Delivery] = {}
    with ThreadPoolExecutor(AT_ONCE) as pool:  # its threads know no database
        while True:
            if time.monotonic() < ends_at and (room := AT_ONCE - len(under_way)):
                try:
                    keys = [row.pk for row in claim(BY_WEBHOOK, room)]
                    for delivery in Delivery.objects.select_related("recipient").filter(pk__in=keys):
                        if wanted := _requests(delivery, telling):
                            under_way[pool.submit(webhooks.send, wanted, network)] = delivery
                except (OperationalError, InterfaceError):
                    # What is under way is answered all the same, and is written down once the database is back.
                    logger.warning("the database does not answer; the next tick goes on")
                    ends_at = 0.0
            if not under_way:
                return count
            for future in wait(under_way, timeout=1, return_when=FIRST_COMPLETED).done:
                count += _answered(under_way.pop(future), future.result())


def _requests(delivery: Delivery, telling: Telling[list[webhooks.Message]]) -> list[webhooks.Request]:
    """None when it was cancelled instead, which is then written down."""
    assert delivery.event_id, "a webhook is told of events only"
    state = delivery.recipient.state
    messages = telling.of(delivery.event_id) if state == Recipient.State.ACTIVE else []
    if not messages:
        reason = "withdrawn" if state == Recipient.State.ACTIVE else state
        record({delivery.pk: Outcome(State.CANCELLED, reason)})
    return webhooks.requests(messages, delivery)


def _answered(delivery: Delivery, answer: webhooks.Answer) -> bool:
    recipient, author = delivery.recipient, service_user("webhooks", role="subscriptions")
    if answer.is_accepted:
        record({delivery.pk: Outcome(State.SENT, answer=answer.text)})
        if recipient.failing_since:
            recover(recipient, author=author)
        return True
    pause = None if answer.is_gone else webhooks.next_attempt(delivery.attempts)
    if pause:
        outcome = Outcome(State.DUE, answer=answer.text, due_at=timezone.now() + pause)
    else:
        outcome = Outcome(State.FAILED, "refused" if answer.is_gone else "given_up", answer.text)
    record({delivery.pk: outcome})
    begin_failing(recipient, author=author)
    is_hopeless = recipient.failing_since and recipient.failing_since < timezone.now() - GIVEN_UP_AFTER
    if answer.is_gone or (pause is None and is_hopeless):
        subscribers.quarantine(recipient, reason=answer.text, author=author)
    return False


@service(Verb.MANAGE_SUBSCRIBERS, locks=Recipient)
def begin_failing(recipient: Recipient, *, author: User) -> None:
    """Note since when a webhook fails, and owe its owner a warning. Harmless when it is noted already."""
    recipient.lock()
    if recipient.failing_since is None:
        recipient.failing_since = timezone.now()
        recipient.save()
        if recipient.contact:
            subscribers.owe_mail(recipient, Delivery.Purpose.WARNING, due_at=recipient.failing_since + BLIP)


@service(Verb.MANAGE_SUBSCRIBERS, locks=Recipient)
def recover(recipient: Recipient, *, author: User) -> None:
    """A webhook works again; its owner need not be warned, if that has not happened yet."""
    recipient.lock()
    recipient.failing_since = None
    recipient.save()
    Delivery.objects.due().filter(recipient=recipient, purpose=Delivery.Purpose.WARNING).update(
        state=State.CANCELLED, reason="recovered", finished_at=timezone.now()
    )
