"""What the engine and a channel say to each other: a claimed delivery, an answer, and the shape of a channel."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Any, NamedTuple, Protocol

from django.utils.translation import gettext as _

from status.addresses import Network, Refused

logger = logging.getLogger(__name__)

LEASE = timedelta(minutes=5)
GIVE_UP = timedelta(days=1)  # after the delivery was owed
BACK_OFF = [timedelta(minutes=minutes) for minutes in (1, 2, 5, 15, 30, 60)]  # after the first try, the second ...

_MAILBOX = re.compile(r"[!-;=?-~]+@[!-;=?A-~-]+")


class Claimed(NamedTuple):
    """A delivery that is ours for LEASE: a row, because there are many thousands, and without any secret."""

    pk: int
    event_id: int | None
    purpose: str
    attempts: int  # before this one
    created_at: datetime
    recipient_id: int
    public_id: str
    channel: str
    state: str
    address: str
    contact: str
    failing_since: datetime | None
    claimed_at: datetime

    @property
    def mailbox(self) -> str:
        """Where mail about this recipient goes: to its owner, as of a webhook, else to its own address.

        Raises `Refused` for what cannot stand in a header and in an SMTP command: another channel's address is none.
        """
        address = self.contact or self.address
        if not _MAILBOX.fullmatch(address):
            raise Refused(_("This is not an address to which mail can be sent."))
        return address


class Meaning(Enum):
    SENT = auto()
    RETRY = auto()
    REFUSED = auto()  # this message, for good
    GONE = auto()  # the address takes nothing more, ever


@dataclass(frozen=True, slots=True)
class Answer:
    """What one try came to; `text` is what the other side said, and has no secret.

    Of several messages those in `accepted` (by id) are not sent again with the others.
    """

    meaning: Meaning
    text: str
    accepted: tuple[str, ...] = ()


class Unavailable(Exception):
    """Nothing can be sent this way now, to whomever. What was not answered was not sent, and counts as no attempt."""


class Claims(Protocol):
    def take(self, limit: int, failing: int | None = None) -> list[tuple[Claimed, Any]]:
        """Up to so many due deliveries, each with its message; none when nothing is due, or it is time to stop.

        With `failing`, up to so many of them are to recipients who fail, and these come last.
        """

    def has(self, delivery: Claimed) -> bool:
        """Whether it is still ours, and due: to be asked right before it is sent."""


Answered = list[tuple[Claimed, Answer]]
# Takes until there is no more, and yields the answers, those that came together in one list: they are recorded before
# it goes on. What was taken and has no answer at its end is given back.
Send = Callable[[Claims, Network], Generator[Answered, None, None]]


@dataclass(frozen=True, slots=True)
class Channel:
    """One way to reach a recipient. Channels with the same `send` are sent together, the most important first."""

    # The address as it is kept and shown; raises `InvalidInput`. May ask a name server: not in a transaction.
    check: Callable[[str], str]
    # By purpose, from an event, a nudge or a recipient: the message but for what differs from one recipient to the
    # next. None when there is nothing to say any more. What a channel does not write goes by e-mail to the owner.
    writes: Mapping[str, Callable[[Any], Any]]
    # That message for one recipient, as `send` takes it; raises `InvalidInput` when there can be none.
    fill: Callable[[Any, Claimed], Any]
    send: Send
    # How long to wait after a failed try; None when there is no further one.
    pause: Callable[[Claimed], timedelta | None]
    # A recipient that fails for so long is put into quarantine, and its owner is warned before. None: one is only when
    # the other side says that it is GONE.
    quarantined_after: timedelta | None = None


def for_a_day(delivery: Claimed) -> timedelta | None:
    """A `pause`: longer each time, up to an hour, until a day after the message was owed."""
    pause = BACK_OFF[min(delivery.attempts, len(BACK_OFF) - 1)]
    return pause if delivery.claimed_at + pause <= delivery.created_at + GIVE_UP else None


def in_threads(send_one: Callable[[Any, Network], Answer], at_once: int) -> Send:
    """Send so many messages side by side: one that hangs holds up no other, and of those that may, with the recipients
    who fail, there are half as many at the most. `send_one` must not use the database.
    """

    def send(claims: Claims, network: Network) -> Generator[Answered, None, None]:
        under_way: dict[Future[Answer], Claimed] = {}
        with ThreadPoolExecutor(at_once) as pool:
            while True:
                failing = sum(each.failing_since is not None for each in under_way.values())
                for delivery, message in claims.take(at_once - len(under_way), max(0, at_once // 2 - failing)):
                    if claims.has(delivery):
                        under_way[pool.submit(send_one, message, network)] = delivery
                if not under_way:
                    return
                done = wait(under_way, timeout=1, return_when=FIRST_COMPLETED).done
                yield [(under_way.pop(future), _answer(future)) for future in done]

    return send


def _answer(future: Future[Answer]) -> Answer:
    """One that fails as nobody foresaw stops no other. Only the name of the error: its words may hold a secret."""
    if error := future.exception():
        logger.error("a message could not be sent: %s", type(error).__name__)
        return Answer(Meaning.RETRY, type(error).__name__)
    return future.result()
