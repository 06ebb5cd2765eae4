"""An update that is written now is posted at its time, once, in its author's name; or held back when it is stale."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from incidents import planned
from incidents.catalogue import delete_component
from incidents.errors import Conflict, DomainError
from incidents.incidents import delete_incident, post_update
from incidents.lifecycle import ComponentStatus, IncidentStatus
from incidents.models import Component, Incident, PlannedUpdate, User
from tests.concurrency import together
from tests.incidents.html_forms import filled, room

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
MONITORING, RESOLVED = IncidentStatus.MONITORING, IncidentStatus.RESOLVED
Plan = Callable[..., PlannedUpdate]


@pytest.fixture
def plan(incident: Incident, author: User) -> Plan:
    facts: dict[str, Any] = {"status": MONITORING, "body": "It holds.", "components": (), "next_update": 30}

    def act(by: User = author, **more: Any) -> PlannedUpdate:
        given: Any = {"due_at": NOON + HOUR, "notify": True} | facts | more
        return planned.plan_update(incident, author=by, **given)

    return act


def said(incident: Incident) -> list[tuple[str, str]]:
    return [(row.body, row.author.username) for row in incident.updates.order_by("pk")]


def test_it_is_posted_at_its_time_with_all_that_it_says(
    plan: Plan, incident: Incident, component: Component, at_noon: Any
) -> None:
    row = plan(components=[(component, ComponentStatus.DEGRADED_PERFORMANCE)], notify=False)
    at_noon.shift(HOUR - timedelta(seconds=1))
    assert planned.post_due() == 0
    at_noon.shift(1)
    assert (planned.post_due(), planned.post_due()) == (1, 0)
    row.refresh_from_db()
    (update,) = incident.updates.all()
    assert (row.state, row.update, said(incident)) == ("posted", update, [("It holds.", "grace")])
    assert (update.display_at, update.deliver_notifications) == (NOON + HOUR, False)
    assert update.next_update_due_at == NOON + HOUR + timedelta(minutes=30)
    assert Component.objects.with_status().get(pk=component.pk).current == "degraded_performance"
    assert update.history.get().history_user == row.author


def test_what_somebody_posted_meanwhile_holds_it_back_until_it_is_read_again(
    plan: Plan, incident: Incident, author: User, admin: User, at_noon: Any
) -> None:
    row = plan()
    post_update(incident, status=IncidentStatus.IDENTIFIED, body="It fell over again.", author=admin)
    at_noon.shift(HOUR)
    assert planned.post_due() == 0
    row.refresh_from_db()
    assert row.state == "held"
    assert "ada wrote “It fell over again.”" in row.reason
    facts: Any = {"due_at": NOON + 2 * HOUR, "status": MONITORING, "components": (), "next_update": 0, "notify": True}
    planned.change_planned(row, body="Now it holds.", author=admin, **facts)
    at_noon.shift(HOUR)
    assert planned.post_due() == 1
    assert said(incident)[1:] == [("Now it holds.", "ada")]


def test_it_is_held_back_when_its_author_may_not_post_any_more_or_the_incident_is_gone(
    plan: Plan, incident: Incident, author: User, admin: User, at_noon: Any
) -> None:
    first = plan()
    author.groups.set([Group.objects.get(name="viewer")])
    at_noon.shift(HOUR)
    planned.post_due()
    second = plan(by=admin, due_at=NOON + 2 * HOUR)
    delete_incident(incident, author=admin, reason="A mistake.")
    at_noon.shift(HOUR)
    planned.post_due()
    for row, words in ((first, "may not do this"), (second, "was deleted")):
        row.refresh_from_db()
        assert row.state == "held"
        assert words in row.reason
    assert said(incident) == []


def test_it_is_held_back_and_names_the_component_that_was_deleted_since(
    plan: Plan, component: Component, admin: User, at_noon: Any
) -> None:
    row = plan(components=[(component, ComponentStatus.OPERATIONAL)])
    delete_component(component, author=admin)
    at_noon.shift(HOUR)
    assert planned.post_due() == 0
    row.refresh_from_db()
    assert (row.state, component.name in row.reason) == ("held", True)


def test_two_that_were_planned_one_after_the_other_are_both_posted_in_order_however_late(
    plan: Plan, incident: Incident, at_noon: Any
) -> None:
    plan(body="One.", latest_minutes=300)
    plan(body="Two.", due_at=NOON + 2 * HOUR, latest_minutes=300, status=RESOLVED, next_update=None)
    at_noon.shift(5 * HOUR)  # the clock was away
    assert planned.post_due() == 2
    assert [body for body, _who in said(incident)] == ["One.", "Two."]


def test_what_the_clock_missed_by_more_than_its_latest_time_is_held_back_for_its_author(
    plan: Plan, incident: Incident, at_noon: Any
) -> None:
    row = plan(body="We switch over at 13:15.")
    at_noon.shift(HOUR + timedelta(minutes=10, seconds=1))
    assert planned.post_due() == 0
    row.refresh_from_db()
    assert (row.state, said(incident)) == ("held", [])
    assert "It was to be posted by" in row.reason
    assert "14:10" in row.reason  # in the page's zone


def test_a_cancelled_one_is_not_posted_and_cannot_be_changed(plan: Plan, author: User, at_noon: Any) -> None:
    row = plan()
    planned.cancel_planned(row, author=author)
    at_noon.shift(HOUR)
    assert planned.post_due() == 0
    with pytest.raises(DomainError, match="cancelled already"):
        planned.cancel_planned(row, author=author)


def test_nonsense_is_refused_when_it_is_planned(plan: Plan, incident: Incident, admin: User, at_noon: Any) -> None:
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"due_at": NOON}, "is past"),
        ({"body": " "}, "Write a message"),
        ({"status": IncidentStatus.IN_PROGRESS}, "not a status of this kind"),
    ]
    for facts, words in wrong:
        with pytest.raises(DomainError, match=words):
            plan(**facts)
    post_update(incident, status=IncidentStatus.IDENTIFIED, body="News.", author=admin)
    with pytest.raises(Conflict, match="Someone posted"):
        plan(seen="")
    assert not PlannedUpdate.objects.exists()


@pytest.mark.slow
@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_two_clocks_post_it_once(plan: Plan, incident: Incident) -> None:
    with time_machine.travel(NOON - HOUR):
        for number in range(5):
            plan(body=f"{number}.", due_at=NOON + number * timedelta(minutes=1), seen=None)
    with time_machine.travel(NOON + timedelta(minutes=5)):
        assert sum(together(planned.post_due, planned.post_due)) == 5
    assert [body for body, _who in said(incident)] == [f"{number}." for number in range(5)]


def test_staff_plan_change_and_cancel_in_the_admin(
    client: Client, incident: Incident, component: Component, author: User, at_noon: Any
) -> None:
    client.force_login(author)
    address = reverse("admin:incidents_incident_plan", args=[incident.pk])
    page = client.get(address)
    form = filled(page, body="Later.", due_at="2026-03-10T14:30", components=[(component, "partial_outage")])
    assert client.post(address, form).status_code == 302
    row = PlannedUpdate.objects.get()
    assert (row.due_at, row.state) == (NOON + timedelta(minutes=90), "waiting")
    shown = client.get(room(incident)).text
    assert "Planned updates" in shown
    assert "Later." in shown
    change = reverse("admin:incidents_incident_planned", args=[incident.pk, row.pk])
    form = filled(client.get(change), body="Even later.")
    assert (form[f"components-{component.pk}"], form["due_at"]) == ("partial_outage", "2026-03-10T14:30")
    assert client.post(change, form).status_code == 302
    row.refresh_from_db()
    assert (row.body, row.mentions.filter(deleted_at=None).count()) == ("Even later.", 1)
    client.post(reverse("admin:incidents_incident_unplan", args=[incident.pk, row.pk]), {})
    row.refresh_from_db()
    assert row.state == "cancelled"


def test_still_working_on_it_takes_one_click(client: Client, incident: Incident, author: User, at_noon: Any) -> None:
    post_update(incident, status=IncidentStatus.IDENTIFIED, body="A disk.", author=author)
    at_noon.shift(timedelta(minutes=29))
    client.force_login(author)
    address = reverse("admin:incidents_incident_no_change", args=[incident.pk])
    client.post(address, filled(client.get(address)))
    incident.refresh_from_db()
    assert said(incident)[1][0] == "We are still working on this. There is no change since 13:00 CET."
    assert (incident.status, incident.next_update_due_at) == ("identified", NOON + timedelta(minutes=59))
