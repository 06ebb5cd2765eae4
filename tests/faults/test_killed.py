"""Whoever is killed between two steps of whatever the clock does has lost nothing, and nothing is done twice."""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from importlib import import_module
from itertools import count
from typing import Any

import pytest
import time_machine
from django.db import connection, transaction
from django.utils import timezone

from incidents.history import seals
from incidents.incidents import post_update
from incidents.isolation import LOOPS
from incidents.lifecycle import IncidentStatus
from incidents.models import Failure, Incident, Page, User
from status import relay
from status.delivery import engine, protocol
from status.models import Delivery, Subscriber
from status.publication import files
from status.subscriptions.subscribers import add_by_staff
from tests.incidents.html_forms import counts
from tests.portal.bad_rows import CASES, World
from tests.sink import Sink

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

STEPS = (1, 2, 3, 4, 6, 9, 13, 19)
WRITES = ("INSERT", "UPDATE", "DELETE", "\nUPDATE")
# Files, or many transactions: what these leave cannot be tried and taken back.
FOR_GOOD = ("publish", "history", "chart", "heartbeat", "seal", "sweep")


def killed(run: Callable[[], object], *, step: int) -> bool:
    """Whether a process of its own that does `run` had got so far: there it is killed before a write, or a rename."""
    connection.close()
    if not (child := os.fork()):
        steps = count(1)

        def go_on(event: str = "os.rename", _arguments: object = None) -> None:
            if event == "os.rename" and next(steps) == step:
                os.kill(os.getpid(), signal.SIGKILL)

        def write(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
            if sql.startswith(WRITES):
                go_on()
            return execute(sql, *rest)

        try:
            sys.addaudithook(go_on)
            connection.execute_wrappers.append(write)
            run()
        finally:
            os._exit(0)
    return os.waitpid(child, 0)[1] == signal.SIGKILL


import_module("status.tasks")  # so that every loop is in LOOPS


@pytest.mark.parametrize("kind", sorted(CASES))
def test_in_every_loop_of_the_clock(kind: str, world: World) -> None:
    run = LOOPS[kind].run
    done = CASES[kind](world)
    Failure.objects.all().delete()
    later = timezone.now() + (seals.SETTLED * 2 if kind == "seal" else timedelta(seconds=1))
    with time_machine.travel(later, tick=False):
        if kind not in FOR_GOOD:
            with transaction.atomic():  # what an undisturbed run leaves
                run()
                expected = counts()
                transaction.set_rollback(True)
        kills = sum(killed(run, step=step) for step in STEPS)
        run()
        assert kills > 1
        assert done() == 3, "nothing is lost"
        if kind not in FOR_GOOD:
            assert counts() == expected, "nothing is done twice"
        for page in Page.objects.exclude(pk=world.page.pk):
            root = files.folder(page.public_id)
            assert [path for path in files.tracked(root) if files.read(root, path) is None] == [], "no file is torn"


def test_while_mails_are_sent(
    page: Page, incident: Incident, admin: User, author: User, sink: Sink, without_hold: None
) -> None:
    for number in range(6):
        add_by_staff(page, address=f"r{number}@example.com", author=admin)
    post_update(incident, status=IncidentStatus.IDENTIFIED, body="A disk.", author=author)
    relay.owe()
    assert Delivery.objects.due().count() == 6

    def send() -> int:
        return engine.deliver(Subscriber.Channel.EMAIL, 5)

    with time_machine.travel(timezone.now(), tick=False) as clock:
        kills = 0
        for step in (1, 2, 3):
            kills += killed(send, step=step)
            clock.shift(protocol.LEASE + timedelta(seconds=1))
        send()
    assert kills > 1
    assert {row.state for row in Delivery.objects.all()} == {Delivery.State.SENT}
    arrived = Counter(mail.recipient for mail in sink.received)
    assert len(arrived) == 6, "nobody is left out"
    assert len(sink.ids()) == 6, "who is sent it again sees the same message"
    assert arrived.total() <= 6 * (1 + kills), "and only what was under way at a kill"
