"""Several who act at the same moment, and what must be true after that."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from threading import Barrier
from typing import Any

from django.db import connection, connections

from incidents.errors import Conflict
from incidents.lifecycle import ComponentStatus
from incidents.models import Component


def together(*acts: Callable[[], Any]) -> list[Any]:
    """Run `acts` at the same moment, each in a thread with its own connection; what each returned or raised."""
    barrier = Barrier(len(acts))

    def run(act: Callable[[], Any]) -> Any:
        connection.ensure_connection()
        barrier.wait()
        try:
            return act()
        except Conflict as refusal:
            return refusal
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(run, acts))


def assert_one_chain(component: Component) -> None:
    """Each change began where the one before it had ended."""
    changes = list(component.status_changes.order_by("effective_at", "id"))
    assert changes[0].old_status == ComponentStatus.OPERATIONAL
    for before, after in pairwise(changes):
        assert after.old_status == before.status
    assert component.status == changes[-1].status
    assert [change.pk for change in changes] == sorted(change.pk for change in changes)
