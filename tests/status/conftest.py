"""Who asks for a page, and who is sent what happens on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client

from incidents.incidents import declare_incident, post_update
from incidents.lifecycle import IncidentStatus
from incidents.models import Incident, Page, User
from status import addresses
from status.models import Subscriber
from status.publication.publishing import publish
from status.subscriptions import signups, subscribers
from tests.receiver import OUTSIDE, Receiver, receiving


@pytest.fixture
def public(page: Page, admin: User) -> Client:
    """A browser of nobody in particular, which a server with CSRF protection has in front of it."""
    publish(page)
    subscribers.subscriber()
    return Client(enforce_csrf_checks=True, headers={"host": "status.acme.example"})


@pytest.fixture
def ann(page: Page, admin: User) -> Subscriber:
    return subscribers.add_by_staff(page, address="ann@example.com", author=admin)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving(OUTSIDE) as server:
        yield server


@pytest.fixture
def declare(page: Page, author: User) -> Callable[..., Incident]:
    """An incident with its first update, or with none at all."""

    def make(
        title: str, *, components: Any = (), status: IncidentStatus = IncidentStatus.IDENTIFIED, **facts: Any
    ) -> Incident:
        at = facts.pop("display_at", None)
        row = declare_incident(facts.pop("page", page), title=title, author=author, **facts)
        post_update(row, status=status, body=f"{title}.", author=author, components=components, display_at=at)
        return row

    return make


@pytest.fixture
def subscriber(admin: User) -> User:
    return subscribers.subscriber()


@pytest.fixture
def ask(page: Page, subscriber: User) -> Callable[..., Subscriber]:
    """Subscribes as a stranger does and returns the row; each time from another network."""
    count = 0

    def ask(address: str = "ann@example.com", *, network: str = "", incident: str = "") -> Subscriber:
        nonlocal count
        count += 1
        signups.ask(page, address=address, network=network or f"n{count}", incident_id=incident, author=subscriber)
        signups.take_up()
        return Subscriber.objects.get(address=addresses.mailbox(address), page=page)

    return ask


@pytest.fixture
def confirmed(ask: Callable[..., Subscriber], subscriber: User) -> Subscriber:
    recipient = ask()
    subscribers.confirm(recipient, asked_at=recipient.confirmation_sent_at, author=subscriber)
    return recipient
