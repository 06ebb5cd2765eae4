"""What the history pages tell: when, who, what, and each fact's old and new value."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from incidents import catalogue, timeline
from incidents.history import changes as history
from incidents.incidents import correct_update, edit_incident, post_update
from incidents.lifecycle import ComponentStatus, IncidentStatus, Severity
from incidents.maintenance.plans import schedule_maintenance
from incidents.models import Component, Incident, Page, TimelineEntry, User
from tests.reports import publish_report

pytestmark = pytest.mark.both

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
Story = tuple[Incident, Component]


@pytest.fixture
def story(incident: Incident, component: Component, author: User, admin: User) -> Story:
    """An incident to which everything happened that can, a minute apart."""
    with time_machine.travel(timezone.now() + timedelta(minutes=1), tick=False) as clock:
        edit_incident(incident, author=admin, severity=Severity.SEV1, detected_at=NOON)
        clock.shift(60)
        update = post_update(
            incident,
            status=IncidentStatus.INVESTIGATING,
            body="We are looking in to it.",
            author=author,
            components=[(component, ComponentStatus.PARTIAL_OUTAGE)],
        )
        clock.shift(60)
        correct_update(update, body="We are looking into it.", author=admin, reason="Grammar")
        clock.shift(60)
        timeline.note(
            incident,
            text="Restarted the pool.",
            occurred_at=NOON,
            author=author,
            kind=TimelineEntry.Kind.MITIGATION,
            outcome=TimelineEntry.Outcome.PARTIAL,
        )
        clock.shift(60)
        post_update(
            incident,
            status=IncidentStatus.RESOLVED,
            body="Over.",
            author=author,
            components=[(component, ComponentStatus.OPERATIONAL)],
        )
        clock.shift(60)
        publish_report(incident, body="A disk was full.", author=author)
    return incident, component


def test_everything_about_an_incident_is_listed_newest_first(story: Story) -> None:
    incident, _component = story
    entries = [entry.what.partition(", shown as of")[0] for entry in history.of_incident(incident)]
    assert entries == [
        "Incident: changed",
        "Postmortem: revision 1 published, approved by hedy",
        "Update “Resolved”: posted",
        "Mitigation attempt, Mar 10, 2026 - 12:00 UTC: Partial",
        "Update “Investigating”: changed",
        "Incident: changed",
        "Update “Investigating”: posted",
        "Incident: changed",
        "Incident: created",
    ]


def test_each_entry_names_who_and_when(story: Story, author: User, admin: User) -> None:
    incident, _component = story
    entries = history.of_incident(incident)
    assert [entry.author for entry in entries] == [author, author, author, author, admin, author, author, admin, author]
    times = [entry.at for entry in entries]
    assert times == sorted(times, reverse=True)


def test_a_correction_keeps_the_old_text_and_its_reason(story: Story) -> None:
    incident, _component = story
    correction = next(entry for entry in history.of_incident(incident) if entry.reason)
    assert correction.reason == "Grammar"
    (change,) = [change for change in correction.changes if change.name == "Message"]
    assert (change.old, change.new) == ("We are looking in to it.", "We are looking into it.")


def test_facts_show_their_old_and_new_value_in_words(story: Story) -> None:
    incident, _component = story
    *_newer, impact, _posted, facts, _created = history.of_incident(incident)
    assert impact.changes == (history.Change("Impact", "None", "Major"),)
    assert facts.changes == (
        history.Change("Severity", "SEV 3, minor", "SEV 1, critical"),
        history.Change("Detected", "", "Mar 10, 2026 - 12:00 UTC"),
    )


def test_an_update_tells_how_its_components_changed(story: Story) -> None:
    incident, _component = story
    changes = [entry.changes for entry in history.of_incident(incident) if "posted" in entry.what]
    assert changes == [
        (history.Change("API", "Partial outage", "Operational"),),
        (history.Change("API", "Operational", "Partial outage"),),
    ]


def test_the_plan_of_a_maintenance_is_listed(page: Page, author: User) -> None:
    maintenance = schedule_maintenance(
        page,
        title="Upgrade",
        body="We upgrade the database.",
        scheduled_for=NOON,
        scheduled_until=NOON + timedelta(hours=1),
        author=author,
        display_at=NOON,
    )
    plan = next(e for e in history.of_incident(maintenance) if e.what == "Maintenance plan: created")
    assert [(change.name, change.new) for change in plan.changes] == [
        ("Planned start", "Mar 10, 2026 - 12:00 UTC"),
        ("Planned end", "Mar 10, 2026 - 13:00 UTC"),
        ("Starts by itself", "no"),
        ("Ends by itself", "no"),
        ("Shows its components under maintenance while it runs", "yes"),
        ("Tells subscribers when it starts", "yes"),
        ("Tells subscribers when it ends", "yes"),
    ]


def test_the_page_shows_the_times_of_the_incident_s_zone(client: Client, story: Story, author: User) -> None:
    incident, _component = story
    client.force_login(author)
    page = client.get(reverse("admin:incidents_incident_history", args=[incident.pk])).text
    assert "Mitigation attempt, Mar 10, 2026 - 13:00 CET: Partial" in page
    assert "<del>We are looking in to it.</del> → <ins>We are looking into it.</ins>" in page
    assert "Reason: Grammar" in page


def test_a_component_s_history_has_every_status_and_what_it_came_from(story: Story, admin: User) -> None:
    _incident, component = story
    catalogue.set_component_status(
        component, status=ComponentStatus.DEGRADED_PERFORMANCE, author=admin, reason="Seen on the graphs"
    )
    catalogue.edit_component(component, name="Commerce API", author=admin)
    entries = history.of_component(component)
    assert {entry.reason for entry in entries} == {"", "Seen on the graphs"}
    statuses = [change.new for entry in entries for change in entry.changes if entry.what.startswith("Status")]
    assert sorted(statuses) == ["Degraded performance", "Operational", "Partial outage"]
    assert history.Change("Name", "API", "Commerce API") in [c for entry in entries for c in entry.changes]
    assert any(entry.what.endswith("- Errors") for entry in entries)


def test_a_row_that_was_deleted_says_so(make_component: Callable[..., Component], admin: User) -> None:
    component = make_component("Dashboard")
    catalogue.delete_component(component, author=admin)
    newest = history.of_component(component)[0]
    assert (newest.what, newest.author, newest.changes) == ("Component: deleted", admin, ())
