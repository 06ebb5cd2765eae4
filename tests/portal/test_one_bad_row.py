"""One bad row stops nothing, in any loop of the clock: it is counted, parked, shown, and tried again."""

from __future__ import annotations

import ast
import errno
import inspect
import logging
import os
import signal
import textwrap
from collections.abc import Callable
from datetime import timedelta
from importlib import import_module
from typing import Any

import pytest
import time_machine
from django.db import OperationalError, connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from incidents import isolation
from incidents.authorship import authored_by
from incidents.history import seals
from incidents.incidents import declare_incident, post_update
from incidents.isolation import ATTEMPTS, LOOPS, PAUSES, each
from incidents.lifecycle import IncidentStatus
from incidents.models import (
    Clock,
    Failure,
    OutboxEvent,
    Page,
    User,
)
from incidents.outages import is_outage
from portal.celery import EVERY
from portal.operations import retention
from status import relay
from status.delivery import engine, forgetting, owing
from status.models import Delivery, Nudge, Recipient
from status.secrets import encrypt
from status.subscriptions import signups
from status.subscriptions.subscribers import add_by_staff
from tests.portal.bad_rows import CASES, World

pytestmark = pytest.mark.long

TOKEN = "only-the-tests-know-this"
CALLED = {
    # What the clock calls that is no loop of this kind, each with the reason
    Clock.tick: "one row, written last",
    relay.note_folder: "one folder",
    signups.drop_old_counts: "one statement for all rows",
    forgetting.drop_old: "the same few statements for all rows",
    retention.drop_old_answers: "one statement for all rows",
    retention.drop_admin_log: "one statement for all rows",
    engine.deliver: "its rows are deliveries: each has its own attempts, and is parked as failed (below)",
}
Settings = Any


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("kind", sorted(CASES))
def test_a_bad_row_is_parked_and_the_others_are_done(
    kind: str, world: World, client: Client, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.METRICS_TOKEN = TOKEN
    client.force_login(User.objects.create_superuser("root", password="correct horse battery"))
    run = LOOPS[kind].run
    good = CASES[kind](world)
    Failure.objects.all().delete()
    later = timezone.now() + (seals.SETTLED * 2 if kind == "seal" else timedelta(seconds=1))
    with time_machine.travel(later, tick=False) as clock:
        with caplog.at_level(logging.ERROR, logger=isolation.__name__):
            run()
            assert good() == 3, "a bad row stops no other"
            failure = Failure.objects.get(kind=kind)
            assert (failure.attempts, failure.parked_at) == (1, None)
            for _pause in PAUSES:
                run()  # before its time it is left alone
                failure.refresh_from_db()
                assert failure.due_at
                clock.move_to(failure.due_at + timedelta(seconds=1))
                run()
        failure.refresh_from_db()
        assert failure.attempts == ATTEMPTS
        assert failure.parked_at
        messages = [record.getMessage() for record in caplog.records]
        logged = [message for message in messages if message.startswith(f"{kind} {failure.key} ")]
        assert ["File " in each for each in logged] == [True, False], "the traceback once, and that it is parked"
        assert "example.com" not in failure.reason + "".join(logged), "no address is kept"
        clock.shift(timedelta(hours=1))
        Clock.tick()
        run()
        failure.refresh_from_db()
        assert failure.attempts == ATTEMPTS

        answer = client.get("/readyz").json()
        assert answer["parked"] == Failure.objects.parked().count()
        assert answer["oldest_undone"][kind] > 3600
        numbers = client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"}).text
        assert f'portal_parked{{kind="{kind}"}} 1\n' in numbers
        listed = reverse("admin:incidents_failure_changelist")
        assert failure.key in client.get(listed).text

        world.repair()
        run()
        assert Failure.objects.filter(pk=failure.pk).exists(), "parked until somebody says so"
        client.post(listed, {"_selected_action": [failure.pk], "action": "try_again"})
        run()
        assert not Failure.objects.filter(kind=kind).exists(), "done"


def test_every_loop_of_the_clock_is_isolated_and_has_its_case() -> None:
    tasks = [task.rpartition(".") for task in EVERY]
    sources = [(import_module(module), getattr(import_module(module), name).run) for module, _dot, name in tasks]
    loops = {loop.run for loop in LOOPS.values()}
    walked = 0
    for module, function in sources:
        (defined,) = ast.parse(textwrap.dedent(inspect.getsource(function))).body
        assert isinstance(defined, ast.FunctionDef)
        for node in (each_node for statement in defined.body for each_node in ast.walk(statement)):
            called = [node.func, *node.args] if isinstance(node, ast.Call) else []
            for each_called in called:
                name = ast.unparse(each_called)
                if name.partition(".")[0] in vars(module) and isinstance(each_called, ast.Name | ast.Attribute):
                    found = eval(name, vars(module))
                    if callable(found) and found is not isolation.in_turn:
                        walked += 1
                        assert found in loops or found in CALLED, f"{name} goes through rows without isolation.each"
    assert walked > 15
    assert set(CASES) == set(LOOPS), "each loop has a case above"


@pytest.mark.django_db
def test_what_is_done_otherwise_is_forgotten(page: Page) -> None:
    def fail(_page: Page) -> int:
        raise ValueError

    each("publish", [page], fail)
    assert Failure.objects.get().reason == "ValueError: "
    each("publish", list[Page](), fail)
    assert not Failure.objects.exists()


@pytest.mark.django_db
def test_a_loop_begins_no_other_row_when_its_time_is_over(
    page: Page, other_page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(isolation, "TICK", 0)
    assert each("publish", [page, other_page], lambda _page: 1) == 1


@pytest.mark.django_db
def test_an_outage_of_the_database_parks_nothing_and_ends_the_loop(page: Page, other_page: Page) -> None:
    tried = []

    def away(row: Page) -> int:
        tried.append(row)
        raise OperationalError("the connection is lost")

    with pytest.raises(OperationalError):
        each("publish", [page, other_page], away)
    assert len(tried) == 1
    assert not Failure.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("error", "parked"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), 0),
        (PermissionError(errno.EACCES, "Permission denied"), 0),
        (ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"), 0),
        (OSError(errno.ENAMETOOLONG, "File name too long"), 2),
        (NotADirectoryError(errno.ENOTDIR, "Not a directory"), 2),
    ],
)
def test_an_outage_of_the_host_parks_nothing_and_a_file_s_own_fault_does(
    page: Page, other_page: Page, error: OSError, parked: int
) -> None:
    def fail(_row: Page) -> int:
        raise error

    with time_machine.travel(timezone.now(), tick=False) as clock:
        for pause in [*PAUSES, timedelta(hours=1)]:
            assert each("publish", [page, other_page], fail) == 0
            clock.shift(pause + timedelta(seconds=1))
    assert Failure.objects.parked().count() == Failure.objects.count() == parked


@pytest.mark.parametrize(
    ("code", "expected"),
    [("08006", True), ("53300", True), ("57P01", True), ("25006", True), ("40P01", False), ("55P03", False)],
)
def test_an_outage_is_recognised_by_its_code(code: str, expected: bool) -> None:
    class Cause(Exception):
        sqlstate = code

    error = OperationalError("no")
    error.__cause__ = Cause()
    assert is_outage(error) is expected
    assert not is_outage(ValueError())


@pytest.mark.django_db(transaction=True)
def test_new_software_tries_everything_again() -> None:
    Failure.objects.create(kind="owe", key="7", reason="No.", parked_at=timezone.now())
    isolation.free_all()
    assert not Failure.objects.exists()


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_worker_that_dies_between_two_rows_loses_nothing_and_does_nothing_twice(world: World) -> None:
    for number in range(3):
        add_by_staff(world.page, address=f"r{number}@example.com", author=world.admin)
    for incident in world.incidents():
        OutboxEvent.objects.create(page=world.page, kind=OutboxEvent.Kind.UPDATE_POSTED, notify=True, incident=incident)
    connection.close()
    if not (child := os.fork()):
        inserted = 0

        def dying(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
            nonlocal inserted
            inserted += sql.startswith('INSERT INTO "status_delivery"')
            if inserted == 3:
                os.kill(os.getpid(), signal.SIGKILL)
            return execute(sql, *rest)

        connection.execute_wrappers.append(dying)
        relay.owe()
        os._exit(1)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    assert OutboxEvent.objects.unowed().count() == 2
    relay.owe()
    assert not OutboxEvent.objects.unowed().exists()
    assert Delivery.objects.count() == 12, "three readers, four facts"


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("channel", [Recipient.Channel.WEBHOOK, Recipient.Channel.CHAT])
def test_a_message_that_cannot_be_filled_in_stops_no_other(channel: str, world: World) -> None:
    bad, *good = (
        _owed(world, channel, number, encrypt("whsec_YQ==") if number else "no key fits this") for number in range(4)
    )
    engine.deliver(Recipient.Channel(channel), 5)
    bad.refresh_from_db()
    assert (bad.state, bad.reason) == (Delivery.State.FAILED, "given_up"), "parked, for “Send again”"
    for each_good in good:
        each_good.refresh_from_db()
        assert each_good.attempts == 1
        assert each_good.claimed_at is None, "it was tried, and has an answer"
    assert owing.retry(Delivery.objects.filter(pk=bad.pk), author=world.admin) == 1


def _owed(world: World, channel: str, number: int, secret: str) -> Delivery:
    is_chat = channel == Recipient.Channel.CHAT
    address = f"Chat {number}" if is_chat else f"https://hook{number}.invalid/"
    now = timezone.now()
    hook = {"endpoint": encrypt(address), "secret": secret, "contact": "owner@example.com"}
    where = {"endpoint": secret} if is_chat else hook
    with authored_by(world.admin):
        recipient = Recipient.objects.create(
            page=world.page, channel=channel, address=address, **where, state=Recipient.State.ACTIVE,
            everything=not is_chat,
        )  # fmt: skip
    facts: Any = {"recipient": recipient, "due_at": now}
    if is_chat:
        facts |= {"purpose": Delivery.Purpose.NUDGE}
        facts["nudge"] = Nudge.objects.create(
            page=world.page, key=Nudge.TEST, subject=recipient.public_id, title="Test", path="/", due_at=now
        )
    else:
        incident = declare_incident(world.page, title="Errors", author=world.author)
        post_update(incident, status=IncidentStatus.IDENTIFIED, body="A disk.", author=world.author)
        facts["event"] = incident.events.filter(kind=OutboxEvent.Kind.UPDATE_POSTED).get()
    return Delivery.objects.create(**facts)
