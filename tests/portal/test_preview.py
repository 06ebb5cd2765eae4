"""What staff see before they publish: the page's entry, the mail, and how many people get it. Nothing of it stays."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from incidents.authorship import authored_by
from incidents.incidents import declare_incident, post_update
from incidents.lifecycle import IncidentStatus, Visibility
from incidents.models import Component, Incident, Page, User
from incidents.models.base import new_public_id
from status.models import Follow, Subscriber
from tests.incidents.html_forms import address, filled
from tests.rows import everything

pytestmark = pytest.mark.long

DECLARE = "/admin/incidents/incident/add/"
SCHEDULE = "/admin/incidents/incident/schedule/"
EMAIL, WEBHOOK = Subscriber.Channel.EMAIL, Subscriber.Channel.WEBHOOK


@pytest.fixture
def posted(incident: Incident, component: Component, author: User) -> Incident:
    text: Any = {"status": IncidentStatus.INVESTIGATING, "body": "We look into it."}
    post_update(incident, **text, author=author, components=[(component, None)])
    return incident


def subscribe(page: Page, author: User, count: int, channel: str, *follows: Component) -> None:
    for number in range(count):
        recipient = Subscriber(
            page=page,
            channel=channel,
            address=f"https://{number}.example.com"
            if channel == WEBHOOK
            else f"{number}.{new_public_id()}@example.com",
            state=Subscriber.State.ACTIVE,
            everything=not follows,
        )
        with authored_by(author):
            recipient.save()
        Follow.objects.bulk_create(Follow(recipient=recipient, component=each) for each in follows)


@pytest.fixture
def subscribers(page: Page, author: User, component: Component, make_component: Callable[..., Component]) -> None:
    """Three by mail for everything, one of them for another component alone, and two webhooks."""
    subscribe(page, author, 2, EMAIL)
    subscribe(page, author, 1, EMAIL, make_component("Search"))
    subscribe(page, author, 2, WEBHOOK)


def preview(client: Client, path: str, **typed: Any) -> Any:
    return client.post(path, filled(client.get(path)) | {k: str(v) for k, v in typed.items()} | {"preview": "yes"})


def frames(answer: Any) -> list[str]:
    """The documents inside the page: what will be published, and the mail."""
    return [html.unescape(found) for found in re.findall(r'srcdoc="([^"]*)"', answer.text)]


def recipients(answer: Any) -> str:
    found = re.search(r'<p class="recipients">(.*?)</p>', answer.text, re.DOTALL)
    assert found
    return " ".join(re.sub(r"<[^>]*>", "", found[1]).split())


def test_an_update_is_seen_as_it_will_be_published_and_sent_and_leaves_no_trace(
    staff: Client, posted: Incident, subscribers: None, publication_root: Path
) -> None:
    path = address(posted, "update")
    staff.get(path)
    before, files = everything(), sorted(publication_root.rglob("*"))
    answer = preview(staff, path, body="A *disk* is full.")
    assert answer.status_code == 200
    assert recipients(answer) == (
        "Will be notified: 2 × E-mail, 2 × Webhook 30 seconds after it is published; until then it can be taken back."
    )
    page, mail = frames(answer)
    assert page.startswith("<!doctype html>")
    for document in (page, mail):
        assert "A <em>disk</em> is full." in document
        assert "Identified" in document
    assert "[Acme] Identified: Errors" in answer.text
    assert "https://status.acme.example/subscriptions/…/unsubscribe" in answer.text, "the text part"
    assert "A *disk* is full.</textarea>" in answer.text, "what was typed stays"
    assert 'value="Post update"' in answer.text
    assert everything() == before
    assert sorted(publication_root.rglob("*")) == files, "nothing is published either"


def test_what_was_previewed_is_published_by_the_next_click(staff: Client, posted: Incident, subscribers: None) -> None:
    path = address(posted, "update")
    form = filled(preview(staff, path, body="A disk is full."))
    assert staff.post(path, form).status_code == 302
    posted.refresh_from_db()
    assert posted.status == IncidentStatus.IDENTIFIED


@pytest.mark.slow
def test_every_form_that_tells_something_has_a_preview(
    staff: Client, posted: Incident, page: Page, component: Component, author: User, subscribers: None
) -> None:
    internal = declare_incident(page, title="Disk", visibility=Visibility.INTERNAL, author=author)
    update = posted.latest_update()
    assert update
    tomorrow = timezone.now() + timedelta(days=1)
    window = {"scheduled_for": f"{tomorrow:%Y-%m-%dT10:00}", "scheduled_until": f"{tomorrow:%Y-%m-%dT11:00}"}
    correct = f"/admin/incidents/incident/{posted.pk}/updates/{update.pk}/"
    for path, typed, subject in (
        (DECLARE, {"title": "API down", "body": "Looking."}, "[Acme] Investigating: API down"),
        (SCHEDULE, {"title": "Disks", "body": "New ones.", **window}, "[Acme] Scheduled: Disks"),
        (address(internal, "publish"), {"body": "A disk."}, "[Acme] Investigating: Disk"),
        (correct, {"body": "We looked.", "notify": "on"}, "[Acme] Correction (Investigating): Errors"),
    ):
        before = everything()
        answer = preview(staff, path, **typed)
        assert subject in answer.text, path
        assert "2 × E-mail" in recipients(answer), path
        assert len(frames(answer)) == 2
        assert everything() == before, path


def test_where_nobody_is_notified_it_says_so(staff: Client, posted: Incident, author: User, page: Page) -> None:
    path = address(posted, "update")
    assert "nobody: no subscriber follows this" in recipients(preview(staff, path, body="x"))
    form = filled(staff.get(path)) | {"body": "x", "preview": "yes"}
    del form["notify"]
    answer = staff.post(path, form)
    assert recipients(answer) == "The page changes; nobody is sent anything."
    assert len(frames(answer)) == 1
    answer = preview(staff, DECLARE, title="Strange numbers")
    assert "Nothing of this becomes public, and nobody is notified." in answer.text


def test_what_cannot_be_published_is_explained_and_nothing_typed_is_lost(
    staff: Client, posted: Incident, author: User
) -> None:
    path = address(posted, "update")
    form = filled(staff.get(path)) | {"body": "Mine.", "preview": "yes"}
    assert (
        "Write a message" in preview(staff, path, body="  ").text or "required" in preview(staff, path, body=" ").text
    )
    post_update(posted, status=IncidentStatus.MONITORING, body="Theirs.", author=author)
    answer = staff.post(path, form)
    for words in ("Someone posted while you typed", "Theirs.", "Mine.</textarea>"):
        assert words in answer.text


def test_htmx_gets_the_preview_alone(staff: Client, posted: Incident, subscribers: None) -> None:
    path = address(posted, "update")
    form = filled(staff.get(path)) | {"preview": "yes"}
    for body, words in (("A disk.", "2</strong> × E-mail"), ("", "Like this it cannot be published:")):
        answer = staff.post(path, form | {"body": body}, headers={"hx-request": "true"})
        assert words in answer.text
        assert "<html" not in answer.text
        assert "<form" not in answer.text


def test_who_may_not_post_may_not_preview(client: Client, posted: Incident, make_user: Callable[..., User]) -> None:
    client.force_login(make_user("ruth", "responder"))
    answer = client.post(address(posted, "update"), {"body": "x", "preview": "yes"})
    assert answer.status_code == 403


def test_a_preview_asks_as_often_with_many_recipients_as_with_few(
    staff: Client, posted: Incident, page: Page, author: User, subscribers: None
) -> None:
    def queries() -> int:
        path = address(posted, "update")
        form = filled(staff.get(path)) | {"body": "A disk.", "preview": "yes"}
        with CaptureQueriesContext(connection) as captured:
            staff.post(path, form)
        return len(captured)

    queries()
    few = queries()
    subscribe(page, author, 30, EMAIL, *Component.objects.filter(name="API"))
    assert queries() == few
