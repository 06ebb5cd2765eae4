"""Django's PostgreSQL backend on connections with a deadline; the ENGINE of the portal.

Its options are the measured ones (docs/decisions/0001-database-deadline.md) and need nothing in the settings.
"""

from __future__ import annotations

import math
import os
from contextlib import ExitStack, nullcontext
from typing import Any, Self

from django.db import connections
from django.db.backends.postgresql import base, schema
from django.utils.asyncio import async_unsafe

from portal.postgresql.deadline import DeadlineConnection, current_time_limit, time_limit

HEALTH_CHECK = 1.0  # seconds


class DatabaseSchemaEditor(schema.DatabaseSchemaEditor):
    """Takes as long as a migration does, but does not wait long for a table.

    Whoever comes after one that waits, waits as well: so it gives up, and `migrate` tries again.
    """

    LOCK_TIMEOUT = 1000  # ms

    def __enter__(self) -> Self:
        self._unhurried = ExitStack()
        self._unhurried.enter_context(time_limit(math.inf))
        super().__enter__()
        if self.atomic_migration and not self.collect_sql:
            self.execute(f"SET LOCAL lock_timeout = {self.LOCK_TIMEOUT}")
        return self

    def __exit__(self, *exception: Any) -> None:
        with self._unhurried:
            super().__exit__(*exception)


class DatabaseWrapper(base.DatabaseWrapper):
    SchemaEditorClass = DatabaseSchemaEditor
    connection: DeadlineConnection | None

    def __init__(self, settings_dict: dict[str, Any], alias: str = "default") -> None:
        # Each thread keeps its connection, and tries it before each request or task.
        # A cursor of the server belongs to one connection, which PgBouncer gives to somebody else after a transaction.
        settings_dict.update(CONN_MAX_AGE=300, CONN_HEALTH_CHECKS=True, DISABLE_SERVER_SIDE_CURSORS=True)
        super().__init__(settings_dict, alias)

    def get_connection_params(self) -> dict[str, Any]:
        return _options() | super().get_connection_params()

    @async_unsafe
    def get_new_connection(self, conn_params: dict[str, Any]) -> DeadlineConnection:
        return DeadlineConnection.connect(**conn_params)

    def close_if_health_check_failed(self) -> None:
        if self.connection is not None and self.connection.closed and not self.in_atomic_block:
            self.close()  # a deadline closed it; what comes next has nothing to do with that
        super().close_if_health_check_failed()

    def is_usable(self) -> bool:
        # One expired wait condemns every older connection: else each would cost somebody another wait.
        if self.connection is None or self.connection.is_suspect:
            return False
        # Django also asks before and after a request, where nobody else sets a limit.
        with nullcontext() if current_time_limit().wait <= HEALTH_CHECK else time_limit(HEALTH_CHECK):
            return super().is_usable()


def _options() -> dict[str, Any]:
    """libpq's parameters for a connection that is opened now; those of a request end a slow statement themselves."""
    now = current_time_limit()
    session = {
        "client_connection_check_interval": 1000,  # ms; a statement whose client gave up is given up too
        "jit": "off",  # measured: compiling the query for an update's recipients took longer than running it
        "idle_in_transaction_session_timeout": 60_000,
    }
    if now.left < math.inf:
        # Sooner than the client's deadline, so that a server which is alive says so and keeps the connection.
        session |= {"statement_timeout": int(now.wait * 900), "idle_in_transaction_session_timeout": 3000}
    return {
        "connect_timeout": 2,
        "tcp_user_timeout": 2000,
        "keepalives_idle": 2,
        "keepalives_interval": 1,
        "keepalives_count": 2,
        "options": " ".join(f"-c {name}={value}" for name, value in session.items()),
    }


_inherited: list[DeadlineConnection] = []


def _leave_to_parent() -> None:
    """In a forked process: the connection is the parent's, so it is kept and neither used nor closed."""
    for wrapper in connections.all(initialized_only=True):
        if isinstance(wrapper, DatabaseWrapper) and wrapper.connection is not None:
            _inherited.append(wrapper.connection)
            wrapper.connection = None


os.register_at_fork(after_in_child=_leave_to_parent)
