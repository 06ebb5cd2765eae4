"""A host whose clock is wrong, over a database whose clock is right: nothing is refused, lost, doubled or misdated."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.apps import apps
from django.db import models
from django.test import Client
from django.utils import timezone

from incidents import catalogue, record_time
from incidents.incidents import declare_incident, post_update, withdraw_update
from incidents.lifecycle import ComponentStatus, IncidentStatus
from incidents.maintenance import clockwork
from incidents.maintenance.plans import schedule_maintenance
from incidents.models import Clock, Component, Incident, OutboxEvent, Page, User
from status import relay
from status.delivery import engine
from status.delivery.channels import CHANNELS, sent_by
from status.models import Delivery
from status.subscriptions.subscribers import add_by_staff
from tests.incidents import every_table
from tests.reports import publish_report
from tests.waiting import stretched

MINUTE = timedelta(minutes=1)
OFF = [10 * MINUTE, -10 * MINUTE, 1.5 * MINUTE]
IDENTIFIED, MONITORING, RESOLVED = IncidentStatus.IDENTIFIED, IncidentStatus.MONITORING, IncidentStatus.RESOLVED
DOWN, UP = ComponentStatus.MAJOR_OUTAGE, ComponentStatus.OPERATIONAL
Host = Callable[[timedelta], time_machine.travel]


@pytest.fixture
def wrong_host(monkeypatch: pytest.MonkeyPatch) -> Host:
    """What is done inside is done by a host whose clock is ahead by so much."""
    monkeypatch.setattr(record_time, "is_of_host", lambda: False)  # that a test moved it moves no database
    return lambda ahead: time_machine.travel(datetime.now().astimezone() + ahead)


# What people and programs say, and no clock; these rows name times that the test's own host tells.
TYPED = {"scheduled_for", "scheduled_until", "starts_at", "due_at", "next_update_due_at"}


@pytest.mark.slow
@pytest.mark.postgresql
def test_every_row_says_by_the_databases_clock_when_it_was_written(
    wrong_host: Host, page: Page, component: Component, incident: Incident, author: User, admin: User
) -> None:
    with wrong_host(60 * MINUTE):
        every_table.fill(page, component, incident, author=author, admin=admin)
        relay.relay()
        relay.owe()
        Clock.tick()
    soon = timezone.now() + MINUTE
    columns = [
        (model, field.attname)
        for model in apps.get_models(include_auto_created=True)
        for field in model._meta.concrete_fields
        if isinstance(field, models.DateTimeField) and field.attname not in TYPED
    ]
    wrong = [
        f"{model._meta.label}.{name}"
        for model, name in columns
        if model._base_manager.filter(**{f"{name}__gt": soon}).exists()
    ]
    assert set(wrong) <= {"incidents.User.date_joined", "incidents.HistoricalUser.date_joined"}  # Django's own


@pytest.mark.postgresql
@pytest.mark.parametrize("ahead", OFF, ids=str)
def test_what_is_said_after_a_host_that_is_off_is_said_and_stands_after_it(
    wrong_host: Host, page: Page, component: Component, incident: Incident, author: User, ahead: timedelta
) -> None:
    with wrong_host(ahead):
        post_update(incident, status=IDENTIFIED, body="A.", components=[(component, DOWN)], author=author)
    post_update(incident, status=MONITORING, body="B.", components=[(component, UP)], author=author)
    with wrong_host(ahead):
        catalogue.set_component_status(component, status=DOWN, author=author)
    catalogue.set_component_status(component, status=UP, author=author)
    assert [update.body for update in incident.updates.newest_first()] == ["B.", "A."]
    assert Component.objects.with_status().get(pk=component.pk).current == component.status == UP
    assert all(abs(timezone.now() - update.display_at) < MINUTE for update in incident.updates.all())


@pytest.mark.slow
@pytest.mark.both
def test_a_clock_that_steps_back_refuses_nothing_and_keeps_the_order(
    page: Page, component: Component, incident: Incident, author: User
) -> None:
    """Also the database's, as when another server takes its place."""
    with time_machine.travel(timezone.now() + 10 * MINUTE):
        post_update(incident, status=IDENTIFIED, body="A.", components=[(component, DOWN)], author=author)
        other = declare_incident(page, title="Other", author=author)
        ahead = catalogue.set_component_status(component, status=UP, author=author)
    post_update(other, status=IDENTIFIED, body="C.", components=[(component, DOWN)], author=author)
    update = post_update(incident, status=RESOLVED, body="B.", components=[(component, UP)], author=author)
    assert [each.body for each in incident.updates.newest_first()] == ["B.", "A."]
    assert ahead is not None
    assert update.display_at >= ahead.effective_at
    assert Component.objects.with_status().get(pk=component.pk).current == component.status == UP
    catalogue.set_component_status(component, status=DOWN, author=author)
    assert Component.objects.with_status().get(pk=component.pk).current == component.status == DOWN
    publish_report(incident, body="Why.", author=author)
    withdraw_update(post_update(other, status=IDENTIFIED, body="D.", author=author), author=author)


@pytest.mark.both
def test_a_maintenance_starts_although_somebody_with_a_clock_ahead_has_posted(
    page: Page, component: Component, author: User
) -> None:
    now = timezone.now()
    facts: Any = {"starts_by_itself": True, "components": [component], "author": author}
    window: Any = {"scheduled_for": now - 5 * MINUTE, "scheduled_until": now + 60 * MINUTE}
    with time_machine.travel(now - 60 * MINUTE):
        maintenance = schedule_maintenance(page, title="Disks", body="New.", **window, **facts)
    with time_machine.travel(now + 10 * MINUTE):
        post_update(maintenance, status=IncidentStatus.SCHEDULED, body="We are ready.", author=author)
    assert clockwork.advance() > 0
    maintenance.refresh_from_db()
    assert maintenance.status == IncidentStatus.IN_PROGRESS


@pytest.mark.postgresql
@pytest.mark.parametrize("ahead", OFF, ids=str)
def test_what_one_worker_has_claimed_no_other_takes_whatever_their_clocks_say(
    wrong_host: Host, page: Page, incident: Incident, admin: User, author: User, without_hold: None, ahead: timedelta
) -> None:
    for number in range(4):
        add_by_staff(page, address=f"r{number}@example.com", author=admin)
    with wrong_host(ahead):
        post_update(incident, status=IDENTIFIED, body="A.", author=author)
        relay.owe()
    by_mail = sent_by(CHANNELS["email"].send)
    with wrong_host(ahead):
        mine = engine.claim(by_mail, 2)
    theirs = engine.claim(by_mail, 10)
    with wrong_host(ahead):
        assert engine.claim(by_mail, 10) == []
        engine.release(mine, "")
    assert {row.pk for row in mine}.isdisjoint(row.pk for row in theirs)
    assert (len(mine), len(theirs)) == (2, 2)
    assert {row.pk for row in engine.claim(by_mail, 10)} == {row.pk for row in mine}


@pytest.mark.postgresql
@pytest.mark.parametrize("ahead", OFF, ids=str)
def test_the_hold_is_as_long_as_it_is_said_to_be(
    wrong_host: Host, page: Page, incident: Incident, admin: User, author: User, ahead: timedelta
) -> None:
    add_by_staff(page, address="ann@example.com", author=admin)
    with wrong_host(ahead):
        post_update(incident, status=IDENTIFIED, body="A.", author=author)
    relay.owe()
    assert timedelta() < Delivery.objects.get().due_at - OutboxEvent.objects.latest("pk").created_at < MINUTE
    with wrong_host(ahead):
        withdraw_update(incident.updates.get(), author=author)
    assert relay.owe() == 0


@pytest.mark.postgresql
def test_how_far_a_clock_is_off_is_said_to_supervisors_and_staff(wrong_host: Host, administrator: Client) -> None:
    Clock.tick()
    assert "differs from the database" not in administrator.get("/admin/").text
    with wrong_host(1.5 * MINUTE):  # a worker's
        Clock.tick()
    about = pytest.approx(90, abs=stretched(2))
    assert administrator.get("/readyz").json()["skew"] == about
    assert "differs from the database" in administrator.get("/admin/").text
    Clock.tick()
    with wrong_host(-1.5 * MINUTE):  # of the host that answers
        answer = administrator.get("/readyz").json()
    assert (-answer["skew"], answer["clock_age"]) == (about, pytest.approx(0, abs=stretched(2)))
