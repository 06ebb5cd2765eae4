"""Whether an error says that the machinery is away, and nothing about what was being done: it may succeed later."""

from __future__ import annotations

import errno
import socket
import sqlite3

from django.db import InterfaceError, InternalError, OperationalError

# SQLSTATEs, or the beginnings of them: connections, resources, shutdowns; read-only; a transaction that is over
POSTGRESQL = ("08", "53", "57", "25006", "25P02", "25P03")
CONTENTION = ("40001", "40P01", "55P03")  # somebody else was in the way
SQLITE = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_READONLY,
}
# The disk and this process; what is about one file (its name, say) is not among them
SYSTEM = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EACCES, errno.EPERM),
    *(errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.ENETUNREACH, errno.EHOSTUNREACH),
}


def is_outage(error: BaseException) -> bool:
    """Of the database: whatever comes next would fail as well."""
    if not isinstance(error, (OperationalError, InterfaceError, InternalError)):
        return False
    if (code := getattr(error.__cause__, "sqlite_errorcode", None)) is not None:
        return code & 0xFF in SQLITE  # without what an extended code adds
    state = _state(error)
    return state.startswith(POSTGRESQL) if state else not isinstance(error, InternalError)


def is_outage_of_host(error: BaseException) -> bool:
    """Of the disk, the network or this process: what needs less of it may succeed all the same."""
    is_network = isinstance(error, (ConnectionError, TimeoutError, socket.gaierror))
    return is_network or (isinstance(error, OSError) and error.errno in SYSTEM)


def is_contention(error: BaseException) -> bool:
    """Somebody else was in the way, and nothing was done."""
    return _state(error) in CONTENTION


def passing_failure(error: BaseException | None) -> BaseException | None:
    """What failed at the database in this error, or in what led to it, and may not a moment later; else None."""
    while error is not None:
        if is_outage(error) or is_contention(error):
            return error
        error = error.__cause__ or error.__context__
    return None


def _state(error: BaseException) -> str | None:
    return getattr(error.__cause__, "sqlstate", None)
