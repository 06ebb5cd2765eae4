"""Recipients that messages do not reach: noted, warned, put into quarantine and released."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import Q
from django.utils.translation import gettext as _

from incidents.authorship import service
from incidents.errors import InvalidTransition
from incidents.models import User
from incidents.permissions import Verb
from incidents.record_time import record_time
from status.addresses import without_addresses
from status.delivery import owing
from status.models import Delivery, Recipient, Subscriber

BLIP = timedelta(hours=1)  # a failure that is over by then is nothing to write home about

State, Purpose = Recipient.State, Delivery.Purpose


@service(Verb.MANAGE_SUBSCRIBERS, locks=Recipient)
def begin_failing(recipient: Recipient, *, author: User) -> None:
    """Note since when a recipient fails, and owe its owner a warning. Harmless when it is noted already."""
    recipient.lock()
    now = record_time()
    if recipient.failing_since is None and recipient.contact:
        owing.owe_mail(recipient, Purpose.WARNING, due_at=now + BLIP, failing_since=now)
    elif recipient.failing_since is None:
        recipient.change(failing_since=now)


@service(Verb.MANAGE_SUBSCRIBERS, locks=Recipient)
def recover(recipient: Recipient, *, author: User) -> None:
    """A recipient works again; its owner need not be warned, if that has not happened yet."""
    recipient.lock()
    recipient.change(failing_since=None)
    owing.cancel_due(Q(recipient=recipient, purpose=Purpose.WARNING), "recovered")


@service(Verb.MANAGE_SUBSCRIBERS, locks=Recipient)
def quarantine(recipient: Recipient, *, reason: str, author: User) -> None:
    """Send nothing until staff release it: mail came back, or a webhook failed for days.

    What is still due is cancelled, so record first what became of the delivery that is the reason.
    """
    recipient.lock()
    if recipient.state in (State.ACTIVE, State.UNCONFIRMED):
        reason = without_addresses(reason, recipient.address, recipient.contact)
        recipient.change(state=State.QUARANTINED, reason=reason)
        # A webhook's owner is still warned of it.
        owing.cancel_due(Q(recipient=recipient) & ~Q(purpose=Purpose.WARNING), "quarantined")


@service(Verb.MANAGE_SUBSCRIBERS, locks=Recipient)
def quarantine_address(address: str, *, reason: str, author: User) -> None:
    """The same for every subscription of a mailbox, of which a mail provider says that it takes no mail of ours."""
    found = Subscriber.objects.filter(channel=Recipient.Channel.EMAIL, address__iexact=address)
    for recipient in found.order_by("pk"):
        quarantine(recipient, reason=reason, author=author)


@service(Verb.MANAGE_SUBSCRIBERS, locks=Recipient)
def release(recipient: Recipient, *, author: User) -> None:
    """Send again: the address works, or its owner asks for it."""
    recipient.lock()
    if recipient.state != State.QUARANTINED:
        raise InvalidTransition(_("Only a subscriber in quarantine can be released."))
    state = State.ACTIVE if recipient.confirmed_at else State.UNCONFIRMED
    recipient.change(state=state, reason="", failing_since=None)
