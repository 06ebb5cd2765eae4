"""The delivery engine: claims what is due, sends it, and writes down what became of each.

A claim moves `due_at` into the future. A worker that dies leaves it there, and when that time has come another one
sends the message again, under the same Message-ID. Nothing is sent inside a transaction.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from email import message_from_bytes
from email.message import Message as ParsedMail
from email.policy import SMTP
from functools import partial
from typing import Any, Generic, NamedTuple, TypeVar

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.core.mail.backends.smtp import EmailBackend
from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import Exists, F, OuterRef, Q
from django.utils import timezone

from incidents.models import OutboxEvent
from incidents.people import service_user
from status.delivery import messages, nudges, smtp
from status.models import Delivery, Recipient
from status.subscriptions import subscribers

logger = logging.getLogger(__name__)

BATCH = 200
LEASE = timedelta(minutes=5)
GIVE_UP = timedelta(days=1)  # after the delivery was owed
BACK_OFF = [timedelta(minutes=minutes) for minutes in (1, 2, 5, 15, 30, 60)]  # after the first try, the second ...
RUN = 20.0  # seconds after which a worker looks whether it should do something else
FRESH = 5.0  # seconds for which a text is not read anew
DATABASE_TIMEOUT = 60.0  # seconds

State = Delivery.State
T = TypeVar("T")
Written = messages.Message | Exception | None  # None: there is nothing to tell any more
# What a webhook is not told itself goes to its owner
BY_MAIL = Q(recipient__channel__in=[Recipient.Channel.EMAIL, Recipient.Channel.STAFF]) | (
    Q(recipient__channel=Recipient.Channel.WEBHOOK) & ~Q(purpose=Delivery.Purpose.EVENT)
)

# By hand, because it is once per message: the ORM has no UPDATE from a list of rows, and one for each costs more than
# sending. Both databases call the columns of VALUES so.
RECORD = """
UPDATE status_delivery
SET state = %s, reason = %s, due_at = %s, finished_at = %s, claimed_at = NULL, answer = v.column2
FROM (VALUES {places}) AS v
WHERE status_delivery.id = v.column1 AND (status_delivery.state = 'due' OR %s)
"""

_mailing = threading.Lock()  # in one thread of a process: SMTP_RATE and SMTP_CONNECTIONS are per process


class Claimed(NamedTuple):
    """A delivery that is ours for LEASE, and what sending it takes: a row, because there are many thousands."""

    pk: int
    event_id: int | None
    purpose: str
    tried: int  # times, before this one
    created_at: datetime
    recipient_id: int
    public_id: str
    state: str
    address: str
    contact: str

    @property
    def mailbox(self) -> str:
        """Where its mail goes: about a webhook to its owner, and only a webhook has one."""
        return self.contact or self.address


COLUMNS = (
    *("pk", "event_id", "purpose", "attempts", "created_at", "recipient_id"),
    *(f"recipient__{name}" for name in ("public_id", "state", "address", "contact")),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one try. `due_at` says when the next one is, if the state is still due."""

    state: Delivery.State
    reason: str = ""
    answer: str = ""
    due_at: datetime | None = None


# --- The ledger -------------------------------------------------------------------------------------------------------


def claim(which: Q, limit: int) -> list[Claimed]:
    """Take up to `limit` due deliveries for LEASE, the most important first, and count the attempt.

    None of a recipient who has not got an earlier one about the same incident: each mailbox is told in order.
    """
    now = timezone.now()
    earlier = Delivery.objects.due().filter(
        recipient=OuterRef("recipient"), event__incident=OuterRef("event__incident"), pk__lt=OuterRef("pk")
    )
    # In the order of the index and no further: one event's are all due at one moment, and would be sorted each time.
    ready = Delivery.objects.due().filter(which, ~Exists(earlier), due_at__lte=now).order_by("priority", "due_at")
    with transaction.atomic():
        # FOR NO KEY UPDATE, and past what other workers are taking. On SQLite the transaction is alone from its start.
        locked = ready.select_for_update(of=("self",), no_key=True, skip_locked=True)
        rows = [Claimed(*row) for row in locked.values_list(*COLUMNS)[:limit]]
        Delivery.objects.filter(pk__in=[row.pk for row in rows]).update(
            due_at=now + LEASE, claimed_at=now, attempts=F("attempts") + 1
        )
    return rows


def record(outcomes: Mapping[int, Outcome]) -> None:
    """Write down what became of deliveries (by primary key), those that have it in common in one statement.

    That a message was sent is a fact, whatever was decided meanwhile; else what is not due any more stays as it is.
    """
    alike: dict[tuple[Delivery.State, str, datetime | None], list[Any]] = defaultdict(list)
    for key, each in outcomes.items():
        alike[each.state, each.reason, each.due_at] += key, each.answer[:500]
    now = _stored(timezone.now())

    def write() -> None:
        with connection.cursor() as cursor:
            for (state, reason, due_at), answers in alike.items():
                finished_at = None if state is State.DUE else now
                what = [state.value, reason, _stored(due_at) or now, finished_at, *answers, state is State.SENT]
                cursor.execute(RECORD.format(places=", ".join(["(%s, %s)"] * (len(answers) // 2))), what)

    _until_the_database_answers(write)


def _stored(instant: datetime | None) -> Any:
    return connection.ops.adapt_datetimefield_value(instant)


def release(deliveries: Iterable[Claimed], answer: str) -> None:
    """Give back what was claimed and not tried, as if it had not been; what is too old for another try has failed."""
    now = timezone.now()
    keys = [delivery.pk for delivery in deliveries]

    def write() -> None:
        Delivery.objects.due().filter(pk__in=keys, created_at__lt=now - GIVE_UP).update(
            state=State.FAILED, reason="given_up", answer=answer[:500], finished_at=now, claimed_at=None
        )
        Delivery.objects.due().filter(pk__in=keys).update(due_at=now, claimed_at=None, attempts=F("attempts") - 1)

    _until_the_database_answers(write)


def again(delivery: Claimed, answer: str) -> Outcome:
    """Due again after a while, unless it is given up by then."""
    due_at = timezone.now() + BACK_OFF[min(delivery.tried, len(BACK_OFF) - 1)]
    if due_at > delivery.created_at + GIVE_UP:
        return Outcome(State.FAILED, "given_up", answer)
    return Outcome(State.DUE, answer=answer, due_at=due_at)


class Telling(Generic[T]):
    """What events tell, by primary key: read once for all recipients, and again when that is some seconds old."""

    def __init__(self, read: Callable[[OutboxEvent], T], related: Iterable[str]) -> None:
        self._read = read
        self._events = OutboxEvent.objects.select_related(*related)
        self._known: dict[int, tuple[float, T]] = {}

    def of(self, key: int) -> T:
        if key not in self._known or time.monotonic() > self._known[key][0]:
            told = self._read(self._events.get(pk=key))
            self._known[key] = time.monotonic() + FRESH, told
        return self._known[key][1]


def _until_the_database_answers(write: Callable[[], None]) -> None:
    """What was sent and is not written down would be sent again: so a database that restarts is waited for."""
    give_up_at = time.monotonic() + DATABASE_TIMEOUT
    while True:
        try:
            write()
        except (OperationalError, InterfaceError):
            if connection.in_atomic_block or time.monotonic() > give_up_at:
                raise
            logger.warning("the database does not answer; what was sent is written down as soon as it does")
            connection.close()
            time.sleep(0.5)
        else:
            return


# --- Mail -------------------------------------------------------------------------------------------------------------


def deliver_mail(seconds: float = RUN) -> int:
    """Send what is due by mail until nothing is, or for about so long; returns how many were accepted.

    A process does this once at a time; a second call returns at once.
    """
    if not _mailing.acquire(blocking=False):
        return 0
    try:
        return _Round(seconds).run()
    finally:
        _mailing.release()


class _Round:
    def __init__(self, seconds: float) -> None:
        self._ends_at = time.monotonic() + seconds
        self._claimed: dict[int, Claimed] = {}
        self._telling = Telling(_of_event, ("page", "incident", "update"))
        self._next_at = 0.0  # time.monotonic(): before then, SMTP_RATE lets nothing go

    def run(self) -> int:
        count, why = 0, ""
        send = smtp.send if isinstance(get_connection(), EmailBackend) else _hand_over
        try:
            with closing(send(self._mails(), connections=settings.SMTP_CONNECTIONS)) as answers:
                for answered in answers:
                    count += self._record(answered)
        except smtp.Unavailable as error:
            why = str(error)
            logger.warning("the mail server takes nothing, the next tick tries again: %s", error)
        # After another exception the claims stay until they expire: at once, the same would happen again.
        release(self._claimed.values(), why)
        return count

    def _mails(self) -> Iterator[smtp.Mail]:
        try:
            yield from self._due()
        except (OperationalError, InterfaceError):
            # What is under way is answered all the same, and is written down once the database is back.
            logger.warning("the database does not answer; the next tick goes on")

    def _due(self) -> Iterator[smtp.Mail]:
        while time.monotonic() < self._ends_at and (batch := claim(BY_MAIL, BATCH)):
            expires_at = time.monotonic() + LEASE.total_seconds() / 2
            self._claimed |= {delivery.pk: delivery for delivery in batch}
            for delivery in batch:
                if time.monotonic() > expires_at:
                    return
                mail = _mail(delivery, self._telling)
                if isinstance(mail, Outcome):
                    record({delivery.pk: mail})
                    del self._claimed[delivery.pk]
                else:
                    self._pace()
                    yield mail

    def _pace(self) -> None:
        if settings.SMTP_RATE:
            time.sleep(max(0.0, self._next_at - time.monotonic()))
            self._next_at = max(self._next_at, time.monotonic()) + 1 / settings.SMTP_RATE

    def _record(self, answered: smtp.Answered) -> int:
        tries = [(self._claimed.pop(mail.key), answer) for mail, answer in answered]
        outcomes = {delivery.pk: _outcome(delivery, answer) for delivery, answer in tries}
        record(outcomes)
        for delivery, answer in tries:
            if answer.is_about_mailbox and not delivery.contact:  # a webhook may work all the same
                _until_the_database_answers(partial(_quarantine, delivery.recipient_id, outcomes[delivery.pk].answer))
        return sum(answer.is_accepted for _delivery, answer in tries)


def _mail(delivery: Claimed, telling: Telling[Written]) -> smtp.Mail | Outcome:
    """The mail, or the reason why there is none."""
    is_about_something = delivery.event_id or delivery.purpose == Delivery.Purpose.NUDGE
    if is_about_something and delivery.state != Recipient.State.ACTIVE:
        return Outcome(State.CANCELLED, delivery.state)
    message = telling.of(delivery.event_id) if delivery.event_id else _written(partial(_of_recipient, delivery))
    if message is None:
        return Outcome(State.CANCELLED, "withdrawn")
    if isinstance(message, Exception):
        return again(delivery, f"{type(message).__name__}: {message}")
    try:
        address = messages.bare(delivery.mailbox)
    except messages.BadAddress as error:
        return Outcome(State.FAILED, "refused", str(error))
    return smtp.Mail(delivery.pk, address, message.to(address, delivery.pk, delivery.public_id))


def _of_event(event: OutboxEvent) -> Written:
    return _written(partial(messages.of_event, event))


def _written(write: Callable[[], messages.Message | None]) -> Written:
    """The error in place of a message that cannot be written: it stops no other, and is tried again for a day."""
    try:
        return write()
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:
        logger.exception("a message cannot be written; it is tried again for a day")
        return error


def _of_recipient(delivery: Claimed) -> messages.Message | None:
    if delivery.purpose == Delivery.Purpose.NUDGE:
        nudge = nudges.of(delivery.pk)
        return messages.of_nudge(nudge) if nudges.holds(nudge) else None
    recipient = Recipient.objects.select_related("page").get(pk=delivery.recipient_id)
    if delivery.purpose == Delivery.Purpose.WARNING:
        return messages.of_warning(recipient)
    return messages.of_subscription(recipient)


def _quarantine(recipient_pk: int, reason: str) -> None:
    recipient = Recipient.objects.get(pk=recipient_pk)
    subscribers.quarantine(recipient, reason=reason, author=service_user("mail", role="subscriptions"))


def _outcome(delivery: Claimed, answer: smtp.Answer) -> Outcome:
    text, address = str(answer), delivery.mailbox
    if address.lower() in text.lower():  # servers like to repeat it; it is forgotten with the subscriber, so not kept
        text = re.sub(re.escape(address), "…", text, flags=re.IGNORECASE)
    if answer.is_accepted:
        return Outcome(State.SENT, answer=text)
    if answer.is_refused:
        return Outcome(State.FAILED, "refused", text)
    return again(delivery, text)


class _Ready(EmailMessage):
    """A mail that is written already, for Django's other backends."""

    def __init__(self, mail: smtp.Mail) -> None:
        super().__init__(to=[mail.recipient])
        self._content = mail.content

    def message(self, *_arguments: object, **_options: object) -> ParsedMail:  # type: ignore[override]  # Django's class
        return message_from_bytes(self._content, policy=SMTP)


def _hand_over(mails: Iterable[smtp.Mail], *, connections: int) -> Generator[smtp.Answered, None, None]:
    """Where EMAIL_BACKEND is not SMTP: in the demonstration, which keeps its mail in files."""
    try:
        with get_connection() as backend:
            for mail in mails:
                backend.send_messages([_Ready(mail)])
                yield [(mail, smtp.Answer(smtp.Stage.CONTENT, 250, type(backend).__module__))]
    except OSError as error:  # a full disk
        raise smtp.Unavailable(str(error)) from error
