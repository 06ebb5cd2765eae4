"""A component's page in the admin: how it was, drawn as in public, and why."""

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

from incidents import catalogue
from incidents.incidents import declare_incident, post_update
from incidents.lifecycle import ComponentStatus, IncidentStatus
from incidents.models import Component, Incident, Page, User
from status.publication import publishing
from tests.incidents.html_forms import room

pytestmark = pytest.mark.long

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def months_ago() -> Any:
    with time_machine.travel(NOON - 90 * 24 * HOUR, tick=False) as clock:
        yield clock


@pytest.fixture
def down(months_ago: Any, page: Page, component: Component, author: User, client: Client, admin: User) -> Incident:
    """An incident of an hour that began 90 minutes ago."""
    months_ago.move_to(NOON - 1.5 * HOUR)
    incident = declare_incident(page, title="Errors 500", author=author)
    for status, left in ((IncidentStatus.IDENTIFIED, "major_outage"), (IncidentStatus.RESOLVED, "operational")):
        post_update(
            incident, status=status, body="Now.", author=author, components=[(component, ComponentStatus(left))]
        )
        months_ago.shift(HOUR)
    months_ago.move_to(NOON)
    client.force_login(admin)  # again: a session does not last for so long
    return incident


def change_page(component: Component) -> str:
    return reverse("admin:incidents_component_change", args=[component.pk])


def drawing(text: str) -> str:
    found = re.search(r"<svg class=\"bars\".*?</svg>", text, re.DOTALL)
    assert found
    return found[0]


def test_its_bars_are_those_of_the_public_page_and_lead_to_the_room(
    administrator: Client, component: Component, down: Incident, page: Page, published: Callable[[Page, str], str]
) -> None:
    publishing.publish(page)
    shown = administrator.get(change_page(component)).text
    ours, theirs = drawing(shown), drawing(published(page, "index.html"))
    assert ours == theirs.replace(f'"/incidents/{down.public_id}"', f'"{room(down)}"')
    assert "Mar 10, 2026: Major outage 1 h" in ours
    percent = re.search(r"([\d.]+)% uptime</span>", published(page, "index.html"))
    assert percent
    assert f"Uptime of the last 90 days: {percent[1]} %" in shown
    assert f'<a href="{room(down)}">Errors 500</a>' in shown


def test_what_was_set_or_corrected_by_hand_names_the_author_and_the_reason(
    administrator: Client, component: Component, down: Incident, author: User
) -> None:
    catalogue.set_component_status(
        component, status=ComponentStatus.PARTIAL_OUTAGE, effective_at=NOON - 5 * HOUR, ended_at=NOON - 4 * HOUR,
        reason="Seen in the logs", author=author,
    )  # fmt: skip
    catalogue.set_component_status(
        component, status=ComponentStatus.DEGRADED_PERFORMANCE, reason="It is slow", author=author
    )
    text = " ".join(re.sub(r"<[^>]*>", " ", administrator.get(change_page(component)).text).split())
    assert "Partial outage Mar 10, 2026 - 08:00 CET corrected by hand Reason: Seen in the logs grace" in text
    assert "recorded Mar 10, 2026 - 13:00 CET" in text
    assert "Degraded performance Mar 10, 2026 - 13:00 CET set by hand Reason: It is slow grace" in text


def test_what_the_public_does_not_see_has_no_bars(
    administrator: Client, make_component: Callable[..., Component], page: Page
) -> None:
    internal = make_component("Back office", visibility="internal")
    text = administrator.get(change_page(internal)).text
    assert 'class="bars"' not in text
    assert "It has always been operational." in text
    assert 'id="changes"' not in administrator.get(reverse("admin:incidents_component_add")).text


@pytest.mark.slow
def test_it_asks_as_often_however_much_happened(
    administrator: Client, component: Component, page: Page, author: User
) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert administrator.get(change_page(component)).status_code == 200
        return len(captured)

    def fill(many: int) -> None:
        for number in range(many):
            incident = declare_incident(page, title=f"{number}", author=author)
            for left in (ComponentStatus.MAJOR_OUTAGE, ComponentStatus.OPERATIONAL):
                post_update(
                    incident, status=IncidentStatus.IDENTIFIED, body="Now.", author=author,
                    components=[(component, left)],
                )  # fmt: skip

    fill(2)
    queries()
    few = queries()
    fill(15)
    assert queries() == few
