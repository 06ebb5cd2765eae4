"""A promised next update stands wherever the incident is: page, index, JSON, mail and webhook."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from incidents.incidents import post_update
from incidents.lifecycle import IncidentStatus
from incidents.models import Incident, OutboxEvent, Page, User
from status.delivery.mails import events
from status.delivery.webhooks import payloads

pytestmark = pytest.mark.long

Read = Callable[[Page, str], str]
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
WORDS = "Next update by"


@pytest.fixture
def promise(incident: Incident, author: User) -> OutboxEvent:
    with time_machine.travel(NOON, tick=False):
        post_update(
            incident,
            status=IncidentStatus.IDENTIFIED,
            body="It is a disk.",
            author=author,
            next_update_due_at=NOON + timedelta(minutes=30),
        )
    return OutboxEvent.objects.select_related("page", "incident", "update").latest("id")


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_the_page_the_index_and_our_json_say_when_the_next_update_is_due(
    promise: OutboxEvent, page: Page, incident: Incident, author: User, published: Read
) -> None:
    time = '<time datetime="2026-03-10T13:30:00+01:00" data-due>Mar 10, 2026 - 13:30 CET</time>'
    for path in ("index.html", f"incidents/{incident.public_id}.html"):
        assert f'<p class="due">{WORDS} {time}</p>' in published(page, path)
    document = json.loads(published(page, "api/next-updates.json"))
    assert document["next_updates"] == [{"incident_id": incident.public_id, "due_at": "2026-03-10T12:30:00Z"}]
    post_update(incident, status=IncidentStatus.RESOLVED, body="Done.", author=author)
    assert WORDS not in published(page, f"incidents/{incident.public_id}.html")
    assert json.loads(published(page, "api/next-updates.json"))["next_updates"] == []


def test_the_mail_says_it_in_both_zones_and_the_webhook_as_data(promise: OutboxEvent) -> None:
    message = events.event_mail(promise)
    assert message is not None
    assert f"\n{WORDS} Mar 10, 2026 - 13:30 CET / Mar 10, 2026 - 12:30 UTC\n" in message.content.text
    zones = ["Mar 10, 2026 - 13:30 CET", "Mar 10, 2026 - 12:30 UTC"]
    times = " · ".join(f'<span class="moment">{moment}</span>' for moment in zones)
    assert f"{WORDS} <strong>{times}" in message.content.html
    (hook,) = payloads.event_payloads(promise)
    assert hook.content["incident"]["metadata"] == {"next_update": {"due_at": "2026-03-10T12:30:00.000Z"}}
