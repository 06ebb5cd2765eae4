"""Components of one name in several groups: whoever reads of them can tell them apart."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from incidents import catalogue
from incidents.incidents import declare_incident, post_update
from incidents.lifecycle import ComponentStatus, IncidentStatus
from incidents.maintenance.plans import schedule_maintenance
from incidents.models import Component, Page, User
from portal.console.room import advice
from status.publication.publishing import publish

Read = Callable[[Page, str], str]
NAMES = "API, EU (Infrastructure, Search) and UK (Infrastructure)"
IN_FULL = ["API", "EU - Infrastructure", "EU - Search", "UK - Infrastructure"]


@pytest.fixture
def grouped(page: Page, component: Component, admin: User) -> list[Component]:
    named = {"EU": ("Infrastructure", "Search"), "UK": ("Infrastructure",)}
    found = [component]
    for position, (name, members) in enumerate(named.items(), start=10):
        group = catalogue.create_group(page, name=name, position=position, author=admin)
        found += [catalogue.create_component(page, name=each, group=group, author=admin) for each in members]
    return found


def test_each_group_is_named_once_wherever_people_read_of_an_incident(
    page: Page, grouped: list[Component], author: User, published: Read
) -> None:
    incident = declare_incident(page, title="Disks", author=author)
    affected = [(each, ComponentStatus.PARTIAL_OUTAGE) for each in grouped]
    said = post_update(incident, status=IncidentStatus.IDENTIFIED, body="A disk.", components=affected, author=author)
    publish(page)
    assert f"This incident affected: {NAMES}." in published(page, f"incidents/{incident.public_id}.html")
    assert f"Affected: {NAMES}" in published(page, "index.html")
    assert NAMES in advice.customer_answer(incident, grouped, said)
    (month,) = json.loads(published(page, "data/index.json"))["months"]
    data = json.loads(published(page, f"data/{month['month']}.json"))
    assert sorted(each["component_name"] for each in data["component_intervals"]) == IN_FULL
    assert sorted(each["component_name"] for each in data["uptime"]) == IN_FULL
    (update,) = data["incidents"][0]["updates"]
    assert [each["name"] for each in update["components"]] == IN_FULL


def test_a_calendar_names_each_group_once(page: Page, grouped: list[Component], author: User, published: Read) -> None:
    start = timezone.now() + timedelta(days=1)
    schedule_maintenance(
        page,
        title="Disks",
        body="New ones.",
        scheduled_for=start,
        scheduled_until=start + timedelta(hours=1),
        components=grouped,
        author=author,
    )
    publish(page)
    calendar = published(page, "maintenance.ics").replace("\n ", "").replace("\\,", ",")
    assert f"Affected: {NAMES}" in calendar
