"""Reports and updates are checked against the record before the public reads them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from incidents import catalogue, checking
from incidents.errors import Forbidden, InvalidInput, InvalidTransition, LeakFound
from incidents.incidents import correct_update, declare_incident, edit_incident, post_update
from incidents.lifecycle import IncidentStatus, Visibility
from incidents.linter import Level, Rule
from incidents.models import Component, Incident, IncidentUpdate, Page, Postmortem, User
from incidents.postmortems import action_items, checks, publishing, reviewing, writing
from portal.embedded import replay
from tests.incidents.html_forms import address, filled, room
from tests.reports import reader
from tests.rows import refused

CONTRADICTION = "On Monday, January 17, 2023 the pool ran dry."


@pytest.fixture
def ended(incident: Incident, author: User) -> Incident:
    post_update(incident, status=IncidentStatus.RESOLVED, body="Done.", author=author)
    return incident


def report(incident: Incident, body: str, author: User) -> Postmortem:
    """One that is read by others now."""
    postmortem = writing.start_postmortem(incident, author=author)
    writing.write_report(postmortem, body=body, author=author)
    reviewing.submit_postmortem(postmortem, author=author)
    return postmortem


def approve(postmortem: Postmortem) -> None:
    reviewing.approve_postmortem(postmortem, fingerprint=postmortem.fingerprint(), author=reader())


# --- Reports ----------------------------------------------------------------------------------------------------------


def test_the_seed_shows_all_that_is_wrong_with_it_and_is_published_word_for_word(db: None) -> None:
    page = replay.replay_seed("https://status.commercelayer.example")
    postmortem = Postmortem.objects.get()
    headings = {section.public_id: section.heading for section in postmortem.live_sections()}
    found = checking.check_report(postmortem)
    assert [(headings[one.section], one.rule, one.quote, one.fix) for one in found] == [
        ("Summary", Rule.NO_IMPACT_NUMBERS, "Some users", None),
        ("Summary", Rule.NEAR_NAME, "Commence Layer", "Commerce Layer"),
        ("Detection", Rule.TIME_CONFLICT, "4:01PM UTC", "4:02PM UTC"),
        ("Root Cause", Rule.HIDDEN_MEASURE, "We have now in place", None),
        ("Root Cause", Rule.ABSOLUTE_PROMISE, "avoid any", None),
        ("Mitigation and resolution", Rule.RANGE_WORDING, "4:05PM UTC 4:20PM UTC", "4:05PM UTC and 4:20PM UTC"),
    ]
    said = {
        update.status: [(one.rule, one.quote) for one in checking.check_update(update) if one.rule is not Rule.ALIAS]
        for update in IncidentUpdate.objects.all()
    }
    assert {status for status, found in said.items() if Rule.NO_NEXT_UPDATE in dict(found)} == {
        "investigating",
        "identified",
        "monitoring",
    }
    (alias,) = (
        one for update in IncidentUpdate.objects.all() for one in checking.check_update(update) if one.rule == "alias"
    )
    assert (alias.quote, alias.fix) == ("Core API", "Commerce API")
    assert postmortem.page == page
    assert postmortem.is_public


@pytest.mark.parametrize("body", ["We restarted db-prod-03.", CONTRADICTION])
def test_what_blocks_is_named_and_not_approved(ended: Incident, author: User, body: str) -> None:
    postmortem = report(ended, body, author)
    (sentence,) = checks.missing(postmortem)
    assert sentence.startswith("Summary, line 1: “")
    with pytest.raises(InvalidTransition, match="Summary, line 1"):
        approve(postmortem)


def test_a_contradiction_is_approved_once_the_approver_has_dismissed_it(ended: Incident, author: User) -> None:
    postmortem = report(ended, CONTRADICTION, author)
    (finding,) = checks.open_findings(postmortem)
    reason = "It is a quotation."
    dismissal = checking.dismiss_finding(postmortem, digest=finding.digest, reason=reason, author=reader())
    assert checking.dismiss_finding(postmortem, digest=finding.digest, reason="x", author=reader()) == dismissal
    approve(postmortem)
    publishing.publish_postmortem(postmortem, author=author)
    assert (dismissal.reason, dismissal.history.get().history_user) == (reason, reader())


def test_it_speaks_up_again_when_the_sentence_is_changed(ended: Incident, author: User) -> None:
    postmortem = report(ended, CONTRADICTION, author)
    (finding,) = checks.open_findings(postmortem)
    checking.dismiss_finding(postmortem, digest=finding.digest, reason="A quotation.", author=reader())
    writing.write_report(postmortem, body=CONTRADICTION.replace("pool", "pond"), author=author)
    assert len(checks.open_findings(postmortem)) == 1
    with pytest.raises(InvalidInput, match="changed meanwhile"):
        checking.dismiss_finding(postmortem, digest=finding.digest, reason="A quotation.", author=reader())


def test_a_record_that_changed_after_the_approval_stops_the_publication(ended: Incident, author: User) -> None:
    edit_incident(ended, author=author, impact_began_at=timezone.now().replace(second=0) - timedelta(hours=1))
    began = ended.impact_began_at
    assert began
    postmortem = report(ended, f"Errors began at {began:%H:%M} UTC.", author)
    approve(postmortem)
    edit_incident(ended, author=author, impact_began_at=began - timedelta(minutes=7))
    with pytest.raises(InvalidTransition, match="By the record the impact began"):
        publishing.publish_postmortem(postmortem, author=author)


def test_a_secret_is_dismissed_by_nobody(ended: Incident, author: User) -> None:
    postmortem = report(ended, "The password was hunter2!", author)
    (finding,) = checks.open_findings(postmortem)
    with pytest.raises(InvalidInput, match="cannot be dismissed"):
        checking.dismiss_finding(postmortem, digest=finding.digest, reason="We like it.", author=reader())


def test_dismissing_needs_a_reason_and_an_approver(ended: Incident, author: User) -> None:
    postmortem = report(ended, CONTRADICTION, author)
    (finding,) = checks.open_findings(postmortem)
    with pytest.raises(InvalidInput, match="Say why"):
        checking.dismiss_finding(postmortem, digest=finding.digest, reason=" ", author=reader())
    with pytest.raises(Forbidden):
        checking.dismiss_finding(postmortem, digest=finding.digest, reason="Mine.", author=author)


def test_names_of_the_record_are_known(
    ended: Incident, page: Page, author: User, make_component: Callable[..., Component], admin: User
) -> None:
    make_component("Commerce API", aliases="Core API, Pool ")
    make_component("Vault Keeper", visibility=Visibility.INTERNAL, aliases="VK-1")
    admin.first_name, admin.last_name = "Ada", "Lovelace"
    admin.save()
    catalogue.edit_page(page, support_email="care@acme.example", author=admin)
    body = "The Core API, the Vault Keeper and VK-1 were restarted by Ada Lovelace. Write to care@acme.example."
    found = [(one.rule.value, one.quote) for one in checking.check_report(report(ended, f"## Why\n{body}", author))]
    assert found == [
        ("alias", "Core API"),
        ("internal_component", "Vault Keeper"),
        ("ticket", "VK-1"),
        ("person", "Ada Lovelace"),
    ]


def test_a_measure_of_the_list_is_no_hidden_one(ended: Incident, author: User) -> None:
    postmortem = report(ended, "## Why\nWe will add an alert on the age of connections.", author)
    assert [one.rule for one in checking.check_report(postmortem)] == [Rule.HIDDEN_MEASURE]
    action_items.add_action_item(postmortem, text="Add an alert on the age of connections", author=author)
    assert checking.check_report(postmortem) == []


def test_checking_asks_the_same_few_questions_of_every_report(
    ended: Incident, author: User, make_component: Callable[..., Component]
) -> None:
    postmortem = report(ended, CONTRADICTION, author)

    def asked() -> int:
        with CaptureQueriesContext(connection) as queries:
            checking.check_report(postmortem)
        return len(queries)

    few = asked()
    for number in range(8):
        make_component(f"Part {number}", aliases=f"P {number}")
        User.objects.create_user(f"user.{number}")
        action_items.add_action_item(postmortem, text=f"Measure {number}", author=author)
        writing.add_section(postmortem, heading=f"More {number}", author=author)
    assert asked() == few <= 9


# --- Updates ----------------------------------------------------------------------------------------------------------


def test_an_update_with_an_internal_name_is_refused_by_the_form_and_nothing_typed_is_lost(
    staff: Client, announced: Incident
) -> None:
    path = address(announced, "update")
    typed = filled(staff.get(path), body="We restarted db-prod-03.")
    answer = staff.post(path, typed)
    assert "“db-prod-03” looks like the name of a machine" in answer.text
    assert "We restarted db-prod-03." in answer.text
    assert announced.updates.count() == 1


def test_staff_let_a_name_stand_with_a_reason(staff: Client, announced: Incident) -> None:
    path = address(announced, "update")
    typed = filled(staff.get(path), body="We restarted db-prod-03.")
    assert "let_stand" not in staff.get(path).text
    refused = filled(staff.post(path, typed), let_stand="Customers connect to it.")
    staff.post(path, refused)
    update = announced.latest_update()
    assert update
    assert update.body == "We restarted db-prod-03."
    assert "Customers connect to it." in str(update.history.get().history_change_reason)
    secret = staff.post(path, filled(staff.get(path), body="The password is Winter2024!"))
    assert "Take it out" in secret.text
    assert "let_stand" not in secret.text


def test_an_internal_incident_is_published_under_a_title_that_was_checked(
    staff: Client, page: Page, author: User
) -> None:
    harmless, leaking = (
        declare_incident(page, title=title, author=author, visibility=Visibility.INTERNAL)
        for title in ("Queue grows", "Queue grows on db-prod-3")
    )
    assert filled(staff.get(address(harmless, "publish")))["public_title"] == "Queue grows"
    typed = filled(staff.get(address(leaking, "publish")), body="Mails are late.")
    assert typed["public_title"] == ""
    assert "db-prod-3" in staff.post(address(leaking, "publish"), typed | {"public_title": leaking.title}).text
    staff.post(address(leaking, "publish"), typed | {"public_title": "Mails are late"})
    leaking.refresh_from_db()
    assert (leaking.title, leaking.public_title) == ("Queue grows on db-prod-3", "Mails are late")
    shown = staff.get(room(leaking)).text
    assert "Queue grows on db-prod-3" in shown
    assert "Customers read: Mails are late" in shown


def test_a_first_update_is_read_too_but_not_what_stays_internal(staff: Client, page: Page) -> None:
    path = "/admin/incidents/incident/add/"
    typed = filled(staff.get(path), title="Down", body="It is 10.0.3.17 again.")
    assert "IP address inside your network" in staff.post(path, typed).text
    assert not Incident.objects.exists()
    staff.post(path, typed | {"visibility": Visibility.INTERNAL})
    assert Incident.objects.get().latest_update()


def test_the_preview_shows_what_the_linter_says(staff: Client, announced: Incident) -> None:
    path = address(announced, "update")
    typed = filled(staff.get(path), status="identified", body="Many users see errors since 09:14.", next_update="0")
    shown = staff.post(path, typed | {"preview": "yes"}).text
    assert "Read once more" in shown
    assert "“09:14” names no time zone." in shown
    assert "Say when the next update follows" in shown


def test_an_update_that_promises_another_one_as_data_need_not_say_so(announced: Incident, author: User) -> None:
    due = timezone.now() + timedelta(minutes=30)
    update = post_update(
        announced, status=IncidentStatus.IDENTIFIED, body="A fault.", author=author, next_update_due_at=due
    )
    assert checking.check_update(update) == []
    update.body = f"A fault. Next update by {due + timedelta(minutes=10):%H:%M} UTC."
    (finding,) = checking.check_update(update)
    assert finding.level is Level.CONTRADICTION


def test_an_internal_incident_may_name_machines(page: Page, author: User) -> None:
    incident = declare_incident(page, title="Disks", author=author, visibility=Visibility.INTERNAL)
    update = post_update(incident, status=IncidentStatus.IDENTIFIED, body="It is db-prod-03.", author=author)
    assert update.body == "It is db-prod-03."


def test_a_title_has_no_place_that_is_left_to_fill_in(page: Page, author: User) -> None:
    with refused(InvalidInput, "Fill in {symptom}"):
        declare_incident(page, title="We see {symptom}", author=author)


@pytest.mark.usefixtures("vault")
def test_a_typo_is_corrected_in_a_text_that_names_what_was_hidden_since(
    incident: Incident, component: Component, author: User, admin: User
) -> None:
    update = post_update(incident, status=IncidentStatus.INVESTIGATING, body="The API ist slow.", author=author)
    catalogue.edit_component(component, visibility=Visibility.INTERNAL, author=admin)
    correct_update(update, body="The API is slow.", author=author)
    assert update.body == "The API is slow."
    with refused(LeakFound, "Vault Keeper"):
        correct_update(update, body="The API and Vault Keeper are slow.", author=author)
