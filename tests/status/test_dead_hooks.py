"""Programs that take a connection and never answer keep nobody waiting who does."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler

import pytest
from django.db import connections
from django.utils import timezone

from incidents.incidents import post_update
from incidents.lifecycle import IncidentStatus
from incidents.models import Incident, Page, User
from status import relay
from status.delivery import engine
from status.delivery.channels.webhook import AT_ONCE
from status.models import Subscriber
from status.secrets import encrypt
from status.subscriptions.subscribers import new_secret
from tests.receiver import OPEN, Receiver, answering
from tests.waiting import stretched, until


def owe_to(page: Page, receiver: Receiver, names: list[str], incident: Incident, author: User) -> None:
    root = receiver.url.rpartition("/")[0]
    dead_since = timezone.now()
    Subscriber.objects.bulk_create(
        Subscriber(
            page=page,
            channel=Subscriber.Channel.WEBHOOK,
            address=name,
            endpoint=encrypt(f"{root}/{name}"),
            secret=encrypt(new_secret()),
            contact="owner@example.com",
            state=Subscriber.State.ACTIVE,
            failing_since=dead_since if name.startswith("dead") else None,
        )
        for name in names
    )
    post_update(incident, status=IncidentStatus.IDENTIFIED, body="News.", author=author)
    relay.owe()


@pytest.mark.django_db(transaction=True)
def test_programs_that_hang_leave_half_of_the_places_to_others(
    page: Page, incident: Incident, author: User, receiver: Receiver, without_hold: None
) -> None:
    def behave(handler: BaseHTTPRequestHandler) -> None:
        if handler.path.startswith("/dead"):
            receiver.closing.wait(stretched(20))
        answering(200)(handler)

    receiver.behave = behave
    dead = [f"dead-{number}" for number in range(AT_ONCE + 1)]
    owe_to(page, receiver, [*dead, "well"], incident, author)

    def deliver() -> int:
        try:
            return engine.deliver(Subscriber.Channel.WEBHOOK, network=OPEN)
        finally:
            connections.close_all()

    def posted(name: str) -> int:
        return sum(post.path.startswith(f"/{name}") for post in receiver.received)

    with ThreadPoolExecutor(1) as pool:
        round_ = pool.submit(deliver)
        until(lambda: posted("well") and posted("dead") == AT_ONCE // 2, 5)
        receiver.closing.set()
        assert round_.result(stretched(20)) == AT_ONCE + 2
