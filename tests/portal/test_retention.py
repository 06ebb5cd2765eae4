"""What is old is thrown away in small steps, and nothing that the record needs; every table has its decision."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
import time_machine
from django.contrib.admin.models import CHANGE, LogEntry
from django.core.management import call_command
from django.utils import timezone
from pytest_django import Settings

from incidents import people
from incidents.authorship import authored_by
from incidents.history import seals
from incidents.incidents import post_update
from incidents.lifecycle import IncidentStatus
from incidents.models import Incident, Page, Postmortem, Seal, User
from incidents.permissions import Scope
from portal.models import KeptAnswer
from portal.operations import retention
from portal.tasks import sweep
from status import relay
from status.delivery import engine, forgetting, owing
from status.models import Delivery, Subscriber
from status.subscriptions.subscribers import add_by_staff
from tests.sink import Sink


def test_every_table_has_its_decision() -> None:
    assert retention.undecided() == []


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(timezone.now(), tick=False) as traveller:
        yield traveller


@pytest.fixture
def notified(
    page: Page,
    incident: Incident,
    author: User,
    admin: User,
    sink: Sink,
    without_hold: None,
    clock: time_machine.Traveller,
) -> Incident:
    """Two people were notified of two updates, which are sealed; it is over."""
    people.clock_user()
    for name in ("ann", "bob"):
        add_by_staff(page, address=f"{name}@example.com", author=admin)
    for status in (IncidentStatus.IDENTIFIED, IncidentStatus.RESOLVED):
        post_update(incident, status=status, body="A disk.", author=author)
        relay.owe()
        engine.deliver(Subscriber.Channel.EMAIL, 5)
    assert Delivery.objects.filter(state="sent").count() == 4
    clock.shift(timedelta(hours=1))
    seals.seal()
    return incident


def days_pass(clock: time_machine.Traveller, days: int) -> None:
    clock.shift(timedelta(days=days))


@pytest.mark.slow
def test_who_was_notified_of_what_is_over_is_forgotten_in_time_and_notified_of_nothing_twice(
    notified: Incident, clock: time_machine.Traveller, settings: Settings, sink: Sink
) -> None:
    settings.DELIVERIES_KEPT = 100
    days_pass(clock, 99)
    assert forgetting.drop_old() == 0
    days_pass(clock, 3)
    assert forgetting.drop_old() == 4
    assert forgetting.drop_old() == 0
    assert not Delivery.objects.exists()
    assert list(seals.verify()) == []
    sink.received.clear()
    call_command("tick")
    assert sink.received == []
    assert not Delivery.objects.exists(), "none is owed anew"
    settings.DELIVERIES_KEPT = 1000
    assert list(seals.verify()) == [], "that they were let go is in the chain"


@pytest.mark.slow
def test_it_goes_in_small_steps(
    notified: Incident, clock: time_machine.Traveller, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forgetting, "AT_ONCE", 3)
    days_pass(clock, settings.DELIVERIES_KEPT + 2)
    for dropped in (3, 1, 0):
        assert forgetting.drop_old() == dropped
        assert list(seals.verify()) == []
    assert Seal.objects.filter(table="status.delivery gone").count() == 1


def test_what_is_still_needed_is_kept(
    notified: Incident, clock: time_machine.Traveller, settings: Settings, author: User, admin: User
) -> None:
    settings.DELIVERIES_KEPT = 0
    days_pass(clock, 10_000)
    assert forgetting.drop_old() == 0, "for good"
    settings.DELIVERIES_KEPT = 100
    Incident.objects.filter(pk=notified.pk).update(status=IncidentStatus.MONITORING)
    assert forgetting.drop_old() == 0, "it goes on"
    with authored_by(admin):
        report = Postmortem.objects.create(page=notified.page, title="The disk", edited_by=admin)
    Incident.objects.filter(pk=notified.pk).update(status=IncidentStatus.RESOLVED, postmortem=report)
    assert forgetting.drop_old() == 0, "its report is not public yet, and will say how many were notified"
    Postmortem.objects.update(state=Postmortem.State.PUBLISHED, approved_by=author, approved_hash="its text")
    assert forgetting.drop_old() == 4


def test_what_has_not_been_sealed_is_not_let_go(
    page: Page, incident: Incident, author: User, admin: User, clock: time_machine.Traveller
) -> None:
    add_by_staff(page, address="ann@example.com", author=admin)
    post_update(incident, status=IncidentStatus.RESOLVED, body="A disk.", author=author)
    relay.owe()
    owing.cancel(Delivery.objects.all(), author=admin)
    days_pass(clock, 10_000)
    assert forgetting.drop_old() == 0
    seals.seal()
    assert forgetting.drop_old() == 1


@pytest.mark.slow
def test_who_removes_a_message_is_found_as_ever(
    notified: Incident, clock: time_machine.Traveller, settings: Settings
) -> None:
    Delivery.objects.order_by("pk")[:1].get().delete()
    assert any("was removed after seal" in sentence for sentence in seals.verify())
    days_pass(clock, settings.DELIVERIES_KEPT + 2)
    assert forgetting.drop_old() == 3
    assert ["does not have the messages that were owed" in sentence for sentence in seals.verify()] == [True]


@pytest.mark.django_db
def test_answers_to_programs_and_djangos_own_log_are_dropped(admin: User) -> None:
    _key, row = people.create_key("Deploys", scopes=[Scope.READ], author=admin)
    now = timezone.now()
    for days in (0, 2):
        KeptAnswer.objects.create(key=row, idempotency_key=str(days), created_at=now - timedelta(days=days))
    for days in (80, 91):
        LogEntry.objects.create(user=admin, action_flag=CHANGE, action_time=now - timedelta(days=days))
    sweep()
    assert KeptAnswer.objects.get().idempotency_key == "0"
    assert LogEntry.objects.count() == 1
