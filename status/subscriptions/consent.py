"""Mailboxes are asked for their consent; strangers can have each of them asked once an hour, for each channel."""

from __future__ import annotations

from datetime import timedelta

from django.utils.crypto import salted_hmac

from incidents.record_time import record_time
from status import addresses
from status.delivery import owing
from status.models import AskedMailbox, Delivery, Subscriber

PAUSE = timedelta(hours=1)


def ask(recipient: Subscriber, *, pause: timedelta = timedelta()) -> None:
    """Owe the mailbox of a locked recipient a mail that asks it to confirm, unless it was asked within `pause`.

    A conditional UPDATE, so that of two who ask at the same moment, on whatever pages, one succeeds.
    """
    now = record_time()
    row, is_new = AskedMailbox.objects.get_or_create(digest=_digest(recipient), defaults={"asked_at": now})
    if is_new or AskedMailbox.objects.filter(pk=row.pk, asked_at__lte=now - pause).update(asked_at=now):
        owing.owe_mail(recipient, Delivery.Purpose.CONFIRMATION, due_at=now, confirmation_sent_at=now)


def forget_asked(recipient: Subscriber) -> None:
    """Whoever leaves can come back at once."""
    AskedMailbox.objects.filter(digest=_digest(recipient)).delete()


def drop_old() -> None:
    AskedMailbox.objects.filter(asked_at__lt=record_time() - PAUSE).delete()


def _digest(recipient: Subscriber) -> str:
    """The same for all spellings of a mailbox. Keyed, so that nobody finds an address by trying.

    Whoever names a mailbox for their webhook does not use up what its owner asks for.
    """
    mailbox = addresses.without_tags(recipient.contact or recipient.address)
    return salted_hmac("status.consent", f"{recipient.channel} {mailbox}", algorithm="sha256").hexdigest()
