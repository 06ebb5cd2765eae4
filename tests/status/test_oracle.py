"""Whatever staff do: what people read, what they are sent, and what programs are answered is what the record says."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine
from django.test import Client

from incidents import people
from incidents.authorship import authored_by
from incidents.lifecycle import Impact
from incidents.models import Component, OutboxEvent, Page, User
from incidents.permissions import Scope
from status import relay
from status.delivery import owing
from status.delivery.mails.events import event_mail
from status.models import Follow, Recipient
from tests.status import oracle
from tests.status.random_staff import Staff

pytestmark = pytest.mark.long

WALKS = int(os.environ.get("WALKS", "2"))
STEPS = 40


@pytest.fixture
def subscribed(page: Page, other_page: Page, admin: User) -> None:
    """A few of each kind on both pages."""
    for each in (page, other_page):
        for number in range(6):
            with authored_by(admin):
                Recipient.objects.create(
                    page=each,
                    channel="webhook" if number == 5 else "email",
                    address=f"{number}@example.com",
                    state="active",
                    everything=number % 2 == 0,
                    postmortems_only=number == 4,
                    minimum_impact=Impact.MAJOR if number in (2, 3) else Impact.NONE,
                )


def follow() -> None:
    components = list(Component.objects.order_by("pk"))
    for recipient in Recipient.objects.filter(everything=False).order_by("pk"):
        Follow.objects.create(recipient=recipient, component=components[recipient.pk % len(components)])


def send() -> None:
    """Each event goes to whom it is for, and its mail says what the record says."""
    for event in OutboxEvent.objects.unowed().order_by("id"):
        wanted = oracle.recipients(event)
        owing.owe(event)
        assert set(event.deliveries.values_list("recipient", flat=True)) == wanted, event
        if not event.update or event.update.withdrawn_at or event.page.deleted_at:
            continue
        if event.incident and oracle.is_public(event.incident):
            mail = event_mail(event)
            assert mail
            assert event.incident.public_title in mail.content.subject
            assert event.update.body in mail.content.text


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(WALKS))
def test_what_is_read_sent_and_answered_is_what_the_record_says(
    page: Page, other_page: Page, admin: User, client: Client, subscribed: None, seed: int
) -> None:
    with time_machine.travel(datetime(2026, 3, 1, 12, tzinfo=UTC)) as clock:
        staff = Staff(1000 + seed, [page, other_page], admin, clock)
        follow()
        key, _row = people.create_key("walk", scopes=[Scope.ADMIN], author=admin)
        done = []
        for _step in range(STEPS):
            done.append(staff.act())
            relay.relay()
            try:
                send()
                for each in staff.pages:
                    oracle.check(each)
            except AssertionError as error:
                raise AssertionError(f"after {done[-5:]}: {error}") from error
        for each in staff.pages:

            def get(path: str, each: Page = each) -> Any:
                address = f"/api/v1/pages/{each.public_id}/{path}"
                return client.get(address, headers={"authorization": f"OAuth {key}"}).json()

            oracle.check_v1(each, get)
