"""Reading a postmortem before it is approved: what changed since the last look, comments, and the approval."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from incidents.incidents import post_update
from incidents.lifecycle import IncidentStatus
from incidents.models import Incident, Postmortem, PostmortemSection, User
from incidents.postmortems import reviewing, writing
from portal.console.postmortems import changes
from tests.incidents.html_forms import filled
from tests.reports import reader

pytestmark = pytest.mark.long


@pytest.fixture
def submitted_report(incident: Incident, author: User) -> Postmortem:
    postmortem = writing.start_postmortem(incident, author=author)
    writing.write_report(postmortem, body="A disk was full for 5 minutes.", author=author)
    reviewing.submit_postmortem(postmortem, author=author)
    return postmortem


@pytest.fixture
def submitted_summary(submitted_report: Postmortem) -> PostmortemSection:
    return submitted_report.live_sections().get(key="summary")


def page(postmortem: Postmortem) -> str:
    return reverse("admin:incidents_postmortem_review", args=[postmortem.pk])


def test_a_reader_sees_just_what_changed_since_their_last_look(
    client: Client, submitted_report: Postmortem, submitted_summary: PostmortemSection, author: User
) -> None:
    client.force_login(reader())
    assert "You have not marked this as read yet." in client.get(page(submitted_report)).text
    client.post(page(submitted_report), {"read": "yes"})
    assert "Nothing has changed since" in client.get(page(submitted_report)).text
    writing.edit_section(
        submitted_summary,
        heading="Summary",
        internal="",
        public="A <disk> was full for 6 minutes.",
        withheld="",
        author=author,
    )
    writing.add_section(submitted_report, heading="Thanks", author=author)
    writing.delete_section(submitted_report.live_sections().get(key="leadup"), author=author)
    shown = client.get(page(submitted_report)).text
    assert "A <ins>&lt;disk&gt;</ins> was full for <del>5</del><ins>6</ins> minutes." in shown.replace(
        "<del>disk</del>", ""
    )
    assert "<del>Leadup</del>" in shown
    assert "Thanks <span" in shown
    client.post(page(submitted_report), {"read": "yes"})
    assert "Nothing has changed since" in client.get(page(submitted_report)).text


def test_the_approval_stands_below_what_was_read(client: Client, submitted_report: Postmortem, author: User) -> None:
    client.force_login(author)
    assert "Approve this text" not in client.get(page(submitted_report)).text, "a communicator does not approve"
    client.force_login(reader())
    shown = client.get(page(submitted_report))
    assert "Approve this text" in shown.text
    assert "break_glass" not in shown.text, "it is somebody else's text"
    facts = {"fingerprint": submitted_report.fingerprint()}
    client.post(reverse("admin:incidents_postmortem_approve", args=[submitted_report.pk]), facts)
    submitted_report.refresh_from_db()
    assert submitted_report.approved_by == reader()


def test_what_was_changed_while_somebody_read_is_not_approved(
    client: Client, submitted_report: Postmortem, submitted_summary: PostmortemSection, author: User
) -> None:
    client.force_login(reader())
    facts = {"fingerprint": submitted_report.fingerprint()}
    writing.edit_section(submitted_summary, heading="Summary", internal="", public="Other.", withheld="", author=author)
    answer = client.post(reverse("admin:incidents_postmortem_approve", args=[submitted_report.pk]), facts)
    assert "was changed since you read it" in answer.text
    submitted_report.refresh_from_db()
    assert submitted_report.approved_by is None


def test_comments_are_made_and_settled(client: Client, submitted_summary: PostmortemSection) -> None:
    client.force_login(reader())
    comment = reverse(
        "admin:incidents_postmortem_comment", args=[submitted_summary.postmortem_id, submitted_summary.pk]
    )
    client.post(comment, filled(client.get(comment), text="Why <so> long?"))
    shown = client.get(page(submitted_summary.postmortem)).text
    assert "Why &lt;so&gt; long?" in shown
    row = submitted_summary.comments.get()
    client.post(reverse("admin:incidents_postmortem_settle", args=[submitted_summary.postmortem_id, row.pk]))
    assert "settled by hedy" in client.get(page(submitted_summary.postmortem)).text


def test_changes_are_marked_word_by_word_and_long_texts_line_by_line() -> None:
    assert changes.shown("one two", "one three") == "one <del>two</del><ins>three</ins>"
    assert changes.shown("", "<b>") == "<ins>&lt;b&gt;</ins>"
    long = "a line of words\n" * 2000
    assert changes.shown(long, long + "more") == f"{long}<ins>more</ins>"


@pytest.mark.slow
def test_a_publication_is_previewed_and_nothing_of_it_stays(
    client: Client, submitted_report: Postmortem, incident: Incident, author: User
) -> None:
    post_update(incident, status=IncidentStatus.RESOLVED, body="Done.", author=author)
    reviewing.approve_postmortem(submitted_report, fingerprint=submitted_report.fingerprint(), author=reader())
    client.force_login(author)
    publish = reverse("admin:incidents_postmortem_publish", args=[submitted_report.pk])
    shown = client.post(publish, filled(client.get(publish)) | {"preview": "yes"}).text
    assert "Will be notified:" in shown
    assert "A disk was full for 5 minutes." in shown
    assert submitted_report.revision is None
    client.post(publish, filled(client.get(publish)))
    assert submitted_report.revision is not None
