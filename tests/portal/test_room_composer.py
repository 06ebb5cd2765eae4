"""The composer of the incident room: updates, templates, and the preview."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from incidents.incidents import post_update
from incidents.lifecycle import ComponentStatus, IncidentStatus
from incidents.models import Component, Incident, IncidentTemplate, Page, User
from incidents.templates import create_template
from tests.incidents.html_forms import counts, filled, room

pytestmark = pytest.mark.long

DECLARE = "/admin/incidents/incident/add/"
INVESTIGATING, IDENTIFIED, RESOLVED = IncidentStatus.INVESTIGATING, IncidentStatus.IDENTIFIED, IncidentStatus.RESOLVED
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)


def test_an_update_changes_a_component(staff: Client, ongoing: Incident, component: Component) -> None:
    form = filled(
        staff.get(room(ongoing)),
        "compose",
        body="Over.",
        status="resolved",
        components=[(component, "operational")],
    )
    assert staff.post(room(ongoing, "update"), form).headers["Location"] == room(ongoing)
    assert component.status is ComponentStatus.OPERATIONAL


@pytest.mark.slow
def test_who_posts_meanwhile_is_shown_before_anything_is_published(
    staff: Client, ongoing: Incident, admin: User
) -> None:
    form = filled(staff.get(room(ongoing)), "compose", body="A disk is full.")
    post_update(ongoing, status=RESOLVED, body="It was the network.", author=admin)
    before = counts()
    answer = staff.post(room(ongoing, "update"), form)
    assert counts() == before
    assert "Someone posted while you typed" in answer.text
    again = filled(answer, "compose")
    assert again["body"] == "A disk is full."
    assert staff.post(room(ongoing, "update"), again).status_code == 302, "the second time it is meant"


def test_an_update_is_written_now_for_a_time_to_come(staff: Client, ongoing: Incident) -> None:
    tomorrow = timezone.localtime(timezone.now() + timedelta(days=1), ongoing.page.zone).strftime("%Y-%m-%dT%H:%M")
    words = {"status": "monitoring", "body": "It is being watched.", "seen": ongoing.updates.get().public_id}
    act = room(ongoing, "update")
    past = staff.post(act, words | {"due_at": "2020-01-01T10:00"})
    assert "It is being watched." in past.text
    assert not ongoing.planned.exists()
    assert staff.post(act, words | {"due_at": tomorrow}).status_code == 302
    assert ongoing.updates.count() == 1
    page = staff.get(room(ongoing)).text
    assert "Planned updates" in page
    assert "It is being watched." in page


@pytest.mark.slow
def test_what_was_just_posted_can_be_taken_back(staff: Client, ongoing: Incident, settings: Settings) -> None:
    staff.post(room(ongoing, "update"), filled(staff.get(room(ongoing)), "compose", body="Wrong words."))
    page = staff.get(room(ongoing))
    assert "Mails and webhooks go out" in page.text
    staff.post(room(ongoing, "withdraw"), filled(page, "held"))
    assert ongoing.updates.standing().count() == 1
    settings.NOTIFY_HOLD = 0
    assert 'id="held"' not in staff.get(room(ongoing)).text


@pytest.fixture
def templates(admin: User) -> dict[str, IncidentTemplate]:
    found = {}
    for name, status, body in (
        ("Known", "identified", "We have identified the cause of {symptom} on {components}. Next: {next_update}."),
        ("Nothing", "resolved", "We looked into reports about {components} and found no customer impact."),
    ):
        found[name] = create_template(name=name, update_status=status, body=body, author=admin)
    return found


@pytest.mark.slow
def test_a_template_is_filled_from_the_record_and_keeps_what_is_typed(
    staff: Client, ongoing: Incident, templates: dict[str, IncidentTemplate]
) -> None:
    known = templates["Known"]
    form = filled(staff.get(room(ongoing)), "compose", body="Sorry.", next_update="30")
    with time_machine.travel(NOON):
        answer = staff.post(room(ongoing, "update"), form | {"template": known.pk})
    begun = filled(answer, "compose")
    assert begun["body"] == ("We have identified the cause of {symptom} on API. Next: 13:30 CET.\n\nSorry.")
    assert begun["status"] == "identified"
    assert ongoing.updates.count() == 1
    before = counts()
    assert "Fill in {symptom}, or take it out" in staff.post(room(ongoing, "update"), begun).text
    assert counts() == before
    begun["body"] = begun["body"].replace("{symptom}", "errors")
    assert staff.post(room(ongoing, "update"), begun).status_code == 302


def test_another_template_replaces_the_words_of_the_first(
    staff: Client, ongoing: Incident, templates: dict[str, IncidentTemplate]
) -> None:
    form = filled(staff.get(room(ongoing)), "compose")
    for template in templates.values():
        form = filled(staff.post(room(ongoing, "update"), form | {"template": template.pk}), "compose")
    assert form["body"] == "We looked into reports about API and found no customer impact."


def test_a_declaration_begins_with_a_template(staff: Client, page: Page, component: Component, admin: User) -> None:
    template = create_template(
        page=page, name="Slow", title="API slow", body="{components} slow.", components=[component], author=admin
    )
    begun = filled(staff.post(DECLARE, filled(staff.get(DECLARE)) | {"template": template.pk}), "verb")
    assert (begun["title"], begun["body"]) == ("API slow", "{components} slow.")
    assert begun[f"components-{component.pk}"] == "unchanged"
    assert not Incident.objects.exists()


@pytest.mark.slow
def test_the_composer_previews_without_writing(staff: Client, ongoing: Incident) -> None:
    form = filled(staff.get(room(ongoing)), "compose", body="A disk is full.") | {"preview": "yes"}
    before = counts()
    whole = staff.post(room(ongoing, "update"), form)
    part = staff.post(room(ongoing, "update"), form, headers={"HX-Request": "true"})
    assert counts() == before
    for answer in (whole, part):
        assert "Will be notified:" in answer.text
    assert filled(whole, "compose")["body"] == "A disk is full."
    assert "<html" not in part.text.replace("&lt;", "<").partition("srcdoc")[0]
