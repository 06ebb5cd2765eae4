"""A postmortem from its start to its publication, and every step that is refused on the way."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from incidents import checking
from incidents.authorship import authored_by
from incidents.errors import Conflict, DomainError, Forbidden, InvalidInput, InvalidTransition
from incidents.incidents import declare_incident, post_update
from incidents.lifecycle import ComponentStatus, IncidentStatus, Severity
from incidents.linter.findings import Rule
from incidents.models import ActionItem, Component, Incident, Page, Postmortem, PostmortemRevision, User
from incidents.postmortems import action_items, checks, publishing, reviewing, writing
from incidents.postmortems.headings import Template, split
from portal.embedded.replay import POSTMORTEM, replay_seed
from status import relay
from status.publication import files
from tests.incidents.html_forms import room
from tests.reports import approved, publish_report, reader
from tests.rows import everything

pytestmark = pytest.mark.long

State = Postmortem.State
HEADINGS = [
    *("Summary", "Leadup", "Fault", "Detection", "Root Cause", "Mitigation and resolution"),
    "Corrective and Preventative Measures",
]


@pytest.fixture
def draft(resolved: Incident, author: User) -> Postmortem:
    postmortem = writing.start_postmortem(resolved, author=author)
    writing.write_report(postmortem, body="A disk was full for 5 minutes.", author=author)
    return postmortem


@pytest.fixture
def submitted(draft: Postmortem, author: User) -> Postmortem:
    reviewing.submit_postmortem(draft, author=author)
    return draft


def publish(postmortem: Postmortem, author: User) -> PostmortemRevision:
    return publishing.publish_postmortem(postmortem, author=author)


def approve(postmortem: Postmortem, author: User, **reason: str) -> None:
    reviewing.approve_postmortem(postmortem, fingerprint=postmortem.fingerprint(), author=author, **reason)


def edit(postmortem: Postmortem, author: User, **texts: str) -> None:
    section = postmortem.live_sections()[0]
    kept = {"internal": section.internal, "public": section.public, "withheld": section.withheld}
    writing.edit_section(section, heading=section.heading, author=author, **(kept | texts))


# --- The seed -----------------------------------------------------------------------------------------------------


def test_the_seed_goes_through_the_workflow_word_for_word(
    db: None, admin: User, author: User, published: Callable[[Page, str], str]
) -> None:
    page = replay_seed("https://status.commercelayer.example")
    incident = Incident.objects.get(postmortem__isnull=False)
    replayed = incident.postmortem
    assert replayed is not None
    publishing.unpublish_postmortem(replayed, reason="To be written again", author=admin)

    # Written by one person, with notes that only staff read.
    writing.write_report(replayed, body=POSTMORTEM, author=author)
    edit(replayed, author, internal="planted-secret: pgbouncer on db-7")
    reviewing.submit_postmortem(replayed, author=author)
    with pytest.raises(InvalidTransition, match="4:01PM"):
        approve(replayed, admin)
    found = {(finding.level.value, finding.rule.value, finding.quote) for finding in checking.check_report(replayed)}
    assert ("contradiction", "time_conflict", "4:01PM UTC") in found
    assert any("Commence Layer" in quote for _level, _rule, quote in found)
    assert {rule for _level, rule, _quote in found} >= {"absolute_promise", "no_impact_numbers", "hidden_measure"}

    # Read, dismissed and approved by another one.
    for finding in checks.open_findings(replayed):
        checking.dismiss_finding(replayed, digest=finding.digest, reason="As it was said", author=admin)
    approve(replayed, admin)
    revision = publishing.publish_postmortem(replayed, what_changed="Written again.", author=author)
    assert (revision.approved_by, revision.edited_by, revision.break_glass) == (admin, author, "")
    assert [section["heading"] for section in revision.content["sections"]] == HEADINGS
    assert [(s["heading"], s["text"]) for s in revision.content["sections"]] == split(POSTMORTEM)
    relay.relay()
    html = published(page, f"incidents/{incident.public_id}.html")
    places = [html.index(f">{heading}</h3>") for heading in HEADINGS]
    assert places == sorted(places)
    root = files.folder(page.public_id)
    assert not [path for path in files.tracked(root) if "planted-secret" in (root / path).read_text()]


def test_the_replayed_report_says_for_good_that_nobody_here_reviewed_it(db: None) -> None:
    replay_seed("https://status.commercelayer.example")
    revision = PostmortemRevision.objects.get()
    assert revision.approved_by == revision.edited_by
    assert revision.break_glass.startswith("It was published elsewhere before")


# --- What is refused ----------------------------------------------------------------------------------------------


def test_only_what_was_approved_is_published(draft: Postmortem, author: User) -> None:
    with pytest.raises(InvalidTransition, match="Only an approved postmortem is published"):
        publish(draft, author)
    reviewing.submit_postmortem(draft, author=author)
    with pytest.raises(InvalidTransition, match="this is “In review”"):
        publish(draft, author)
    approve(draft, reader())
    publish(draft, author)
    assert draft.state == State.PUBLISHED
    with pytest.raises(InvalidTransition, match="this is “Published”"):
        publish(draft, author)


def test_nobody_approves_their_own_edit_unless_they_say_why(submitted: Postmortem, admin: User) -> None:
    edit(submitted, admin, public="A disk was full for 6 minutes.")
    with pytest.raises(InvalidInput, match="You edited this text last"):
        approve(submitted, admin)
    approve(submitted, admin, break_glass="  Everybody else   is asleep. ")
    assert submitted.break_glass == "Everybody else is asleep."
    revision = publish(submitted, admin)
    edit(submitted, admin, public="A disk was full for 7 minutes.")
    submitted.refresh_from_db()
    assert submitted.break_glass == ""
    assert PostmortemRevision.objects.get(pk=revision.pk).break_glass == "Everybody else is asleep."


def test_who_did_not_edit_last_needs_no_reason_and_leaves_none(submitted: Postmortem) -> None:
    approve(submitted, reader(), break_glass="Just in case")
    assert submitted.break_glass == ""


@pytest.mark.parametrize("texts", [{"public": "Other."}, {"internal": "Other."}])
def test_an_edit_takes_the_approval_away(submitted: Postmortem, author: User, texts: dict[str, str]) -> None:
    approve(submitted, reader())
    edit(submitted, author, **texts)
    submitted.refresh_from_db()
    assert (submitted.state, submitted.approved_by, submitted.approved_hash) == (State.DRAFT, None, "")
    with pytest.raises(InvalidTransition, match="Only an approved postmortem"):
        publish(submitted, author)


@pytest.mark.parametrize(
    "change",
    [
        lambda p, by: writing.add_section(p, heading="More", author=by),
        lambda p, by: writing.delete_section(p.live_sections()[0], author=by),
        lambda p, by: writing.arrange_sections(p, list(p.live_sections())[::-1], author=by),
        lambda p, by: writing.edit_postmortem(p, title="Other", author=by),
        lambda p, by: writing.edit_postmortem(p, time_zone="Europe/Rome", author=by),
        lambda p, by: action_items.add_action_item(
            p, text="x", is_commitment=True, public_wording="We do x.", author=by
        ),
    ],
)
def test_so_does_every_other_change_of_what_is_published(
    submitted: Postmortem, author: User, change: Callable[[Postmortem, User], object]
) -> None:
    approve(submitted, reader())
    change(submitted, author)
    submitted.refresh_from_db()
    assert submitted.state == State.DRAFT


def test_a_new_owner_or_an_internal_measure_leaves_the_approval(submitted: Postmortem, author: User) -> None:
    approve(submitted, reader())
    writing.edit_postmortem(submitted, owner=None, due_on=None, author=author)
    item = action_items.add_action_item(submitted, text="Alert earlier", author=author)
    action_items.move_action_item(item, state=ActionItem.State.IN_PROGRESS, author=author)
    submitted.refresh_from_db()
    assert submitted.state == State.APPROVED


def test_a_text_changed_past_the_services_is_not_published(submitted: Postmortem, author: User) -> None:
    approve(submitted, reader())
    section = submitted.live_sections()[0]
    with authored_by(author):
        section.change(public="Smuggled in.")
    with pytest.raises(InvalidTransition, match="not the one that was approved"):
        publish(submitted, author)


def test_an_approval_is_of_the_text_that_was_read(submitted: Postmortem, author: User) -> None:
    fingerprint = submitted.fingerprint()
    edit(submitted, author, public="Another text.")
    with pytest.raises(Conflict, match="was changed since you read it"):
        reviewing.approve_postmortem(submitted, fingerprint=fingerprint, author=reader())


def test_a_secret_blocks_and_cannot_be_dismissed(draft: Postmortem, author: User, admin: User) -> None:
    edit(draft, author, public="Restart db-7.internal.acme.example with ghp_0123456789abcdefghijklmnopqrstuvwxyz12.")
    reviewing.submit_postmortem(draft, author=author)
    with pytest.raises(InvalidTransition, match="line 1"):
        approve(draft, admin)
    (secret,) = [finding for finding in checks.open_findings(draft) if finding.rule is Rule.SECRET]
    with pytest.raises(InvalidInput, match="cannot be dismissed"):
        checking.dismiss_finding(draft, digest=secret.digest, reason="Please", author=admin)


def test_a_promise_that_gives_something_away_blocks_too(submitted: Postmortem, author: User) -> None:
    action_items.add_action_item(
        submitted, text="x", is_commitment=True, public_wording="We replace db-7.internal.acme.example.", author=author
    )
    with pytest.raises(InvalidTransition, match="db-7"):
        approve(submitted, reader())


def test_a_report_waits_for_the_end_of_its_incidents(page: Page, incident: Incident, author: User) -> None:
    postmortem = approved(incident, "Too early.", author)
    with pytest.raises(InvalidTransition, match="once the incident is resolved"):
        publish(postmortem, author)


def test_an_empty_report_or_a_silent_gap_is_not_approved(draft: Postmortem, author: User) -> None:
    edit(draft, author, public="", internal="Only inside.")
    with pytest.raises(InvalidTransition, match="no public text yet"):
        reviewing.submit_postmortem(draft, author=author)
    writing.write_report(draft, body="## Fault\n\nA disk.", author=author)
    reviewing.submit_postmortem(draft, author=author)
    with pytest.raises(InvalidTransition, match="“Summary” has no public text: write it, or say why"):
        approve(draft, reader())
    section = draft.live_sections().get(key="summary")
    writing.edit_section(
        section, heading="Summary", internal="Inside.", public="", withheld="Names people", author=author
    )
    approve(draft, reader())


def test_a_time_that_is_none_is_not_approved(submitted: Postmortem, author: User) -> None:
    edit(submitted, author, public="At {{t noon}} for 5 minutes.")
    with pytest.raises(InvalidTransition, match="is not a time"):
        approve(submitted, reader())


def test_a_refused_step_leaves_no_trace(submitted: Postmortem, author: User, admin: User) -> None:
    before = everything()
    acts: list[Callable[[], object]] = [
        lambda: publish(submitted, author),
        lambda: approve(submitted, author),
        lambda: reviewing.submit_postmortem(submitted, author=author),
        lambda: publishing.unpublish_postmortem(submitted, reason="x", author=admin),
        lambda: writing.start_postmortem(submitted.incidents.get(), author=author),
        lambda: writing.add_section(submitted, heading=" ", author=author),
        lambda: writing.edit_postmortem(submitted, time_zone="Europe/Atlantis", author=author),
    ]
    for act in acts:
        with pytest.raises(DomainError):
            act()
    assert everything() == before


def test_the_admin_refuses_the_same(client: Client, draft: Postmortem, author: User) -> None:
    client.force_login(author)

    def send(verb: str, **facts: str) -> str:
        answer = client.post(reverse(f"admin:incidents_postmortem_{verb}", args=[draft.pk]), facts)
        return answer.text if answer.status_code in (200, 403) else "done"

    assert "Only an approved postmortem is published" in send("publish")
    assert send("submit") == "done"
    assert "Ask an administrator for a role" in send("approve", fingerprint=draft.fingerprint())
    approver = reader()
    client.force_login(approver)
    edit(draft, approver, public="Mine now, for 5 minutes.")
    assert "You edited this text last" in send("approve", fingerprint=draft.fingerprint())
    draft.refresh_from_db()
    assert draft.state == State.IN_REVIEW


def test_a_communicator_publishes_and_does_not_approve(submitted: Postmortem, author: User, admin: User) -> None:
    edit(submitted, admin, public="For 5 minutes.")
    with pytest.raises(Forbidden):
        approve(submitted, author)


# --- Writing ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("severity", "days"), [(Severity.SEV1, 7), (Severity.SEV2, 7), (Severity.SEV3, 14), (Severity.SEV4, None)]
)
def test_it_is_due_some_working_days_after_the_end(
    page: Page, author: User, severity: Severity, days: int | None
) -> None:
    with time_machine.travel(datetime(2026, 3, 10, 12, tzinfo=UTC)):  # a Tuesday
        incident = declare_incident(page, title="Errors", author=author, severity=severity)
        post_update(incident, status=IncidentStatus.RESOLVED, body="Done.", author=author)
    postmortem = writing.start_postmortem(incident, author=author)
    assert postmortem.due_on == (datetime(2026, 3, 10, tzinfo=UTC) + timedelta(days=days)).date() if days else True


@pytest.mark.parametrize(("template", "count"), [("public_report", 7), ("internal_review", 13), ("lightweight", 4)])
def test_three_templates_are_shipped(incident: Incident, author: User, template: str, count: int) -> None:
    postmortem = writing.start_postmortem(incident, template=Template(template), author=author)
    headings = [section.heading for section in postmortem.live_sections()]
    assert len(headings) == count
    if template == "public_report":
        assert headings == HEADINGS


def test_a_new_incident_on_the_same_component_recalls_what_is_unfinished(
    client: Client, page: Page, resolved: Incident, component: Component, draft: Postmortem, author: User
) -> None:
    open_item = action_items.add_action_item(draft, text="Alert on full disks", author=author)
    finished = action_items.add_action_item(draft, text="Add a disk", author=author)
    action_items.move_action_item(finished, state=ActionItem.State.DONE, evidence="It is there.", author=author)
    new = declare_incident(page, title="Again", author=author)
    affected = [(component, ComponentStatus.MAJOR_OUTAGE)]
    post_update(new, status=IncidentStatus.INVESTIGATING, body="Hm.", author=author, components=affected)
    earlier = Postmortem.objects.about(new.components())
    assert list(earlier) == [draft]
    assert list(ActionItem.objects.unfinished().filter(postmortem__in=earlier)) == [open_item]
    client.force_login(author)
    shown = client.get(room(new)).text
    assert reverse("admin:incidents_postmortem_change", args=[draft.pk]) in shown
    assert "Alert on full disks" in shown
    assert "Add a disk" not in shown


# --- Measures -----------------------------------------------------------------------------------------------------


def test_what_is_done_is_shown_by_something(draft: Postmortem, author: User) -> None:
    item = action_items.add_action_item(draft, text="Alert earlier", author=author)
    with pytest.raises(InvalidInput, match="Say what shows it"):
        action_items.move_action_item(item, state=ActionItem.State.DONE, author=author)
    with pytest.raises(InvalidInput, match="Say why it is dropped"):
        action_items.move_action_item(item, state=ActionItem.State.DROPPED, author=author)
    action_items.move_action_item(item, state=ActionItem.State.DONE, evidence="The alert of May 3", author=author)
    action_items.move_action_item(item, state=ActionItem.State.VERIFIED, author=author)
    assert (item.evidence, item.done_on, item.verified_on) == ("The alert of May 3", item.done_on, item.done_on)
    action_items.move_action_item(item, state=ActionItem.State.OPEN, author=author)
    assert (item.done_on, item.verified_on) == (None, None)


def test_a_promise_needs_its_words_and_is_not_just_removed(resolved: Incident, draft: Postmortem, author: User) -> None:
    with pytest.raises(InvalidInput, match="needs its public wording"):
        action_items.add_action_item(draft, text="Alert earlier", is_commitment=True, author=author)
    item = action_items.add_action_item(
        draft, text="Alert earlier", is_commitment=True, public_wording="We alert earlier.", author=author
    )
    publish_report(resolved, body="It took 5 minutes.", author=author)
    with pytest.raises(InvalidTransition, match="It was promised in public"):
        action_items.delete_action_item(item, author=author)
