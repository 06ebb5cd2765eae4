"""The incident room: one page on which an incident is run."""

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
from django.utils import timezone

from incidents import catalogue, timeline
from incidents.incidents import declare_incident, delete_incident, edit_incident, post_update
from incidents.lifecycle import ComponentStatus, IncidentStatus, Severity, Visibility
from incidents.maintenance.plans import schedule_maintenance
from incidents.models import Component, Incident, Page, Submission, TimelineEntry, User
from incidents.planned import plan_update
from incidents.postmortems.action_items import add_action_item
from incidents.postmortems.writing import start_postmortem
from tests.incidents.html_forms import counts, filled, room
from tests.reports import publish_report

pytestmark = pytest.mark.long

MakeUser = Callable[[str, str], User]
DECLARE = "/admin/incidents/incident/add/"
INVESTIGATING, IDENTIFIED, RESOLVED = IncidentStatus.INVESTIGATING, IncidentStatus.IDENTIFIED, IncidentStatus.RESOLVED
MITIGATION = TimelineEntry.Kind.MITIGATION
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)


def next_step(staff: Client, incident: Incident) -> str:
    found = re.search(r'class="button next"[^>]*>([^<]*)<', staff.get(room(incident)).text)
    return found[1] if found else ""


# --- Declaring --------------------------------------------------------------------------------------------------------


def test_every_page_of_the_admin_leads_to_a_declaration(staff: Client, ongoing: Incident) -> None:
    for path in ("/admin/", "/admin/incidents/component/", room(ongoing)):
        assert f'href="{DECLARE}"' in staff.get(path).text, path


def test_a_title_is_enough(staff: Client, page: Page) -> None:
    staff.post(DECLARE, filled(staff.get(DECLARE), title="Strange numbers"))
    incident = Incident.objects.get()
    assert (incident.severity, incident.visibility, incident.is_public) == ("sev3", "public", False)


@pytest.mark.parametrize(
    ("answers", "severity"),
    [
        ({}, "sev3"),
        ({"is_core_down": "on"}, "sev1"),
        ({"is_core_degraded": "on"}, "sev2"),
        ({"is_unnoticed": "on"}, "sev4"),
        ({"is_core_degraded": "on", "is_unnoticed": "on"}, "sev2"),
        ({"is_core_down": "on", "severity": "sev4"}, "sev4"),
    ],
)
def test_three_answers_propose_the_severity_and_a_choice_beats_them(
    staff: Client, page: Page, answers: dict[str, str], severity: str
) -> None:
    staff.post(DECLARE, filled(staff.get(DECLARE), title="API down") | answers)
    assert Incident.objects.get().severity == severity


# --- Sent twice -------------------------------------------------------------------------------------------------------


def test_a_declaration_that_is_sent_twice_opens_one_incident(staff: Client, page: Page) -> None:
    form = filled(staff.get(DECLARE), title="API down", body="We look into it.")
    first = staff.post(DECLARE, form)
    again = staff.post(DECLARE, form, follow=True)
    assert "This was sent twice. It was done once." in again.text
    assert again.redirect_chain[0][0] == first.headers["Location"]
    assert Incident.objects.get().updates.count() == 1


def test_an_update_and_a_note_that_are_sent_twice_are_kept_once(staff: Client, ongoing: Incident) -> None:
    page = staff.get(room(ongoing))
    update, note = filled(page, "compose", body="A disk is full."), filled(page, "note", text="Looked at the disk.")
    for _time in range(2):
        answers = [staff.post(room(ongoing, name), form) for name, form in (("update", update), ("note", note))]
        assert [answer.status_code for answer in answers] == [302, 302]
    assert (ongoing.updates.count(), ongoing.timeline.count()) == (2, 1)


def test_other_words_under_the_same_token_are_not_lost(staff: Client, ongoing: Incident) -> None:
    """Somebody went back to the form after it was sent, and wrote on."""
    form = filled(staff.get(room(ongoing)), "note", text="Looked at the disk.")
    staff.post(room(ongoing, "note"), form)
    answer = staff.post(room(ongoing, "note"), form | {"text": "It is full."})
    assert "This form was sent before, with other words" in answer.text
    again = filled(answer, "note")
    assert again["text"] == "It is full."
    assert staff.post(room(ongoing, "note"), again).status_code == 302
    assert {note.text for note in ongoing.timeline.all()} == {"Looked at the disk.", "It is full."}


def test_what_was_refused_may_be_sent_again(staff: Client, ongoing: Incident) -> None:
    form = filled(staff.get(room(ongoing)), "note", text="Looked at the disk.", when="soon")
    before = counts()
    assert "is not a time we know" in staff.post(room(ongoing, "note"), form).text
    assert counts() == before
    assert staff.post(room(ongoing, "note"), form | {"when": "now"}).status_code == 302


def test_a_token_is_its_authors(client: Client, ongoing: Incident, author: User, admin: User) -> None:
    Submission.objects.create(author=admin, token="taken", digest="")
    client.force_login(author)
    form = filled(client.get(room(ongoing)), "note", text="Looked at the disk.") | {"token": "taken"}
    assert client.post(room(ongoing, "note"), form).status_code == 302
    assert ongoing.timeline.count() == 1


# --- The next step ----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_one_button_names_the_next_step_to_the_end(staff: Client, incident: Incident, author: User) -> None:
    steps = [next_step(staff, incident)]
    for status in (INVESTIGATING, IDENTIFIED, IncidentStatus.MONITORING, RESOLVED):
        post_update(incident, status=status, body="More.", author=author)
        steps.append(next_step(staff, incident))
    publish_report(incident, body="Why.", author=author)
    assert [*steps, next_step(staff, incident)] == [
        "Post first update",
        "Move to identified",
        "Move to monitoring",
        "Resolve",
        "Start the postmortem",
        "",
    ]


def test_the_composer_begins_with_the_status_that_was_asked_for(staff: Client, ongoing: Incident) -> None:
    assert filled(staff.get(room(ongoing)), "compose")["status"] == "identified"
    assert filled(staff.get(room(ongoing), {"status": "resolved"}), "compose")["status"] == "resolved"


def test_an_internal_incident_is_published_from_its_room(staff: Client, page: Page, author: User) -> None:
    incident = declare_incident(page, title="Errors", author=author, visibility=Visibility.INTERNAL)
    assert "?publish#compose" in staff.get(room(incident)).text
    staff.post(
        room(incident, "publish"), filled(staff.get(room(incident), {"publish": ""}), "compose", body="We know.")
    )
    incident.refresh_from_db()
    assert incident.is_public


# --- The timeline -----------------------------------------------------------------------------------------------------


def test_the_timeline_interleaves_what_was_said_noted_and_changed(
    staff: Client, incident: Incident, author: User, admin: User
) -> None:
    with time_machine.travel(timezone.now() + timedelta(minutes=1), tick=False) as clock:
        edit_incident(incident, author=admin, severity=Severity.SEV1)
        clock.shift(60)
        post_update(incident, status=INVESTIGATING, body="Looking.", author=author)
        clock.shift(60)
        timeline.note(incident, text="Disk at 100 %.", occurred_at=timezone.now() - timedelta(seconds=30), author=admin)
        items = staff.get(room(incident)).context["room"].items
    assert [item.kind for item in items] == ["note", "update", "fact", "fact"]


def test_a_line_is_noted_at_the_time_that_the_person_typing_means(staff: Client, ongoing: Incident) -> None:
    with time_machine.travel(NOON):
        page = staff.get(room(ongoing))
        for when, zone in (("12:30", ""), ("7:30", "America/New_York"), ("12:30", "Mars/Phobos")):
            form = filled(page, "note", text=f"{when} {zone}", when=when) | {"token": zone}
            staff.post(room(ongoing, "note"), form | ({"typed_in": zone} if zone else {}))
    times = set(ongoing.timeline.values_list("occurred_at", flat=True))
    assert times == {datetime(2026, 3, 10, 11, 30, tzinfo=UTC)}, "Rome's, New York's, and Rome's again"


def test_a_range_is_noted_with_both_ends(staff: Client, ongoing: Incident) -> None:
    with time_machine.travel(NOON):
        form = filled(staff.get(room(ongoing)), "note", text="Restarts.", when="12:05-12:20", kind="mitigation")
        staff.post(room(ongoing, "note"), form | {"outcome": "partial", "done_by": "Ops"})
    entry = ongoing.timeline.get()
    assert (entry.precision, entry.outcome, entry.done_by) == ("range", "partial", "Ops")
    assert entry.ended_at == entry.occurred_at + timedelta(minutes=15)


def test_an_attempt_runs_until_somebody_says_how_it_ended(staff: Client, ongoing: Incident, author: User) -> None:
    began = timezone.now() - timedelta(minutes=10)
    attempt = timeline.note(ongoing, text="Restarting.", occurred_at=began, kind=MITIGATION, author=author)
    assert "How did this attempt end" in staff.get(room(ongoing)).text
    for _time in range(2):
        staff.post(room(ongoing, "outcome"), {"attempt": attempt.pk, "outcome": "partial", "token": "one"})
    (ended,) = attempt.outcomes.all()
    assert (ended.outcome, ended.occurred_at, ended.text) == ("partial", began, "Restarting.")
    assert "How did this attempt end" not in staff.get(room(ongoing)).text


def test_an_outcome_of_another_incidents_attempt_is_refused(staff: Client, ongoing: Incident, author: User) -> None:
    other = declare_incident(ongoing.page, title="Other", author=author)
    attempt = timeline.note(other, text="Restarting.", occurred_at=NOON, kind=MITIGATION, author=author)
    before = counts()
    answer = staff.post(room(ongoing, "outcome"), {"attempt": attempt.pk, "outcome": "full"}, follow=True)
    assert "There is no such attempt" in answer.text
    assert counts() == before


# --- What the room says by itself -------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_answer_for_customers_is_always_current(
    staff: Client, incident: Incident, component: Component, author: User
) -> None:
    def answer() -> str:
        return str(staff.get(room(incident)).context["room"].answer)

    assert "have not said anything in public" in answer()
    affected = [(component, ComponentStatus.PARTIAL_OUTAGE)]
    with time_machine.travel(NOON, tick=False) as clock:
        post_update(incident, status=INVESTIGATING, body="Looking.", author=author, components=affected)
        address = f"https://status.acme.example/incidents/{incident.public_id}"
        assert answer() == (
            "We have known of “Errors” since Mar 10, 2026 - 13:00 CET and are investigating it. "
            f"Affected: API; details and updates: {address}"
        )
        clock.shift(1800)
        post_update(incident, status=RESOLVED, body="Over.", author=author)
        assert answer().startswith("“Errors” was resolved at Mar 10, 2026 - 13:30 CET.")


@pytest.mark.slow
def test_the_checklist_names_everything_at_once_and_leads_to_it(
    staff: Client, ongoing: Incident, component: Component, author: User
) -> None:
    edit_incident(ongoing, author=author, severity=Severity.SEV1)

    def words() -> list[str]:
        return [item.words for item in staff.get(room(ongoing)).context["room"].missing]

    assert words() == [
        "It is not resolved.",
        "API is not operational (partial outage).",
        "When was it detected?",
        "When did the impact begin?",
        "When did the impact end?",
    ]
    edit_incident(ongoing, author=author, detected_at=NOON, impact_began_at=NOON, impact_ended_at=NOON)
    operational = [(component, ComponentStatus.OPERATIONAL)]
    post_update(ongoing, status=RESOLVED, body="Over.", author=author, components=operational)
    assert words() == ["The postmortem is not published."]
    publish_report(ongoing, body="Why.", author=author)
    assert "Nothing is missing." in staff.get(room(ongoing)).text


def test_past_incidents_on_the_same_components_are_shown(
    staff: Client, ongoing: Incident, component: Component, make_component: Callable[..., Component], author: User
) -> None:
    def past(title: str, named: Component) -> Incident:
        other = declare_incident(ongoing.page, title=title, author=author)
        post_update(other, status=RESOLVED, body="Over.", author=author, components=[(named, None)])
        return other

    report = start_postmortem(past("API slow", component), author=author)
    add_action_item(report, text="Watch the pool.", author=author)
    past("Elsewhere", make_component("Mail"))
    page = staff.get(room(ongoing))
    assert [other.title for other in page.context["room"].similar] == ["API slow"]
    assert "Watch the pool." in page.text


def test_once_it_is_over_its_numbers_are_there(staff: Client, ongoing: Incident, author: User) -> None:
    assert 'id="numbers"' not in staff.get(room(ongoing)).text
    edit_incident(ongoing, author=author, impact_began_at=NOON, detected_at=NOON + timedelta(minutes=4))
    edit_incident(ongoing, author=author, acknowledged_at=NOON, impact_ended_at=NOON + timedelta(hours=2))
    post_update(ongoing, status=RESOLVED, body="Over.", author=author)
    page = " ".join(re.sub(r"<[^>]*>", " ", staff.get(room(ongoing)).text).split())
    for words in ("Time to detect: 4 min", "Time to mitigate: 2 h 0 min", "Time to identify: not known"):
        assert words in page
    assert "Time to acknowledge: Needs fixing By the record “acknowledged” comes before “detected”." in page


# --- Rights, and what a room costs ------------------------------------------------------------------------------------


def test_a_viewer_reads_a_room_and_changes_nothing(client: Client, make_user: MakeUser, ongoing: Incident) -> None:
    client.force_login(make_user("vera", "viewer"))
    page = client.get(room(ongoing))
    assert "We look into it." in page.text
    assert 'id="compose"' not in page.text
    assert 'id="note"' not in page.text
    before = counts()
    for name in ("update", "publish", "withdraw", "note", "outcome"):
        answer = client.post(room(ongoing, name), {"body": "Hello", "text": "Hello", "seen": "x"})
        assert answer.status_code == 403
        assert "Ask an administrator" in answer.text
    assert counts() == before


def test_who_is_nobody_is_asked_to_log_in_and_who_has_no_role_is_refused(
    client: Client, ongoing: Incident, author: User
) -> None:
    assert "/login/" in client.get(room(ongoing)).headers["Location"]
    client.force_login(User.objects.create_user("nobody", is_staff=True))
    assert client.get(room(ongoing)).status_code == 403


def test_a_deleted_incident_is_read_only(staff: Client, ongoing: Incident, author: User) -> None:
    facts: Any = {"due_at": timezone.now() + timedelta(hours=1), "components": (), "next_update": 0, "notify": True}
    plan_update(ongoing, status=IncidentStatus.MONITORING, body="It holds.", author=author, **facts)
    change = "/planned/"
    assert change in staff.get(room(ongoing)).text
    delete_incident(ongoing, author=author, reason="Test")
    page = staff.get(room(ongoing)).text
    assert "Deleted" in page
    assert "It holds." in page
    assert 'id="compose"' not in page
    assert change not in page
    before = counts()
    answer = staff.post(room(ongoing, "update"), {"status": "resolved", "body": "Over."})
    assert "was deleted. The record keeps it as it was." in answer.text
    assert counts() == before


@pytest.mark.slow
def test_nothing_is_offered_on_a_page_that_is_deleted(
    root_client: Client, ongoing: Incident, component: Component, page: Page, author: User, admin: User
) -> None:
    start_postmortem(ongoing, author=author)
    report = f"/admin/incidents/postmortem/{ongoing.postmortem_id}/change/"
    catalogue.delete_page(page, author=admin)
    for address in (room(ongoing), report):
        shown = root_client.get(address).text
        assert "Its page is deleted" in shown
        own = r'(?:href|action)="/admin/(?:incident/\w{12}|incidents/(?:incident|postmortem)/\d+)/([^"#?]*)'
        assert set(re.findall(own, shown)) <= {"", "change/", "history/", "review/"}
    assert report not in root_client.get("/admin/").text
    for row in (component, ongoing):
        change = root_client.get(f"/admin/incidents/{row._meta.model_name}/{row.pk}/change/")
        assert (change.status_code, 'name="_save"' in change.text) == (200, False)


@pytest.mark.slow
def test_of_an_internal_incident_no_form_says_that_customers_read_it(staff: Client, page: Page, author: User) -> None:
    internal: Any = {"visibility": Visibility.INTERNAL, "author": author}
    window: Any = {"scheduled_for": NOON, "scheduled_until": NOON + timedelta(hours=1)}
    hidden = declare_incident(page, title="Queue grows", **internal)
    update = post_update(hidden, status=IncidentStatus.INVESTIGATING, body="A queue grows.", author=author)
    disks = schedule_maintenance(page, title="Disks", body="New ones.", **window, **internal)
    change = f"/admin/incidents/incident/{hidden.pk}/updates/{update.pk}/"
    move = f"/admin/incidents/incident/{disks.pk}/move/"
    for address in (room(hidden), change, move):
        page_of_staff = staff.get(address).text
        assert "Only staff read it. Markdown." in page_of_staff, address
        assert not re.search(r"Customers read it|The public reads", page_of_staff), address
    assert "Customers read it. Markdown." in staff.get(room(hidden) + "?publish").text


def test_no_part_of_the_room_needs_inline_script_or_style(staff: Client, ongoing: Incident) -> None:
    assert not re.findall(r"<style|<script>|<[^>]+\s(?:style|on[a-z]+)=", staff.get(room(ongoing)).text)


@pytest.mark.slow
def test_a_room_asks_as_often_with_a_thousand_rows_as_with_ten(
    staff: Client, ongoing: Incident, component: Component, page: Page, author: User
) -> None:
    def fill(many: int) -> None:
        TimelineEntry.objects.bulk_create(
            TimelineEntry(incident=ongoing, text=f"{n}", occurred_at=NOON, author=author) for n in range(many)
        )
        for number in range(many // 50):
            other = declare_incident(page, title=f"API {number}", author=author)
            post_update(other, status=RESOLVED, body="Over.", author=author, components=[(component, None)])
            post_update(ongoing, status=IDENTIFIED, body="More.", author=author, components=[(component, None)])

    def queries(path: str) -> int:
        with CaptureQueriesContext(connection) as captured:
            assert staff.get(path).status_code == 200
        return len(captured)

    paths = [room(ongoing), f"{room(ongoing)}live/"]
    fill(100)
    few = [queries(path) for path in paths]
    fill(1000)
    assert [queries(path) for path in paths] == few
    assert few[0] <= 33, "three of them ask what time it is"
