"""Subscribers as programs keep them: asked to confirm, asked once more, and many at once."""

from __future__ import annotations

from collections.abc import Collection

from django.utils import timezone
from django.utils.translation import gettext as _

from incidents.authorship import service
from incidents.errors import InvalidInput, InvalidTransition
from incidents.lifecycle import Impact
from incidents.models import Incident, Page, User
from incidents.permissions import Verb
from status.models import Delivery, Recipient
from status.subscriptions.subscribers import (
    Choices,
    State,
    choose,
    normalised,
    owe_mail,
    release,
    unsubscribe,
    why_not_added,
)

MOST = 100  # subscribers at once, as Statuspage has it


@service(Verb.MANAGE_SUBSCRIBERS, locks=Recipient)
def invite(page: Page, *, address: str, choices: Choices, author: User) -> Recipient:
    """Owe an address one mail that asks whether it wants to hear about `choices`; nothing else before it does."""
    recipient, is_new = Recipient.objects.get_or_create(
        page=page, channel=Recipient.Channel.EMAIL, address=normalised(address)
    )
    recipient.lock()
    if not is_new and (refusal := why_not_added(recipient)):
        raise InvalidInput(refusal, field="email")
    choose(recipient, choices, author=author)
    ask_again(recipient, author=author)
    return recipient


@service(Verb.MANAGE_SUBSCRIBERS, locks=Recipient)
def ask_again(recipient: Recipient, *, author: User) -> None:
    """Owe the mail that asks for a confirmation once more."""
    recipient.lock()
    if recipient.state != State.UNCONFIRMED:
        raise InvalidTransition(_("Only a subscriber who has not confirmed is asked to."))
    recipient.confirmation_sent_at = timezone.now()
    recipient.save()
    owe_mail(recipient, Delivery.Purpose.CONFIRMATION, due_at=recipient.confirmation_sent_at)


@service(Verb.MANAGE_SUBSCRIBERS, locks=Recipient)
def ask_many(recipients: Collection[Recipient], *, author: User) -> None:
    for recipient in _few(recipients):
        ask_again(recipient, author=author)


@service(Verb.MANAGE_SUBSCRIBERS, locks=Recipient)
def unsubscribe_many(recipients: Collection[Recipient], *, author: User) -> None:
    for recipient in _few(recipients):
        unsubscribe(recipient, author=author)


@service(Verb.MANAGE_SUBSCRIBERS, locks=Recipient)
def release_many(recipients: Collection[Recipient], *, author: User) -> None:
    for recipient in _few(recipients):
        release(recipient, author=author)


@service(Verb.MANAGE_SUBSCRIBERS, locks=Recipient)
def unfollow(recipient: Recipient, incident: Incident, *, author: User) -> None:
    """Hear no more of one incident; who hears of nothing else is unsubscribed."""
    recipient.lock()
    follows = recipient.follows.select_related("component", "incident")
    left = [row for row in follows if row.incident_id != incident.pk]
    if not (recipient.everything or left):
        unsubscribe(recipient, author=author)
        return
    choose(recipient, choices_of(recipient, [row.incident for row in left if row.incident]), author=author)


def choices_of(recipient: Recipient, incidents: Collection[Incident]) -> Choices:
    """What a recipient hears about now, with `incidents` instead of those that it follows."""
    components = [row.component for row in recipient.follows.select_related("component") if row.component]
    return Choices(
        everything=recipient.everything,
        components=components,
        incidents=list(incidents),
        postmortems_only=recipient.postmortems_only,
        minimum_impact=Impact(recipient.minimum_impact),
    )


def _few(recipients: Collection[Recipient]) -> list[Recipient]:
    if len(recipients) > MOST:
        raise InvalidInput(_("At most %(most)d subscribers at once.") % {"most": MOST}, field="subscribers")
    return sorted(recipients, key=lambda recipient: recipient.pk)  # locked in one order, whoever asks
