"""A connection to PostgreSQL on which no wait is without end.

While a server is stopped and the kernel below it lives, TCP still acknowledges what is sent: no keepalive and no
timeout of the server ever fires. Only the client can end such a wait, and it must not ask politely: the cancel would
wait as well. It leans on how psycopg 3.3 waits (`Connection.wait`), which tests/faults proves against a real server.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from threading import Thread
from typing import Any, Self, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.errors import _WaitTimeout

T = TypeVar("T")


@dataclass(slots=True)
class TimeLimit:
    """How long the running code may wait for the database; what it computes in between does not count."""

    wait: float = 15.0  # seconds for one answer
    left: float = math.inf  # seconds for all that are still to come
    commit_sent: bool = False  # from here on something may have been saved

    @contextmanager
    def spend(self) -> Iterator[float | None]:
        """Yields how long the wait in this block may take; None is for ever."""
        seconds = max(0.0, min(self.wait, self.left))
        began_at = time.monotonic()
        try:
            yield None if seconds == math.inf else seconds
        finally:
            self.left -= time.monotonic() - began_at


_time_limit: ContextVar[TimeLimit | None] = ContextVar("time_limit", default=None)


def current_time_limit() -> TimeLimit:
    return _time_limit.get() or TimeLimit()


@contextmanager
def time_limit(wait: float, *, total: float = math.inf) -> Iterator[TimeLimit]:
    """Within the block one answer of the database may take `wait` seconds, and all of them together `total`."""
    value = TimeLimit(wait, total)
    token = _time_limit.set(value)
    try:
        yield value
    finally:
        _time_limit.reset(token)


@dataclass(slots=True)
class Server:
    """What this process knows of the server: since when it does not answer, and when it last let somebody wait."""

    silent_since: float | None = None
    stalled_at: float = -math.inf

    def fell_silent(self) -> None:
        if self.silent_since is None:
            self.silent_since = time.monotonic()


server = Server()


class DeadlineConnection(psycopg.Connection[Any]):
    """Raises OperationalError when the current time limit ends, and is closed then."""

    opened_at: float

    @classmethod
    def connect(cls, conninfo: str = "", **parameters: Any) -> Self:
        """Open a connection within the current time limit, whatever the resolver of names or the network does."""
        attempt: Future[Self] = Future()

        def open_it() -> None:
            try:
                attempt.set_result(super(DeadlineConnection, cls).connect(conninfo, **parameters))
            except BaseException as error:  # noqa: BLE001  (raised below, in the thread that asked)
                attempt.set_exception(error)

        opened_at = time.monotonic()
        # A thread of its own, because nothing can end a thread that waits for a name to be resolved.
        Thread(target=open_it, name="connect", daemon=True).start()
        try:
            with current_time_limit().spend() as seconds:
                connection = attempt.result(seconds)
        except TimeoutError:
            attempt.add_done_callback(_discard)
            server.fell_silent()
            raise psycopg.errors.ConnectionTimeout("no connection within the deadline") from None
        except psycopg.Error:
            server.fell_silent()
            raise
        connection.opened_at = opened_at
        return connection

    @property
    def is_suspect(self) -> bool:
        """Whether a wait on the server has expired since this connection was opened: it may be stalled as well."""
        return self.opened_at <= server.stalled_at

    def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        if timeout is not None:
            return super().wait(gen, interval, timeout)
        allowed = current_time_limit()
        try:
            with allowed.spend() as seconds:
                result = super().wait(gen, interval, seconds)
        except _WaitTimeout:
            self.close()
            if seconds == allowed.wait:  # less says only that this request has used up its time
                server.stalled_at = time.monotonic()
                server.fell_silent()
            raise psycopg.OperationalError(f"no answer within {seconds:.1f} s: connection closed") from None
        except psycopg.InternalError as error:
            # Two answers to one COMMIT: the server's last words, and PgBouncer's own.
            if error.sqlstate is None:
                raise psycopg.OperationalError(str(error)) from error
            raise
        server.silent_since = None
        return result

    def commit(self) -> None:
        allowed = current_time_limit()
        before = allowed.commit_sent
        allowed.commit_sent = before or self.pgconn.transaction_status == psycopg.pq.TransactionStatus.INTRANS
        try:
            super().commit()
        except psycopg.Error as error:
            # 57 may come in the middle of a commit, and 08 is PgBouncer's word for a server that was lost then.
            if error.sqlstate and not error.sqlstate.startswith(("08", "57")):
                allowed.commit_sent = before  # the server says that it did not
            raise


def _discard(attempt: Future[Any]) -> None:
    if attempt.exception() is None:
        attempt.result().close()
