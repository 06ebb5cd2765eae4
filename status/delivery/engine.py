"""The delivery engine: claims what is due, has its channel send it, and writes down what became of each.

A claim moves `due_at` into the future. A worker that dies leaves it there, and when that time has come another one
sends the message again, under the same id. A worker that stood still for so long has lost what it had claimed: it sends
none of that, and of what it tried it writes down only that a message was sent. Nothing is sent inside a transaction.
"""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial, reduce
from operator import or_
from threading import Event
from typing import Any

from django.db import Error, connection, transaction
from django.db.models import Exists, F, OuterRef, Q
from django.db.models.functions import Greatest

from incidents.errors import InvalidInput
from incidents.models import OutboxEvent, User
from incidents.outages import is_outage, passing_failure
from incidents.people import service_user
from incidents.record_time import record_time
from status.addresses import INTERNET, Network, without_addresses
from status.delivery import nudges, owing, protocol, quarantine
from status.delivery.channels import CHANNELS, carrier, sent_by
from status.delivery.protocol import Answer, Answered, Channel, Claimed, Meaning, Send, Unavailable
from status.models import Delivery, Recipient
from status.secrets import Locked

logger = logging.getLogger(__name__)

RUN = 20.0  # seconds after which a worker looks whether it should do something else
FRESH = 5.0  # seconds for which what is to be said of an event is not read anew
LOOK = 1.0  # seconds after which a worker looks whether what it has claimed is still its own
DATABASE_TIMEOUT = 60.0  # seconds

State = Delivery.State

stopping = Event()  # this process is to end: nothing more is begun, and what was claimed is given back

# By hand, because it is once per message: the ORM has no UPDATE from a list of rows, and one for each costs more than
# sending. Both databases call the columns of VALUES so.
RECORD = """
UPDATE status_delivery
SET state = %s, reason = %s, due_at = %s, finished_at = %s, claimed_at = NULL, answer = v.column2
FROM (VALUES {places}) AS v
WHERE status_delivery.id = v.column1
AND CASE WHEN %s THEN state <> 'sent' ELSE state = 'due' AND claimed_at = %s END
RETURNING status_delivery.id
"""

COLUMNS = (
    *("pk", "event_id", "purpose", "attempts", "created_at", "recipient_id"),
    *(f"recipient__{name}" for name in ("public_id", "channel", "state", "address", "contact", "failing_since")),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one try. `pause` says after how long the next one is, if the state is still due."""

    state: Delivery.State
    reason: str = ""
    answer: str = ""
    pause: timedelta | None = None
    accepted: tuple[str, ...] = ()  # of several messages, those that need not be sent again


def deliver(channel: Recipient.Channel, seconds: float = RUN, network: Network = INTERNET) -> int:
    """Send what is due by `channel`, and by those that are sent in the same way, until nothing is or for about so long.

    Returns how many messages were accepted.
    """
    return _Round(CHANNELS[channel].send, seconds).run(network)


class _Round:
    def __init__(self, send: Send, seconds: float) -> None:
        self._send = send
        self._which = sent_by(send)
        self._half_at, self._ends_at = time.monotonic() + seconds / 2, time.monotonic() + seconds
        self._claimed: dict[int, Claimed] = {}  # that have no answer yet
        self._looked_at = time.monotonic()
        self._written: dict[tuple[str, int], tuple[float, Any]] = {}  # until when it is FRESH, by channel and event

    def run(self, network: Network) -> int:
        count, why = 0, ""
        try:
            with closing(self._send(self, network)) as answers:
                for answered in answers:
                    count += self._record(answered)
        except Unavailable as error:
            why = str(error)
            logger.exception("nothing can be sent now; the next tick tries again")
        # After another exception the claims stay until they expire: at once, the same would happen again.
        release(self._claimed.values(), why)
        return count

    def take(self, limit: int, failing: int | None = None) -> list[tuple[Claimed, Any]]:
        found: list[tuple[Claimed, Any]] = []
        if failing and time.monotonic() > self._half_at:
            failing = 0  # else all others would wait for them at the end
        with self._until_an_outage():
            while not found and limit and time.monotonic() < self._ends_at and not stopping.is_set():
                if not (batch := claim(self._which, limit, failing)):
                    break
                self._claimed |= {delivery.pk: delivery for delivery in batch}
                for delivery in batch:
                    message = self._message(delivery)
                    if isinstance(message, Outcome):
                        record([(delivery, message)])
                        del self._claimed[delivery.pk]
                    else:
                        found.append((delivery, message))
        return found

    def has(self, delivery: Claimed) -> bool:
        """Looked up again after a while: of a worker that stood still, and also when somebody has left meanwhile."""
        is_known = time.monotonic() <= self._looked_at + LOOK
        if not is_known:
            with self._until_an_outage():
                now = time.monotonic()
                ours = Delivery.objects.due().filter(_held(self._claimed.values()), due_at__gt=record_time())
                held = set(ours.values_list("pk", flat=True))
                self._claimed = {key: each for key, each in self._claimed.items() if key in held}
                self._looked_at, is_known = now, True
        return is_known and self._claimed.get(delivery.pk) == delivery and not stopping.is_set()

    @contextmanager
    def _until_an_outage(self) -> Iterator[None]:
        """What is under way is answered all the same, and is written down once the database is back."""
        try:
            yield
        except Error as error:
            if not passing_failure(error):
                raise
            logger.exception("the database does not answer; the next tick goes on")
            self._ends_at = 0.0

    def _message(self, delivery: Claimed) -> Any:
        """What the channel sends, or the `Outcome` when there is nothing to send."""
        is_about_something = delivery.event_id or delivery.purpose == Delivery.Purpose.NUDGE
        if is_about_something and delivery.state != Recipient.State.ACTIVE:
            return Outcome(State.CANCELLED, delivery.state)
        channel = carrier(delivery.channel, delivery.purpose)
        written = self._write(channel, delivery)
        if not written:
            return Outcome(State.CANCELLED, Delivery.WITHDRAWN)
        if isinstance(written, Exception):
            return _retry(delivery, channel, f"{type(written).__name__}: {written}")
        try:
            return channel.fill(written, delivery)
        except Locked as refusal:
            return Outcome(State.FAILED, Delivery.GIVEN_UP, str(refusal))
        except InvalidInput as refusal:
            return Outcome(State.FAILED, "refused", str(refusal))
        except Exception as error:
            if is_outage(error):
                raise
            logger.exception("a message cannot be filled in; it is tried again")
            return _retry(delivery, channel, type(error).__name__)

    def _write(self, channel: Channel, delivery: Claimed) -> Any:
        """What a channel writes of an event, once for all recipients, and anew when that is some seconds old."""
        if delivery.event_id is None:
            return _written(channel, delivery)
        key = delivery.channel, delivery.event_id
        if key not in self._written or time.monotonic() > self._written[key][0]:
            written = _written(channel, delivery)
            self._written[key] = time.monotonic() + FRESH, written
        return self._written[key][1]

    def _record(self, answered: Answered) -> int:
        outcomes = [(delivery, _outcome(delivery, answer)) for delivery, answer in answered]
        recorded = record(outcomes)
        if failed := [each.pk for each, outcome in outcomes if outcome.state is State.DUE and each.pk in recorded]:
            _until_the_database_answers(partial(owing.cancel_past, failed))
        for (delivery, answer), (_delivery, outcome) in zip(answered, outcomes, strict=True):
            self._claimed.pop(delivery.pk, None)
            if delivery.pk not in recorded:
                continue
            try:
                _until_the_database_answers(partial(_judge, delivery, answer, outcome))
            except Exception as error:  # it is written down what became of it: only its recipient is not judged
                if is_outage(error):
                    raise
                logger.exception("what a try says about its recipient could not be noted")
        return sum(answer.meaning is Meaning.SENT for _delivery, answer in answered)


# --- What is said -----------------------------------------------------------------------------------------------------


def _written(channel: Channel, delivery: Claimed) -> Any:
    """The error in place of a message that cannot be written: it stops no other, and is tried again."""
    try:
        subject = _subject(delivery)
        return channel.writes[delivery.purpose](subject) if subject else None
    except Exception as error:
        if is_outage(error):
            raise
        logger.exception("a message cannot be written; it is tried again")
        return error


def _subject(delivery: Claimed) -> Any:
    """What the message is about; None when that is over."""
    if delivery.event_id:
        events = OutboxEvent.objects.select_related("page", "incident", "update", "component_change__component")
        return events.get(pk=delivery.event_id)
    if delivery.purpose == Delivery.Purpose.NUDGE:
        nudge = nudges.nudge_of(delivery.pk)
        return nudge if nudges.is_still_true(nudge) else None
    return Recipient.objects.select_related("page").get(pk=delivery.recipient_id)


# --- What became of it ------------------------------------------------------------------------------------------------


def _outcome(delivery: Claimed, answer: Answer) -> Outcome:
    # Servers like to repeat an address; it is forgotten with the subscriber, so it is not kept here.
    text = without_addresses(answer.text, delivery.contact, delivery.address)
    if answer.meaning is Meaning.SENT:
        return Outcome(State.SENT, answer=text)
    if answer.meaning is Meaning.RETRY:
        tried = delivery._replace(attempts=0) if answer.accepted else delivery
        return replace(_retry(tried, carrier(delivery.channel, delivery.purpose), text), accepted=answer.accepted)
    return Outcome(State.FAILED, "refused", text, accepted=answer.accepted)


def _retry(delivery: Claimed, channel: Channel, answer: str) -> Outcome:
    if pause := channel.pause(delivery):
        return Outcome(State.DUE, answer=answer, pause=pause)
    return Outcome(State.FAILED, Delivery.GIVEN_UP, answer)


def _judge(delivery: Claimed, answer: Answer, outcome: Outcome) -> None:
    """Note what a try says about its recipient: that it fails, works again, or takes nothing more."""
    channel = CHANNELS[delivery.channel]
    if delivery.purpose not in channel.writes:  # mail to an owner says nothing about the webhook
        return
    limit = channel.quarantined_after
    if answer.meaning is Meaning.SENT:
        if delivery.failing_since:
            quarantine.recover(_recipient(delivery), author=_author())
    elif limit or answer.meaning is Meaning.GONE:
        recipient = _recipient(delivery)
        if limit:
            quarantine.begin_failing(recipient, author=_author())
        is_hopeless = limit and recipient.failing_since and recipient.failing_since < record_time() - limit
        if answer.meaning is Meaning.GONE or (is_hopeless and outcome.state is State.FAILED):
            quarantine.quarantine(recipient, reason=outcome.answer, author=_author())


def _recipient(delivery: Claimed) -> Recipient:
    return Recipient.objects.get(pk=delivery.recipient_id)


def _author() -> User:
    return service_user("delivery", role="subscriptions")


# --- The rows ---------------------------------------------------------------------------------------------------------


def claim(which: Q, limit: int, failing: int | None = None) -> list[Claimed]:
    """Take up to `limit` due deliveries for LEASE, the most important first, and count the attempt.

    None of a recipient who has not got an earlier one about the same incident or component: each is sent them in order.
    With `failing`, those to recipients who fail come last, and are so many at the most.
    """
    if failing is not None:
        is_well = Q(recipient__failing_since=None)
        rows = claim(which & is_well, limit)
        return rows + (claim(which & ~is_well, most) if (most := min(failing, limit - len(rows))) else [])
    earlier = Delivery.objects.due().filter(
        owing.about_the_same(), recipient=OuterRef("recipient"), pk__lt=OuterRef("pk")
    )
    with transaction.atomic():
        now = record_time()
        # In the order of the index and no further: one event's are due at one moment, and would be sorted each time.
        ready = Delivery.objects.due().filter(which, ~Exists(earlier), due_at__lte=now).order_by("priority", "due_at")
        # FOR NO KEY UPDATE, and past what other workers are taking. On SQLite the transaction is alone from its start.
        locked = ready.select_for_update(of=("self",), no_key=True, skip_locked=True)
        rows = [Claimed._make((*row, now)) for row in locked.values_list(*COLUMNS)[:limit]]
        Delivery.objects.filter(pk__in=[row.pk for row in rows]).update(
            due_at=now + protocol.LEASE, claimed_at=now, attempts=F("attempts") + 1
        )
    return rows


def record(outcomes: Iterable[tuple[Claimed, Outcome]]) -> set[int]:
    """Write down what became of claimed deliveries, those that have it in common in one statement.

    That a message was sent is a fact, whatever was decided since, and whoever has it now. Anything else is written of
    what is still due and still ours. Returns the keys of those of which it was written down.
    """
    alike: dict[tuple[Delivery.State, str, timedelta | None, datetime], list[Any]] = defaultdict(list)
    for delivery, each in (found := list(outcomes)):
        alike[each.state, each.reason, each.pause, delivery.claimed_at] += delivery.pk, each.answer[:500]
    recorded: set[int] = set()

    def write() -> None:
        now = record_time()
        for delivery, each in found:
            if each.accepted:
                _remember(delivery.pk, each.accepted)
        with connection.cursor() as cursor:
            for (state, reason, pause, claimed_at), answers in alike.items():
                due_at = _stored(now + (pause or timedelta()))
                finished_at = None if state is State.DUE else _stored(now)
                which = [*answers, state is State.SENT, _stored(claimed_at)]
                places = ", ".join(["(%s, %s)"] * (len(answers) // 2))
                cursor.execute(RECORD.format(places=places), [state.value, reason, due_at, finished_at, *which])
                recorded.update(key for (key,) in cursor.fetchall())

    _until_the_database_answers(write)
    return recorded


@transaction.atomic
def _remember(delivery: int, accepted: Collection[str]) -> None:
    """Who takes some of them each time is not given up: the tries are counted from the last that was of use."""
    row = Delivery.objects.select_for_update(no_key=True).get(pk=delivery)
    row.accepted, row.attempts = sorted({*row.accepted, *accepted}), 0
    row.save(update_fields=["accepted", "attempts"])


def _stored(instant: datetime) -> Any:
    return connection.ops.adapt_datetimefield_value(instant)


def release(deliveries: Collection[Claimed], why: str) -> None:
    """Give back what was claimed and not tried, as if it had not been.

    With `why`, nothing can be sent; then what is too old for another try has failed.
    """
    over = [each for each in deliveries if why and not carrier(each.channel, each.purpose).pause(each)]

    def write() -> None:
        now = record_time()
        Delivery.objects.due().filter(_held(over)).update(
            state=State.FAILED, reason=Delivery.GIVEN_UP, answer=why[:500], finished_at=now, claimed_at=None
        )
        back = Greatest(F("attempts") - 1, 0)
        Delivery.objects.due().filter(_held(deliveries)).update(due_at=now, claimed_at=None, attempts=back)

    _until_the_database_answers(write)


def _held(deliveries: Iterable[Claimed]) -> Q:
    """Those that no other worker has claimed since."""
    keys: dict[datetime, list[int]] = defaultdict(list)
    for each in deliveries:
        keys[each.claimed_at].append(each.pk)
    which = [Q(pk__in=found, claimed_at=claimed_at) for claimed_at, found in keys.items()]
    return reduce(or_, which, Q(pk__in=[]))


def _until_the_database_answers(write: Callable[[], object]) -> None:
    """What was sent and is not written down would be sent again: so a database that restarts is waited for."""
    give_up_at = time.monotonic() + DATABASE_TIMEOUT
    while True:
        try:
            write()
        except Error as error:
            if not passing_failure(error) or connection.in_atomic_block or time.monotonic() > give_up_at:
                raise
            logger.exception("the database does not answer; what was sent is written down as soon as it does")
            connection.close()
            time.sleep(0.5)
        else:
            return
