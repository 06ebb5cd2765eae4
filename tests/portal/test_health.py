"""What a supervisor and a monitoring system learn of this process."""

from __future__ import annotations

import socket
import subprocess
import sys
from datetime import timedelta
from importlib import import_module
from io import StringIO

import pytest
import time_machine
from django.core.management import call_command
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from incidents import isolation
from incidents.models import Clock, Failure, Page, User
from portal import __version__
from status.publication import publishing
from tests.services import ROOT
from tests.waiting import stretched, within


def test_healthz_asks_no_database(client: Client) -> None:
    # This test asked for no database either, so pytest-django would refuse every query.
    answer = client.get("/healthz")
    assert answer.status_code == 200
    assert answer.content == b"ok\n"
    assert not answer.cookies


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
@pytest.mark.django_db
def test_a_supervisor_may_ask_by_address(client: Client, path: str) -> None:
    Clock.tick()
    assert client.get(path, headers={"Host": "10.1.2.3:8000"}).status_code == 200


def test_readyz_says_how_late_the_public_pages_are(client: Client, page: Page) -> None:
    def look(*, later: int) -> object:
        with time_machine.travel(timezone.now() + timedelta(seconds=later), tick=False):
            Clock.tick()
            answer = client.get("/readyz")
        assert answer.status_code == 200
        return answer.json()

    ninety = pytest.approx(90, abs=stretched(5))
    others = {"database": "ok", "clock_age": 0.0, "skew": 0.0, "oldest_due": None, "redis": "ok", "parked": 0}
    others |= {"folder": "ok", "version": __version__}
    done = dict.fromkeys(isolation.LOOPS)
    late = {"heartbeat_age": None, "oldest_unpublished": ninety, "oldest_undone": done | {"publish": ninety}}
    assert look(later=90) == late | others
    publishing.publish(page)
    assert look(later=90) == {"heartbeat_age": ninety, "oldest_unpublished": None, "oldest_undone": done} | others


@pytest.mark.django_db
def test_readyz_says_that_redis_is_away_or_frozen_and_stays_quick(client: Client, settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as frozen:  # takes connections and says nothing
        settings.REDIS_URL = f"redis://127.0.0.1:{frozen.getsockname()[1]}/0"
        Clock.tick()
        with within(2):
            answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["redis"]) == (200, "does not answer")
    assert client.get("/readyz").json()["redis"] == "does not answer"  # nobody listens there now
    settings.REDIS_URL = ""
    assert client.get("/readyz").json()["redis"] is None


def test_readyz_fails_when_the_clock_stands_still_for_two_minutes(client: Client, admin: User) -> None:
    client.force_login(admin)
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["clock_age"]) == (503, None)
    assert "has never run" in client.get("/admin/").content.decode()
    call_command("tick", stdout=StringIO())
    assert client.get("/readyz").status_code == 200
    overview = client.get("/admin/").content.decode()
    assert "The clock runs" in overview
    assert f"Incident portal {__version__}" in overview
    assert "wait" not in client.get("/admin/").content.decode().partition("state-line")[2]
    Failure.objects.create(kind="owe", key="7", reason="No.", parked_at=timezone.now())
    assert "One thing failed again and again" in client.get("/admin/").content.decode()
    with time_machine.travel(timezone.now() + timedelta(minutes=2, seconds=1), tick=False):
        answer = client.get("/readyz")
        assert (answer.status_code, answer.json()["database"]) == (503, "ok")
        assert answer.json()["clock_age"] > 120
        assert "The clock stands still" in client.get("/admin/").content.decode()


@pytest.mark.slow
def test_a_web_process_knows_each_kind_of_work_before_it_has_shown_a_page() -> None:
    code = "import portal.wsgi; from incidents.isolation import LOOPS; print(*LOOPS)"
    known = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    import_module("status.tasks")  # every kind is in LOOPS then
    assert set(known.stdout.split()) == set(isolation.LOOPS)
