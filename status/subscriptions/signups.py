"""Sign-ups by strangers: written down at once, limited, and taken up by the clock.

The request only writes down what was asked, so that neither its answer nor the time it takes depends on whether an
address is known here. Everything else happens a moment later, where nobody watches.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Q
from django.utils.translation import gettext as _

from incidents.authorship import service
from incidents.errors import DomainError, InvalidInput
from incidents.isolation import each, loop
from incidents.lifecycle import OPEN
from incidents.models import ActionItem, Incident, Page, Postmortem, User
from incidents.permissions import Verb
from incidents.record_time import record_time
from status import addresses
from status.models import SignUp, SignUpCount, Subscriber
from status.secrets import decrypt, encrypt
from status.subscriptions import consent, subscribers
from status.subscriptions.choices import Choices, follow

logger = logging.getLogger(__name__)

PER_HOUR = 60  # sign-ups from one network: an office behind one address may, a script soon may not
AT_ONCE = 500

State = Subscriber.State


class TooMany(DomainError):
    """Too many sign-ups from one network within the hour."""


@service(Verb.MANAGE_SUBSCRIBERS)
def ask(page: Page, *, address: str, network: str, author: User, incident_id: str = "") -> None:
    """Write down that somebody wants messages to this address; with `incident_id`, a public id, about that one alone.

    `network` is from `requests.network_of`. Raises `InvalidInput`, or `TooMany`.
    """
    address = addresses.mailbox(address)
    incident = _unfinished(page, incident_id) if incident_id else None
    if incident_id and not incident:
        raise InvalidInput(_("This incident is over. Subscribe to the whole page to hear of the next one."))
    admit(network)
    SignUp.objects.create(page=page, channel=Subscriber.Channel.EMAIL, address=address, incident=incident)


@service(Verb.MANAGE_SUBSCRIBERS)
def ask_for_webhook(page: Page, *, url: str, contact: str, network: str, author: User) -> None:
    """Write down that the owner of the mailbox `contact` wants messages to a program at `url`.

    Where the URL leads is asked before by `addresses.check`, which no transaction should wait for. Raises
    `InvalidInput`, or `TooMany`.
    """
    contact = addresses.mailbox(contact)
    admit(network)
    SignUp.objects.create(
        page=page,
        channel=Subscriber.Channel.WEBHOOK,
        address=addresses.shown(url),
        endpoint=encrypt(url),
        contact=contact,
    )


def _oldest() -> datetime | None:
    return SignUp.objects.order_by("pk").values_list("created_at", flat=True).first()


@loop("sign_up", oldest=_oldest)
def take_up() -> int:
    """Do what was asked, in order; returns how many mails that may owe. For the clock, as often as it likes."""
    return each("sign_up", SignUp.objects.order_by("pk"), _take_up, most=AT_ONCE)


@transaction.atomic
def _take_up(asked: SignUp) -> int:
    # Whoever else takes up at this moment waits here: one address is dealt with once at a time.
    rows = SignUp.objects.select_related("page", "incident").select_for_update(of=("self",))
    sign_up = rows.filter(pk=asked.pk).first()
    if sign_up is None:
        return 0
    url = decrypt(sign_up.endpoint) if sign_up.endpoint else ""  # without the key that fits it is parked, and stays
    sign_up.delete()
    page, author = sign_up.page, subscribers.subscriber()
    try:
        if sign_up.channel == Subscriber.Channel.WEBHOOK:
            subscribe_webhook(page, url=url, contact=sign_up.contact, author=author)
        else:
            subscribe(page, address=sign_up.address, incident=sign_up.incident, author=author)
    except DomainError as refusal:  # it was fine when it was asked
        logger.info("a sign-up could not be taken up: %s", refusal)
    return 1


@service(Verb.MANAGE_SUBSCRIBERS, locks=Subscriber)
def subscribe(page: Page, *, address: str, author: User, incident: Incident | None = None) -> None:
    """Note that somebody asked for messages to this address, and owe it one mail; nothing else before it is confirmed.

    With `incident` they asked for that one alone, until it is over. The mail to an address that is subscribed already
    carries the link to change that, and its subscription stays as it is. Raises `InvalidInput`.
    """
    address = addresses.mailbox(address)
    recipient, is_new = Subscriber.objects.lock_or_create(page, Subscriber.Channel.EMAIL, address)
    if recipient.state == State.UNSUBSCRIBED:
        follow(recipient, Choices())
        is_new = True
    if recipient.state in (State.UNCONFIRMED, State.UNSUBSCRIBED):
        everything = incident is None or (recipient.everything and not is_new)
        recipient.change(state=State.UNCONFIRMED, everything=everything)
        if incident:
            recipient.follows.get_or_create(incident=incident)
    _ask_to_confirm(recipient)


@service(Verb.MANAGE_SUBSCRIBERS, locks=Subscriber)
def subscribe_webhook(page: Page, *, url: str, contact: str, author: User) -> None:
    """Note that somebody asked for messages to a program at `url`, and owe the mailbox `contact` one mail about it.

    A URL that somebody else has subscribed stays theirs, and neither of them is sent anything.
    """
    contact = addresses.mailbox(contact)
    hook = page, Subscriber.Channel.WEBHOOK, addresses.shown(url)
    recipient, _is_new = Subscriber.objects.lock_or_create(*hook, contact=contact)
    if recipient.contact != contact:
        if recipient.state not in (State.UNCONFIRMED, State.UNSUBSCRIBED):
            return
        subscribers.erase(recipient)  # what its owner was sent must not open what is another's from now on
        recipient, _is_new = Subscriber.objects.lock_or_create(*hook, contact=contact)
    if recipient.state == State.UNSUBSCRIBED:
        follow(recipient, Choices())
    if recipient.state in (State.UNCONFIRMED, State.UNSUBSCRIBED):
        secret = encrypt(subscribers.new_secret())
        recipient.change(state=State.UNCONFIRMED, endpoint=encrypt(url), secret=secret)
    _ask_to_confirm(recipient)


def _ask_to_confirm(recipient: Subscriber) -> None:
    if recipient.state != State.QUARANTINED:
        consent.ask(recipient, pause=consent.PAUSE)


def admit(network: str) -> None:
    """Count a sign-up, or a question to a name server for one; raises `TooMany`.

    A conditional UPDATE, so that processes together let no more than the limit pass.
    """
    hour = record_time().replace(minute=0, second=0, microsecond=0)
    SignUpCount.objects.get_or_create(network=network, hour=hour)
    below = Q(network=network, hour=hour, count__lt=PER_HOUR)
    if not SignUpCount.objects.filter(below).update(count=F("count") + 1):
        raise TooMany(_("Very many people from your network subscribed within the hour. Try again in an hour."))


def drop_old_counts() -> None:
    consent.drop_old()
    SignUpCount.objects.filter(hour__lt=record_time() - timedelta(days=1)).delete()


def _unfinished(page: Page, public_id: str) -> Incident | None:
    """One of which there is still something to tell: it is open, or its report promises what is not done yet."""
    if not public_id.isalnum():  # PostgreSQL refuses to look for a NUL
        return None
    promised = ActionItem.objects.unfinished().filter(is_commitment=True, postmortem__in=Postmortem.objects.public())
    is_unfinished = Q(status__in=OPEN) | Q(postmortem__in=promised.values("postmortem"))
    return Incident.objects.public().on(page).filter(is_unfinished, public_id=public_id).first()
