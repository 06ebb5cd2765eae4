"""A worker that stood still for longer than its claim: what another one has meanwhile, it leaves alone."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from incidents.incidents import post_update
from incidents.lifecycle import IncidentStatus
from incidents.models import Incident, Page, User
from status import relay
from status.delivery import engine
from status.delivery.channels import CHANNELS, sent_by
from status.delivery.engine import Outcome, State
from status.delivery.protocol import Claimed
from status.models import Delivery, Subscriber
from status.subscriptions.subscribers import add_by_staff
from tests.sink import Sink

pytestmark = pytest.mark.both

BY_MAIL = sent_by(CHANNELS[Subscriber.Channel.EMAIL].send)


@pytest.fixture
def three_mails(page: Page, incident: Incident, admin: User, author: User, without_hold: None) -> None:
    for number in range(3):
        add_by_staff(page, address=f"r{number}@example.com", author=admin)
    post_update(incident, status=IncidentStatus.IDENTIFIED, body="News.", author=author)
    relay.owe()


def claimed_by_another() -> list[Claimed]:
    """The time of every claim is over, and another worker takes what is due."""
    Delivery.objects.due().update(due_at=timezone.now() - timedelta(seconds=1))
    return engine.claim(BY_MAIL, 10)


def held() -> set[tuple[object, ...]]:
    return set(Delivery.objects.due().values_list("pk", "claimed_at", "attempts"))


@pytest.mark.usefixtures("three_mails")
def test_writes_down_nothing_but_that_a_message_was_sent() -> None:
    mine = engine.claim(BY_MAIL, 10)
    theirs = claimed_by_another()
    before = held()
    engine.record([(row, Outcome(State.FAILED, "refused")) for row in mine[:2]])
    engine.record([(row, Outcome(State.DUE, pause=timedelta())) for row in mine[:2]])
    engine.release(mine, "")
    engine.release(mine, "The mail server is away.")
    assert held() == before
    assert engine.record([(mine[0], Outcome(State.SENT, answer="250 mine"))]) == {mine[0].pk}
    finished_at = Delivery.objects.get(pk=mine[0].pk).finished_at
    assert engine.record([(row, Outcome(State.SENT, answer="250 theirs")) for row in theirs]) == {
        row.pk for row in theirs[1:]
    }
    first = Delivery.objects.get(pk=mine[0].pk)
    assert (first.answer, first.finished_at) == ("250 mine", finished_at), "what is sealed by now stays"


@pytest.mark.usefixtures("three_mails")
def test_sends_nothing_of_it(sink: Sink, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.SMTP_RATE = 100_000
    monkeypatch.setattr(engine, "LOOK", 0.0)
    theirs: list[Claimed] = []

    def stand_still(_seconds: float) -> None:
        if not theirs:
            theirs.extend(claimed_by_another())

    monkeypatch.setattr(time, "sleep", stand_still)
    assert engine.deliver(Subscriber.Channel.EMAIL) == 0
    assert sink.received == []
    assert held() == {(row.pk, row.claimed_at, 2) for row in theirs}
