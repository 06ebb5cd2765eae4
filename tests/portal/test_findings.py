"""What the linter found stands in the editor: put right by a click, or let stand by an approver with a reason."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from incidents.incidents import post_update
from incidents.lifecycle import IncidentStatus
from incidents.models import Component, Incident, Postmortem, User
from incidents.postmortems import action_items, reviewing, writing
from tests.incidents.html_forms import filled
from tests.reports import reader

pytestmark = pytest.mark.long

BODY = (
    "## Why\n\nOn Monday, January 17, 2023 the pool ran dry.\n\n"
    "## How\n\nThe password was hunter2! It will never happen again."
)


@pytest.fixture
def under_review(incident: Incident, author: User) -> Postmortem:
    post_update(incident, status=IncidentStatus.RESOLVED, body="Done.", author=author)
    postmortem = writing.start_postmortem(incident, author=author)
    writing.write_report(postmortem, body=BODY, author=author)
    reviewing.submit_postmortem(postmortem, author=author)
    return postmortem


@pytest.fixture
def address(under_review: Postmortem) -> str:
    return f"/admin/incidents/postmortem/{under_review.pk}/change/"


def links(page: str, verb: str) -> list[str]:
    return [part.partition('"')[0] for part in page.split('"') if part.endswith(f"/{verb}/") and "findings" in part]


def test_a_click_puts_the_text_right_and_the_record_says_who_did(
    client: Client, under_review: Postmortem, address: str, author: User
) -> None:
    client.force_login(author)
    (fix,) = links(client.get(address).text, "fix")
    client.post(fix)
    section = under_review.live_sections().get(heading="Why")
    assert section.public == "On Tuesday, January 17, 2023 the pool ran dry."
    assert section.history.latest().history_user == author
    assert "was changed meanwhile" in client.post(fix, follow=True).text


def test_an_approver_lets_anything_stand_but_a_leak(client: Client, under_review: Postmortem, address: str) -> None:
    client.force_login(reader())
    shown = client.get(address).text
    assert shown.count("Stops the publication") == 2
    findings = links(shown, "dismiss")
    assert len(findings) > 1, "the contradiction, and what is only a warning"
    for dismiss in findings:
        typed = filled(client.get(dismiss), reason="The report is quoted.")
        shown = client.post(dismiss, typed, follow=True).text
    assert shown.count("Stops the publication") == 1
    assert shown.count("The report is quoted.") == len(findings)
    assert links(shown, "dismiss") == []


def test_who_may_not_approve_is_offered_no_dismissal(client: Client, under_review: Postmortem, address: str) -> None:
    client.force_login(reader())
    dismiss, *_others = links(client.get(address).text, "dismiss")
    client.force_login(under_review.edited_by)
    assert links(client.get(address).text, "dismiss") == []
    assert client.post(dismiss, {"reason": "Mine."}).status_code == 403
    assert not under_review.dismissals.exists()


def test_a_name_in_the_title_a_heading_or_a_promise_stands_with_a_reason(
    client: Client, incident: Incident, author: User, vault: Component
) -> None:
    post_update(incident, status=IncidentStatus.RESOLVED, body="Done.", author=author)
    report = writing.start_postmortem(incident, author=author)
    writing.write_report(report, body="## Why Vault Keeper failed\n\nA disk was full.", author=author)
    writing.edit_postmortem(report, title="Vault Keeper was down", author=author)
    promise: Any = {"is_commitment": True, "public_wording": "Vault Keeper is watched."}
    action_items.add_action_item(report, text="Watch it", **promise, author=author)
    reviewing.submit_postmortem(report, author=author)
    client.force_login(reader())
    address = reverse("admin:incidents_postmortem_change", args=[report.pk])
    found = links(client.get(address).text, "dismiss")
    assert len(found) == 3
    for dismiss in found:
        client.post(dismiss, filled(client.get(dismiss), reason="Customers know it."))
    reviewing.approve_postmortem(report, fingerprint=report.fingerprint(), author=reader())
    report.refresh_from_db()
    assert report.state == Postmortem.State.APPROVED
