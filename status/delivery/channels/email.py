"""E-mail: what every subscriber can have, and where the owners of other channels are asked and warned."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from email import message_from_bytes
from email.message import Message as ParsedMail
from email.policy import SMTP

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.core.mail.backends.smtp import EmailBackend

from status import addresses
from status.addresses import Network
from status.delivery.mails import events, personal, smtp
from status.delivery.mails.message import Message
from status.delivery.protocol import Answer, Answered, Channel, Claimed, Claims, Unavailable, for_a_day
from status.models import Delivery

FIRST, MOST = 20, 200  # mails that are claimed at once, when it is not known yet how many go in a second, and ever

_sending = threading.Lock()  # in one thread of a process: SMTP_RATE and SMTP_CONNECTIONS are per process


def fill(message: Message, delivery: Claimed) -> smtp.Mail:
    mailbox = delivery.mailbox
    return smtp.Mail(delivery.pk, mailbox, message.to(mailbox, delivery.pk, delivery.public_id))


def send(claims: Claims, _network: Network) -> Generator[Answered, None, None]:
    """Over SMTP_CONNECTIONS, or by Django's backend where that is not SMTP. A process does this once at a time; a
    second call takes nothing.
    """
    if not _sending.acquire(blocking=False):
        return
    try:
        taken: dict[int, Claimed] = {}
        hand_over = smtp.send if isinstance(get_connection(), EmailBackend) else _to_backend
        with closing(hand_over(_mails(claims, taken), connections=settings.SMTP_CONNECTIONS)) as replies:
            for some in replies:
                yield [(taken.pop(mail.key), Answer(reply.meaning, str(reply))) for mail, reply in some]
    finally:
        _sending.release()


def _mails(claims: Claims, taken: dict[int, Claimed]) -> Iterator[smtp.Mail]:
    """One after the other, and no faster than SMTP_RATE.

    Those of about a second are claimed at once: what is more important by then waits no longer, be the server as slow
    as it will.
    """
    size, next_at = FIRST, 0.0  # time.monotonic()
    while batch := claims.take(size):
        began_at = time.monotonic()
        for delivery, mail in batch:
            if settings.SMTP_RATE and claims.has(delivery):
                time.sleep(max(0.0, next_at - time.monotonic()))
                next_at = max(next_at, time.monotonic()) + 1 / settings.SMTP_RATE
            if claims.has(delivery):
                taken[delivery.pk] = delivery
                yield mail
        size = min(MOST, max(1, int(len(batch) / max(0.001, time.monotonic() - began_at))))


class _Ready(EmailMessage):
    """A mail that is written already, for Django's other backends."""

    def __init__(self, mail: smtp.Mail) -> None:
        super().__init__(to=[mail.recipient])
        self._content = mail.content

    def message(self, *_arguments: object, **_options: object) -> ParsedMail:  # type: ignore[override]  # the stubs know no arguments
        return message_from_bytes(self._content, policy=SMTP)


def _to_backend(mails: Iterable[smtp.Mail], *, connections: int) -> Generator[smtp.Replies, None, None]:
    """Where EMAIL_BACKEND is not SMTP: in the demonstration, which keeps its mail in files."""
    try:
        with get_connection() as backend:
            for mail in mails:
                backend.send_messages([_Ready(mail)])
                yield [(mail, smtp.Reply(smtp.Stage.CONTENT, 250, type(backend).__module__))]
    except OSError as error:  # a full disk
        raise Unavailable(str(error)) from error


CHANNEL = Channel(
    check=addresses.mailbox,
    writes={
        Delivery.Purpose.EVENT: events.event_mail,
        Delivery.Purpose.CONFIRMATION: personal.confirmation,
        Delivery.Purpose.WARNING: personal.warning,
        Delivery.Purpose.LEFT_BEHIND: personal.left_behind,
    },
    fill=fill,
    send=send,
    pause=for_a_day,
)
