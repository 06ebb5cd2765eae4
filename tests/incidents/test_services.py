"""What staff do with incidents, and what the record holds afterwards."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from incidents import catalogue, timeline
from incidents.errors import Conflict, InvalidInput, InvalidTransition
from incidents.history import changes
from incidents.incidents import (
    correct_update,
    declare_incident,
    delete_incident,
    edit_incident,
    post_update,
    publish_incident,
    withdraw_update,
)
from incidents.lifecycle import ComponentStatus, Impact, IncidentStatus, Severity, Visibility
from incidents.models import Component, Incident, OutboxEvent, Page, TimelineEntry, User
from incidents.restoration import restore_incident
from tests.incidents.conftest import NOON
from tests.rows import everything, refused

MakeComponent = Callable[..., Component]
INVESTIGATING, IDENTIFIED, MONITORING, RESOLVED = (
    IncidentStatus.INVESTIGATING,
    IncidentStatus.IDENTIFIED,
    IncidentStatus.MONITORING,
    IncidentStatus.RESOLVED,
)
UP, SLOW, PARTIAL, MAJOR = (
    ComponentStatus.OPERATIONAL,
    ComponentStatus.DEGRADED_PERFORMANCE,
    ComponentStatus.PARTIAL_OUTAGE,
    ComponentStatus.MAJOR_OUTAGE,
)


def test_an_update_moves_the_incident_and_its_components(
    incident: Incident, component: Component, author: User, at_noon: Any
) -> None:
    update = post_update(
        incident, status=IDENTIFIED, body="  A disk is full.\r\n", author=author, components=[(component, PARTIAL)]
    )
    incident.refresh_from_db()
    assert (incident.status, incident.impact, incident.first_posted_at) == (IDENTIFIED, Impact.MAJOR, NOON)
    assert (update.body, update.author, update.display_at, update.published_at) == (
        "A disk is full.", author, NOON, NOON,
    )  # fmt: skip
    (change,) = update.component_changes.all()
    assert (change.old_status, change.status, change.effective_at, change.author) == (UP, PARTIAL, NOON, author)
    assert component.status is PARTIAL
    (event,) = OutboxEvent.objects.filter(incident=incident)
    assert (event.page, event.kind, event.update) == (incident.page, OutboxEvent.Kind.UPDATE_POSTED, update)


def test_the_peak_of_the_impact_is_kept_when_things_get_better(
    incident: Incident, component: Component, make_component: MakeComponent, author: User
) -> None:
    other = make_component("Dashboard")
    said = [(SLOW, None, "minor"), (PARTIAL, PARTIAL, "major"), (MAJOR, MAJOR, "critical"), (UP, UP, "critical")]
    for status, of_other, impact in said:
        affected = [(component, status), *([(other, of_other)] if of_other else [])]
        post_update(incident, status=MONITORING, body="More.", author=author, components=affected)
        incident.refresh_from_db()
        assert incident.impact == impact


def test_a_component_named_earlier_still_counts_for_the_impact(
    incident: Incident, component: Component, make_component: MakeComponent, author: User
) -> None:
    """A major outage beside a partial one is major; alone it would be critical."""
    post_update(incident, status=IDENTIFIED, body="One.", author=author, components=[(component, PARTIAL)])
    other = make_component("Dashboard")
    post_update(incident, status=IDENTIFIED, body="Two.", author=author, components=[(other, MAJOR)])
    incident.refresh_from_db()
    assert incident.impact == Impact.MAJOR


def test_an_internal_component_does_not_show_in_the_impact(
    incident: Incident, make_component: MakeComponent, author: User
) -> None:
    hidden = make_component("Queue", visibility=Visibility.INTERNAL)
    post_update(incident, status=IDENTIFIED, body="A queue.", author=author, components=[(hidden, MAJOR)])
    incident.refresh_from_db()
    assert incident.impact == Impact.NONE
    assert hidden.status is MAJOR


def test_a_component_can_be_named_without_a_change(incident: Incident, component: Component, author: User) -> None:
    post_update(incident, status=IDENTIFIED, body="It.", author=author, components=[(component, SLOW)])
    update = post_update(incident, status=MONITORING, body="Still.", author=author, components=[(component, None)])
    change = update.component_changes.get()
    assert (change.old_status, change.status) == (SLOW, SLOW)


def test_an_incident_goes_back_and_is_reopened(incident: Incident, author: User) -> None:
    for status in (MONITORING, INVESTIGATING, RESOLVED, IDENTIFIED, RESOLVED):
        post_update(incident, status=status, body=f"Now {status}.", author=author)
        incident.refresh_from_db()
        assert incident.status == status
        assert incident.is_ended is (status is RESOLVED)


# --- Times ------------------------------------------------------------------------------------------------------------


def test_a_back_dated_update_shows_its_time_and_keeps_the_servers_clock(
    incident: Incident, component: Component, author: User, at_noon: Any
) -> None:
    shown = NOON - timedelta(hours=2)
    affected = [(component, MAJOR)]
    update = post_update(
        incident, status=INVESTIGATING, body="Down.", author=author, components=affected, display_at=shown
    )
    incident.refresh_from_db()
    assert (update.display_at, update.published_at, update.created_at) == (shown, NOON, NOON)
    assert incident.first_posted_at == shown
    assert update.lags()
    assert component.status_at(shown) is MAJOR
    assert component.status_at(shown - timedelta(seconds=1)) is UP


def test_the_time_shown_may_be_that_of_the_newest_update_and_now(
    incident: Incident, author: User, at_noon: Any
) -> None:
    first = post_update(incident, status=IDENTIFIED, body="One.", author=author, display_at=NOON - timedelta(hours=1))
    second = post_update(incident, status=MONITORING, body="Two.", author=author, display_at=first.display_at)
    third = post_update(incident, status=RESOLVED, body="Three.", author=author, display_at=NOON)
    assert list(incident.updates.newest_first()) == [third, second, first]
    assert not third.lags()


def test_the_impact_of_a_back_dated_update_is_that_of_its_time(
    incident: Incident, component: Component, page: Page, author: User, at_noon: Any
) -> None:
    other = declare_incident(page, title="Later trouble", author=author)
    post_update(other, status=IDENTIFIED, body="Down.", author=author, components=[(component, MAJOR)])
    post_update(
        incident,
        status=IDENTIFIED,
        body="It was slow.",
        author=author,
        components=[(component, SLOW)],
        display_at=NOON - timedelta(hours=3),
    )
    incident.refresh_from_db()
    assert incident.impact == Impact.MINOR
    assert component.status is MAJOR


# --- What is refused leaves no trace ----------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_refused_update_says_why_and_leaves_no_trace(
    incident: Incident, component: Component, make_component: MakeComponent, other_page: Page, author: User
) -> None:
    first = post_update(incident, status=INVESTIGATING, body="Looking.", author=author)
    foreign = make_component("Foreign", page=other_page)

    def post(status: IncidentStatus = IDENTIFIED, body: str = "A disk is full.", **facts: Any) -> None:
        post_update(incident, status=status, body=body, author=author, **facts)

    with refused(InvalidInput, "Write a message"):
        post(body=" \r\n ")
    with refused(InvalidInput, "has 25001 characters; 25000 are allowed"):
        post(body="x" * 25_001)
    with refused(InvalidInput, "NUL"):
        post(body="a\x00b")
    with refused(InvalidTransition, "not a status of this kind"):
        post(status=IncidentStatus.COMPLETED)
    with refused(InvalidInput, "in the future"):
        post(display_at=timezone.now() + timedelta(seconds=30))
    with refused(InvalidInput, "before the newest update"):
        post(display_at=first.display_at - timedelta(seconds=1))
    with refused(InvalidInput, "named twice"):
        post(components=[(component, MAJOR), (component, SLOW)])
    with refused(InvalidInput, "not one of this page's"):
        post(components=[(component, MAJOR), (foreign, MAJOR)])
    for seen in ("", "0bcdfghjklmn"):
        with refused(Conflict, "Someone posted while you typed: .*“Looking.”"):
            post(seen=seen)
    post(status=RESOLVED)
    with refused(InvalidTransition, "already"):
        post(status=RESOLVED)


@pytest.mark.slow
def test_refused_facts_say_why_and_leave_no_trace(incident: Incident, page: Page, author: User) -> None:
    for title, sentence in [(" ", "blank"), ("x" * 256, "255"), ("a\x00b", "NUL")]:
        with refused(InvalidInput, sentence):
            declare_incident(page, title=title, author=author)
        with refused(InvalidInput, sentence):
            edit_incident(incident, author=author, title=title)
    with refused(InvalidInput, "cannot end before it began"):
        edit_incident(incident, author=author, impact_began_at=NOON, impact_ended_at=NOON - timedelta(minutes=1))
    with refused(InvalidInput, "its own cause"):
        edit_incident(incident, author=author, caused_by=incident)
    effect = declare_incident(page, title="Effect", caused_by=incident, author=author)
    with refused(InvalidInput, "its own cause"):
        edit_incident(incident, author=author, caused_by=effect)
    tomorrow = timezone.now() + timedelta(days=1)
    times: list[Any] = [{"impact_began_at": tomorrow}, {"detected_at": tomorrow}, {"acknowledged_at": tomorrow}]
    for facts in times:
        with refused(InvalidInput, "in the future"):
            edit_incident(incident, author=author, **facts)
    delete_incident(effect, reason="Wrong", author=author)
    with refused(InvalidTransition, "was deleted"):
        edit_incident(incident, author=author, caused_by=effect)
    with refused(InvalidTransition, "was deleted"):
        declare_incident(page, title="Effect", caused_by=effect, author=author)


@pytest.mark.long
def test_a_refused_correction_or_note_leaves_no_trace(incident: Incident, author: User) -> None:
    update = post_update(incident, status=INVESTIGATING, body="Looking.", author=author)
    with refused(InvalidInput, "Write a message"):
        correct_update(update, body="", author=author)
    with refused(InvalidInput, "Write what happened"):
        timeline.note(incident, text=" ", occurred_at=NOON, author=author)
    with refused(InvalidInput, "A range needs an end"):
        timeline.note(incident, text="x", occurred_at=NOON, author=author, precision=TimelineEntry.Precision.RANGE)
    with refused(InvalidInput, "A range needs an end"):
        timeline.note(incident, text="x", occurred_at=NOON, author=author, ended_at=NOON + timedelta(minutes=1))


def test_a_deleted_component_is_not_chosen_any_more(
    incident: Incident, component: Component, author: User, admin: User
) -> None:
    from incidents import catalogue

    catalogue.delete_component(component, author=admin)
    with pytest.raises(InvalidInput, match="not one of this page's"):
        post_update(incident, status=IDENTIFIED, body="It.", author=author, components=[(component, MAJOR)])


def test_a_text_of_just_the_allowed_length_is_kept(incident: Incident, page: Page, author: User) -> None:
    assert len(post_update(incident, status=IDENTIFIED, body="x" * 25_000, author=author).body) == 25_000
    assert len(declare_incident(page, title="x" * 255, author=author).title) == 255


def test_who_has_read_the_newest_update_may_post(incident: Incident, author: User) -> None:
    first = post_update(incident, status=INVESTIGATING, body="One.", author=author, seen="")
    second = post_update(incident, status=IDENTIFIED, body="Two.", author=author, seen=first.public_id)
    with pytest.raises(Conflict) as refused:
        post_update(incident, status=RESOLVED, body="Three.", author=author, seen=first.public_id)
    assert refused.value.theirs == second
    assert "Two." in str(refused.value)


# --- Corrections and facts --------------------------------------------------------------------------------------------


def test_a_correction_keeps_the_old_text_with_its_author_and_says_when(
    incident: Incident, author: User, admin: User, at_noon: Any
) -> None:
    update = post_update(incident, status=INVESTIGATING, body="All calls fail.", author=author)
    at_noon.shift(timedelta(minutes=5))
    correct_update(update, body="Some calls fail.", author=admin, reason="Too dark")
    update.refresh_from_db()
    assert (update.body, update.edited_at, update.display_at) == (
        "Some calls fail.", NOON + timedelta(minutes=5), NOON,
    )  # fmt: skip
    newer, older = update.history.all()
    assert (newer.body, newer.history_user, newer.history_change_reason) == ("Some calls fail.", admin, "Too dark")
    assert (older.body, older.history_user) == ("All calls fail.", author)
    assert OutboxEvent.objects.filter(update=update, kind=OutboxEvent.Kind.UPDATE_CORRECTED).count() == 1


def test_a_correction_that_changes_nothing_says_nothing(incident: Incident, author: User) -> None:
    update = post_update(incident, status=INVESTIGATING, body="All calls fail.", author=author)
    before = everything()
    correct_update(update, body=" All calls fail.\r\n", author=author)
    update.refresh_from_db()
    assert update.edited_at is None
    assert everything() == before


def test_a_time_shown_is_corrected_between_its_neighbours(incident: Incident, author: User, at_noon: Any) -> None:
    first = post_update(incident, status=INVESTIGATING, body="One.", author=author)
    at_noon.shift(timedelta(minutes=10))
    second = post_update(incident, status=IDENTIFIED, body="Two.", author=author)
    correct_update(first, display_at=NOON - timedelta(hours=1), author=author)
    correct_update(second, display_at=NOON - timedelta(hours=1), author=author)
    assert list(incident.updates.newest_first()) == [second, first], "at the same time they keep their order"
    incident.refresh_from_db()
    assert (incident.first_posted_at, first.edited_at) == (NOON - timedelta(hours=1), NOON + timedelta(minutes=10))
    for update, wrong, sentence in [
        (first, timedelta(), "after the next update"),
        (second, timedelta(hours=-2), "before the newest update"),
        (second, timedelta(hours=1), "in the future"),
    ]:
        before = everything()
        with pytest.raises(InvalidInput, match=sentence):
            correct_update(update, display_at=NOON + wrong, author=author)
        assert everything() == before
    withdraw_update(second, author=author)
    with pytest.raises(InvalidTransition, match="taken back"):
        correct_update(second, display_at=NOON, author=author)


def test_a_title_is_one_line(page: Page, author: User) -> None:
    """It becomes the subject of mails."""
    incident = declare_incident(page, title=" Errors\r\nBcc: all ", author=author)
    assert incident.title == "Errors Bcc: all"
    assert edit_incident(incident, author=author, title="\tMany\n errors ").title == "Many errors"


def test_an_edit_keeps_what_was_posted_since_the_incident_was_read(incident: Incident, author: User) -> None:
    stale = Incident.objects.get(pk=incident.pk)
    post_update(incident, status=MONITORING, body="A fix is in.", author=author)
    edit_incident(stale, author=author, severity=Severity.SEV1)
    incident.refresh_from_db()
    assert (incident.status, incident.severity) == (MONITORING, Severity.SEV1)


def test_a_deleted_incident_stays_in_the_record_with_who_and_why(incident: Incident, author: User, admin: User) -> None:
    post_update(incident, status=INVESTIGATING, body="Looking.", author=author)
    delete_incident(incident, author=admin, reason="Posted on the wrong page")
    assert not Incident.objects.public().exists()
    kept = Incident.objects.get(pk=incident.pk)
    assert kept.deleted_at is not None
    newest = kept.history.latest()
    assert (newest.history_user, newest.history_change_reason) == (admin, "Posted on the wrong page")
    assert OutboxEvent.objects.filter(incident=incident, kind=OutboxEvent.Kind.INCIDENT_EDITED).count() == 1


# --- Deleted incidents and the timeline -------------------------------------------------------------------------------


def test_a_deleted_incident_gives_its_components_back(
    incident: Incident, component: Component, author: User, admin: User
) -> None:
    catalogue.set_component_status(component, status=SLOW, author=admin)
    post_update(incident, status=IDENTIFIED, body="Down.", author=author, components=[(component, MAJOR)])
    posted_at = datetime.now(UTC)
    delete_incident(incident, author=author, reason="A mistake")
    assert (component.status, component.status_at(posted_at)) == (SLOW, SLOW)
    shown = changes.of_component(component)
    assert [entry.reason for entry in shown][:2] == ["It does not count: the incident was deleted.", ""]
    restore_incident(incident, author=admin, reason="It was one")
    assert (component.status, component.status_at(posted_at)) == (MAJOR, MAJOR)
    newest = incident.history.latest()
    assert (newest.history_user, newest.history_change_reason, newest.deleted_at) == (admin, "It was one", None)
    with pytest.raises(InvalidTransition, match="nothing to restore"):
        restore_incident(incident, author=admin)


def test_a_deleted_incident_is_changed_no_more(incident: Incident, author: User) -> None:
    update = post_update(incident, status=INVESTIGATING, body="Looking.", author=author)
    delete_incident(incident, author=author, reason="A drill. " * 100)
    for act in (
        lambda: post_update(incident, status=RESOLVED, body="Done.", author=author),
        lambda: correct_update(update, body="Other words.", author=author),
        lambda: edit_incident(incident, title="Other", author=author),
        lambda: delete_incident(incident, author=author, reason="Again"),
    ):
        with pytest.raises(InvalidTransition, match="was deleted"):
            act()
    assert incident.history.first().history_change_reason == "A drill. " * 100


def test_a_public_incident_is_not_published_again(incident: Incident, author: User) -> None:
    with pytest.raises(InvalidTransition, match="public already"):
        publish_incident(incident, public_title=incident.title, status=INVESTIGATING, body="Looking.", author=author)
    assert not incident.updates.exists()


def test_a_note_is_internal_and_keeps_its_precision(incident: Incident, author: User) -> None:
    post_update(incident, status=IDENTIFIED, body="Looking.", author=author)
    before = OutboxEvent.objects.count()
    entry = timeline.note(
        incident,
        text="Restarted the pool.",
        occurred_at=NOON,
        ended_at=NOON + timedelta(minutes=15),
        precision=TimelineEntry.Precision.RANGE,
        kind=TimelineEntry.Kind.MITIGATION,
        outcome=TimelineEntry.Outcome.PARTIAL,
        author=author,
    )
    entry.refresh_from_db()
    assert (entry.kind, entry.outcome, entry.precision) == ("mitigation", "partial", "range")
    assert (entry.author, entry.ended_at) == (author, NOON + timedelta(minutes=15))
    assert OutboxEvent.objects.count() == before
