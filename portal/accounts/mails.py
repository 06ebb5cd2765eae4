"""Mails to members of staff about their own accounts: written down with what they tell of, and sent by the clock.

In one there may be a link that opens an account. So a row holds it encrypted, and is gone once it was sent.
"""

from __future__ import annotations

import json
import logging
from datetime import datetime, timedelta

from django.core.mail import EmailMessage, make_msgid

from incidents.isolation import each, loop
from incidents.models import Failure
from incidents.record_time import record_time
from portal.models import AccountMail
from status.secrets import decrypt, encrypt

LEASE = timedelta(minutes=2)
PAUSE, LONGEST_PAUSE = timedelta(seconds=10), timedelta(minutes=10)
GIVE_UP = timedelta(days=1)

logger = logging.getLogger(__name__)


def owe(message: EmailMessage) -> None:
    """Have a mail of plain text sent in a moment."""
    facts = {name: getattr(message, name) for name in ("subject", "body", "from_email", "to")}
    # The same on every try: by it a mailbox knows a repetition.
    headers = {**message.extra_headers, "Message-ID": make_msgid()}
    AccountMail.objects.create(content=encrypt(json.dumps({**facts, "headers": headers})))


def _oldest() -> datetime | None:
    return AccountMail.objects.order_by("pk").values_list("created_at", flat=True).first()


@loop("account_mail", oldest=_oldest)
def send() -> int:
    """Send what is due; returns how many mails were. For the clock, as often as it likes.

    What no mail server takes for a day is given up; what cannot be read stays, parked, until staff have seen why.
    """
    parked = Failure.objects.parked().filter(kind="account_mail").values_list("key", flat=True)
    over = AccountMail.objects.filter(created_at__lte=record_time() - GIVE_UP)
    if given_up := over.exclude(pk__in=list(parked)).delete()[0]:
        logger.error("%d mails to members of staff could not be sent for a day, and are given up", given_up)
    return each("account_mail", AccountMail.objects.order_by("pk"), _send)


def _send(row: AccountMail) -> int:
    message = EmailMessage(**json.loads(decrypt(row.content)))
    now = record_time()
    if not AccountMail.objects.filter(pk=row.pk, due_at__lte=now).update(due_at=now + LEASE):
        return 0
    try:
        message.send()
    except OSError:
        logger.exception("the mail server did not take a mail to a member of staff; it is tried again")
        pause = min(max(PAUSE, now - row.created_at), LONGEST_PAUSE)
        AccountMail.objects.filter(pk=row.pk, due_at=now + LEASE).update(due_at=now + pause)  # while it is ours
        return 0
    AccountMail.objects.filter(pk=row.pk).delete()
    return 1
