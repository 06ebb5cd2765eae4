"""What staff do with incidents in the admin, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from incidents.incidents import declare_incident, post_update
from incidents.lifecycle import ComponentStatus, IncidentStatus, Kind, Severity, Visibility
from incidents.models import Component, Incident, OutboxEvent, Page, Postmortem, User
from tests.incidents.html_forms import address, counts, filled, room

MakeUser = Callable[[str, str], User]
LIST = "/admin/incidents/incident/"
DECLARE = f"{LIST}add/"
IDENTIFIED, RESOLVED = IncidentStatus.IDENTIFIED, IncidentStatus.RESOLVED


# --- Declaring --------------------------------------------------------------------------------------------------------


def test_three_fields_open_an_incident(staff: Client, page: Page, component: Component, author: User) -> None:
    form = filled(
        staff.get(DECLARE), title="API down", body="We look into it.", components=[(component, "major_outage")]
    )
    answer = staff.post(DECLARE, form)
    incident = Incident.objects.get()
    assert answer.headers["Location"] == room(incident)
    assert (incident.title, incident.status, incident.impact) == ("API down", "investigating", "critical")
    assert incident.is_public
    assert component.status is ComponentStatus.MAJOR_OUTAGE
    assert incident.history.get(history_type="+").history_user == author


def test_without_a_message_the_incident_is_not_public(staff: Client, page: Page) -> None:
    answer = staff.post(DECLARE, filled(staff.get(DECLARE), title="Strange numbers"), follow=True)
    assert "The public does not see it yet" in answer.text
    assert not Incident.objects.get().is_public
    assert not OutboxEvent.objects.filter(incident__isnull=False).exists()


def test_a_component_without_a_message_is_asked_about(staff: Client, page: Page, component: Component) -> None:
    form = filled(staff.get(DECLARE), title="API down", components=[(component, "major_outage")])
    before = counts()
    assert "Write a message" in staff.post(DECLARE, form).text
    assert counts() == before


def test_facts_and_times_are_kept_as_they_were_entered_in_the_zone_of_the_page(staff: Client, page: Page) -> None:
    form = filled(
        staff.get(DECLARE),
        title="API down",
        visibility=Visibility.INTERNAL,
        severity=Severity.SEV1,
        impact_override="critical",
        impact_began_at="2026-01-10T10:00",
        detected_at="2026-07-10T10:00",
    )
    staff.post(DECLARE, form)
    incident = Incident.objects.get()
    assert (incident.visibility, incident.severity, incident.impact_override) == ("internal", "sev1", "critical")
    assert incident.impact_began_at == datetime(2026, 1, 10, 9, tzinfo=UTC), "CET"
    assert incident.detected_at == datetime(2026, 7, 10, 8, tzinfo=UTC), "CEST"


def test_with_several_pages_one_is_chosen_and_gives_the_zone(staff: Client, page: Page, other_page: Page) -> None:
    form = filled(staff.get(DECLARE), title="API down", page=other_page.pk, impact_began_at="2026-01-10T10:00")
    staff.post(DECLARE, form)
    incident = Incident.objects.get()
    assert (incident.page, incident.impact_began_at) == (other_page, datetime(2026, 1, 10, 10, tzinfo=UTC))


def test_a_responder_declares_and_leaves_the_public_words_to_others(
    client: Client, make_user: MakeUser, page: Page
) -> None:
    client.force_login(make_user("ruth", "responder"))
    form = filled(client.get(DECLARE), title="Disk filling up")
    assert "body" not in form
    client.post(DECLARE, form | {"body": "Smuggled in."})
    assert Incident.objects.get().latest_update() is None


@pytest.mark.parametrize("title", ["", "   ", "x" * 256])
def test_a_title_that_is_empty_or_too_long_is_refused(staff: Client, page: Page, title: str) -> None:
    form = filled(staff.get(DECLARE), title=title, body="We look into it.")
    before = counts()
    answer = staff.post(DECLARE, form)
    assert answer.status_code == 200
    assert answer.context["form"].errors["title"]
    assert counts() == before


def test_what_the_last_step_refuses_undoes_the_first(staff: Client, page: Page, component: Component) -> None:
    form = filled(staff.get(DECLARE), title="API down", body="x" * 25_001)
    before = counts()
    assert "25000 are allowed" in staff.post(DECLARE, form).text
    assert counts() == before


# --- Posting updates --------------------------------------------------------------------------------------------------


def test_an_update_offers_the_next_status_and_the_components_of_the_incident(
    staff: Client, announced: Incident, component: Component
) -> None:
    form = filled(staff.get(address(announced, "update")))
    assert form["status"] == "identified"
    assert form[f"components-{component.pk}"] == "unchanged"
    staff.post(address(announced, "update"), form | {"body": "A disk is full."})
    announced.refresh_from_db()
    assert announced.status == IDENTIFIED
    assert component.status is ComponentStatus.PARTIAL_OUTAGE, "no change was asked for"


def test_a_time_is_entered_in_the_zone_that_stands_beside_it(staff: Client, incident: Incident) -> None:
    response = staff.get(address(incident, "update"))
    assert '<span class="zone">Europe/Rome</span>' in response.text
    staff.post(address(incident, "update"), filled(response, body="It began at ten.", display_at="2026-01-10T10:00"))
    update = incident.updates.get()
    assert update.display_at == datetime(2026, 1, 10, 9, tzinfo=UTC)
    page = staff.get(room(incident)).text
    assert "10:00 CET" in page
    assert "Jan 10" in page
    assert "published later" in page


def test_someone_who_posts_while_you_type_is_shown_and_nothing_is_lost(
    staff: Client, announced: Incident, admin: User
) -> None:
    form = filled(staff.get(address(announced, "update")), body="A disk is full.")
    post_update(announced, status=RESOLVED, body="It was the network.", author=admin)
    before = counts()
    answer = staff.post(address(announced, "update"), form)
    assert counts() == before
    assert "Someone posted while you typed" in answer.text
    assert "It was the network." in answer.text
    again = filled(answer)
    assert again["body"] == "A disk is full."
    assert staff.post(address(announced, "update"), again).status_code == 302, "the second time it is meant"
    assert announced.updates.count() == 3


def test_the_status_cannot_be_resolved_twice(staff: Client, announced: Incident, author: User) -> None:
    post_update(announced, status=RESOLVED, body="Over.", author=author)
    form = filled(staff.get(address(announced, "update")), body="Still over.", status="resolved")
    before = counts()
    answer = staff.post(address(announced, "update"), form)
    assert "This is Resolved already" in answer.text
    assert "status" in answer.context["form"].errors
    assert counts() == before


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ({"body": ""}, "This field is required"),
        ({"body": "x" * 25_001}, "25000 are allowed"),
        ({"body": "A disk is full.", "status": "completed"}, "is not a status of this kind"),
        ({"body": "A disk is full.", "display_at": "2036-01-10T10:00"}, "lies in the future"),
        ({"body": "A disk is full.", "display_at": "2020-01-10T10:00"}, "lies before the newest update"),
        ({"body": "A disk is full.", "display_at": "tomorrow"}, "Enter a valid date/time"),
        ({"body": "A disk\x00is full."}, "Null characters are not allowed"),
        ({"body": "A disk is full.", "components-999999": "major_outage"}, "is not on this page any more"),
    ],
)
def test_bad_input_is_answered_with_a_sentence(
    staff: Client, announced: Incident, typed: dict[str, str], sentence: str
) -> None:
    form = filled(staff.get(address(announced, "update"))) | typed
    before = counts()
    answer = staff.post(address(announced, "update"), form)
    assert answer.status_code == 200
    assert sentence in answer.text
    assert counts() == before


def test_a_status_that_is_none_is_refused_at_its_component(
    staff: Client, announced: Incident, component: Component
) -> None:
    form = filled(staff.get(address(announced, "update")), body="A disk is full.", components=[(component, "broken")])
    before = counts()
    assert "Select a valid choice" in staff.post(address(announced, "update"), form).text
    assert counts() == before


def test_six_megabytes_are_too_much(staff: Client, announced: Incident) -> None:
    form = filled(staff.get(address(announced, "update")), body="x" * 6 * 1024 * 1024)
    before = counts()
    answer = staff.post(address(announced, "update"), form)
    assert answer.status_code == 413
    assert "Nothing was saved" in answer.text
    assert counts() == before


def test_a_script_in_a_message_is_only_text(staff: Client, incident: Incident) -> None:
    script = "<script>alert('x')</script>"
    staff.post(address(incident, "update"), filled(staff.get(address(incident, "update")), body=script))
    for path in (room(incident), address(incident, "history")):
        page = staff.get(path).text
        assert "&lt;script&gt;alert" in page
        assert script not in page


def test_components_that_are_still_down_are_named_when_it_is_over(
    staff: Client, announced: Incident, component: Component
) -> None:
    form = filled(staff.get(address(announced, "update")), status="resolved", body="Over.")
    answer = staff.post(address(announced, "update"), form, follow=True)
    assert "this component is not operational: API (Partial outage)" in answer.text


# --- The other verbs --------------------------------------------------------------------------------------------------


def test_a_correction_is_marked(staff: Client, announced: Incident) -> None:
    correct = reverse("admin:incidents_incident_correct", args=[announced.pk, announced.updates.get().pk])
    response = staff.get(correct)
    assert filled(response)["body"] == "We are looking into it."
    staff.post(correct, filled(response, body="We look into it.", reason="Grammar"))
    assert announced.updates.get().body == "We look into it."
    assert "edited" in staff.get(room(announced)).text


@pytest.mark.long
def test_a_time_that_was_wrong_is_corrected_and_one_that_nobody_touched_keeps_its_seconds(
    staff: Client, announced: Incident
) -> None:
    update = announced.updates.get()
    correct = reverse("admin:incidents_incident_correct", args=[announced.pk, update.pk])
    staff.post(correct, filled(staff.get(correct), body="We look into it."))
    assert announced.updates.get().display_at == update.display_at
    staff.post(correct, filled(staff.get(correct), display_at="2026-01-10T10:00"))
    assert announced.updates.get().display_at == datetime(2026, 1, 10, 9, tzinfo=UTC)
    assert "in the future" in staff.post(correct, filled(staff.get(correct), display_at="2099-01-10T10:00")).text


def test_a_note_is_internal(staff: Client, announced: Incident, author: User) -> None:
    form = filled(
        staff.get(address(announced, "note")),
        text="Restarted the pool.",
        occurred_at="2026-01-10T10:00",
        kind="mitigation",
        outcome="partial",
    )
    staff.post(address(announced, "note"), form)
    note = announced.timeline.get()
    assert (note.occurred_at, note.outcome, note.author) == (datetime(2026, 1, 10, 9, tzinfo=UTC), "partial", author)
    assert "Restarted the pool." in staff.get(room(announced)).text


def test_an_internal_incident_is_published_with_words_of_its_own(staff: Client, page: Page, author: User) -> None:
    incident = declare_incident(page, title="Errors", author=author, visibility=Visibility.INTERNAL)
    post_update(incident, status=IncidentStatus.INVESTIGATING, body="Between us.", author=author)
    form = filled(staff.get(address(incident, "publish")), body="We look into errors.")
    staff.post(address(incident, "publish"), form)
    again = form | {"token": "another"}
    assert "This incident is public already." in staff.post(address(incident, "publish"), again).text
    assert [update.body for update in incident.updates.published()] == ["We look into errors."]
    assert address(incident, "publish") not in staff.get(address(incident, "change")).text


def test_a_postmortem_is_started_once(staff: Client, announced: Incident, author: User) -> None:
    start = address(announced, "postmortem")
    assert start in staff.get(address(announced, "change")).text
    answer = staff.post(start, filled(staff.get(start)), follow=True)
    postmortem = Postmortem.objects.get()
    assert (postmortem.owner, list(postmortem.incidents.all())) == (author, [announced])
    assert "Mitigation and resolution" in answer.text
    assert start not in staff.get(address(announced, "change")).text
    assert "has a postmortem already" in staff.post(start, {"template": "public_report"}).text
    assert Postmortem.objects.count() == 1


def test_a_maintenance_is_scheduled_with_a_window(staff: Client, page: Page, component: Component) -> None:
    schedule = reverse("admin:incidents_incident_schedule")
    form = filled(
        staff.get(schedule),
        title="Upgrade",
        body="We upgrade the database.",
        scheduled_for="2036-01-10T10:00",
        scheduled_until="2036-01-10T09:00",
    ) | {"affects": str(component.pk)}
    before = counts()
    assert "The window must end after it starts." in staff.post(schedule, form).text
    assert counts() == before
    staff.post(schedule, form | {"scheduled_until": "2036-01-10T11:00"})
    maintenance = Incident.objects.get(kind=Kind.MAINTENANCE)
    assert maintenance.plan.scheduled_for == datetime(2036, 1, 10, 9, tzinfo=UTC)
    assert list(maintenance.components()) == [component]


def test_a_deleted_incident_stays_in_the_record_with_the_reason(staff: Client, announced: Incident) -> None:
    refused = staff.post(address(announced, "delete"), {"reason": ""})
    assert refused.status_code == 200
    assert "Updates: 1" in refused.text
    assert "Components that read as without it: 1" in refused.text
    assert Incident.objects.live().exists()
    staff.post(
        address(announced, "delete"),
        filled(staff.get(address(announced, "delete")), reason="Opened by mistake"),
        follow=True,
    )
    assert not Incident.objects.live().exists()
    assert announced.title not in staff.get(LIST).text
    assert announced.title in staff.get(LIST, {"deleted": "yes"}).text
    assert "Opened by mistake" in staff.get(address(announced, "history")).text
    page = staff.get(address(announced, "change")).text
    assert address(announced, "update") not in page
    assert 'name="title"' not in page, "it is read-only"
    assert staff.get(address(announced, "update")).status_code == 404


# --- Taking back ------------------------------------------------------------------------------------------------------


def test_an_update_is_taken_back_while_its_messages_are_held(
    staff: Client, incident: Incident, author: User, settings: Settings
) -> None:
    post_update(incident, status=IncidentStatus.INVESTIGATING, body="Looking.", author=author)
    wrong = post_update(incident, status=IDENTIFIED, body="Wrong words.", author=author)
    withdraw = address(incident, "withdraw")
    assert withdraw in staff.get(address(incident, "change")).text
    form = filled(staff.get(withdraw))
    assert "taken back" in staff.post(withdraw, form, follow=True).text
    assert incident.latest_update() != wrong
    assert "newest public update" in staff.post(withdraw, form | {"token": "another"}).text
    assert "no such update" in staff.post(withdraw, form | {"seen": "forged", "token": "third"}).text
    settings.NOTIFY_HOLD = 0
    assert withdraw not in staff.get(address(incident, "change")).text
    assert "too late" in staff.post(withdraw, filled(staff.get(withdraw))).text
