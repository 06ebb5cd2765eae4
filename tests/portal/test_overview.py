"""The staff's first page says what is open, what is coming, and what is waiting for somebody."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from incidents import catalogue
from incidents.incidents import declare_incident, post_update
from incidents.lifecycle import ComponentStatus, IncidentStatus, Severity, Visibility
from incidents.maintenance.plans import schedule_maintenance
from incidents.models import Component, Incident, Page, User
from incidents.postmortems.action_items import add_action_item
from incidents.postmortems.writing import start_postmortem

pytestmark = pytest.mark.long

MakeUser = Callable[[str, str], User]


def test_a_quiet_day_is_said_to_be_one(staff: Client, component: Component) -> None:
    shown = staff.get("/admin/").text
    assert "Nothing is open." in shown
    assert "Every component is operational." in shown
    assert "No maintenance is planned." in shown
    assert "To be finished" not in shown


def test_what_is_open_leads_to_its_room_the_most_severe_first(
    staff: Client, page: Page, component: Component, author: User
) -> None:
    minor = declare_incident(page, title="Slow search", author=author, visibility=Visibility.INTERNAL)
    severe = declare_incident(page, title="No payments", author=author, severity=Severity.SEV1)
    down = [(component, ComponentStatus.MAJOR_OUTAGE)]
    post_update(severe, status=IncidentStatus.INVESTIGATING, body="We look.", components=down, author=author)
    Incident.objects.filter(pk=severe.pk).update(next_update_due_at=timezone.now() - timedelta(minutes=7))
    over = declare_incident(page, title="Long over", author=author)
    post_update(over, status=IncidentStatus.RESOLVED, body="Over.", author=author)
    shown = staff.get("/admin/").text
    assert shown.index(f'/admin/incident/{severe.public_id}/"') < shown.index(f'/admin/incident/{minor.public_id}/"')
    assert "next update late by 7\N{NO-BREAK SPACE}minutes" in shown
    assert "Internal" in shown
    assert "Major outage" in shown
    assert "Long over" not in shown


def test_what_is_coming_and_what_is_not_finished(staff: Client, page: Page, author: User) -> None:
    now = timezone.now()
    schedule_maintenance(
        page, title="New disks", body="Nothing is lost.", author=author,
        scheduled_for=now + timedelta(days=1, minutes=1), scheduled_until=now + timedelta(days=2),
    )  # fmt: skip
    incident = declare_incident(page, title="No payments", author=author)
    post_update(incident, status=IncidentStatus.RESOLVED, body="Over.", author=author)
    report = start_postmortem(incident, author=author)
    add_action_item(report, text="Watch the pool", due_on=now.date() - timedelta(days=3), owner=author, author=author)
    shown = staff.get("/admin/").text
    assert "New disks" in shown
    assert "in 1\N{NO-BREAK SPACE}day" in shown
    assert "Postmortem:" in shown
    assert "Draft" in shown
    assert "Watch the pool" in shown
    assert "was due on" in shown


@pytest.mark.slow
def test_it_asks_as_often_for_many_as_for_few(staff: Client, page: Page, author: User, admin: User) -> None:
    def more(count: int) -> None:
        for number in range(count):
            component = catalogue.create_component(page, name=f"Part {number} of {count}", author=admin)
            incident = declare_incident(page, title=f"Incident {number}", author=author)
            worse = [(component, ComponentStatus.PARTIAL_OUTAGE)]
            post_update(incident, status=IncidentStatus.IDENTIFIED, body="Seen.", components=worse, author=author)
            report = start_postmortem(incident, author=author)
            add_action_item(report, text="Watch it", author=author)

    def asked() -> int:
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert staff.get("/admin/").status_code == 200
        return len(queries)

    more(2)
    staff.get("/admin/")
    few = asked()
    more(10)
    assert asked() == few


def test_who_has_no_role_reads_that_and_sees_nothing(client: Client, page: Page, author: User) -> None:
    declare_incident(page, title="No payments", author=author)
    client.force_login(User.objects.create_user("new", password="correct horse battery", is_staff=True))
    shown = client.get("/admin/").text
    assert "You have no role yet" in shown
    assert "No payments" not in shown


def test_the_lists_are_those_that_one_may_see(client: Client, make_user: MakeUser, admin: User) -> None:
    client.force_login(make_user("vera", "viewer"))
    shown = client.get("/admin/").text
    assert "/admin/incidents/postmortem/" in shown
    assert "/admin/incidents/user/" not in shown
    client.force_login(admin)
    assert "/admin/incidents/user/" in client.get("/admin/").text
