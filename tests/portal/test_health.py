"""What a supervisor and a monitoring system learn of this process."""

from __future__ import annotations

import socket
import time
from datetime import timedelta

import pytest
import time_machine
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from incidents.models import Page
from status import publication


def test_healthz_asks_no_database(client: Client) -> None:
    # This test asked for no database either, so pytest-django would refuse every query.
    answer = client.get("/healthz")
    assert answer.status_code == 200
    assert answer.content == b"ok\n"
    assert not answer.cookies


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
@pytest.mark.django_db
def test_a_supervisor_may_ask_by_address(client: Client, path: str) -> None:
    assert client.get(path, headers={"Host": "10.1.2.3:8000"}).status_code == 200


def test_readyz_says_how_late_the_public_pages_are(client: Client, page: Page) -> None:
    def look(*, later: int) -> object:
        with time_machine.travel(timezone.now() + timedelta(seconds=later), tick=False):
            answer = client.get("/readyz")
        assert answer.status_code == 200
        return answer.json()

    ninety = pytest.approx(90, abs=5)
    others = {"database": "ok", "oldest_due": None, "redis": "ok"}
    assert look(later=90) == {"heartbeat_age": None, "oldest_unpublished": ninety, **others}
    publication.publish(page)
    assert look(later=90) == {"heartbeat_age": ninety, "oldest_unpublished": None, **others}


@pytest.mark.django_db
def test_readyz_says_that_redis_is_away_or_frozen_and_stays_quick(client: Client, settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as frozen:  # takes connections and says nothing
        settings.REDIS_URL = f"redis://127.0.0.1:{frozen.getsockname()[1]}/0"
        started = time.monotonic()
        answer = client.get("/readyz")
        assert time.monotonic() - started < 2
    assert (answer.status_code, answer.json()["redis"]) == (200, "does not answer")
    assert client.get("/readyz").json()["redis"] == "does not answer"  # nobody listens there now
    settings.REDIS_URL = ""
    assert client.get("/readyz").json()["redis"] is None
