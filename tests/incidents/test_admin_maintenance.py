"""Staff plan maintenance in the admin: with every choice, and with sentences when something cannot be."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from incidents.incidents import post_update
from incidents.lifecycle import IncidentStatus, Visibility
from incidents.maintenance import clockwork
from incidents.maintenance.plans import schedule_maintenance
from incidents.maintenance.series import repeat_maintenance
from incidents.models import Component, Incident, MaintenancePlan, MaintenanceSeries, Page, User
from tests.incidents.html_forms import address, counts, filled, room

pytestmark = pytest.mark.long

SCHEDULE = reverse("admin:incidents_incident_schedule")
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)


@pytest.fixture
def in_an_hour(page: Page, component: Component, author: User) -> Incident:
    """In an hour, for an hour."""
    start = timezone.now() + timedelta(hours=1)
    return schedule_maintenance(
        page, title="Disks", body="New ones.", scheduled_for=start, scheduled_until=start + timedelta(hours=1),
        components=[component], author=author, starts_by_itself=True,
    )  # fmt: skip


def schedule(staff: Client, **typed: object) -> Any:
    values: dict[str, Any] = {"title": "Disks", "body": "New ones.", "repeats": "", "rule": "", **typed}
    return staff.post(SCHEDULE, filled(staff.get(SCHEDULE), **values))


@time_machine.travel(NOON)
def test_a_maintenance_is_planned_with_every_choice(staff: Client, page: Page, component: Component) -> None:
    values = filled(
        staff.get(SCHEDULE),
        title="Disks",
        body="New ones.",
        scheduled_for="2026-03-12T13:00",
        scheduled_until="2026-03-12T16:00",
        reminders="2 d, 90 min",
    )
    del values["ends_by_itself"], values["tells_at_end"]
    answer = staff.post(SCHEDULE, {**values, "affects": component.pk}, follow=True)
    plan = MaintenancePlan.objects.get()
    assert (plan.scheduled_for, plan.scheduled_until) == (
        datetime(2026, 3, 12, 12, tzinfo=UTC),
        datetime(2026, 3, 12, 15, tzinfo=UTC),
    )
    assert (plan.starts_by_itself, plan.ends_by_itself, plan.shows_components) == (True, False, True)
    assert (plan.tells_at_start, plan.tells_at_end) == (True, False)
    assert list(plan.reminders.values_list("minutes", flat=True)) == [2 * 24 * 60, 90]
    assert "Is completed by hand." in answer.text
    assert "Mar 10, 2026 - 13:00 CET" in answer.text  # a reminder


@time_machine.travel(NOON)
@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ({"scheduled_for": "2026-03-12T13:00", "scheduled_until": "2026-03-12T12:00"}, "must end after it starts"),
        ({"scheduled_for": "2026-03-09T13:00", "scheduled_until": "2026-03-09T14:00"}, "is over already"),
        ({"scheduled_for": "2026-03-29T02:30", "scheduled_until": "2026-03-29T04:00"}, "02:30 does not exist"),
        ({"scheduled_for": "2026-10-25T01:30", "scheduled_until": "2026-10-25T02:30"}, "02:30 comes twice"),
        ({"rule": "every sunday"}, "not a rule as in RFC 5545"),
        ({"rule": "FREQ=HOURLY"}, "not by hours"),
        ({"rule": "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"}, "names no day at all"),
        ({"rule": "FREQ=WEEKLY;BYDAY=SU"}, "Its first day after it is 2026-03-15 13:00"),
        ({"rule": "FREQ=DAILY;UNTIL=20260101T000000Z"}, "over before the window starts"),
        ({"repeats": "FREQ=DAILY", "scheduled_until": "2026-03-13T14:00"}, "begin before this one ends"),
        ({"reminders": "soon"}, "not a time before the start"),
        ({"reminders": "0 h"}, "not a time before the start"),
    ],
)
def test_what_cannot_be_is_said_and_nothing_typed_is_lost(
    staff: Client, page: Page, typed: dict[str, str], sentence: str
) -> None:
    before = counts()
    window = {"scheduled_for": "2026-03-12T13:00", "scheduled_until": "2026-03-12T14:00"}
    answer = schedule(staff, **(window | typed))
    assert answer.status_code == 200
    assert sentence in answer.text
    assert counts() == before
    assert filled(answer)["body"] == "New ones."
    for name, value in typed.items():
        assert filled(answer)[name] == value


@pytest.mark.slow
@time_machine.travel(NOON)
def test_the_preview_of_one_that_repeats_shows_the_next_dates_and_writes_nothing(staff: Client, page: Page) -> None:
    before = counts()
    values = filled(
        staff.get(SCHEDULE), title="Disks", body="New ones.", repeats="FREQ=WEEKLY",
        scheduled_for="2026-03-15T02:15", scheduled_until="2026-03-15T04:00",
    )  # fmt: skip
    answer = staff.post(SCHEDULE, {**values, "preview": "yes"})
    for words in ("Sun, Mar 15, 2026 - 02:15 CET", "Sun, Mar 29, 2026 - 03:15 CEST", "Sun, Apr 5, 2026 - 02:15 CEST"):
        assert words in answer.text
    assert counts() == before
    assert staff.post(SCHEDULE, values).status_code == 302
    assert MaintenanceSeries.objects.get().plans.count() == 3


def test_it_is_moved_extended_and_completed(staff: Client, page: Page, in_an_hour: Incident) -> None:
    start = (timezone.now() + timedelta(hours=5)).astimezone(page.zone)
    form = staff.get(address(in_an_hour, "move"))
    assert "which" not in filled(form)
    moved = {
        "scheduled_for": f"{start:%Y-%m-%dT%H:%M}",
        "scheduled_until": f"{start + timedelta(hours=1):%Y-%m-%dT%H:%M}",
    }
    assert "is moved" in staff.post(address(in_an_hour, "move"), filled(form, **moved), follow=True).text
    in_an_hour.plan.refresh_from_db()
    assert in_an_hour.plan.scheduled_for == start.replace(second=0, microsecond=0)
    assert in_an_hour.updates.latest("pk").body == "This maintenance has been moved to another time."
    with time_machine.travel(start + timedelta(minutes=1)):
        clockwork.advance()
        until = f"{start + timedelta(hours=3):%Y-%m-%dT%H:%M}"
        form = staff.get(address(in_an_hour, "extend"))
        page_after = staff.post(address(in_an_hour, "extend"), filled(form, expected_until=until), follow=True).text
        assert "Now expected to end:" in page_after
        staff.post(room(in_an_hour, "update"), filled(staff.get(room(in_an_hour), {"status": "completed"}), "compose"))
    in_an_hour.refresh_from_db()
    assert in_an_hour.status == IncidentStatus.COMPLETED
    assert in_an_hour.updates.latest("pk").body == "The scheduled maintenance has been completed."


def test_the_buttons_are_those_that_make_sense(
    staff: Client, in_an_hour: Incident, announced: Incident, author: User
) -> None:
    def buttons(incident: Incident) -> set[str]:
        text = staff.get(room(incident)).text
        names = ("extend", "move", "cancel", "automation", "role", "no_change")
        return {name for name in names if f'href="{address(incident, name)}"' in text}

    assert buttons(announced) == {"role", "no_change"}
    assert buttons(in_an_hour) == {"move", "cancel", "automation", "role"}
    post_update(in_an_hour, status=IncidentStatus.IN_PROGRESS, body="It starts.", author=author)
    assert buttons(in_an_hour) == {"extend", "automation", "role", "no_change"}
    post_update(in_an_hour, status=IncidentStatus.COMPLETED, body="Over.", author=author)
    assert buttons(in_an_hour) == set()


def test_what_it_does_by_itself_is_changed(staff: Client, in_an_hour: Incident) -> None:
    form = filled(staff.get(address(in_an_hour, "automation")), reminders="15 min")
    assert form["starts_by_itself"] == "on"
    del form["starts_by_itself"]
    assert "The plan is changed." in staff.post(address(in_an_hour, "automation"), form, follow=True).text
    in_an_hour.plan.refresh_from_db()
    assert not in_an_hour.plan.starts_by_itself
    assert list(in_an_hour.plan.reminders.filter(deleted_at=None).values_list("minutes", flat=True)) == [15]


def test_one_of_a_series_or_all_that_follow_are_cancelled(staff: Client, in_an_hour: Incident, author: User) -> None:
    series = repeat_maintenance(in_an_hour, rule="FREQ=DAILY", author=author)
    first, second, third = (plan.incident for plan in series.plans.order_by("occurrence"))
    form = staff.get(address(first, "cancel"))
    staff.post(address(first, "cancel"), filled(form, which="one"))
    staff.post(address(second, "cancel"), filled(staff.get(address(second, "cancel")), which="following"))
    cancelled = Incident.objects.filter(plan__series=series, plan__cancelled_at__isnull=False)
    assert set(cancelled) == {first, second, third}
    series.refresh_from_db()
    assert series.due_at is None


@time_machine.travel(NOON)
def test_one_that_was_never_announced_is_recorded_and_named_as_a_cause(
    staff: Client, page: Page, announced: Incident
) -> None:
    past = {"scheduled_for": "2026-03-09T13:00", "scheduled_until": "2026-03-09T14:00"}
    assert schedule(staff, visibility="internal", **past).status_code == 302
    maintenance = MaintenancePlan.objects.get().incident
    assert (maintenance.visibility, maintenance.plan.reminders.count()) == (Visibility.INTERNAL, 0)
    change = reverse("admin:incidents_incident_change", args=[announced.pk])
    staff.post(change, filled(staff.get(change), caused_by=maintenance.pk))
    announced.refresh_from_db()
    assert announced.caused_by == maintenance
