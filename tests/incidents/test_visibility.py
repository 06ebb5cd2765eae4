"""An incident that only staff see, and what becomes of it when it is published."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from incidents import catalogue
from incidents.errors import Forbidden, InvalidInput
from incidents.incidents import (
    correct_update,
    declare_incident,
    delete_incident,
    edit_incident,
    post_update,
    publish_incident,
)
from incidents.lifecycle import ComponentStatus, Impact, IncidentStatus, Severity, Visibility
from incidents.models import Component, Incident, OutboxEvent, Page, User
from tests.incidents.conftest import NOON
from tests.reports import publish_report
from tests.rows import refused

MakeComponent = Callable[..., Component]


@pytest.fixture
def internal(page: Page, author: User) -> Incident:
    return declare_incident(page, title="Odd graphs", author=author, visibility=Visibility.INTERNAL)


def test_an_internal_incident_tells_nobody(internal: Incident, component: Component, author: User) -> None:
    before = OutboxEvent.objects.count()
    update = post_update(
        internal, status=IncidentStatus.INVESTIGATING, body="Looking.", author=author, components=[(component, None)]
    )
    correct_update(update, body="Looking harder.", author=author)
    edit_incident(internal, author=author, title="Odder graphs", impact_override=Impact.MAJOR)
    post_update(internal, status=IncidentStatus.RESOLVED, body="It was the graphs.", author=author)
    publish_report(internal, body="Why.", author=author)
    delete_incident(internal, author=author, reason="A false alarm")
    assert OutboxEvent.objects.count() == before
    assert not internal.updates.published().exists()
    internal.refresh_from_db()
    assert internal.first_posted_at is None


def test_an_internal_incident_does_not_change_a_public_component(
    internal: Incident, component: Component, make_component: MakeComponent, author: User
) -> None:
    with pytest.raises(InvalidInput, match=r"cannot change the public component “API”\. Publish it first"):
        post_update(
            internal,
            status=IncidentStatus.INVESTIGATING,
            body="Down.",
            author=author,
            components=[(component, ComponentStatus.MAJOR_OUTAGE)],
        )
    assert not internal.updates.exists()
    hidden = make_component("Queue", visibility=Visibility.INTERNAL)
    affected = [(component, None), (hidden, ComponentStatus.MAJOR_OUTAGE)]
    post_update(internal, status=IncidentStatus.INVESTIGATING, body="A queue.", author=author, components=affected)
    assert (component.status, hidden.status) == (ComponentStatus.OPERATIONAL, ComponentStatus.MAJOR_OUTAGE)


def test_publishing_an_incident_leaves_what_was_written_before_internal(
    internal: Incident, component: Component, author: User, at_noon: Any
) -> None:
    first = post_update(internal, status=IncidentStatus.INVESTIGATING, body="Looking.", author=author)
    at_noon.shift(timedelta(minutes=10))
    public = publish_incident(
        internal,
        public_title="A fault",
        status=IncidentStatus.IDENTIFIED,
        body="We have a fault.",
        author=author,
        components=[(component, ComponentStatus.PARTIAL_OUTAGE)],
    )
    internal.refresh_from_db()
    first.refresh_from_db()
    assert (first.published_at, public.published_at) == (
        None,
        NOON + timedelta(minutes=10),
    )
    assert internal.is_public
    assert internal.first_posted_at == public.display_at
    assert component.status is ComponentStatus.PARTIAL_OUTAGE
    (event,) = OutboxEvent.objects.filter(incident=internal)
    assert event.update == public


def test_a_refused_publication_leaves_the_incident_internal(internal: Incident, author: User) -> None:
    with pytest.raises(InvalidInput):
        publish_incident(internal, public_title="x", status=IncidentStatus.IDENTIFIED, body="", author=author)
    internal.refresh_from_db()
    assert internal.visibility == Visibility.INTERNAL


def test_correcting_an_update_that_was_never_published_tells_nobody(internal: Incident, author: User) -> None:
    first = post_update(internal, status=IncidentStatus.INVESTIGATING, body="A password: hunter2.", author=author)
    publish_incident(
        internal, public_title="A fault", status=IncidentStatus.IDENTIFIED, body="We have a fault.", author=author
    )
    before = OutboxEvent.objects.count()
    correct_update(first, body="A password.", author=author)
    assert OutboxEvent.objects.count() == before


def test_what_was_named_while_it_was_internal_shows_it_on_no_further_page(
    internal: Incident, component: Component, page: Page, other_page: Page, author: User, admin: User
) -> None:
    catalogue.list_component(component, page=other_page, author=admin)
    said: Any = {"status": IncidentStatus.INVESTIGATING, "author": author}
    post_update(internal, body="Looking.", components=[(component, None)], **said)
    publish_incident(internal, public_title="Slow", body="It is slow.", **said)
    assert list(internal.pages()) == [page]
    assert not Incident.objects.on(other_page).exists()
    post_update(internal, body="The API is.", components=[(component, None)], **said)
    assert set(internal.pages()) == {page, other_page}
    assert Incident.objects.on(other_page).get() == internal


def test_internal_facts_tell_nobody_and_public_ones_do(incident: Incident, page: Page, author: User) -> None:
    post_update(incident, status=IncidentStatus.INVESTIGATING, body="Looking.", author=author)
    cause = declare_incident(page, title="Maintenance", author=author)
    cases: list[tuple[Any, int]] = [
        ({"severity": Severity.SEV1, "detected_at": NOON, "acknowledged_at": NOON, "impact_ended_at": NOON}, 0),
        ({"title": "Many errors"}, 1),
        ({"impact_override": Impact.CRITICAL}, 1),
        ({"impact_began_at": NOON - timedelta(hours=1)}, 1),
        ({"caused_by": cause, "severity": Severity.SEV2}, 1),
    ]
    for facts, expected in cases:
        before = OutboxEvent.objects.count()
        edit_incident(incident, author=author, **facts)
        assert OutboxEvent.objects.count() - before == expected, facts
    incident.refresh_from_db()
    assert (incident.severity, incident.detected_at, incident.title) == (Severity.SEV2, NOON, "Many errors")
    assert incident.caused_by == cause


@pytest.mark.parametrize(
    "facts",
    [
        {"public_title": "Some requests fail"},
        {"title": "Requests fail"},
        {"impact_override": Impact.CRITICAL},
        {"impact_began_at": NOON},
        {"caused_by": None},
    ],
    ids=lambda facts: next(iter(facts)),
)
def test_what_the_public_reads_at_once_is_changed_by_those_who_may_publish(
    announced: Incident, page: Page, author: User, make_user: Callable[[str, str], User], facts: Any
) -> None:
    other = declare_incident(page, title="Maintenance", author=author)
    edit_incident(announced, caused_by=other, author=author)
    ruth = make_user("ruth", "responder")
    with refused(Forbidden, r"ruth may not do this \(it needs the right “post update”\)"):
        edit_incident(announced, author=ruth, severity=Severity.SEV1, **facts)
    edit_incident(other, author=ruth, **facts)  # of this one nobody reads yet


def test_a_responder_keeps_the_facts_that_are_for_staff(
    announced: Incident, make_user: Callable[[str, str], User]
) -> None:
    facts: Any = {"title": "Disk full on db-3", "public_title": announced.public_title, "severity": Severity.SEV1}
    edit_incident(announced, author=make_user("ruth", "responder"), detected_at=NOON, **facts)
    announced.refresh_from_db()
    assert (announced.title, announced.severity, announced.detected_at) == ("Disk full on db-3", Severity.SEV1, NOON)
