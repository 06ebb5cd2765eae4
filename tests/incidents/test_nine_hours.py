"""The clock was away for nine hours: what it does then with everything that was to happen at a time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import models

from incidents import planned
from incidents.history import seals
from incidents.incidents import declare_incident, post_update
from incidents.lifecycle import IncidentStatus
from incidents.maintenance.plans import extend_maintenance, schedule_maintenance
from incidents.maintenance.series import repeat_maintenance
from incidents.models import Component, Incident, MaintenanceReminder, Page, PlannedUpdate, User
from incidents.people import create_key
from incidents.permissions import Scope
from incidents.postmortems import action_items, writing
from status.delivery import staff_channels
from status.models import Delivery, Nudge, StaffChannel, Subscriber
from status.subscriptions import subscribers
from status.subscriptions.choices import Choices
from tests.incidents.conftest import NOON
from tests.sink import Sink

pytestmark = pytest.mark.long

HOUR = timedelta(hours=1)
AWAY = 9 * HOUR
IDENTIFIED = IncidentStatus.IDENTIFIED

# What each column says a time of, and what becomes of it when that was hours ago.
TIMED = {
    "incidents.MaintenancePlan.scheduled_for": "is started, as of the planned time",
    "incidents.MaintenancePlan.scheduled_until": "is ended, as of the planned time",
    "incidents.MaintenancePlan.expected_until": "is said once to take longer, as of that time",
    "incidents.MaintenanceReminder.due_at": "is dropped with a note: it is not ahead any more",
    "incidents.MaintenanceSeries.due_at": "makes what is ahead, and nothing that is past",
    "incidents.PlannedUpdate.due_at": "is held back, and its author is nudged",
    "incidents.Incident.next_update_due_at": "is nudged as due, late and very late, and not as soon due",
    "incidents.IncidentUpdate.next_update_due_at": "is the same promise, as it was made",
    "incidents.Postmortem.due_on": "is nudged, in words that hold on any later day",
    "incidents.ActionItem.due_on": "is nudged, in words that hold on any later day",
    "incidents.ApiKey.expires_at": "has opened nothing since: no clock is asked",
    "incidents.SignInMemory.expires_at": "has counted for nothing since: no clock is asked",
    "incidents.Failure.due_at": "is tried again at once",
    "portal.AccountMail.due_at": "is sent, unless it is a day old",
    "status.Nudge.due_at": "says when it was due",
    "status.Delivery.due_at": "is sent, unless something newer is to be said of the same incident",
}
NAMES = ("due_at", "due_on", "expires_at", "scheduled_for", "scheduled_until", "expected_until", "next_update_due_at")


def test_every_column_that_says_when_something_is_to_happen_is_in_the_table() -> None:
    found = {
        f"{model._meta.label}.{field.attname}"
        for model in seals.every_model()
        for field in model._meta.concrete_fields
        if isinstance(field, models.DateField) and field.attname in NAMES
        if model._meta.app_label in ("incidents", "status", "portal") and not model.__name__.startswith("Historical")
    }
    assert found == TIMED.keys()


@pytest.fixture
def away(at_noon: Any, page: Page, author: User, admin: User, sink: Sink) -> Callable[[], None]:
    """Nine hours pass, and then the clock runs."""
    author.email = "grace@acme.example"
    author.save()
    staff_channels.add_channel(page, channel=StaffChannel.Channel.STAFF, address="oncall@acme.example", author=admin)

    def act() -> None:
        at_noon.shift(AWAY)
        for _tick in range(2):
            call_command("tick", stdout=StringIO())

    return act


def said_of(incident: Incident) -> list[tuple[str, timedelta]]:
    """Its updates, with how long after noon they say that they are."""
    return [(row.status, row.display_at - NOON) for row in incident.updates.order_by("pk")]


def nudged() -> set[str]:
    return set(Nudge.objects.filter(note="").values_list("key", flat=True))


@pytest.mark.slow
def test_maintenances(away: Callable[[], None], page: Page, component: Component, author: User, sink: Sink) -> None:
    text: Any = {"body": "New disks.", "components": [component], "author": author}
    window: Any = {"scheduled_for": NOON + HOUR, "scheduled_until": NOON + 2 * HOUR}
    own: Any = {"starts_by_itself": True, "reminders": [30]}
    both = schedule_maintenance(page, title="Both", ends_by_itself=True, **text, **window, **own)
    over = schedule_maintenance(page, title="Over", **text, **window, **own)
    running = schedule_maintenance(page, title="Running", **text, **window, reminders=())
    post_update(running, status=IncidentStatus.IN_PROGRESS, body="We begin.", author=author)
    extend_maintenance(running, expected_until=NOON + 3 * HOUR, body="Longer.", author=author)
    daily = schedule_maintenance(page, title="Daily", **text, **window, reminders=())
    series = repeat_maintenance(daily, rule="FREQ=DAILY", author=author)
    away()
    assert said_of(both)[1:] == [("in_progress", HOUR), ("completed", 2 * HOUR)]
    assert said_of(over)[1:] == [("in_progress", HOUR), ("in_progress", 2 * HOUR)]
    assert said_of(running)[-1] == ("in_progress", 3 * HOUR)
    assert [row.note for row in MaintenanceReminder.objects.all()] == ["The maintenance was not ahead any more."] * 2
    ahead = series.plans.exclude(incident=daily).values_list("scheduled_for", flat=True)
    assert min(ahead) > NOON + AWAY


@pytest.mark.slow
def test_planned_updates_promises_and_days(away: Callable[[], None], page: Page, author: User, sink: Sink) -> None:
    incident = declare_incident(page, title="Errors", author=author)
    post_update(incident, status=IDENTIFIED, body="A disk.", author=author, next_update_due_at=NOON + HOUR)
    facts: Any = {"status": IDENTIFIED, "components": (), "next_update": 0, "notify": True, "author": author}
    row = planned.plan_update(incident, due_at=NOON + HOUR, body="We switch over at 13:15.", **facts)
    over = declare_incident(page, title="Over", author=author)
    post_update(over, status=IncidentStatus.RESOLVED, body="Done.", author=author)
    report = writing.start_postmortem(over, author=author)
    writing.edit_postmortem(report, due_on=date(2026, 3, 10), author=author)
    action_items.add_action_item(report, text="Alert", owner=author, due_on=date(2026, 3, 10), author=author)
    away()
    row.refresh_from_db()
    assert (row.state, said_of(incident)) == (PlannedUpdate.State.HELD, [("identified", timedelta())])
    promises = {"promise_due", "promise_late", "promise_broken"}
    assert nudged() == {"planned_held", "action_due", "postmortem_due", *promises}
    assert "was late" in Nudge.objects.get(key="promise_soon").note
    said = " ".join(str(mail.message["Subject"]) for mail in sink.received)
    assert "is very late" in said
    assert " now" not in said
    assert " today" not in said


@pytest.mark.slow
def test_messages_and_what_expires(
    away: Callable[[], None], page: Page, incident: Incident, author: User, admin: User, sink: Sink
) -> None:
    subscribers.add_by_staff(page, address="ann@example.com", author=admin)
    subscribers.invite(page, address="bob@example.com", choices=Choices(), author=admin)
    create_key("late", scopes=[Scope.READ], expires_at=NOON + HOUR, author=admin)
    post_update(incident, status=IDENTIFIED, body="First.", author=author)
    post_update(incident, status=IncidentStatus.RESOLVED, body="Last.", author=author)
    away()
    assert sorted((mail.recipient, str(mail.message["Subject"])) for mail in sink.received) == [
        ("ann@example.com", "[Acme] Resolved: Errors"),
        ("bob@example.com", "[Acme] Please confirm your subscription"),
    ]
    assert not Delivery.objects.due().exists()
    assert Subscriber.objects.get(address="bob@example.com").state == Subscriber.State.UNCONFIRMED
