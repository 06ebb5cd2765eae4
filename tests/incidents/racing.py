"""Two at the same moment, held where it matters."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from types import CellType, FunctionType
from typing import Any, cast

from django.db import connection, connections, models, transaction

from incidents.errors import DomainError
from incidents.models import User
from tests.waiting import until


@dataclass
class Outcome:
    waited_with: str = ""  # the statement
    after: dict[str, Any] = field(default_factory=dict)  # the row
    refusal: DomainError | None = None
    error: Exception | None = None

    @property
    def is_done(self) -> bool:
        """Whether it waited for the other one, and then did its work."""
        return bool(self.waited_with) and not (self.error or self.refusal)


def as_read_now(act: Callable[[Any], object]) -> Callable[[Any], object]:
    """The same call with rows that were read by somebody else, now."""
    function = cast(FunctionType, act)
    cells = [cell.cell_contents for cell in function.__closure__ or ()]
    rows = [type(cell)._base_manager.get(pk=cell.pk) if isinstance(cell, models.Model) else cell for cell in cells]
    return FunctionType(function.__code__, function.__globals__, closure=tuple(map(CellType, rows)))


def race(
    act: Callable[[Any], object], by: User, meanwhile: Callable[[], object], row: models.Model | None = None
) -> Outcome:
    """Begin `act` while a transaction that has done `meanwhile` is open; commit that one when `act` waits for it.

    With `row` what `act` has done is only looked at, in its own transaction, and not kept.
    """
    outcome, mine, pids = Outcome(), as_read_now(act), list[int]()

    def run() -> None:
        connection.ensure_connection()
        pids.append(connection.connection.info.backend_pid)
        try:
            with transaction.atomic():
                mine(by)
                if row:
                    outcome.after = type(row)._base_manager.values().get(pk=row.pk)
                    transaction.set_rollback(True)
        except DomainError as refusal:
            outcome.refusal = refusal
        except Exception as error:  # noqa: BLE001  (it is shown with the service's name)
            outcome.error = error
        finally:
            connections.close_all()

    def is_held() -> bool:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_stat_clear_snapshot()")
            cursor.execute(
                "SELECT query FROM pg_stat_activity WHERE pid = ANY(%s) AND wait_event_type = 'Lock'", [pids]
            )
            if found := cursor.fetchone():
                outcome.waited_with = found[0]
        return bool(outcome.waited_with) or not thread.is_alive()

    thread = threading.Thread(target=run)
    with transaction.atomic():
        meanwhile()
        thread.start()
        until(is_held)
    thread.join()
    return outcome
