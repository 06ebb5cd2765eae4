"""Subscriptions to a page: asked for, confirmed, changed and ended, and what staff do with them.

Whoever holds a link from a mail acts in the name of `subscriber()`. No address gets into a log or a history row, so
that `forget` can keep its promise.
"""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.core.exceptions import ValidationError
from django.core.validators import EmailValidator
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from incidents.authorship import service
from incidents.errors import InvalidInput, InvalidTransition
from incidents.lifecycle import Impact
from incidents.models import Component, Incident, Page, User
from incidents.people import clock, service_user
from incidents.permissions import Verb
from status.models import Delivery, DeliveryQuerySet, Follow, Recipient, SignUp, SignUpCount
from status.secrets import seal
from status.tokens import CONFIRM_WITHIN

PAUSE = timedelta(hours=1)  # between two mails that a stranger can have us send to one address
ADDRESS_LENGTH = 254  # RFC 5321
DROPPED_AT_ONCE = 500

State = Recipient.State
_EMAIL = EmailValidator(allowlist=[])


@dataclass(frozen=True, slots=True)
class Choices:
    """What a recipient hears about: everything on the page, or what these components and incidents are."""

    everything: bool = True
    components: Sequence[Component] = ()
    incidents: Sequence[Incident] = ()
    postmortems_only: bool = False
    minimum_impact: Impact = Impact.NONE


def subscriber() -> User:
    """In whose name the public acts: every change has an author."""
    return service_user("subscriber", role="subscriptions")


# --- What the public does ---------------------------------------------------------------------------------------------


@service(Verb.MANAGE_SUBSCRIBERS, locks=Recipient)
def subscribe(page: Page, *, address: str, author: User, incident: Incident | None = None) -> None:
    """Note that somebody asked for messages to this address, and owe it one mail; nothing else before it is confirmed.

    With `incident` they asked for that one alone, until it is over. The mail to an address that is subscribed already
    carries the link to change that, and its subscription stays as it is. Raises `InvalidInput`.
    """
    address = normalised(address)
    recipient, is_new = Recipient.objects.get_or_create(page=page, channel=Recipient.Channel.EMAIL, address=address)
    recipient.lock()
    if recipient.state == State.UNSUBSCRIBED:
        _follow(recipient, Choices())
        is_new = True
    if recipient.state in (State.UNCONFIRMED, State.UNSUBSCRIBED):
        recipient.state = State.UNCONFIRMED
        recipient.everything = incident is None or (recipient.everything and not is_new)
        if incident:
            recipient.follows.get_or_create(incident=incident)
    owe_confirmation(recipient)
    recipient.save()


@service(Verb.MANAGE_SUBSCRIBERS, locks=Recipient)
def subscribe_webhook(page: Page, *, url: str, contact: str, author: User) -> None:
    """Note that somebody asked for messages to a program at `url`, and owe the mailbox `contact` one mail about it.

    A URL that somebody else has subscribed stays theirs, and neither of them is told.
    """
    contact = normalised(contact)
    found = Recipient.objects.filter(page=page, channel=Recipient.Channel.WEBHOOK, address=url).first()
    recipient = found and found.lock()
    if recipient and recipient.contact != contact:
        if recipient.state not in (State.UNCONFIRMED, State.UNSUBSCRIBED):
            return
        _erase(recipient)  # what its owner was sent must not open what is another's from now on
        recipient = None
    if recipient is None:
        recipient = Recipient(page=page, channel=Recipient.Channel.WEBHOOK, address=url, contact=contact)
    if recipient.state == State.UNSUBSCRIBED:
        _follow(recipient, Choices())
    if recipient.state in (State.UNCONFIRMED, State.UNSUBSCRIBED):
        recipient.state, recipient.secret = State.UNCONFIRMED, seal(new_secret())
    recipient.save()
    owe_confirmation(recipient)
    recipient.save()


def owe_confirmation(recipient: Recipient) -> None:
    """Owe its mailbox a mail that asks for its consent, unless a stranger has had us send it one within PAUSE.

    Sets, but does not save, when that was. Asked under the lock: of two at the same moment the second one sees what
    the first one sent.
    """
    now = timezone.now()
    mailbox = recipient.contact or recipient.address
    mine = Q(channel=Recipient.Channel.EMAIL, address=mailbox) | Q(channel=Recipient.Channel.WEBHOOK, contact=mailbox)
    # Each page by itself, for the index begins with it.
    mailed = Recipient.objects.filter(mine, page__in=Page.objects.all(), confirmation_sent_at__gt=now - PAUSE)
    if recipient.state != State.QUARANTINED and not mailed.exists():
        recipient.confirmation_sent_at = now
        owe_mail(recipient, Delivery.Purpose.CONFIRMATION, due_at=now)


def owe_mail(recipient: Recipient, purpose: Delivery.Purpose, *, due_at: datetime) -> None:
    """Owe a recipient a mail that is about no event."""
    Delivery.objects.create(recipient=recipient, purpose=purpose, priority=Delivery.Priority.PERSONAL, due_at=due_at)


@service(Verb.MANAGE_SUBSCRIBERS, locks=Recipient)
def confirm(recipient: Recipient, *, asked_at: datetime | None, author: User) -> None:
    """The address belongs to who asked then, and for nothing later. Harmless when repeated."""
    recipient.lock()
    is_the_same = recipient.confirmation_sent_at == asked_at
    if is_the_same and recipient.state == State.ACTIVE:
        return
    if not is_the_same or recipient.state != State.UNCONFIRMED:
        raise InvalidTransition(_("This subscription has ended. Subscribe again on the status page."))
    _activate(recipient)


@service(Verb.MANAGE_SUBSCRIBERS, locks=Recipient)
def choose(recipient: Recipient, choices: Choices, *, author: User) -> None:
    """Hear about `choices` from now on."""
    recipient.lock()
    if not (choices.everything or choices.components or choices.incidents):
        raise InvalidInput(_("Choose at least one component, or everything. To hear nothing more, unsubscribe."))
    offered = Component.objects.public().on(recipient.page)
    if offered.filter(pk__in=[each.pk for each in choices.components]).count() < len(choices.components):
        raise InvalidInput(_("A component is not one of this page's. Choose from the list."), field="components")
    public = Incident.objects.public().on(recipient.page)
    if public.filter(pk__in=[each.pk for each in choices.incidents]).count() < len(choices.incidents):
        raise InvalidInput(_("An incident is not one of this page's. Choose from the list."), field="incidents")
    _follow(recipient, choices)
    recipient.save()


@service(Verb.MANAGE_SUBSCRIBERS, locks=Recipient)
def unsubscribe(recipient: Recipient, *, author: User) -> None:
    """Send nothing more, not even what is due. Harmless when repeated."""
    recipient.lock()
    if recipient.state != State.UNSUBSCRIBED:
        recipient.state = State.UNSUBSCRIBED
        recipient.reason = ""
        recipient.confirmation_sent_at = None  # no link of before confirms what is asked for later
        recipient.save()
        _cancel(Q(recipient=recipient), "unsubscribed")


# --- What staff and coming mail do ------------------------------------------------------------------------------------


@service(Verb.MANAGE_SUBSCRIBERS, locks=Recipient)
def quarantine(recipient: Recipient, *, reason: str, author: User) -> None:
    """Send nothing until staff release it: mail came back, or a webhook failed for days.

    What is still due is cancelled, so record first what became of the delivery that is the reason.
    """
    recipient.lock()
    if recipient.state in (State.ACTIVE, State.UNCONFIRMED):
        recipient.state = State.QUARANTINED
        recipient.reason = _without_addresses(recipient, reason)
        recipient.save()
        # A webhook's owner is still told of it.
        _cancel(Q(recipient=recipient) & ~Q(purpose=Delivery.Purpose.WARNING), "quarantined")


@service(Verb.MANAGE_SUBSCRIBERS, locks=Recipient)
def quarantine_address(address: str, *, reason: str, author: User) -> None:
    """The same for every subscription of a mailbox, of which a mail provider tells that it takes no mail of ours."""
    told = Recipient.objects.filter(channel=Recipient.Channel.EMAIL, address__iexact=address)
    for recipient in told.filter(state__in=[State.UNCONFIRMED, State.ACTIVE]).order_by("pk"):
        quarantine(recipient, reason=reason, author=author)


@service(Verb.MANAGE_SUBSCRIBERS, locks=Recipient)
def release(recipient: Recipient, *, author: User) -> None:
    """Send again: the address works, or its owner asks for it."""
    recipient.lock()
    if recipient.state != State.QUARANTINED:
        raise InvalidTransition(_("Only a subscriber in quarantine can be released."))
    recipient.state = State.ACTIVE if recipient.confirmed_at else State.UNCONFIRMED
    recipient.reason = ""
    recipient.failing_since = None
    recipient.save()


@service(Verb.MANAGE_SUBSCRIBERS, locks=Recipient)
def add_by_staff(page: Page, *, address: str, author: User, choices: Choices | None = None) -> Recipient:
    """Subscribe somebody who asked for it elsewhere; they need not confirm."""
    address = normalised(address)
    recipient, is_new = Recipient.objects.get_or_create(page=page, channel=Recipient.Channel.EMAIL, address=address)
    recipient.lock()
    if not is_new and (refusal := why_not_added(recipient)):
        raise InvalidInput(refusal, field="address")
    _activate(recipient)
    if choices:
        choose(recipient, choices, author=author)
    return recipient


@service(Verb.MANAGE_SUBSCRIBERS, locks=Recipient)
def add_webhook(page: Page, *, url: str, contact: str, author: User) -> Recipient:
    """Subscribe a program to everything on `page`; its secret is for its owner, `contact` for warnings to them.

    Where the URL leads is asked before by `addresses.check`, which no transaction should wait for.
    """
    contact = normalised(contact)
    recipient, is_new = Recipient.objects.get_or_create(page=page, channel=Recipient.Channel.WEBHOOK, address=url)
    recipient.lock()
    if not is_new and (refusal := why_not_added(recipient)):
        raise InvalidInput(refusal, field="address")
    recipient.contact, recipient.secret = contact, seal(new_secret())
    _activate(recipient)
    return recipient


@service(Verb.MANAGE_SUBSCRIBERS, locks=Recipient)
def roll_secret(recipient: Recipient, *, author: User) -> None:
    """Give a webhook a new secret; the old one signs beside it for SECRET_OVERLAP, so that no message is missed."""
    recipient.lock()
    if recipient.channel != Recipient.Channel.WEBHOOK or recipient.state == State.UNSUBSCRIBED:
        raise InvalidTransition(_("Only a webhook that is subscribed has a secret."))
    recipient.old_secret, recipient.secret = recipient.secret, seal(new_secret())
    recipient.rolled_at = timezone.now()
    recipient.save()


def new_secret() -> str:
    """What a webhook's requests are signed with, as Standard Webhooks writes it."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def why_not_added(recipient: Recipient) -> str:
    """Why staff cannot subscribe this address once more; "" when they can."""
    match recipient.state:
        case State.ACTIVE:
            return _("This address is subscribed already.")
        case State.UNSUBSCRIBED:
            return _("This address was unsubscribed by its owner, who can subscribe again on the page.")
        case State.QUARANTINED:
            return _("This address is in quarantine. Release it when it works again.")
    return ""


@service(Verb.MANAGE_SUBSCRIBERS, locks=SignUp)
def forget(address: str, *, author: User) -> int:
    """Leave this address in no table: as a subscriber's, as a webhook's contact, or in what a mail server answered.

    Who was told what stays in the record, without saying who that was. Returns how many rows had it.
    """
    SignUp.objects.filter(Q(address=address) | Q(contact=address)).delete()
    named = Recipient.objects.subscribers().filter(Q(address=address) | Q(contact=address)).order_by("pk")
    for recipient in (rows := list(named)):
        recipient.lock()
        if recipient.address == address:
            _erase(recipient)
        else:
            recipient.contact = ""
            recipient.save()
            _cancel(Q(recipient=recipient) & ~Q(purpose=Delivery.Purpose.EVENT), "forgotten")
            Delivery.objects.filter(recipient=recipient).exclude(purpose=Delivery.Purpose.EVENT).update(answer="")
    return len(rows)


# --- The clock --------------------------------------------------------------------------------------------------------


def sweep() -> None:
    """Drop what nobody confirmed, and counts of sign-ups that are over; for the clock, as often as it likes."""
    drop_unconfirmed(author=clock())
    SignUpCount.objects.filter(hour__lt=timezone.now() - timedelta(days=1)).delete()


@service(Verb.MANAGE_SUBSCRIBERS, locks=Recipient)
def drop_unconfirmed(*, author: User) -> int:
    """Forget addresses whose link has grown too old to confirm them; returns how many."""
    old = timezone.now() - CONFIRM_WITHIN
    # Each page by itself, for the index begins with it.
    unconfirmed = Recipient.objects.filter(page__in=Page.objects.all(), state=State.UNCONFIRMED, deleted_at=None)
    rows = unconfirmed.filter(Q(confirmation_sent_at__lt=old) | Q(confirmation_sent_at=None, created_at__lt=old))
    count = 0
    for recipient in rows.order_by("pk")[:DROPPED_AT_ONCE]:
        recipient.lock()
        if recipient.state == State.UNCONFIRMED:
            _erase(recipient)
            count += 1
    return count


# --- Deliveries -------------------------------------------------------------------------------------------------------


@service(Verb.MANAGE_SUBSCRIBERS)
def retry(deliveries: DeliveryQuerySet, *, author: User) -> int:
    """Owe anew what failed, or was cancelled by staff or in quarantine, to those who are subscribed; returns how many.

    What was cancelled because it is past or was taken back stays cancelled.
    """
    keys = deliveries.filter(recipient__state=State.ACTIVE).order_by().values("pk")
    again = Q(state=Delivery.State.FAILED) | Q(state=Delivery.State.CANCELLED, reason__in=["staff", "quarantined"])
    return Delivery.objects.filter(again, pk__in=keys).update(
        state=Delivery.State.DUE, due_at=timezone.now(), claimed_at=None, finished_at=None, attempts=0, reason=""
    )


@service(Verb.MANAGE_SUBSCRIBERS)
def cancel(deliveries: DeliveryQuerySet, *, author: User) -> int:
    """Do not send what is still due; returns how many."""
    return _cancel(Q(pk__in=deliveries.order_by().values("pk")), "staff")


# --- Addresses --------------------------------------------------------------------------------------------------------


def normalised(address: str) -> str:
    """The address as it is kept: without space around it, its domain in lower case and ASCII; or `InvalidInput`."""
    local, _at, domain = address.strip().rpartition("@")
    try:
        domain = domain.lower().encode("idna").decode()
        found = f"{local}@{domain}"
        _EMAIL(found)
    except (UnicodeError, ValidationError):
        found = ""
    # The validator lets quoted names and numeric hosts pass: nobody has one, but somebody may try one on us.
    if not found or len(found) > ADDRESS_LENGTH or re.search(r'[\s"\[\]]', found):
        raise InvalidInput(_("This is not an e-mail address. Write it like name@example.com."), field="address")
    return found


# --- Rows -------------------------------------------------------------------------------------------------------------


def _activate(recipient: Recipient) -> None:
    recipient.state = State.ACTIVE
    recipient.confirmed_at = timezone.now()
    recipient.save()


def _follow(recipient: Recipient, choices: Choices) -> None:
    """Set, but do not save, what `recipient` hears about; its history names what it follows."""
    recipient.everything = choices.everything
    recipient.postmortems_only = choices.postmortems_only
    recipient.minimum_impact = choices.minimum_impact
    recipient.follows.all().delete()
    followed = [Follow(recipient=recipient, component=component) for component in choices.components]
    followed += [Follow(recipient=recipient, incident=incident) for incident in choices.incidents]
    Follow.objects.bulk_create(followed)
    recipient._change_reason = ", ".join(str(row.component or row.incident) for row in followed)


def _cancel(which: Q, reason: str) -> int:
    return (
        Delivery.objects.due()
        .filter(which)
        .update(state=Delivery.State.CANCELLED, reason=reason, finished_at=timezone.now())
    )


def _erase(recipient: Recipient) -> None:
    _cancel(Q(recipient=recipient), "forgotten")
    Delivery.objects.filter(recipient=recipient).exclude(answer="").update(answer="")
    recipient.follows.all().delete()
    recipient.address = f"forgotten {recipient.public_id}"  # no address, and unique
    recipient.contact = recipient.secret = recipient.old_secret = recipient.reason = ""
    recipient.state = State.UNSUBSCRIBED
    recipient.deleted_at = timezone.now()
    recipient.save()


def _without_addresses(recipient: Recipient, text: str) -> str:
    """A mail server's words without the address that they are about: this stays in the history."""
    for address in filter(None, (recipient.address, recipient.contact)):
        text = re.sub(re.escape(address), "…", text, flags=re.IGNORECASE)
    return text[:500]
