"""How many statements does one tick of the clock take when very much is due at once?

A quarter of it are planned updates, a quarter are maintenances that start, half are promises that staff are nudged of.
What each transition itself takes (post the update, start the maintenance) is not counted. Limit: at most five
statements for a hundred due items beyond that; on SQLite, where one statement holds fewer rows.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import wraps
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from tests.servers import temporary_folder

if TYPE_CHECKING:
    from incidents.models import Page, User

ITEMS = 1000
LIMIT = 5.0


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
    import time_machine
    from django.db import connection
    from django.utils import timezone

    from incidents import planned
    from incidents.incidents import declare_incident, post_update
    from incidents.lifecycle import IncidentStatus
    from incidents.maintenance import clockwork
    from incidents.maintenance.plans import schedule_maintenance
    from status.delivery import nudges

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


def main() -> bool:
    """Whether the limit was kept."""
    import django

    django.setup()
    from django.core.management import call_command

    from incidents import catalogue
    from incidents.models import Page
    from incidents.people import service_user
    from incidents.signals import event_recorded
    from status.delivery import staff_channels
    from status.models import Recipient
    from status.publication import publishing

    event_recorded.disconnect(publishing.on_event, dispatch_uid="status.publish")  # what is published is not asked
    call_command("migrate", verbosity=0)
    author = service_user("bench", role="administrator")
    is_kept = True
    for items in (ITEMS // 10, ITEMS):
        page = Page(name="Bench", url=f"https://status{items}.bench.example")
        catalogue.save(page, author=author)
        staff_channels.add_channel(page, channel=Recipient.Channel.STAFF, address="oncall@bench.example", author=author)
        found = tick(page, author, items)
        is_kept = found.beyond <= LIMIT or items < ITEMS
        print(
            f"{items} due items: {found.statements} statements, {found.of_transitions} of them in the transitions; "
            f"beyond these {found.beyond:.1f} for a hundred items",
            flush=True,
        )
    print(f"limit: {LIMIT} for a hundred of {ITEMS} items: {'kept' if is_kept else 'NOT KEPT'}")
    return is_kept


if __name__ == "__main__":
    os.environ |= {
        "DATA_DIR": str(temporary_folder("bench-tick-")),
        "SECRET_KEY": "nothing-is-signed-with-this-key-but-in-benchmarks",
        "DATABASE_URL": "",
        "DJANGO_SETTINGS_MODULE": "portal.settings",
    }
    sys.exit(not main())
