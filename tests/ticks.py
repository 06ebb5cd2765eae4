"""How many statements one tick of the clock takes when much is due at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import wraps
from typing import Any
from unittest.mock import patch

import time_machine
from django.db import connection
from django.utils import timezone

from incidents import planned
from incidents.incidents import declare_incident, post_update
from incidents.lifecycle import IncidentStatus
from incidents.maintenance import clockwork
from incidents.maintenance.plans import schedule_maintenance
from incidents.models import Page, User
from status.delivery import nudges


@dataclass(slots=True)
class Tick:
    items: int
    statements: int
    of_transitions: int

    @property
    def beyond(self) -> float:
        """Statements for a hundred items, but for the transitions themselves."""
        return (self.statements - self.of_transitions) / self.items * 100


def tick(page: Page, author: User, items: int) -> Tick:
    """Make so many items that are due five minutes later, and count what the clock does then."""
    now = timezone.now().replace(microsecond=0)
    soon, later = now + timedelta(minutes=5), now + timedelta(minutes=10)
    count = {"all": 0, "transitions": 0}
    inside: list[bool] = []

    def counting(execute: Callable[..., Any], *arguments: Any) -> Any:
        count["all"] += 1
        count["transitions"] += bool(inside)
        return execute(*arguments)

    @contextmanager
    def transition(module: Any, name: str) -> Iterator[None]:
        act = getattr(module, name)

        @wraps(act)
        def counted(*args: Any, **kwargs: Any) -> Any:
            inside.append(True)
            try:
                return act(*args, **kwargs)
            finally:
                inside.pop()

        with patch.object(module, name, counted):
            yield

    text: Any = {"body": "We look into it.", "author": author, "notify": False}
    with time_machine.travel(now, tick=False) as clock:
        for number in range(items // 4):
            incident = declare_incident(page, title=f"Planned {number}", author=author)
            facts: Any = {"due_at": soon, "components": (), "next_update": 0, "status": IncidentStatus.IDENTIFIED}
            planned.plan_update(incident, **text, **facts)
            window: Any = {"scheduled_for": soon, "scheduled_until": now + timedelta(hours=1), "reminders": ()}
            schedule_maintenance(page, title=f"Disks {number}", starts_by_itself=True, **text, **window)
        for number in range(items // 2):
            incident = declare_incident(page, title=f"Promised {number}", author=author)
            post_update(incident, status=IncidentStatus.IDENTIFIED, next_update_due_at=later, **text)
        clock.move_to(soon)
        with (
            transition(planned, "post_planned"),
            transition(clockwork, "start"),
            connection.execute_wrapper(counting),
        ):
            done = clockwork.advance() + planned.post_due() + nudges.nudge()
    assert done == items, f"{done} of {items} items were done"
    return Tick(items, count["all"], count["transitions"])
