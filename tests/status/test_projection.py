"""From the record to what the public may see."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from incidents import catalogue, timeline
from incidents.incidents import (
    correct_update,
    declare_incident,
    delete_incident,
    edit_incident,
    post_update,
    publish_incident,
)
from incidents.lifecycle import ComponentStatus, Impact, IncidentStatus, Severity, Visibility
from incidents.models import (
    Component,
    Incident,
    OutboxEvent,
    Page,
    User,
)
from status import relay
from status.projection import public_incidents
from status.publication import publishing
from status.rendering import snapshot
from tests.reports import publish_report
from tests.status.reading import everything, incident_of, read

pytestmark = [pytest.mark.long, pytest.mark.both]

MakeComponent = Callable[..., Component]
UP, SLOW, PARTIAL, MAJOR = (
    ComponentStatus.OPERATIONAL,
    ComponentStatus.DEGRADED_PERFORMANCE,
    ComponentStatus.PARTIAL_OUTAGE,
    ComponentStatus.MAJOR_OUTAGE,
)
IDENTIFIED, RESOLVED = IncidentStatus.IDENTIFIED, IncidentStatus.RESOLVED
NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)


Declare = Callable[..., Incident]


# --- What does not pass the door --------------------------------------------------------------------------------------


@pytest.mark.slow
def test_nothing_internal_passes(
    page: Page, make_component: MakeComponent, declare: Declare, author: User, admin: User
) -> None:
    public = make_component("Public API")
    hidden = make_component("SECRET queue", visibility=Visibility.INTERNAL, description="SECRET words")
    internal = declare("SECRET incident", visibility=Visibility.INTERNAL, components=[(hidden, MAJOR)])
    cause = declare("SECRET cause", visibility=Visibility.INTERNAL)
    shown = declare("Errors", caused_by=cause, severity=Severity.SEV1, components=[(public, PARTIAL), (hidden, MAJOR)])
    timeline.note(shown, text="SECRET note", occurred_at=NOW, author=author)
    catalogue.set_component_status(hidden, status=SLOW, author=author, reason="SECRET reason")
    catalogue.set_component_status(public, status=SLOW, author=author, reason="SECRET reason")
    update = post_update(shown, status=IDENTIFIED, body="SECRET typo", author=author)
    correct_update(update, body="Better.", author=author, reason="SECRET reason")
    declare_incident(page, title="SECRET draft", author=author)
    was_internal = declare("Odd graphs", visibility=Visibility.INTERNAL)
    correct_update(was_internal.updates.get(), body="SECRET first thoughts", author=author)
    publish_incident(was_internal, public_title=was_internal.title, status=IDENTIFIED, body="A fault.", author=author)
    deleted = declare("SECRET mistake")
    delete_incident(deleted, author=author, reason="SECRET reason")

    dumped = str(everything(page))
    assert "SECRET" not in dumped
    assert author.username not in dumped.lower()
    for row in (hidden, internal, cause, deleted):
        assert row.public_id not in dumped
    assert "sev1" not in dumped
    for text in ("Public API", "Errors", "Better.", "Odd graphs", "A fault."):
        assert text in dumped


@pytest.mark.slow
def test_what_is_internal_changes_nothing_outside(
    page: Page, component: Component, make_component: MakeComponent, declare: Declare, author: User
) -> None:
    """Not even a time: what the public can compare would tell it that something goes on inside."""
    hidden = make_component("Queue", visibility=Visibility.INTERNAL)
    shown = declare("Errors", components=[(component, PARTIAL)])
    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=30), tick=False) as clock:
        before = everything(page)
        clock.shift(30)
        internal = declare(
            "Odd graphs", visibility=Visibility.INTERNAL, components=[(component, None), (hidden, MAJOR)]
        )
        clock.shift(1)
        edit_incident(shown, author=author, severity=Severity.SEV1, detected_at=NOW, impact_ended_at=datetime.now(UTC))
        edit_incident(internal, author=author, title="Odder graphs", caused_by=shown)
        timeline.note(shown, text="Seen.", occurred_at=NOW, author=author)
        catalogue.set_component_status(hidden, status=SLOW, author=author)
        clock.shift(1)
        post_update(internal, status=RESOLVED, body="Over.", author=author)
        publish_report(internal, body="Why.", author=author)
        declare_incident(page, title="A draft", author=author)
        assert everything(page) == before


def test_a_cause_is_named_while_it_is_public(page: Page, declare: Declare, author: User) -> None:
    cause = declare("Disks", visibility=Visibility.INTERNAL)
    effect = declare("Errors", caused_by=cause)
    assert incident_of(page, effect).caused_by is None
    publish_incident(cause, public_title=cause.title, status=IDENTIFIED, body="Disks are full.", author=author)
    assert incident_of(page, effect).caused_by == snapshot.Cause(cause.public_id, "Disks", False)
    delete_incident(cause, author=author, reason="Wrong")
    assert incident_of(page, effect).caused_by is None


# --- Several pages ----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_pages_name_their_own_components_and_no_others(
    page: Page, other_page: Page, make_component: MakeComponent, declare: Declare, admin: User
) -> None:
    shared, ours = make_component("Shared"), make_component("Ours")
    theirs = make_component("Theirs", page=other_page)
    catalogue.list_component(shared, page=other_page, position=7, author=admin)
    both = declare("Both", components=[(shared, MAJOR), (ours, SLOW)])
    alone = declare("Alone", components=[(ours, SLOW)])

    assert [c.name for c in read(page).site().components] == ["Shared", "Ours"]
    listed, own = sorted(read(other_page).site().components, key=lambda c: -c.position)
    assert (listed.id, listed.name, listed.status, listed.position) == (shared.public_id, "Shared", MAJOR, 7)
    assert listed.page_id == other_page.public_id
    assert own.name == theirs.name
    (seen,) = read(other_page).site().open_incidents
    assert (seen.id, seen.page_id) == (both.public_id, other_page.public_id)
    assert [c.name for c in seen.components] == ["Shared"]
    assert [c.name for c in seen.updates[0].affected_components] == ["Shared"]
    dumped = str(everything(other_page))
    for row in (page, ours, alone):
        assert row.public_id not in dumped
    assert "Ours" not in dumped
    assert theirs.public_id not in str(everything(page))


def test_an_incident_from_elsewhere_goes_with_the_listing(
    page: Page, other_page: Page, component: Component, declare: Declare, admin: User
) -> None:
    listing = catalogue.list_component(component, page=other_page, author=admin)
    row = declare("Errors", components=[(component, MAJOR)])
    assert public_incidents(other_page).get() == row
    catalogue.delete_listing(listing, author=admin)
    assert not public_incidents(other_page).exists()
    assert public_incidents(page).get() == row


@pytest.mark.slow
def test_an_incident_of_another_page_shows_where_the_component_is_at_home(
    page: Page, other_page: Page, component: Component, declare: Declare, admin: User
) -> None:
    """And what it says of the component is published there too."""
    catalogue.list_component(component, page=other_page, author=admin)
    relay.relay()
    row = declare("Errors", page=other_page, components=[(component, MAJOR)])
    assert {event.page for event in OutboxEvent.objects.filter(incident=row)} == {page, other_page}
    assert relay.relay() == 2
    assert publishing.differences(page) == publishing.differences(other_page) == []
    (seen,) = read(page).site().open_incidents
    assert (seen.id, [c.status for c in seen.components]) == (row.public_id, [MAJOR])


@pytest.mark.slow
def test_an_incident_is_shown_where_only_a_deleted_component_brings_it(
    page: Page, other_page: Page, component: Component, declare: Declare, author: User, admin: User
) -> None:
    catalogue.list_component(component, page=other_page, author=admin)
    row = declare("Errors", components=[(component, MAJOR)])
    catalogue.delete_component(component, author=admin)
    relay.relay()
    correct_update(row.updates.get(), body="Fewer errors.", author=author)
    relay.relay()
    assert publishing.differences(other_page) == []
    assert "Fewer errors." in str(everything(other_page))


# --- One incident -----------------------------------------------------------------------------------------------------


def test_what_is_chosen_wins_over_what_is_computed(page: Page, component: Component, declare: Declare) -> None:
    computed = declare("One", components=[(component, MAJOR)])
    chosen = declare("Two", components=[(component, MAJOR)], impact_override=Impact.MINOR)
    none = declare("Three", impact_override=Impact.NONE, components=[(component, MAJOR)])
    assert [incident_of(page, row).impact for row in (computed, chosen, none)] == ["critical", "minor", "none"]


def test_an_ended_incident_keeps_its_components_as_it_left_them(
    page: Page, component: Component, make_component: MakeComponent, declare: Declare, author: User
) -> None:
    other = make_component("Dashboard")
    row = declare("Errors", components=[(component, MAJOR), (other, PARTIAL)])
    post_update(row, status=RESOLVED, body="Over.", author=author, components=[(component, UP)])
    before = incident_of(page, row)
    assert [c.status for c in before.components] == [UP, PARTIAL]
    catalogue.set_component_status(component, status=MAJOR, author=author)
    catalogue.set_component_status(other, status=UP, author=author)
    assert incident_of(page, row) == before
    (recent,) = read(page).site().recent_incidents  # the lists, as Statuspage's, say how components are now
    assert [c.status for c in recent.components] == [MAJOR, UP]


def test_an_open_incident_has_its_components_as_they_are(
    page: Page, component: Component, declare: Declare, author: User
) -> None:
    row = declare("Errors", components=[(component, MAJOR)])
    catalogue.set_component_status(component, status=SLOW, author=author)
    assert [c.status for c in incident_of(page, row).components] == [SLOW]


def test_the_spans_of_an_incident_come_from_its_updates(page: Page, component: Component, author: User) -> None:
    def at(minutes: int) -> datetime:
        return NOW + timedelta(minutes=minutes)

    row = declare_incident(page, title="Errors", author=author)
    statuses = [IDENTIFIED, IncidentStatus.MONITORING, IDENTIFIED, IncidentStatus.MONITORING, RESOLVED]
    for number, status in enumerate(statuses):
        post_update(row, status=status, body=f"{number}.", author=author, display_at=at(10 * number))
    found = incident_of(page, row)
    assert (found.started_at, found.monitoring_at, found.resolved_at, found.posted_at) == (
        at(0), at(10), at(40), at(0),
    )  # fmt: skip
    assert [update.body for update in found.updates] == ["4.", "3.", "2.", "1.", "0."]
    edit_incident(row, author=author, impact_began_at=at(-15))
    assert incident_of(page, row).started_at == at(-15)
    publish_report(row, body="Why.", author=author)
    assert incident_of(page, row).status == "postmortem"


def test_a_public_edit_moves_the_time_of_the_incident_and_of_the_page(
    page: Page, declare: Declare, author: User
) -> None:
    row, other = declare("Errors"), declare("Other")
    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=1), tick=False):
        later = datetime.now(UTC)
        edit_incident(row, author=author, title="Many errors")
        assert incident_of(page, row).updated_at == read(page).page.updated_at == later
        assert incident_of(page, other).updated_at < later
