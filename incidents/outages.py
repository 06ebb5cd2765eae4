"""Whether an error says that the machinery is away, and nothing about what was being done: it may succeed later."""

from __future__ import annotations

import sqlite3

from django.db import InterfaceError, InternalError, OperationalError

# SQLSTATEs, or the beginnings of them: connections, resources, shutdowns; read-only; a transaction that is over
POSTGRESQL = ("08", "53", "57", "25006", "25P02", "25P03")
SQLITE = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_READONLY,
}


def is_outage(error: BaseException) -> bool:
    """Of the database: whatever comes next would fail as well."""
    if not isinstance(error, (OperationalError, InterfaceError, InternalError)):
        return False
    cause = error.__cause__
    if (code := getattr(cause, "sqlite_errorcode", None)) is not None:
        return code & 0xFF in SQLITE  # without what an extended code adds
    state = getattr(cause, "sqlstate", None)
    return state.startswith(POSTGRESQL) if state else not isinstance(error, InternalError)
