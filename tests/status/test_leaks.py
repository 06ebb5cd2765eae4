"""Secrets are planted in every internal place, and looked for in every published byte."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from incidents import catalogue, timeline
from incidents.incidents import (
    correct_update,
    declare_incident,
    delete_incident,
    edit_incident,
    post_update,
    publish_incident,
)
from incidents.lifecycle import ComponentStatus, IncidentStatus, Kind, Severity, Visibility
from incidents.models import Component, Incident, OutboxEvent, Page, User
from portal.console.room import advice
from status import relay
from status.models import Subscriber
from status.publication import files
from status.publication.publishing import differences
from status.subscriptions import urls
from tests.status.strangers import path

pytestmark = pytest.mark.long

INVESTIGATING, RESOLVED = IncidentStatus.INVESTIGATING, IncidentStatus.RESOLVED
SECRET = "planted-secret"


def everything_published(page: Page) -> dict[str, str]:
    relay.relay()
    root = files.folder(page.public_id)
    return {path: (root / path).read_text() for path in files.tracked(root)}


@pytest.mark.slow
def test_what_is_internal_is_in_no_published_byte(
    page: Page, component: Component, make_component: Callable[..., Component], author: User, admin: User
) -> None:
    hidden = make_component(f"{SECRET}-component", visibility=Visibility.INTERNAL)
    gone = declare_incident(page, title=f"{SECRET}-deleted", author=author)
    post_update(gone, status=INVESTIGATING, body=f"{SECRET}-deleted", author=author)
    delete_incident(gone, author=author, reason=f"{SECRET}-reason")
    internal = declare_incident(page, title=f"{SECRET}-incident", author=author, visibility=Visibility.INTERNAL)
    post_update(
        internal,
        status=INVESTIGATING,
        body=f"{SECRET}-internal-update",
        author=author,
        components=[(hidden, ComponentStatus.MAJOR_OUTAGE), (component, None)],
    )
    cause = declare_incident(
        page, title=f"{SECRET}-cause", author=author, kind=Kind.MAINTENANCE, visibility=Visibility.INTERNAL
    )
    undeclared = declare_incident(page, title=f"{SECRET}-not-yet-posted", author=author)
    public = declare_incident(page, title="Errors", author=author, caused_by=cause, severity=Severity.SEV1)
    update = post_update(
        public,
        status=INVESTIGATING,
        body=f"{SECRET}-before-the-correction",
        author=author,
        components=[(hidden, ComponentStatus.MAJOR_OUTAGE), (component, ComponentStatus.PARTIAL_OUTAGE)],
    )
    correct_update(update, body="Corrected.", author=author, reason=f"{SECRET}-why")
    timeline.note(public, text=f"{SECRET}-note", occurred_at=timezone.now(), author=author)
    catalogue.set_component_status(
        component, status=ComponentStatus.MAJOR_OUTAGE, author=author, reason=f"{SECRET}-reason"
    )
    author.first_name = f"{SECRET}-name"
    author.save()

    found = everything_published(page)
    assert len(found) > 15
    assert not [name for name, content in found.items() if SECRET in content]
    people = [author.username, admin.username, "sev1"]
    json_and_feeds = [content for path, content in found.items() if not path.endswith((".html",))]
    assert not [word for word in people for content in json_and_feeds if f'"{word}"' in content]
    assert not [path for path in found for row in (gone, internal, cause, undeclared) if row.public_id in path]
    assert not [path for path, content in found.items() for row in (internal, hidden) if row.public_id in content]


@pytest.mark.slow
def test_an_internal_change_moves_no_byte(page: Page, component: Component, author: User, admin: User) -> None:
    public = declare_incident(page, title="Errors", author=author)
    post_update(public, status=INVESTIGATING, body="Looking.", author=author)
    before = everything_published(page)
    internal = declare_incident(page, title="Hidden", author=author, visibility=Visibility.INTERNAL)
    post_update(internal, status=INVESTIGATING, body="Hidden.", author=author)
    edit_incident(public, author=author, severity=Severity.SEV1, detected_at=timezone.now())
    timeline.note(public, text="Hidden.", occurred_at=timezone.now(), author=author)
    assert not OutboxEvent.objects.unpublished().exists()
    assert everything_published(page) == before
    assert differences(page) == []


def test_an_internal_component_comes_changes_and_goes_without_a_trace(
    page: Page, make_component: Callable[..., Component], author: User, admin: User
) -> None:
    before = everything_published(page)
    hidden = make_component("Core database", visibility=Visibility.INTERNAL)
    assert everything_published(page) == before
    catalogue.edit_component(hidden, name="Core cluster", author=admin)
    catalogue.delete_component(hidden, author=admin)
    assert everything_published(page) == before
    assert differences(page) == []


@pytest.mark.slow
def test_a_maintenance_that_was_never_announced_is_a_cause_without_a_name_whatever_becomes_of_it(
    page: Page, author: User
) -> None:
    facts: dict[str, Any] = {"kind": Kind.MAINTENANCE, "visibility": Visibility.INTERNAL}
    cause = declare_incident(page, title=SECRET, author=author, **facts)
    public = declare_incident(page, title="Errors", author=author, caused_by=cause)
    post_update(public, status=INVESTIGATING, body="Looking.", author=author)
    before = everything_published(page)
    assert "maintenance that was not announced" in before[f"incidents/{public.public_id}.html"]
    assert not [path for path, content in before.items() if SECRET in content or cause.public_id in content]
    post_update(cause, status=IncidentStatus.COMPLETED, body=SECRET, author=author)
    delete_incident(cause, author=author, reason=SECRET)
    assert everything_published(page) == before
    assert differences(page) == []


def test_publishing_an_internal_incident_keeps_what_was_said_before_inside(
    page: Page, author: User, public: Client, ann: Subscriber
) -> None:
    internal = declare_incident(page, title=f"Errors of {SECRET}", author=author, visibility=Visibility.INTERNAL)
    post_update(internal, status=INVESTIGATING, body=SECRET, author=author)
    publish_incident(
        internal, public_title="Slow", status=IncidentStatus.IDENTIFIED, body="We know the cause.", author=author
    )
    found = everything_published(page)
    assert "We know the cause." in found[f"incidents/{internal.public_id}.html"]
    assert not [name for name, content in found.items() if SECRET in content]
    answered = [path(ann, verb) for verb in ("", "confirm", "secret", "unsubscribe")]
    answered += ["/subscribe", "/subscribe/webhook"]
    assert len(answered) == len(urls.urlpatterns)
    for address in answered:
        assert SECRET not in public.get(f"{address}?incident={internal.public_id}").text, address
    assert "Slow" in public.get(path(ann)).text
    assert SECRET not in advice.customer_answer(internal, [], internal.latest_update())


def test_a_component_made_internal_disappears_from_old_incidents_too(
    page: Page, make_component: Callable[..., Component], author: User, admin: User
) -> None:
    component = make_component(SECRET)
    incident = declare_incident(page, title="Errors", author=author)
    affected = [(component, ComponentStatus.OPERATIONAL)]
    post_update(incident, status=RESOLVED, body="Done.", author=author, components=affected)
    assert SECRET in everything_published(page)[f"incidents/{incident.public_id}.html"]
    catalogue.edit_component(component, visibility=Visibility.INTERNAL, author=admin)
    assert not [path for path, content in everything_published(page).items() if SECRET in content]


@pytest.mark.slow
def test_two_pages_name_nothing_of_each_other(
    page: Page, make_component: Callable[..., Component], author: User, admin: User
) -> None:
    other = catalogue.create_page(name="Other page", url="https://other.example", author=admin)
    ours, shared = make_component("Ours"), make_component("Shared")
    theirs = catalogue.create_component(other, name="Theirs", author=admin)
    catalogue.list_component(shared, page=other, author=admin)

    only_ours = declare_incident(page, title="Only ours", author=author)
    post_update(
        only_ours,
        status=INVESTIGATING,
        body="Looking.",
        author=author,
        components=[(ours, ComponentStatus.MAJOR_OUTAGE)],
    )
    both = declare_incident(page, title="On both", author=author, caused_by=only_ours)
    post_update(
        both,
        status=INVESTIGATING,
        body="Looking.",
        author=author,
        components=[(ours, ComponentStatus.MAJOR_OUTAGE), (shared, ComponentStatus.PARTIAL_OUTAGE)],
    )
    only_theirs = declare_incident(other, title="Only on the other", author=author)
    post_update(
        only_theirs,
        status=INVESTIGATING,
        body="Looking.",
        author=author,
        components=[(theirs, ComponentStatus.MAJOR_OUTAGE)],
    )

    here, there = everything_published(page), everything_published(other)
    assert "On both" in here["index.html"]
    assert "On both" in there["index.html"]
    assert "Shared" in there[f"incidents/{both.public_id}.html"]
    for word in ("Ours", "Only ours", ours.public_id, only_ours.public_id, page.public_id, "Acme"):
        assert not [path for path, content in there.items() if word in content], word
    for word in ("Theirs", "Only on the other", theirs.public_id, only_theirs.public_id, other.public_id):
        assert not [path for path, content in here.items() if word in content], word


def test_markdown_with_scripts_is_harmless_in_every_document(page: Page, author: User, incident: Incident) -> None:
    body = (
        "<script>alert(1)</script> <img src=x onerror=alert(1)> "
        "[link](javascript:alert(1)) **bold** <iframe src='https://evil.example'></iframe>"
    )
    post_update(incident, status=INVESTIGATING, body=body, author=author)
    found = everything_published(page)
    assert "<strong>bold</strong>" in found[f"incidents/{incident.public_id}.html"]
    for name, content in found.items():
        if not name.startswith("assets/"):
            assert "<script>alert" not in content, name
            assert "<img src=x" not in content, path
            assert 'href="javascript:' not in content, path
            assert "<iframe" not in content, path
