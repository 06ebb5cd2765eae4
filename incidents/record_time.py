"""What time it is for the record: by the database's clock, which all hosts share. A host's own may be wrong, or step.

What orders, leases, expires or promises is decided by it, and every row says by it when it was written.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import connection, models
from django.utils import timezone

if TYPE_CHECKING:
    _DateTimeField = models.DateTimeField[datetime, datetime]
else:
    _DateTimeField = models.DateTimeField

_read: ContextVar[list[datetime] | None] = ContextVar("read", default=None)  # inside `one_time`, what was read last


def record_time() -> datetime:
    """Now. Ask after the locks: what is said later is then later, whichever host says it."""
    now = timezone.now() if is_of_host() else _of_database()
    if (read := _read.get()) is not None:
        read[:] = [now]
    return now


def written_at() -> datetime:
    """What a row says of when it was written: inside `one_time` what was read last, and read once if nobody has."""
    return (_read.get() or [record_time()])[0]


class WrittenAt(_DateTimeField):
    """When its row was written (`auto_now_add`, unless it is told), or written last (`auto_now`)."""

    def pre_save(self, row: models.Model, add: bool) -> Any:
        if self.auto_now or (add and self.auto_now_add and getattr(row, self.attname) is None):
            setattr(row, self.attname, written_at())
        return getattr(row, self.attname)

    def deconstruct(self) -> Any:
        """In a migration it is Django's own."""
        name, _path, args, kwargs = super().deconstruct()
        return name, "django.db.models.DateTimeField", args, kwargs


@contextmanager
def one_time() -> Iterator[None]:
    """Every row that is written inside says the same time, until somebody asks for the time again."""
    token = _read.set([]) if _read.get() is None else None
    try:
        yield
    finally:
        if token:
            _read.reset(token)


def skew() -> float:
    """How many seconds this host's clock is ahead of the database's."""
    if is_of_host():
        return 0.0
    before, now = timezone.now(), _of_database()
    return ((before - now) + (timezone.now() - now)).total_seconds() / 2


def is_of_host() -> bool:
    """Whether the database has this host's clock, as SQLite has: it runs in this process."""
    return connection.vendor == "sqlite"


def _of_database() -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")  # PostgreSQL's now() is when the transaction began, before its locks
        now: datetime = cursor.fetchone()[0]
    return now
