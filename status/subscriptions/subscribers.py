"""Subscribers: added, confirmed, unsubscribed and forgotten, one by one or many at once.

Whoever holds a link from a mail acts in the name of `subscriber()`. No address gets into a log or a history row, so
that `forget` can keep its promise.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Collection
from datetime import datetime
from functools import partial

from django.db.models import Q
from django.utils.translation import gettext as _

from incidents.authorship import service
from incidents.errors import InvalidInput, InvalidTransition
from incidents.isolation import each, loop
from incidents.models import Incident, Page, User
from incidents.people import clock_user, service_user
from incidents.permissions import Verb
from incidents.record_time import record_time, written_at
from status import addresses
from status.delivery import owing, quarantine
from status.models import Delivery, SignUp, Subscriber
from status.secrets import encrypt
from status.subscriptions import consent
from status.subscriptions.choices import Choices, choices_of, choose, follow
from status.tokens import CONFIRM_WITHIN

MOST = 100  # subscribers at once, as Statuspage has it
DROPPED_AT_ONCE = 500

LeftBy, State = Subscriber.LeftBy, Subscriber.State


def subscriber() -> User:
    """In whose name the public acts: every change has an author."""
    return service_user("subscriber", role="subscriptions")


# --- Added and confirmed ----------------------------------------------------------------------------------------------


@service(Verb.MANAGE_SUBSCRIBERS, locks=Subscriber)
def add_by_staff(page: Page, *, address: str, author: User, choices: Choices | None = None) -> Subscriber:
    """Subscribe somebody who asked for it elsewhere; they need not confirm."""
    address = addresses.mailbox(address)
    recipient = _begin(page, Subscriber.Channel.EMAIL, address, author)
    activate(recipient)
    if choices:
        choose(recipient, choices, author=author)
    return recipient


@service(Verb.MANAGE_SUBSCRIBERS, locks=Subscriber)
def add_webhook(page: Page, *, url: str, contact: str, author: User) -> Subscriber:
    """Subscribe a program to everything on `page`; its secret is for its owner, `contact` for warnings to them.

    Where the URL leads is asked before by `addresses.check`, which no transaction should wait for.
    """
    contact = addresses.mailbox(contact)
    recipient = _begin(page, Subscriber.Channel.WEBHOOK, addresses.shown(url), author)
    activate(recipient, contact=contact, endpoint=encrypt(url), secret=encrypt(new_secret()))
    return recipient


@service(Verb.MANAGE_SUBSCRIBERS, locks=Subscriber)
def invite(page: Page, *, address: str, choices: Choices, author: User) -> Subscriber:
    """Owe an address one mail that asks it to confirm that it wants `choices`; nothing else before it does."""
    recipient = _begin(page, Subscriber.Channel.EMAIL, addresses.mailbox(address), author, field="email")
    choose(recipient, choices, author=author)
    ask_to_confirm(recipient, author=author)
    return recipient


def why_not_added(recipient: Subscriber, author: User) -> str:
    """Why staff or a program cannot subscribe this address once more; "" when they can.

    Whoever has left returns by nobody else's will, and whom staff have unsubscribed no program brings back.
    """
    if recipient.state == State.ACTIVE:
        return _("This address is subscribed already.")
    if recipient.state == State.QUARANTINED:
        return _("This address is in quarantine. Release it when it works again.")
    left_by = recipient.left_by
    if left_by == LeftBy.OWNER or (recipient.state == State.UNSUBSCRIBED and not left_by):
        return _("This address was unsubscribed by its owner, who can subscribe again on the page.")
    if left_by == LeftBy.STAFF and author.is_service:
        return _("This address was unsubscribed by staff, who can subscribe it again.")
    return ""


def _begin(
    page: Page, channel: Subscriber.Channel, address: str, author: User, *, field: str = "address"
) -> Subscriber:
    """The subscriber of this address, new or one that may be added again, which then has chosen nothing yet."""
    recipient, is_new = Subscriber.objects.lock_or_create(page, channel, address)
    if not is_new and (refusal := why_not_added(recipient, author)):
        raise InvalidInput(refusal, field=field)
    if recipient.state == State.UNSUBSCRIBED:
        follow(recipient, Choices())
        recipient.change(state=State.UNCONFIRMED)
    return recipient


@service(Verb.MANAGE_SUBSCRIBERS, locks=Subscriber)
def confirm(recipient: Subscriber, *, asked_at: datetime | None, author: User) -> None:
    """The address belongs to whoever asked then, and for nothing later. Harmless when repeated."""
    recipient.lock()
    is_the_same = recipient.confirmation_sent_at == asked_at
    if is_the_same and recipient.state == State.ACTIVE:
        return
    if not is_the_same or recipient.state != State.UNCONFIRMED:
        raise InvalidTransition(_("This subscription has ended. Subscribe again on the status page."))
    activate(recipient)


@service(Verb.MANAGE_SUBSCRIBERS, locks=Subscriber)
def ask_to_confirm(recipient: Subscriber, *, author: User) -> None:
    """Owe the mail that asks for a confirmation once more."""
    recipient.lock_live()
    if recipient.state != State.UNCONFIRMED:
        raise InvalidTransition(_("Only a subscriber who has not confirmed is asked to."))
    consent.ask(recipient)


def activate(recipient: Subscriber, **facts: str) -> None:
    recipient.change(state=State.ACTIVE, confirmed_at=written_at(), left_by="", **facts)


# --- A webhook's secret -----------------------------------------------------------------------------------------------


@service(Verb.MANAGE_SUBSCRIBERS, locks=Subscriber)
def roll_secret(recipient: Subscriber, *, author: User) -> None:
    """Give a webhook a new secret; the old one signs beside it for SECRET_OVERLAP, so that no message is missed."""
    recipient.lock()
    if recipient.channel != Subscriber.Channel.WEBHOOK or recipient.state == State.UNSUBSCRIBED:
        raise InvalidTransition(_("Only a webhook that is subscribed has a secret."))
    recipient.change(old_secret=recipient.secret, secret=encrypt(new_secret()), rolled_at=written_at())


def new_secret() -> str:
    """What a webhook's requests are signed with, as Standard Webhooks writes it."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


# --- Unsubscribed and forgotten ---------------------------------------------------------------------------------------


@service(Verb.MANAGE_SUBSCRIBERS, locks=Subscriber)
def unsubscribe(recipient: Subscriber, *, author: User) -> None:
    """Send nothing more, not even what is due. Harmless when repeated."""
    recipient.lock()
    by = LeftBy.OWNER if author == subscriber() else LeftBy.PROGRAM if author.is_service else LeftBy.STAFF
    if recipient.state == State.QUARANTINED and by == LeftBy.PROGRAM:
        by = LeftBy.STAFF  # who alone release from there
    if recipient.state != State.UNSUBSCRIBED:
        # No link of before confirms what is asked for later.
        recipient.change(state=State.UNSUBSCRIBED, left_by=by, reason="", confirmation_sent_at=None)
        owing.cancel_due(Q(recipient=recipient), "unsubscribed")
        consent.forget_asked(recipient)
    elif by == LeftBy.OWNER != recipient.left_by:
        recipient.change(left_by=by)


@service(Verb.MANAGE_SUBSCRIBERS, locks=Subscriber)
def unfollow(recipient: Subscriber, incident: Incident, *, author: User) -> None:
    """Stop notifying of one incident; whoever follows nothing else is unsubscribed."""
    recipient.lock()
    follows = recipient.follows.select_related("component", "incident")
    left = [row for row in follows if row.incident_id != incident.pk]
    if not (recipient.everything or left):
        unsubscribe(recipient, author=author)
        return
    choose(recipient, choices_of(recipient, [row.incident for row in left if row.incident]), author=author)


@service(Verb.MANAGE_SUBSCRIBERS, locks=Subscriber)
def forget(address: str, *, author: User) -> int:
    """Leave this address in no table: as a subscriber's, as a webhook's contact, or in what a mail server answered.

    What was sent stays in the record, without saying to whom. Returns how many rows had it.
    """
    SignUp.objects.filter(Q(address=address) | Q(contact=address)).delete()
    named = Subscriber.objects.filter(Q(address=address) | Q(contact=address)).order_by("pk")
    for recipient in (rows := list(named.select_for_update(of=("self",), no_key=True))):
        consent.forget_asked(recipient)
        if recipient.address == address:
            erase(recipient)
        else:
            recipient.change(contact="")
            owing.cancel_due(Q(recipient=recipient) & ~Q(purpose=Delivery.Purpose.EVENT), "forgotten")
            Delivery.objects.filter(recipient=recipient).exclude(purpose=Delivery.Purpose.EVENT).update(answer="")
    return len(rows)


def erase(recipient: Subscriber) -> None:
    owing.cancel_due(Q(recipient=recipient), "forgotten")
    Delivery.objects.filter(recipient=recipient).exclude(answer="").update(answer="")
    recipient.follows.all().delete()
    recipient.change(
        address=f"forgotten {recipient.public_id}",  # no address, and unique
        **dict.fromkeys(("endpoint", "contact", "secret", "old_secret", "reason"), ""),
        state=State.UNSUBSCRIBED,
        deleted_at=written_at(),
    )


@loop("unconfirmed")
def drop_overdue() -> int:
    """Drop who has not confirmed while they could; returns how many. For the clock, as often as it likes."""
    # Each page by itself, for the index begins with it.
    rows = Subscriber.objects.filter(_too_old(), page__in=Page.objects.all(), state=State.UNCONFIRMED)
    drop = partial(drop_unconfirmed, author=clock_user())
    return each("unconfirmed", rows.order_by("pk"), drop, most=DROPPED_AT_ONCE)


@service(Verb.MANAGE_SUBSCRIBERS, locks=Subscriber)
def drop_unconfirmed(recipient: Subscriber, *, author: User) -> bool:
    """Forget an address whose link has grown too old, unless it had left before; returns whether the link had."""
    recipient.lock()
    is_due = Subscriber.objects.filter(_too_old(), pk=recipient.pk, state=State.UNCONFIRMED).exists()
    if is_due and recipient.left_by:
        recipient.change(state=State.UNSUBSCRIBED, confirmation_sent_at=None)
    elif is_due:
        erase(recipient)
    return is_due


def _too_old() -> Q:
    old = record_time() - CONFIRM_WITHIN
    return Q(confirmation_sent_at__lt=old) | Q(confirmation_sent_at=None, created_at__lt=old)


# --- Many at once -----------------------------------------------------------------------------------------------------


@service(Verb.MANAGE_SUBSCRIBERS, locks=Subscriber)
def ask_many_to_confirm(recipients: Collection[Subscriber], *, author: User) -> None:
    for recipient in _few(recipients):
        ask_to_confirm(recipient, author=author)


@service(Verb.MANAGE_SUBSCRIBERS, locks=Subscriber)
def unsubscribe_many(recipients: Collection[Subscriber], *, author: User) -> None:
    for recipient in _few(recipients):
        unsubscribe(recipient, author=author)


@service(Verb.MANAGE_SUBSCRIBERS, locks=Subscriber)
def release_many(recipients: Collection[Subscriber], *, author: User) -> None:
    for recipient in _few(recipients):
        quarantine.release(recipient, author=author)


def _few(recipients: Collection[Subscriber]) -> list[Subscriber]:
    if len(recipients) > MOST:
        raise InvalidInput(_("At most %(most)d subscribers at once.") % {"most": MOST}, field="subscribers")
    return sorted(recipients, key=lambda recipient: recipient.pk)  # locked in one order, whoever asks
