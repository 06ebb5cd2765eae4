"""Subscriptions to a page by e-mail: asked for, confirmed, changed and ended, and what staff do with them.

Whoever holds a link from a mail acts in the name of `subscriber()`. No address gets into a log or a history row, so
that `forget` can keep its promise.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv6Address, ip_address, ip_network

from django.core.exceptions import ValidationError
from django.core.validators import EmailValidator
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext as _

from incidents.authorship import service
from incidents.errors import DomainError, InvalidInput, InvalidTransition
from incidents.lifecycle import Impact
from incidents.models import Component, Incident, Page, User
from incidents.people import clock, service_user
from incidents.permissions import Verb
from status.models import Delivery, Follow, Recipient, SignUpCount
from status.tokens import CONFIRM_WITHIN

PER_HOUR = 60  # sign-ups from one network: an office behind one address may, a script soon may not
PAUSE = timedelta(hours=1)  # between two mails that a stranger can have us send to one address
ADDRESS_LENGTH = 254  # RFC 5321
DROPPED_AT_ONCE = 500

State = Recipient.State
_EMAIL = EmailValidator(allowlist=[])


class TooMany(DomainError):
    """Too many sign-ups from one network within the hour."""


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


@service(Verb.MANAGE_SUBSCRIBERS)
def subscribe(page: Page, *, address: str, network: str, author: User, incident_id: str = "") -> None:
    """Note that somebody asked for messages to this address, and owe it one mail; nothing else before it is confirmed.

    With `incident_id`, a public id, it asks for that one alone, until it is over. The mail to an address that is
    subscribed already carries the link to change that, and its subscription stays as it is: the caller learns and
    changes nothing. `network` is from `network_of`. Raises `InvalidInput`, or `TooMany`.
    """
    address = normalised(address)
    incident = _open_incident(page, incident_id) if incident_id else None
    if incident_id and not incident:
        raise InvalidInput(_("This incident is over. Subscribe to the whole page to hear of the next one."))
    _admit(network)
    now = timezone.now()
    mailed = Q(address=address, confirmation_sent_at__gt=now - PAUSE)
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
    # Asked after the lock: of two at the same moment the second one sees what the first one sent. Each page by itself,
    # for the index begins with it.
    was_mailed = Recipient.objects.filter(mailed, page__in=Page.objects.all(), channel=recipient.channel).exists()
    if recipient.state != State.QUARANTINED and not was_mailed:
        recipient.confirmation_sent_at = now
        Delivery.objects.create(
            recipient=recipient,
            purpose=Delivery.Purpose.CONFIRMATION,
            priority=Delivery.Priority.PERSONAL,
            due_at=now,
        )
    recipient.save()


@service(Verb.MANAGE_SUBSCRIBERS)
def confirm(recipient: Recipient, *, author: User) -> None:
    """The address belongs to who asked. Harmless when repeated."""
    recipient.lock()
    if recipient.state == State.ACTIVE:
        return
    if recipient.state != State.UNCONFIRMED:
        raise InvalidTransition(_("This subscription has ended. Subscribe again on the status page."))
    _activate(recipient)


@service(Verb.MANAGE_SUBSCRIBERS)
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


@service(Verb.MANAGE_SUBSCRIBERS)
def unsubscribe(recipient: Recipient, *, author: User) -> None:
    """Send nothing more, not even what is due. Harmless when repeated."""
    recipient.lock()
    if recipient.state != State.UNSUBSCRIBED:
        recipient.state = State.UNSUBSCRIBED
        recipient.reason = ""
        recipient.save()
        _cancel(Q(recipient=recipient), "unsubscribed")


# --- What staff and coming mail do ------------------------------------------------------------------------------------


@service(Verb.MANAGE_SUBSCRIBERS)
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


@service(Verb.MANAGE_SUBSCRIBERS)
def release(recipient: Recipient, *, author: User) -> None:
    """Send again: the address works, or its owner asks for it."""
    recipient.lock()
    if recipient.state != State.QUARANTINED:
        raise InvalidTransition(_("Only a subscriber in quarantine can be released."))
    recipient.state = State.ACTIVE if recipient.confirmed_at else State.UNCONFIRMED
    recipient.reason = ""
    recipient.failing_since = None
    recipient.save()


@service(Verb.MANAGE_SUBSCRIBERS)
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


@service(Verb.MANAGE_SUBSCRIBERS)
def forget(address: str, *, author: User) -> int:
    """Leave this address in no table: as a subscriber's, as a webhook's contact, or in what a mail server answered.

    Who was told what stays in the record, without saying who that was. Returns how many rows had it.
    """
    named = Recipient.objects.filter(Q(address=address) | Q(contact=address)).order_by("pk")
    for recipient in (rows := list(named)):
        recipient.lock()
        if recipient.address == address:
            _erase(recipient)
        else:
            recipient.contact = ""
            recipient.save()
            Delivery.objects.filter(recipient=recipient, purpose=Delivery.Purpose.WARNING).update(answer="")
    return len(rows)


# --- The clock --------------------------------------------------------------------------------------------------------


def sweep() -> None:
    """Drop what nobody confirmed, and counts that are over; for the clock, as often as it likes."""
    drop_unconfirmed(author=clock())
    SignUpCount.objects.filter(hour__lt=timezone.now() - timedelta(days=1)).delete()


@service(Verb.MANAGE_SUBSCRIBERS)
def drop_unconfirmed(*, author: User) -> int:
    """Forget addresses whose link has grown too old to confirm them; returns how many."""
    old = timezone.now() - CONFIRM_WITHIN
    unconfirmed = Recipient.objects.filter(state=State.UNCONFIRMED, channel=Recipient.Channel.EMAIL, deleted_at=None)
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
def retry(deliveries: Sequence[Delivery], *, author: User) -> int:
    """Owe anew what failed, or was cancelled by staff or in quarantine, to those who are subscribed; returns how many.

    What was cancelled because it is past or was taken back stays cancelled.
    """
    keys = [row.pk for row in deliveries if row.recipient.state == State.ACTIVE]
    again = Q(state=Delivery.State.FAILED) | Q(state=Delivery.State.CANCELLED, reason__in=["staff", "quarantined"])
    return Delivery.objects.filter(again, pk__in=keys).update(
        state=Delivery.State.DUE, due_at=timezone.now(), claimed_at=None, finished_at=None, attempts=0, reason=""
    )


@service(Verb.MANAGE_SUBSCRIBERS)
def cancel(deliveries: Sequence[Delivery], *, author: User) -> int:
    """Do not send what is still due; returns how many."""
    return _cancel(Q(pk__in=[row.pk for row in deliveries]), "staff")


# --- Addresses and networks -------------------------------------------------------------------------------------------


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


def network_of(address: str) -> str:
    """The network that an IP address counts for: its /24, or its /64 of IPv6."""
    ip = ip_address(address)
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped:
        ip = ip.ipv4_mapped
    return str(ip_network((ip, 24 if ip.version == 4 else 64), strict=False))


def _admit(network: str) -> None:
    """Count one sign-up; a conditional UPDATE, so that processes together let no more than the limit pass."""
    hour = timezone.now().replace(minute=0, second=0, microsecond=0)
    SignUpCount.objects.get_or_create(network=network, hour=hour)
    below = Q(network=network, hour=hour, count__lt=PER_HOUR)
    if not SignUpCount.objects.filter(below).update(count=F("count") + 1):
        raise TooMany(_("Very many people from your network subscribed within the hour. Try again in an hour."))


# --- Rows -------------------------------------------------------------------------------------------------------------


def _open_incident(page: Page, public_id: str) -> Incident | None:
    if not public_id.isalnum():  # PostgreSQL refuses to look for a NUL
        return None
    return Incident.objects.public().on(page).unresolved().filter(public_id=public_id).first()


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
    recipient.contact = recipient.secret = recipient.reason = ""
    recipient.state = State.UNSUBSCRIBED
    recipient.deleted_at = timezone.now()
    recipient.save()


def _without_addresses(recipient: Recipient, text: str) -> str:
    """A mail server's words without the address that they are about: this stays in the history."""
    for address in filter(None, (recipient.address, recipient.contact)):
        text = re.sub(re.escape(address), "…", text, flags=re.IGNORECASE)
    return text[:500]
