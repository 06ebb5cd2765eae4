"""Maintenance in calendars, as two programs that know nothing of ours read it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import ics
import pytest
import time_machine
import vobject

from incidents.incidents import delete_incident, edit_incident, post_update
from incidents.lifecycle import IncidentStatus
from incidents.maintenance import clockwork
from incidents.maintenance.plans import cancel_maintenance, extend_maintenance, move_maintenance, schedule_maintenance
from incidents.models import Component, Incident, Page, User
from status.publication import publishing
from status.rendering import calendars
from tests.status import factory

pytestmark = pytest.mark.long

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
START, END = NOON + timedelta(days=2), NOON + timedelta(days=2, hours=3)
Read = Callable[[], tuple[Any, Any]]


@pytest.fixture
def calendar_entry(page: Page, component: Component, author: User) -> Incident:
    with time_machine.travel(NOON, tick=False):
        return schedule_maintenance(
            page,
            title="New disks, faster; ones",
            body="We replace disks.\n\nNothing is lost.",
            scheduled_for=START,
            scheduled_until=END,
            author=author,
            components=[component],
            starts_by_itself=True,
        )


@pytest.fixture
def read(page: Page, calendar_entry: Incident, published: Callable[[Page, str], str]) -> Read:
    """The entry in the page's feed by each of the two readers; its own file says the same."""

    def parse() -> tuple[Any, Any]:
        publishing.publish(page)
        feed, own = (published(page, path) for path in ("maintenance.ics", f"incidents/{calendar_entry.public_id}.ics"))
        assert feed.replace("\r\n", "\n") == own.replace("\r\n", "\n")
        (event,) = ics.Calendar(feed).events
        return event, vobject.readOne(feed).vevent

    return parse


def sequences(event: Any, entry: Any) -> tuple[str, str]:
    (line,) = [line for line in event.extra if line.name == "SEQUENCE"]
    return line.value, entry.sequence.value


@pytest.mark.slow
def test_two_readers_find_what_was_announced(read: Read, calendar_entry: Incident) -> None:
    event, entry = read()
    assert event.uid == entry.uid.value == f"{calendar_entry.public_id}@status.acme.example"
    assert event.name == entry.summary.value == "New disks, faster; ones"
    assert (event.begin.datetime, event.end.datetime) == (START, END)
    assert (entry.dtstart.value, entry.dtend.value) == (START, END)
    assert event.status == entry.status.value == "CONFIRMED"
    assert event.description == entry.description.value
    assert event.description.startswith("We replace disks.\n\nNothing is lost.\n\nAffected: API")
    assert event.url == f"https://status.acme.example/incidents/{calendar_entry.public_id}"
    assert sequences(event, entry) == ("0", "0")


@pytest.mark.slow
def test_a_moved_one_is_the_same_entry_with_a_higher_sequence(
    read: Read, calendar_entry: Incident, author: User
) -> None:
    first, _entry = read()
    with time_machine.travel(NOON + timedelta(hours=1), tick=False):
        later: dict[str, Any] = {"scheduled_for": START + timedelta(days=1), "scheduled_until": END + timedelta(days=1)}
        move_maintenance(calendar_entry, **later, body="A day later.", author=author)
    event, entry = read()
    assert event.uid == first.uid
    assert event.begin.datetime == entry.dtstart.value == START + timedelta(days=1)
    assert sequences(event, entry) == ("1", "1")
    assert entry.dtstamp.value == NOON + timedelta(hours=1)


@pytest.mark.slow
def test_a_cancelled_one_cancels_its_entry(read: Read, calendar_entry: Incident, author: User) -> None:
    with time_machine.travel(NOON + timedelta(hours=1), tick=False):
        cancel_maintenance(calendar_entry, body="Not needed.", author=author)
    event, entry = read()
    assert event.status == entry.status.value == "CANCELLED"
    assert (entry.dtstart.value, entry.dtend.value) == (START, END)  # it is found at its old place
    assert sequences(event, entry) == ("1", "1")


@pytest.mark.slow
def test_what_it_was_like_is_shown_by_its_actual_times(read: Read, calendar_entry: Incident, author: User) -> None:
    with time_machine.travel(START, tick=False) as clock:
        clockwork.advance()
        later = END + timedelta(hours=1)
        extend_maintenance(calendar_entry, expected_until=later, body="More.", author=author)
        event, entry = read()
        assert event.end.datetime == entry.dtend.value == later
        assert sequences(event, entry) == ("1", "1")
        clock.shift(timedelta(hours=2))
        post_update(calendar_entry, status=IncidentStatus.COMPLETED, body="Done.", author=author)
        event, entry = read()
        assert event.end.datetime == entry.dtend.value == START + timedelta(hours=2)


@pytest.mark.slow
def test_a_deleted_one_is_in_no_calendar(page: Page, read: Read, calendar_entry: Incident, author: User) -> None:
    read()
    delete_incident(calendar_entry, reason="A mistake", author=author)
    report = publishing.publish(page)
    assert f"incidents/{calendar_entry.public_id}.ics" in report.removed or publishing.differences(page) == []
    assert "VEVENT" not in calendars.feed(factory.site()).decode()


@pytest.mark.slow
def test_a_new_title_is_a_newer_entry(read: Read, calendar_entry: Incident, author: User) -> None:
    with time_machine.travel(NOON + timedelta(hours=2), tick=False):
        edit_incident(calendar_entry, title="Disks", author=author)
    event, entry = read()
    assert event.name == "Disks"
    assert entry.dtstamp.value == NOON + timedelta(hours=2)


def test_the_bytes_follow_from_the_snapshot_alone() -> None:
    site = factory.busy_site()
    assert calendars.feed(site) == calendars.feed(site)
    assert len(ics.Calendar(calendars.feed(site).decode()).events) == 2
    assert all(len(line) <= 75 for line in calendars.feed(site).split(b"\r\n"))
