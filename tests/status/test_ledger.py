"""How many people an update has reached: counted for staff, and said in public where the page's owner wants it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from incidents import catalogue
from incidents.incidents import correct_update, post_update
from incidents.lifecycle import IncidentStatus
from incidents.models import Incident, IncidentUpdate, OutboxEvent, Page, User
from status import relay
from status.delivery import ledger
from status.models import Delivery, Subscriber, Tally
from status.publication.publishing import differences, publish
from status.subscriptions import subscribers

pytestmark = [pytest.mark.long, pytest.mark.both]

Published = Callable[[Page, str], str]
NOON = timezone.now().replace(hour=12, minute=0, second=0, microsecond=0)


@pytest.fixture
def open_page(page: Page, admin: User) -> Page:
    catalogue.edit_page(page, shows_totals=True, author=admin)
    return page


@pytest.fixture
def update(open_page: Page, incident: Incident, author: User, admin: User, settings: Settings) -> IncidentUpdate:
    """An update that is owed to three people and a program."""
    settings.NOTIFY_HOLD = 0
    for name in "abc":
        subscribers.add_by_staff(open_page, address=f"{name}@example.com", author=admin)
    subscribers.add_webhook(open_page, url="https://example.com/", contact="a@example.com", author=admin)
    update = post_update(incident, status=IncidentStatus.IDENTIFIED, body="A disk.", author=author)
    relay.owe()
    relay.relay()
    return update


def finish(state: str, *names: str, after: float = 90, reason: str = "") -> None:
    event = OutboxEvent.objects.get(kind="update_posted")
    at = event.created_at + timedelta(seconds=after)
    mine = Delivery.objects.filter(event=event, recipient__address__in=[f"{name}@example.com" for name in names])
    mine.update(state=state, attempts=1, reason=reason, finished_at=at if state != "due" else None)


def line(published: Published, incident: Incident) -> str:
    page = published(incident.page, f"incidents/{incident.public_id}.html")
    return next((part.strip() for part in page.replace("<", "·").split("·") if "notified within" in part), "")


def test_it_is_said_once_everybody_was_tried_and_once_more_when_the_rest_is_through(
    update: IncidentUpdate, published: Published
) -> None:
    incident = update.incident
    finish("sent", "a")
    assert ledger.settle() == 0, "two were not tried yet"
    finish("sent", "b")
    finish("due", "c")
    assert (ledger.settle(), ledger.settle()) == (1, 0)
    relay.relay()
    assert line(published, incident) == "2 people were notified within 2 min."
    finish("sent", "c", after=3600)
    assert (ledger.settle(), ledger.settle()) == (1, 0)
    relay.relay()
    assert line(published, incident) == "3 people were notified within 1 h."
    assert Tally.objects.get().is_final
    assert OutboxEvent.objects.filter(kind="deliveries_counted").count() == 2, "which is what it costs to publish"
    assert differences(incident.page) == []


def test_that_people_were_notified_is_no_news_of_the_incident(update: IncidentUpdate, published: Published) -> None:
    before = published(update.incident.page, "api/v2/incidents.json")
    with time_machine.travel(timezone.now() + timedelta(minutes=5)):
        finish("sent", *"abc")
        ledger.settle()
        relay.relay()
    assert published(update.incident.page, "api/v2/incidents.json") == before
    assert "example.com" not in line(published, update.incident)


def test_a_page_that_does_not_want_it_says_nothing(
    update: IncidentUpdate, open_page: Page, admin: User, published: Published
) -> None:
    finish("sent", *"abc")
    ledger.settle()
    relay.relay()
    assert line(published, update.incident)
    catalogue.edit_page(open_page, shows_totals=False, author=admin)
    publish(open_page)
    assert line(published, update.incident) == ""
    assert differences(open_page) == []
    Tally.objects.all().delete()
    assert ledger.settle() == 0


def test_nobody_notified_is_not_said_and_a_correction_has_no_line(
    update: IncidentUpdate, author: User, published: Published
) -> None:
    finish("failed", *"abc")
    assert ledger.settle() == 0
    correct_update(update, body="Two disks.", author=author, notify=True)
    relay.owe()
    relay.relay()
    assert ledger.settle() == 0
    assert line(published, update.incident) == ""


def test_the_totals_of_an_event_say_what_became_of_each(update: IncidentUpdate) -> None:
    finish("sent", "a", after=7)
    finish("cancelled", "b", reason="quarantined")
    finish("cancelled", "c", reason="unsubscribed")
    event = OutboxEvent.objects.get(kind="update_posted")
    found = ledger.totals([event])[event.pk]
    assert {name: found[name] for name in ledger.COUNTS} == {
        "due": 1,  # the program
        "sent": 1,
        "failed": 0,
        "quarantined": 1,
        "cancelled": 1,
    }
    assert (found["last"] - event.created_at).total_seconds() == 7


@pytest.mark.slow
def test_settling_and_publishing_ask_as_often_with_many_recipients_as_with_few(
    update: IncidentUpdate, open_page: Page, admin: User
) -> None:
    finish("sent", *"abc")

    def queries() -> int:
        Tally.objects.all().delete()
        with CaptureQueriesContext(connection) as captured:
            assert ledger.settle() == 1
            relay.relay()
        return len(captured)

    queries()
    few = queries()
    event = OutboxEvent.objects.get(kind="update_posted")
    for number in range(20):
        recipient = subscribers.add_by_staff(open_page, address=f"n{number}@example.com", author=admin)
        Delivery.objects.create(
            recipient=recipient, event=event, state="sent", due_at=event.created_at, finished_at=event.created_at
        )
    assert Subscriber.objects.count() == 24
    assert queries() <= few
