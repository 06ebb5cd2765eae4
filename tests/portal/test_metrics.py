"""What Prometheus reads: for who has the token, and quickly however long the history."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from incidents.incidents import post_update
from incidents.lifecycle import IncidentStatus
from incidents.models import Clock, Incident, Page, User
from status import relay
from status.delivery import engine
from status.delivery.channels import CHANNELS, sent_by
from status.subscriptions.subscribers import add_by_staff
from tests.waiting import stretched

TOKEN = "only-the-tests-know-this"


@pytest.fixture(autouse=True)
def token(settings: Settings) -> None:
    settings.METRICS_TOKEN = TOKEN


def ask(client: Client, token: str = TOKEN) -> Any:
    return client.get("/metrics", headers={"Authorization": f"Bearer {token}", "Host": "10.1.2.3:8000"})


def numbers(client: Client) -> dict[str, float]:
    found = re.findall(r"^(portal_\S+) (\S+)$", ask(client).content.decode(), re.MULTILINE)
    return {name: float(value) for name, value in found}


def test_without_a_token_there_is_no_such_address(client: Client, settings: Settings) -> None:
    settings.METRICS_TOKEN = ""
    assert ask(client).status_code == 404
    assert ask(client, "").status_code == 404


@pytest.mark.parametrize("wrong", ["", "wrong", "ö", TOKEN + "x", TOKEN[:-1]])
def test_without_the_right_token_nothing_is_shown(client: Client, wrong: str) -> None:
    # This test asked for no database, so pytest-django would refuse every query.
    answer = ask(client, wrong)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert b"portal_" not in answer.content


@pytest.mark.django_db
def test_an_empty_portal_has_its_numbers(client: Client) -> None:
    answer = ask(client)
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    for line in answer.content.decode().splitlines():
        assert re.fullmatch(r'# (HELP|TYPE) portal_\w+ .+|portal_\w+(\{\w+="\w+"\})? -?\d+(\.\d+)?', line)
    assert numbers(client)["portal_due_deliveries"] == 0


def test_the_numbers_say_what_is_late(
    client: Client,
    page: Page,
    incident: Incident,
    admin: User,
    author: User,
    settings: Settings,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    settings.NOTIFY_HOLD = 0
    relay.relay()
    for number in range(3):
        add_by_staff(page, address=f"reader-{number}@example.com", author=admin)
    post_update(incident, status=IncidentStatus.IDENTIFIED, body="News.", author=author)
    relay.owe()
    with time_machine.travel(timezone.now() + timedelta(seconds=30), tick=False):
        Clock.tick()
        engine.claim(sent_by(CHANNELS["email"].send), 1)
    with time_machine.travel(timezone.now() + timedelta(seconds=90), tick=False):
        found = numbers(client)
        with django_assert_num_queries(22):
            ask(client)
    assert found["portal_due_deliveries"] == found['portal_newest_deliveries{state="due"}'] == 3
    assert found['portal_newest_deliveries{state="sent"}'] == 0
    sixty = pytest.approx(60, abs=stretched(5))
    ninety = pytest.approx(90, abs=stretched(5))
    assert found["portal_oldest_due_seconds"] == ninety
    assert found["portal_clock_age_seconds"] == sixty
    assert found["portal_publication_age_seconds"] == ninety
    assert found["portal_oldest_claim_seconds"] == sixty
    assert found['portal_parked{kind="deliver"}'] == 0
    assert found["portal_unpublished_events"] >= 1
    assert found["portal_oldest_unpublished_seconds"] == ninety
