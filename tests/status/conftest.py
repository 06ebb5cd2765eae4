"""Who asks for a page, and who is sent what happens on it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.test import Client

from incidents.models import Page, User
from status.models import Subscriber
from status.publication.publishing import publish
from status.subscriptions import subscribers
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
