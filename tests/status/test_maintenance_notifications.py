"""A maintenance from its announcement to its end: each mail, page, JSON and calendar entry in turn."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import ics
import pytest
import time_machine
from django.core.management import call_command

from incidents.maintenance.plans import cancel_maintenance, move_maintenance, schedule_maintenance
from incidents.models import Component, Incident, Page, User
from status.delivery import owing
from status.delivery.webhooks import payloads
from status.models import Delivery
from status.subscriptions.subscribers import add_by_staff
from tests.sink import Sink

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("without_hold")]

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
START, END = NOON + timedelta(days=2), NOON + timedelta(days=2, hours=3)
HOUR = timedelta(hours=1)
State = tuple[list[str], str, str, str]


@pytest.fixture
def by_itself(page: Page, component: Component, author: User, admin: User) -> Incident:
    with time_machine.travel(NOON, tick=False):
        add_by_staff(page, address="ann@example.com", author=admin)
        return schedule_maintenance(
            page,
            title="New disks",
            body="We replace disks.",
            scheduled_for=START,
            scheduled_until=END,
            author=author,
            components=[component],
            starts_by_itself=True,
            ends_by_itself=True,
        )


@pytest.fixture
def tick(page: Page, by_itself: Incident, sink: Sink, published: Callable[[Page, str], str]) -> Callable[[], State]:
    """Lets the clock tick twice, and says what came of it: subjects of new mails, v2 status, calendar, component."""

    def state() -> State:
        seen = len(sink.received)
        for _time in range(2):
            call_command("tick", verbosity=0)
        v2 = json.loads(published(page, f"api/v2/incidents/{by_itself.public_id}.json"))["incident"]
        (event,) = ics.Calendar(published(page, "maintenance.ics")).events
        (component,) = json.loads(published(page, "api/v2/components.json"))["components"]
        subjects = [str(mail.message["Subject"]) for mail in sink.received[seen:]]
        return subjects, v2["status"], str(event.status), component["status"]

    return state


def where(published: Callable[[Page, str], str], page: Page) -> str:
    """In which of v2's lists it is."""
    summary = json.loads(published(page, "api/v2/summary.json"))
    return str([each["status"] for each in summary["scheduled_maintenances"]])


def test_from_the_announcement_to_the_end(
    page: Page, by_itself: Incident, sink: Sink, tick: Callable[[], State], published: Callable[[Page, str], str]
) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        assert tick() == (["[Acme] Scheduled: New disks"], "scheduled", "CONFIRMED", "operational")
        assert "Scheduled maintenance" in published(page, "index.html")
        assert where(published, page) == "['scheduled']"
        clock.move_to(START - 24 * HOUR)
        assert tick() == (["[Acme] Reminder: New disks"], "scheduled", "CONFIRMED", "operational")
        clock.move_to(START - HOUR)
        assert tick() == (["[Acme] Reminder: New disks"], "scheduled", "CONFIRMED", "operational")
        clock.move_to(START)
        assert tick() == (["[Acme] In progress: New disks"], "in_progress", "CONFIRMED", "under_maintenance")
        assert "Maintenance in progress" in published(page, "index.html")
        assert "Service Under Maintenance" in published(page, "api/v2/status.json")
        assert where(published, page) == "['in_progress']"
        clock.move_to(END)
        assert tick() == (["[Acme] Completed: New disks"], "completed", "CONFIRMED", "operational")
        assert where(published, page) == "[]"
        assert "Took place" in published(page, f"incidents/{by_itself.public_id}.html")
        clock.move_to(END + 24 * HOUR)
        assert tick()[0] == []
    calendars = ["maintenance.ics" in mail.content.decode() for mail in sink.received]
    assert calendars == [True, True, True, False, False]  # what has begun needs no place in a calendar any more
    assert set(sink.ids().values()) == {1}


@pytest.mark.slow
def test_the_mail_says_when_and_brings_the_calendar_entry(
    page: Page, by_itself: Incident, sink: Sink, tick: Callable[[], State], published: Callable[[Page, str], str]
) -> None:
    with time_machine.travel(NOON, tick=False):
        tick()
    (mail,) = sink.received
    text = mail.message.get_body(("plain",))
    assert text
    assert "Planned for Mar 12, 2026 - 13:00 CET until Mar 12, 2026 - 16:00 CET" in text.get_content()
    (attached,) = mail.message.iter_attachments()
    assert (attached.get_content_type(), attached.get_filename()) == ("text/calendar", "maintenance.ics")
    assert attached.get_param("method") == "PUBLISH"
    (event,) = ics.Calendar(attached.get_content()).events
    assert (event.uid.partition("@")[0], event.begin.datetime) == (by_itself.public_id, START)
    own = published(page, f"incidents/{by_itself.public_id}.ics")
    assert attached.get_content().splitlines() == own.splitlines()


@pytest.mark.slow
def test_a_move_and_a_cancellation_are_sent_with_the_entry_that_they_change(
    page: Page, by_itself: Incident, sink: Sink, tick: Callable[[], State], author: User,
    published: Callable[[Page, str], str],
) -> None:  # fmt: skip
    with time_machine.travel(NOON, tick=False) as clock:
        tick()
        clock.shift(HOUR)
        later: dict[str, Any] = {"scheduled_for": START + 24 * HOUR, "scheduled_until": END + 24 * HOUR}
        move_maintenance(by_itself, **later, body="A day later.", author=author)
        assert tick()[0] == ["[Acme] Scheduled: New disks"]
        clock.shift(HOUR)
        cancel_maintenance(by_itself, body="Not needed.", author=author)
        assert tick() == (["[Acme] Cancelled: New disks"], "completed", "CANCELLED", "operational")
        assert "Cancelled" in published(page, f"incidents/{by_itself.public_id}.html")
        clock.move_to(END + 48 * HOUR)
        assert tick()[0] == []  # nothing of what was planned happens
    lines = [
        [line for line in part.get_content().splitlines() if line.startswith(("SEQUENCE", "STATUS"))]
        for mail in sink.received
        for part in mail.message.iter_attachments()
    ]
    assert [sorted(each) for each in lines] == [
        ["SEQUENCE:0", "STATUS:CONFIRMED"],
        ["SEQUENCE:1", "STATUS:CONFIRMED"],
        ["SEQUENCE:2", "STATUS:CANCELLED"],
    ]


@pytest.mark.slow
def test_a_reminder_that_was_held_up_until_the_start_is_not_sent(
    by_itself: Incident, sink: Sink, tick: Callable[[], State]
) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        tick()
        clock.move_to(START - HOUR)
        sink.is_refusing = True
        assert tick()[0] == []
        sink.is_refusing = False
        clock.move_to(START)
        assert tick()[0] == ["[Acme] In progress: New disks"]
    reminder = Delivery.objects.get(event__kind="maintenance_reminder", state="cancelled", reason="coalesced")
    assert reminder.event
    assert owing.recipients_of(reminder.event).count() == 1
    assert payloads.event_payloads(reminder.event) == []


@pytest.mark.slow
def test_programs_are_reminded_with_the_maintenance_as_it_is(
    by_itself: Incident, sink: Sink, tick: Callable[[], State]
) -> None:
    with time_machine.travel(START - HOUR, tick=False):
        tick()
        event = Delivery.objects.filter(event__kind="maintenance_reminder").latest("pk").event
        assert event
        (message,) = payloads.event_payloads(event)
    assert message.content["incident"]["status"] == "scheduled"
    assert message.content["incident"]["scheduled_for"] == "2026-03-12T12:00:00.000Z"
