"""What the clock does with maintenances: each step once, in order, also when it comes late."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext

from incidents.errors import InvalidInput, InvalidTransition
from incidents.incidents import delete_incident, post_update, publish_incident, withdraw_update
from incidents.lifecycle import IncidentStatus, Visibility
from incidents.maintenance import clockwork
from incidents.maintenance.plans import (
    cancel_maintenance,
    extend_maintenance,
    move_maintenance,
    plan_maintenance,
    schedule_maintenance,
)
from incidents.models import Component, Incident, MaintenanceReminder, OutboxEvent, Page, User
from tests.rows import refused

pytestmark = pytest.mark.long

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
START, END = NOON + timedelta(days=2), NOON + timedelta(days=2, hours=3)
SCHEDULED, IN_PROGRESS, COMPLETED = IncidentStatus.SCHEDULED, IncidentStatus.IN_PROGRESS, IncidentStatus.COMPLETED
REMINDER = OutboxEvent.Kind.MAINTENANCE_REMINDER
WINDOW = {"scheduled_for": START, "scheduled_until": END}
Plan = Callable[..., Incident]


@pytest.fixture
def schedule(at_noon: time_machine.Traveller, page: Page, component: Component, author: User) -> Plan:
    def make(**facts: Any) -> Incident:
        facts = {"starts_by_itself": True, "ends_by_itself": True, "components": (component,), **facts}
        return schedule_maintenance(page, title="Disks", body="New ones.", author=author, **(WINDOW | facts))

    return make


def said_of(incident: Incident) -> list[tuple[str, datetime]]:
    """Its updates, oldest first, with the times they show."""
    return [(update.status, update.display_at) for update in incident.updates.order_by("pk")]


def reminded() -> list[datetime]:
    events = OutboxEvent.objects.filter(kind=REMINDER, notify=True).order_by("pk")
    return list(events.values_list("created_at", flat=True))


def test_it_reminds_starts_and_ends_at_the_planned_times(schedule: Plan, at_noon: time_machine.Traveller) -> None:
    maintenance = schedule()
    for at, steps in [
        (START - timedelta(hours=25), 0),
        (START - timedelta(hours=24), 1),
        (START - timedelta(hours=1), 1),
        (START - timedelta(seconds=1), 0),
        (START, 1),
        (END - timedelta(seconds=1), 0),
        (END, 1),
        (END + timedelta(days=1), 0),
    ]:
        at_noon.move_to(at)
        assert clockwork.advance() == steps, at
        assert clockwork.advance() == 0, at
    assert said_of(maintenance) == [(SCHEDULED, NOON), (IN_PROGRESS, START), (COMPLETED, END)]
    assert reminded() == [START - timedelta(hours=24), START - timedelta(hours=1)]
    posted = maintenance.updates.order_by("pk")
    assert [update.author.username for update in posted] == ["grace", "clock", "clock"]
    assert "currently in progress" in posted[1].body


def test_a_clock_that_was_away_does_late_what_it_missed_in_order_and_drops_what_is_pointless(
    schedule: Plan, at_noon: time_machine.Traveller
) -> None:
    first, second = (
        schedule(),
        schedule(scheduled_for=START + timedelta(hours=1), scheduled_until=END - timedelta(hours=1)),
    )
    at_noon.move_to(END + timedelta(hours=1))
    assert clockwork.advance() == 8
    assert clockwork.advance() == 0
    assert said_of(first)[1:] == [(IN_PROGRESS, START), (COMPLETED, END)]
    events = OutboxEvent.objects.filter(update__author__username="clock").order_by("pk")
    order = [(event.incident, event.update and event.update.status) for event in events]
    assert order == [(first, IN_PROGRESS), (second, IN_PROGRESS), (second, COMPLETED), (first, COMPLETED)]
    assert reminded() == []
    notes = set(MaintenanceReminder.objects.values_list("note", flat=True))
    assert notes == {"The maintenance was not ahead any more."}


def test_of_two_reminders_that_are_late_only_the_last_is_sent(schedule: Plan, at_noon: time_machine.Traveller) -> None:
    schedule()
    at_noon.move_to(START - timedelta(minutes=10))
    clockwork.advance()
    assert reminded() == [START - timedelta(minutes=10)]
    assert list(MaintenanceReminder.objects.values_list("minutes", "note")) == [
        (24 * 60, "A later reminder was due as well."),
        (60, ""),
    ]


def test_what_is_not_to_happen_by_itself_is_left_to_staff(schedule: Plan, at_noon: time_machine.Traveller) -> None:
    maintenance = schedule(starts_by_itself=False, ends_by_itself=False, reminders=())
    at_noon.move_to(END + timedelta(days=1))
    assert clockwork.advance() == 0
    assert said_of(maintenance) == [(SCHEDULED, NOON)]


def test_a_start_that_staff_took_is_not_done_again(
    schedule: Plan, at_noon: time_machine.Traveller, author: User
) -> None:
    maintenance = schedule(reminders=())
    at_noon.move_to(START - timedelta(minutes=5))
    post_update(maintenance, status=IN_PROGRESS, body="Sooner.", author=author)
    at_noon.move_to(START)
    assert clockwork.advance() == 0
    at_noon.move_to(END - timedelta(minutes=5))
    post_update(maintenance, status=COMPLETED, body="Done.", author=author)
    at_noon.move_to(END)
    assert clockwork.advance() == 0


def test_an_update_after_the_planned_time_is_not_overtaken(
    schedule: Plan, at_noon: time_machine.Traveller, author: User
) -> None:
    maintenance = schedule(reminders=())
    at_noon.move_to(START + timedelta(minutes=5))
    post_update(maintenance, status=SCHEDULED, body="We begin in a moment.", author=author)
    clockwork.advance()
    assert said_of(maintenance)[-1] == (IN_PROGRESS, START + timedelta(minutes=5))


def test_whether_subscribers_are_notified_of_the_start_and_the_end_is_asked_of_the_plan(
    schedule: Plan, at_noon: time_machine.Traveller
) -> None:
    maintenance = schedule(tells_at_start=False, reminders=())
    at_noon.move_to(END)
    clockwork.advance()
    assert [update.deliver_notifications for update in maintenance.updates.order_by("pk")] == [True, False, True]


def test_each_time_that_a_maintenance_takes_longer_is_said_once(
    schedule: Plan, at_noon: time_machine.Traveller, author: User
) -> None:
    maintenance = schedule(ends_by_itself=False, reminders=())
    at_noon.move_to(START)
    clockwork.advance()
    at_noon.move_to(END)
    for steps in (1, 0):
        assert clockwork.advance() == steps
    assert said_of(maintenance)[-1] == (IN_PROGRESS, END)
    assert "longer than planned" in maintenance.updates.latest("pk").body
    later = END + timedelta(hours=1)
    extend_maintenance(maintenance, expected_until=later, body="One hour more.", author=author)
    maintenance.plan.refresh_from_db()
    assert (maintenance.plan.ends_at, maintenance.plan.scheduled_until) == (later, END)
    assert clockwork.advance() == 0
    at_noon.move_to(later + timedelta(hours=1))
    for steps in (1, 0):
        assert clockwork.advance() == steps
    assert said_of(maintenance)[-1] == (IN_PROGRESS, later)


def test_one_that_ends_by_itself_ends_at_the_new_expected_end(
    schedule: Plan, at_noon: time_machine.Traveller, author: User
) -> None:
    maintenance = schedule(reminders=())
    at_noon.move_to(START)
    clockwork.advance()
    later = END + timedelta(hours=1)
    extend_maintenance(maintenance, expected_until=later, body="One hour more.", author=author)
    at_noon.move_to(END)
    assert clockwork.advance() == 0
    at_noon.move_to(later)
    assert clockwork.advance() == 1
    assert said_of(maintenance)[-1] == (COMPLETED, later)


def test_a_move_takes_the_reminders_along(schedule: Plan, at_noon: time_machine.Traveller, author: User) -> None:
    maintenance = schedule()
    at_noon.move_to(START - timedelta(hours=2))
    clockwork.advance()
    later: dict[str, Any] = {"scheduled_for": START + timedelta(days=2), "scheduled_until": END + timedelta(days=2)}
    move_maintenance(maintenance, **later, body="Two days later.", author=author)
    maintenance.plan.refresh_from_db()
    assert (maintenance.plan.scheduled_for, maintenance.plan.sequence) == (START + timedelta(days=2), 1)
    at_noon.move_to(START)
    assert clockwork.advance() == 0
    at_noon.move_to(START + timedelta(days=1))
    assert clockwork.advance() == 1
    assert len(reminded()) == 2  # the day before the old start, and the day before the new one


def test_a_move_to_soon_sends_no_reminder_of_the_past(
    schedule: Plan, at_noon: time_machine.Traveller, author: User
) -> None:
    maintenance = schedule()
    soon: dict[str, Any] = {"scheduled_for": NOON + timedelta(minutes=30), "scheduled_until": NOON + timedelta(hours=1)}
    move_maintenance(maintenance, **soon, body="Now rather.", author=author)
    at_noon.shift(60)
    assert clockwork.advance() == 0
    assert set(maintenance.plan.reminders.values_list("note", flat=True)) == {"The window was set later than that."}


def test_a_cancelled_one_does_nothing_more(schedule: Plan, at_noon: time_machine.Traveller, author: User) -> None:
    maintenance = schedule()
    cancel_maintenance(maintenance, body="Not needed any more.", author=author)
    maintenance.plan.refresh_from_db()
    assert (maintenance.status, maintenance.plan.cancelled_at, maintenance.plan.sequence) == (COMPLETED, NOON, 1)
    at_noon.move_to(END)
    clockwork.advance()
    assert said_of(maintenance) == [(SCHEDULED, NOON), (COMPLETED, NOON)]
    assert reminded() == []
    for act in (cancel_maintenance, move_maintenance):
        window: dict[str, Any] = {} if act is cancel_maintenance else {"scheduled_for": START, "scheduled_until": END}
        with refused(InvalidTransition, "is over"):
            act(maintenance, body="Again.", author=author, **window)


def test_what_a_person_took_back_the_clock_does_not_do_again(
    schedule: Plan, at_noon: time_machine.Traveller, author: User
) -> None:
    maintenance = schedule(reminders=())
    at_noon.move_to(START)
    clockwork.advance()
    withdraw_update(maintenance.updates.latest("pk"), author=author)
    assert clockwork.advance() == 0
    maintenance.refresh_from_db()
    assert (maintenance.status, maintenance.plan.starts_by_itself) == (SCHEDULED, False)
    cancel_maintenance(maintenance, body="Not now.", author=author)
    withdraw_update(maintenance.updates.latest("pk"), author=author)
    maintenance.refresh_from_db()
    assert (maintenance.status, maintenance.plan.cancelled_at, maintenance.plan.sequence) == (SCHEDULED, None, 2)
    moved: dict[str, Any] = {"scheduled_for": START + timedelta(days=2), "scheduled_until": END + timedelta(days=2)}
    update = move_maintenance(maintenance, **moved, body="Later.", author=author)
    withdraw_update(update, author=author)
    maintenance.plan.refresh_from_db()
    assert (maintenance.plan.scheduled_for, maintenance.plan.scheduled_until) == (START, END)
    assert maintenance.plan.sequence == 4  # a calendar that has the move takes the way back, too


def test_moves_are_taken_back_one_by_one_whatever_the_clock_says(
    schedule: Plan, at_noon: time_machine.Traveller, author: User
) -> None:
    maintenance = schedule()
    moves = []
    for days in (1, 2, 3):
        later: dict[str, Any] = {name: at + timedelta(days=days) for name, at in WINDOW.items()}
        moves.append(move_maintenance(maintenance, **later, body="Later.", author=author))
        plan_maintenance(maintenance, starts_by_itself=days == 2, author=author)
        at_noon.shift(-timedelta(seconds=1))  # set right meanwhile
    for days, update in reversed(list(enumerate(moves))):
        withdraw_update(update, author=author)
        maintenance.plan.refresh_from_db()
        assert maintenance.plan.scheduled_for == START + timedelta(days=days)
    assert not maintenance.plan.starts_by_itself


def test_a_move_taken_back_takes_its_reminders_back(
    schedule: Plan, at_noon: time_machine.Traveller, author: User
) -> None:
    maintenance = schedule()
    before = dict(maintenance.plan.reminders.values_list("minutes", "due_at"))
    moved: dict[str, Any] = {"scheduled_for": START + timedelta(days=2), "scheduled_until": END + timedelta(days=2)}
    update = move_maintenance(maintenance, **moved, body="Later.", author=author)
    assert dict(maintenance.plan.reminders.values_list("minutes", "due_at")) != before
    withdraw_update(update, author=author)
    assert dict(maintenance.plan.reminders.values_list("minutes", "due_at")) == before
    update = post_update(maintenance, status=SCHEDULED, body="As planned.", author=author)
    withdraw_update(update, author=author)
    maintenance.plan.refresh_from_db()
    assert (maintenance.plan.scheduled_for, maintenance.plan.sequence) == (START, 2)


def test_an_extension_is_taken_back_with_what_was_said_before_it(
    schedule: Plan, at_noon: time_machine.Traveller, author: User
) -> None:
    maintenance = schedule(ends_by_itself=False, reminders=())
    at_noon.move_to(START)
    clockwork.advance()
    at_noon.move_to(END)
    clockwork.advance()
    at_noon.shift(timedelta(minutes=1))
    update = extend_maintenance(
        maintenance, expected_until=END + timedelta(hours=9), body="Nine hours more.", author=author
    )
    withdraw_update(update, author=author)
    maintenance.plan.refresh_from_db()
    assert (maintenance.plan.expected_until, maintenance.plan.overran_at) == (None, END)
    assert clockwork.advance() == 0


def test_an_internal_one_moves_on_too_and_tells_nobody(
    schedule: Plan, at_noon: time_machine.Traveller, author: User
) -> None:
    maintenance = schedule(visibility=Visibility.INTERNAL)
    at_noon.move_to(START)
    clockwork.advance()
    assert said_of(maintenance)[-1] == (IN_PROGRESS, START)
    assert not OutboxEvent.objects.filter(incident=maintenance).exists()
    publish_incident(maintenance, public_title="Disks", status=IN_PROGRESS, body="We replace disks.", author=author)
    at_noon.move_to(END)
    clockwork.advance()
    assert OutboxEvent.objects.filter(incident=maintenance, notify=True).count() == 2


def test_of_a_deleted_one_nothing_is_due(schedule: Plan, at_noon: time_machine.Traveller, author: User) -> None:
    maintenance = schedule()
    delete_incident(maintenance, reason="A mistake", author=author)
    at_noon.move_to(END)
    assert clockwork.advance() == 0


def test_the_list_of_reminders_is_changed_as_a_whole(
    schedule: Plan, at_noon: time_machine.Traveller, author: User
) -> None:
    maintenance = schedule()
    plan_maintenance(maintenance, reminders=[60, 15], ends_by_itself=False, author=author)
    kept = maintenance.plan.reminders.filter(deleted_at=None)
    assert list(kept.values_list("minutes", flat=True)) == [60, 15]
    with refused(InvalidInput, "At most 10"):
        plan_maintenance(maintenance, reminders=range(1, 12), author=author)
    at_noon.move_to(START)
    clockwork.advance()
    plan_maintenance(maintenance, ends_by_itself=True, author=author)
    at_noon.move_to(END)
    clockwork.advance()
    with refused(InvalidTransition, "nothing left to plan"):
        plan_maintenance(maintenance, reminders=(), author=author)


def test_what_cannot_be_is_refused_with_what_to_do(
    schedule: Plan, at_noon: time_machine.Traveller, author: User
) -> None:
    with refused(InvalidInput, "is over already"):
        schedule(scheduled_for=NOON - timedelta(hours=2), scheduled_until=NOON)
    maintenance = schedule()
    with refused(InvalidInput, "present window"):
        move_maintenance(maintenance, scheduled_for=START, scheduled_until=END, body="Same.", author=author)
    with refused(InvalidTransition, "Move one that is ahead"):
        extend_maintenance(maintenance, expected_until=END + timedelta(hours=1), body="More.", author=author)
    at_noon.move_to(START)
    clockwork.advance()
    with refused(InvalidInput, "lies in the past"):
        extend_maintenance(maintenance, expected_until=START, body="More.", author=author)
    for act in (cancel_maintenance, move_maintenance):
        window: dict[str, Any] = {} if act is cancel_maintenance else {"scheduled_for": START, "scheduled_until": END}
        with refused(InvalidTransition, "has begun"):
            act(maintenance, body="No.", author=author, **window)


def test_looking_for_what_is_due_costs_as_much_with_many_as_with_few(
    schedule: Plan, at_noon: time_machine.Traveller
) -> None:
    def cost() -> int:
        with CaptureQueriesContext(
            connection,
        ) as queries:
            clockwork._due()
        return len(queries)

    schedule()
    at_noon.move_to(END)
    few = cost()
    at_noon.move_to(NOON)
    for _number in range(10):
        schedule()
    at_noon.move_to(END)
    assert cost() == few
