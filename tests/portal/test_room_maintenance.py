"""A maintenance is run from the same room as an incident."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from incidents import timeline
from incidents.incidents import declare_incident, post_update
from incidents.lifecycle import ComponentStatus, IncidentStatus, Visibility
from incidents.maintenance import clockwork
from incidents.maintenance.plans import cancel_maintenance, move_maintenance, schedule_maintenance
from incidents.models import Component, Incident, Page, User
from incidents.templates import create_template
from status import relay
from status.subscriptions.subscribers import add_by_staff
from tests.incidents.html_forms import address, counts, filled, room

pytestmark = pytest.mark.long

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
MakeUser = Callable[[str, str], User]


@pytest.fixture
def from_noon_on() -> Any:
    with time_machine.travel(NOON, tick=False) as clock:
        yield clock


@pytest.fixture
def schedule_from_noon(page: Page, component: Component, author: User, from_noon_on: Any) -> Callable[..., Incident]:
    """Plans a maintenance that begins so many hours from noon on, for an hour."""

    def plan(hours: float = 2, **facts: Any) -> Incident:
        start = NOON + hours * HOUR
        window = {"scheduled_for": start, "scheduled_until": start + HOUR}
        known = {"title": "Disks", "body": "New ones.", "components": [component], "reminders": ()}
        return schedule_maintenance(page, author=author, **(known | window | facts))

    return plan


def next_step(staff: Client, maintenance: Incident) -> str:
    found = re.search(r'class="button next"[^>]*>([^<]*)<', staff.get(room(maintenance)).text)
    return found[1] if found else ""


@pytest.mark.slow
def test_it_is_run_from_its_room_to_the_end_with_the_usual_sentences(
    staff: Client, schedule_from_noon: Callable[..., Incident], from_noon_on: Any
) -> None:
    maintenance = schedule_from_noon()
    seen = []
    for status in ("in_progress", "verifying", "completed"):
        from_noon_on.shift(HOUR)
        seen.append(next_step(staff, maintenance))
        form = filled(staff.get(room(maintenance), {"status": status}), "compose")
        assert (form["status"], form["next_update"]) == (status, "0")
        staff.post(room(maintenance, "update"), form)
    assert seen == ["Start maintenance", "Move to verifying", "Complete maintenance"]
    assert next_step(staff, maintenance) == ""
    maintenance.refresh_from_db()
    assert maintenance.status == IncidentStatus.COMPLETED
    assert maintenance.updates.latest("pk").body == "The scheduled maintenance has been completed."
    assert 'id="compose"' not in staff.get(room(maintenance)).text


def test_to_write_an_update_does_not_start_it(staff: Client, schedule_from_noon: Callable[..., Incident]) -> None:
    maintenance = schedule_from_noon()
    form = filled(staff.get(room(maintenance)), "compose", body="It may take longer.")
    staff.post(room(maintenance, "update"), form)
    maintenance.refresh_from_db()
    assert maintenance.status == IncidentStatus.SCHEDULED


def test_its_head_names_what_comes_and_what_is_late(
    staff: Client, schedule_from_noon: Callable[..., Incident], author: User, from_noon_on: Any
) -> None:
    maintenance = schedule_from_noon()

    def deadlines() -> list[tuple[str, datetime]]:
        found: list[tuple[str, datetime]] = staff.get(room(maintenance)).context["room"].deadlines
        return found

    assert deadlines() == [("Starts", NOON + 2 * HOUR), ("Ends", NOON + 3 * HOUR)]
    from_noon_on.shift(2 * HOUR)
    post_update(maintenance, status=IncidentStatus.IN_PROGRESS, body="Now.", author=author)
    assert deadlines() == [("Ends", NOON + 3 * HOUR)]
    from_noon_on.shift(2 * HOUR)
    page = staff.get(room(maintenance)).text
    for words in ("Overrunning", "late by", "say when it is now expected to end", address(maintenance, "extend")):
        assert words in page
    assert "nobody</span>" not in page, "a maintenance need not have a commander"


def test_the_answer_for_customers_follows_it(
    staff: Client, schedule_from_noon: Callable[..., Incident], author: User, from_noon_on: Any
) -> None:
    maintenance = schedule_from_noon()
    said = []
    for hours, status in ((2, "in_progress"), (1.5, "verifying"), (0.1, "completed")):
        said.append(staff.get(room(maintenance)).context["room"].answer)
        from_noon_on.shift(hours * HOUR)
        post_update(maintenance, status=IncidentStatus(status), body="Now.", author=author)
    said.append(staff.get(room(maintenance)).context["room"].answer)
    assert [answer.partition(" Affected: API; details and updates: https://")[0] for answer in said] == [
        "“Disks” is planned from Mar 10, 2026 - 15:00 CET to Mar 10, 2026 - 16:00 CET.",
        "“Disks” is under way; we expect it to end at Mar 10, 2026 - 16:00 CET.",
        "“Disks” is taking longer than planned; it was to end at Mar 10, 2026 - 16:00 CET.",
        "“Disks” was completed at Mar 10, 2026 - 16:36 CET.",
    ]
    called_off = schedule_from_noon(5)
    cancel_maintenance(called_off, body="No.", author=author)
    assert "was cancelled and does not take place" in staff.get(room(called_off)).text


def test_its_reminders_say_how_many_they_notified(
    staff: Client, schedule_from_noon: Callable[..., Incident], page: Page, admin: User, from_noon_on: Any
) -> None:
    for name in ("bo", "kim"):
        add_by_staff(page, address=f"{name}@example.com", author=admin)
    maintenance = schedule_from_noon(reminders=(60, 30, 10))
    for minutes in (60, 90):
        from_noon_on.move_to(NOON + timedelta(minutes=minutes))
        clockwork.advance()
        relay.owe()
    reminders = staff.get(room(maintenance)).context["room"].reminders
    assert [(row.minutes, recipients) for row, recipients in reminders] == [
        (60, [("email", "cancelled", 2)]),  # nobody had it before the second one
        (30, [("email", "due", 2)]),
        (10, []),
    ]
    assert "email: 2 due" in staff.get(room(maintenance)).text


def test_what_happens_to_the_same_components_meanwhile_is_named(
    staff: Client, schedule_from_noon: Callable[..., Incident], page: Page, component: Component,
    make_component: Callable[..., Component], author: User, from_noon_on: Any,
) -> None:  # fmt: skip
    maintenance = schedule_from_noon()
    near, _far, _elsewhere = (
        schedule_from_noon(2.5, title="Near"),
        schedule_from_noon(9, title="Far"),
        schedule_from_noon(components=[make_component("Mail")]),
    )
    cancel_maintenance(schedule_from_noon(title="Called off"), body="No.", author=author)
    incident = declare_incident(page, title="Errors", author=author)
    post_update(
        incident, status=IncidentStatus.INVESTIGATING, body="Hm.", author=author,
        components=[(component, ComponentStatus.PARTIAL_OUTAGE)],
    )  # fmt: skip
    assert staff.get(room(maintenance)).context["room"].concurrent == [incident, near]
    assert staff.get(room(incident)).context["room"].concurrent == []
    from_noon_on.shift(2.6 * HOUR)
    assert staff.get(room(incident)).context["room"].concurrent == [maintenance, near], "which may be its cause"


def test_moving_it_stands_in_its_timeline(
    staff: Client, schedule_from_noon: Callable[..., Incident], author: User
) -> None:
    maintenance = schedule_from_noon()
    start = NOON + 5 * HOUR
    move_maintenance(maintenance, scheduled_for=start, scheduled_until=start + HOUR, body="Later.", author=author)
    timeline.note(maintenance, text="Asked the team.", occurred_at=NOON, author=author)
    page = staff.get(room(maintenance)).text
    for words in ("Planned start: Mar 10, 2026 - 15:00 CET → Mar 10, 2026 - 18:00 CET", "Later.", "Asked the team."):
        assert words in page


def test_its_start_is_taken_back_while_mails_are_held(
    staff: Client, schedule_from_noon: Callable[..., Incident]
) -> None:
    maintenance = schedule_from_noon()
    form = filled(staff.get(room(maintenance), {"status": "in_progress"}), "compose")
    staff.post(room(maintenance, "update"), form)
    staff.post(room(maintenance, "withdraw"), filled(staff.get(room(maintenance)), "held"))
    maintenance.refresh_from_db()
    assert maintenance.status == IncidentStatus.SCHEDULED


def test_every_list_leads_to_its_room(staff: Client, schedule_from_noon: Callable[..., Incident]) -> None:
    maintenance = schedule_from_noon()
    for path in ("/admin/incidents/incident/", "/admin/search/?q=disks"):
        assert f'href="{room(maintenance)}"' in staff.get(path).text, path


def test_one_that_is_never_announced_has_a_room_too(staff: Client, schedule_from_noon: Callable[..., Incident]) -> None:
    maintenance = schedule_from_noon(visibility=Visibility.INTERNAL)
    page = staff.get(room(maintenance)).text
    assert "Internal" in page
    assert "have not said anything in public" in page


def test_a_viewer_reads_it_and_changes_nothing(
    client: Client, make_user: MakeUser, schedule_from_noon: Callable[..., Incident]
) -> None:
    maintenance = schedule_from_noon()
    client.force_login(make_user("vera", "viewer"))
    page = client.get(room(maintenance)).text
    assert "New ones." in page
    for verb in ("move", "cancel", "automation"):
        assert address(maintenance, verb) not in page
    before = counts()
    assert client.post(room(maintenance, "update"), {"status": "completed", "body": "Over."}).status_code == 403
    assert counts() == before


@pytest.mark.slow
def test_its_room_asks_as_often_with_many_rows_as_with_few(
    staff: Client, schedule_from_noon: Callable[..., Incident], author: User, from_noon_on: Any
) -> None:
    maintenance = schedule_from_noon(reminders=(60,))

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert staff.get(room(maintenance)).status_code == 200
        return len(captured)

    def fill(many: int) -> None:
        for number in range(many):
            schedule_from_noon(2 + number / 100, title=f"{number}")
            timeline.note(maintenance, text=f"{number}", occurred_at=timezone.now(), author=author)
            post_update(maintenance, status=IncidentStatus.SCHEDULED, body=f"{number}", author=author)

    fill(2)
    few = queries()
    fill(20)
    assert queries() == few <= 35


def test_the_change_page_keeps_its_facts(staff: Client, schedule_from_noon: Callable[..., Incident]) -> None:
    maintenance = schedule_from_noon()
    change = reverse("admin:incidents_incident_change", args=[maintenance.pk])
    page = staff.get(change)
    assert f'href="{room(maintenance)}"' in page.text
    staff.post(change, filled(page, title="New disks"))
    maintenance.refresh_from_db()
    assert maintenance.title == "New disks"


def test_only_templates_that_fit_it_are_offered(
    staff: Client, schedule_from_noon: Callable[..., Incident], admin: User
) -> None:
    for name, status in (("Hurt", "investigating"), ("Begun", "in_progress"), ("Any time", "")):
        create_template(name=name, body="Words.", update_status=status, author=admin)
    shown = staff.get(room(schedule_from_noon())).text
    assert ">Begun<" in shown
    assert ">Any time<" in shown
    assert ">Hurt<" not in shown
