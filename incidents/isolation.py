"""One bad row stops nothing: how every loop of the clock and of the workers goes through its rows.

What fails is tried again, later each time, and is parked after ATTEMPTS: then staff read the reason in the admin, and
*Try again* frees it, as an upgrade of the software does. An outage, of the database or of this host, parks nothing.
"""

from __future__ import annotations

import logging
import re
import time
import traceback
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any, TypeVar

from django.db import transaction
from django.db.models import Min, QuerySet

from incidents.authorship import service
from incidents.models import Failure, User
from incidents.outages import is_outage, is_outage_of_host
from incidents.permissions import Verb
from incidents.record_time import record_time

R = TypeVar("R")

logger = logging.getLogger(__name__)

PAUSES = [timedelta(seconds=seconds) for seconds in (5, 30, 120, 600)]  # after the first attempt, the second ...
ATTEMPTS = len(PAUSES) + 1
ADDRESS = re.compile(r"(?<!\S)\S+@\S+")  # no address gets into a log or this table, so that it can be forgotten


@dataclass(frozen=True, slots=True)
class Loop:
    """One kind of work of the clock. `oldest` says since when the oldest thing that is not done was to be done."""

    kind: str
    run: Callable[..., Any]
    oldest: Callable[[], datetime | None]


LOOPS: dict[str, Loop] = {}
"""By its kind, every loop of the modules that were imported so far."""

F = TypeVar("F", bound=Callable[..., Any])


def loop(kind: str, *, oldest: Callable[[], datetime | None] = lambda: None) -> Callable[[F], F]:
    """Register a function whose rows go through `each` as `kind`."""

    def register(function: F) -> F:
        LOOPS[kind] = Loop(kind, function, oldest)
        return function

    return register


TICK = 5.0  # seconds that one tick has for one kind of work, all rows together: what is urgent waits behind no more


def each(
    kind: str,
    rows: Iterable[R],
    act: Callable[[R], int | None],
    *,
    key: Callable[[R], object] = attrgetter("pk"),
    most: int | None = None,
    seconds: float | None = None,
    at_once: Callable[[Sequence[R]], int] | None = None,
) -> int:
    """Do `act` with each row, or with the first `most` of them; returns the sum of what it returned.

    After so many `seconds`, TICK if nothing is said, no other row is begun: the rest is there at the next tick.

    `act` is one transaction, or can be repeated. Pass all rows that are to be done: what has failed and is not among
    them any more is forgotten. `at_once` does what `act` does, with many rows: it is tried first while nothing fails.
    """
    failures = {row.key: row for row in Failure.objects.filter(kind=kind)}
    ready = _ready(rows, failures, key)[:most]
    if at_once and not failures:
        try:
            with transaction.atomic():
                return at_once(ready)
        except Exception as error:
            if is_outage(error):
                raise
    total, ends_at = 0, time.monotonic() + (TICK if seconds is None else seconds)
    for row in ready:
        name = str(key(row))
        with isolated(kind, name, failures.get(name)):
            total += int(act(row) or 0)
        if time.monotonic() >= ends_at:
            break
    return total


@contextmanager
def isolated(kind: str, key: str, failure: Failure | None = None) -> Iterator[None]:
    """What fails inside is noted, and stops nothing; only an outage of the database is raised."""
    try:
        yield
    except Exception as error:
        if is_outage(error):
            raise
        if is_outage_of_host(error):
            logger.exception("%s %s failed, and is tried again", kind, key)
        else:
            _note(kind, key, error)
    else:
        if failure:
            failure.delete()


def in_turn(*parts: Callable[[], object]) -> None:
    """Each of these loops, whatever becomes of those before it; an outage of the database is raised."""
    for part in parts:
        try:
            part()
        except Exception as error:
            if is_outage(error):
                raise
            logger.exception("%s failed, and is tried again at the next tick", part.__qualname__)


@service(Verb.EDIT_CATALOGUE)
def try_again(failures: QuerySet[Failure], *, author: User) -> int:
    """Let the clock try these again, as if they had never failed; returns how many."""
    count, _by_model = Failure.objects.filter(pk__in=failures.order_by().values("pk")).delete()
    return count


def free_all(**_signal: Any) -> None:
    """New software may do what the old one could not."""
    Failure.objects.all().delete()


def parked() -> dict[str, int]:
    """How many are parked of every kind."""
    kinds = list(Failure.objects.parked().order_by().values_list("kind", flat=True))
    return {kind: kinds.count(kind) for kind in sorted(LOOPS.keys() | set(kinds))}


def oldest() -> dict[str, datetime | None]:
    """Of every kind since when the oldest thing that is not done was to be done; None when everything is done."""
    rows = Failure.objects.order_by().values_list("kind").annotate(Min("since"))
    since = dict(rows)
    found = {}
    for kind in sorted(LOOPS):
        instants = [at for at in (since.get(kind), LOOPS[kind].oldest()) if at]
        found[kind] = min(instants, default=None)
    return found


def _ready(rows: Iterable[R], failures: dict[str, Failure], key: Callable[[R], object]) -> Sequence[R] | Any:
    """Those to be tried now; forgets the failures that are not among `rows` any more."""
    if not failures:
        return rows if isinstance(rows, QuerySet) else list(rows)
    now = record_time()
    waiting = [name for name, failure in failures.items() if failure.due_at is None or failure.due_at > now]
    if isinstance(rows, QuerySet):
        there: Collection[str] = {str(pk) for pk in rows.filter(pk__in=failures).values_list("pk", flat=True)}
        ready: Any = rows.exclude(pk__in=waiting)
    else:
        rows = list(rows)
        there = {str(key(row)) for row in rows}
        ready = [row for row in rows if str(key(row)) not in waiting]
    if over := [failure.pk for name, failure in failures.items() if name not in there]:
        Failure.objects.filter(pk__in=over).delete()
    return ready


@transaction.atomic
def _note(kind: str, key: str, error: Exception) -> None:
    now, reason = record_time(), _reason(error)
    failure, is_new = Failure.objects.get_or_create(
        kind=kind, key=key[:60], defaults={"reason": reason, "since": now, "due_at": now}
    )
    failure = Failure.objects.select_for_update(no_key=True).get(pk=failure.pk)
    failure.attempts += 1
    failure.reason = reason
    is_over = failure.attempts >= ATTEMPTS
    failure.due_at = None if is_over else now + PAUSES[failure.attempts - 1]
    failure.parked_at = now if is_over else None
    failure.save()
    if is_new:
        # The frames alone: below them stands what the error says, with the row's words.
        frames = "".join(traceback.format_tb(error.__traceback__))
        logger.error("%s %s failed, and is tried again: %s\n%s", kind, key, reason, frames)
    elif is_over:
        logger.error("%s %s failed %d times, and is parked: %s", kind, key, failure.attempts, reason)


def _reason(error: Exception) -> str:
    """What an error says in its first line: below it, a database repeats the row."""
    line = next(iter(str(error).splitlines()), "")
    return ADDRESS.sub("…", f"{type(error).__name__}: {line}")[:500].replace("\x00", "")
