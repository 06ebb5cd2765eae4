"""A backup lags behind what happened since: whoever restores it notifies nobody, and can do so by hand."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
import time_machine
from django.core.management import call_command
from django.utils import timezone

from incidents.history import seals
from incidents.incidents import declare_incident, post_update
from incidents.lifecycle import IncidentStatus
from incidents.models import Incident, OutboxEvent, PlannedUpdate
from portal.models import AccountMail
from portal.operations import backup
from portal.operations.restoring import restore
from status import relay
from status.delivery import engine, owing
from status.models import Delivery, Nudge, SignUp, Subscriber
from status.subscriptions.choices import Choices
from status.subscriptions.subscribers import add_by_staff, invite
from tests.portal import bad_rows
from tests.portal.bad_rows import World
from tests.sink import Sink

world = bad_rows.world
pytestmark = [pytest.mark.long, pytest.mark.both, pytest.mark.django_db(transaction=True)]


def restored(file: Path) -> int:
    """Back up, and restore; returns how many messages that cancelled."""
    backup.write(file)
    return restore(file, replace=True).cancelled


def tick() -> None:
    for seconds in (0, 90):
        with time_machine.travel(timezone.now() + timedelta(seconds=seconds), tick=True):
            call_command("tick")


@pytest.mark.slow
def test_whatever_was_due_is_sent_to_nobody(world: World, tmp_path: Path, sink: Sink, without_hold: None) -> None:
    ann = add_by_staff(world.page, address="ann@example.com", author=world.admin)
    invite(world.page, address="bob@example.com", choices=Choices(), author=world.admin)
    for kind in ("owe", "sign_up", "account_mail", "planned", "maintenance", "left_behind", "nudge"):
        bad_rows.CASES[kind](world)
        world.repair()
    PlannedUpdate.objects.update(notify=True)
    assert OutboxEvent.objects.unowed().exists()
    assert SignUp.objects.exists()

    cancelled = restored(tmp_path / "backup.zip")

    assert not AccountMail.objects.exists()
    assert {row.state for row in PlannedUpdate.objects.all()} == {PlannedUpdate.State.HELD}
    assert "Read whether it still holds" in PlannedUpdate.objects.all()[0].reason
    assert Incident.objects.filter(status=IncidentStatus.IN_PROGRESS).count() == 3, "done late, without a message"
    assert {(row.state, row.reason) for row in Delivery.objects.all()} == {("cancelled", owing.RESTORED)}
    purposes = {row.purpose for row in Delivery.objects.all()}
    assert purposes == {"event", "confirmation", "left_behind", "nudge"}
    assert cancelled == Delivery.objects.count()
    assert Delivery.objects.filter(recipient=ann).exists()
    nudges = Nudge.objects.count()
    tick()
    assert sink.received == []
    assert Nudge.objects.count() == nudges


@pytest.mark.slow
def test_an_event_that_cannot_be_written_down_is_not_found_by_the_clock_afterwards(
    world: World, tmp_path: Path, sink: Sink
) -> None:
    done = bad_rows.owe(world)
    add_by_staff(world.page, address="ann@example.com", author=world.admin)
    restored(tmp_path / "backup.zip")
    assert done() == 4
    world.repair()
    tick()
    assert sink.received == []


@pytest.mark.slow
def test_staff_send_by_hand_what_was_not_sent_and_what_is_new_is_sent(
    world: World, incident: Incident, tmp_path: Path, sink: Sink, without_hold: None
) -> None:
    add_by_staff(world.page, address="ann@example.com", author=world.admin)
    post_update(incident, status=IncidentStatus.IDENTIFIED, body="A disk.", author=world.author)
    assert restored(tmp_path / "backup.zip") == 1
    assert owing.retry(Delivery.objects.filter(reason=owing.RESTORED), author=world.admin) == 1
    another = declare_incident(world.page, title="More errors", author=world.author)
    post_update(another, status=IncidentStatus.IDENTIFIED, body="Another disk.", author=world.author)
    relay.owe()
    engine.deliver(Subscriber.Channel.EMAIL, 5)
    assert len(sink.received) == 2
    assert list(seals.verify()) == []
