"""Where staff are nudged: each person's mailbox, and the mailboxes and chats of whoever is on call."""

from __future__ import annotations

from collections.abc import Collection

from django.db.models import Max
from django.utils.translation import gettext as _

from incidents.authorship import service
from incidents.errors import InvalidInput, InvalidTransition
from incidents.models import Page, User
from incidents.permissions import Verb
from incidents.record_time import record_time, written_at
from status import secrets
from status.delivery import places
from status.models import Delivery, Nudge, Recipient, StaffChannel

Channel, State = StaffChannel.Channel, StaffChannel.State


@service(Verb.MANAGE_SUBSCRIBERS, locks=Recipient)
def mailbox_for(user: User, page: Page, *, author: User) -> Recipient:
    """The mailbox of a member of staff, whose address follows the one in their account."""
    mailbox, _is_new = Recipient.objects.get_or_create(page=page, user=user, defaults=_facts(Channel.STAFF, user.email))
    if mailbox.lock().address != user.email:
        mailbox.change(address=user.email, state=State.ACTIVE, reason="")
    return mailbox


@service(Verb.MANAGE_SUBSCRIBERS, locks=Page)
def add_channel(
    page: Page, *, channel: StaffChannel.Channel, address: str, author: User, url: str = ""
) -> StaffChannel:
    """Nudge this mailbox or chat when somebody on call is needed.

    A chat's `address` is the name that staff read, and its `url` the address that was checked; it is kept encrypted.
    """
    page.lock_live()
    if StaffChannel.objects.filter(page=page, channel=channel, address=address).exists():
        raise InvalidInput(_("There is one of this name or address already. Choose another."), field="address")
    recipient = StaffChannel(page=page, **_facts(channel, address), endpoint=secrets.encrypt(url) if url else "")
    recipient.save()
    return recipient


@service(Verb.MANAGE_SUBSCRIBERS, locks=StaffChannel)
def remove_channel(recipient: StaffChannel, *, author: User) -> None:
    """Nudge it no more; what it was sent stays in the record."""
    recipient.lock()
    name = f"{recipient.address[:480]} ({recipient.public_id})"  # so that it is free again
    recipient.change(address=name, endpoint="", state=State.UNSUBSCRIBED, deleted_at=written_at())


@service(Verb.MANAGE_SUBSCRIBERS, locks=StaffChannel)
def send_test(recipient: StaffChannel, *, author: User) -> Delivery:
    """Send a message that says that it is a test, one in a minute at the most; the delivery keeps the answer.

    It is sent like every nudge, so it tests the workers, too.
    """
    recipient.lock()
    if recipient.state != State.ACTIVE:
        raise InvalidTransition(_("This channel is not active. Release it, or add it anew."))
    now = record_time()
    nudge, is_new = Nudge.objects.get_or_create(
        key=Nudge.TEST,
        subject=recipient.public_id,
        due_at=now.replace(second=0, microsecond=0),
        defaults={
            "page": recipient.page,
            "title": _("This is a test of your channel, sent by %(who)s.") % {"who": author},
            "path": places.CHANNELS,
            "owed": 1,
        },
    )
    if not is_new:
        raise InvalidTransition(_("A test was sent within this minute. Read its answer before you send another one."))
    recipient._change_reason = _("A test was sent.")
    recipient.change()
    return Delivery.objects.create(
        recipient=recipient, nudge=nudge, purpose=Delivery.Purpose.NUDGE, priority=Delivery.Priority.STAFF, due_at=now
    )


def newest_tests(recipients: Collection[StaffChannel]) -> dict[int, Delivery]:
    """The newest test of each that had one, by the recipient's key."""
    tests = Delivery.objects.filter(recipient__in=recipients, nudge__key=Nudge.TEST)
    newest = tests.order_by().values("recipient").annotate(newest=Max("pk")).values("newest")
    return {test.recipient_id: test for test in Delivery.objects.filter(pk__in=newest)}


def _facts(channel: StaffChannel.Channel, address: str) -> dict[str, object]:
    return {
        "channel": channel,
        "address": address,
        "state": State.ACTIVE,
        "confirmed_at": written_at(),
        "everything": False,
    }
