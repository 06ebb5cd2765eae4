"""Whoever is on call is nudged in a chat: by Apprise, which reaches public addresses only, and keeps our secrets."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
import time_machine
from cryptography.fernet import Fernet
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from incidents.errors import InvalidTransition
from incidents.incidents import post_update
from incidents.lifecycle import IncidentStatus
from incidents.models import Incident, Page, User
from status import addresses, secrets
from status.delivery import engine, nudges, staff_channels
from status.delivery.chats import apprise
from status.models import Delivery, StaffChannel
from tests.incidents.html_forms import filled
from tests.receiver import INSIDE, OPEN, OUTSIDE, Receiver, answering
from tests.services import ROOT

TOKEN = "3ccdd113474722377935511fc85d3dd4"
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def encryption_key(settings: Settings) -> str:
    settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    return str(settings.ENCRYPTION_KEYS[0])


def mattermost(receiver: Receiver) -> str:
    return f"mmosts://hooks.example.com:{receiver.server_address[1]}/{TOKEN}"


@pytest.fixture
def nudged(page: Page, incident: Incident, receiver: Receiver, author: User, admin: User) -> Iterator[Delivery]:
    """A nudge that is owed to a chat."""
    staff_channels.add_channel(
        page,
        channel=StaffChannel.Channel.CHAT,
        address="On call (Mattermost)",
        url=mattermost(receiver),
        author=admin,
    )
    with time_machine.travel(NOON) as clock:
        due_at = NOON + timedelta(minutes=10)
        post_update(incident, status=IncidentStatus.IDENTIFIED, body="News.", author=author, next_update_due_at=due_at)
        clock.shift(timedelta(minutes=11))
        nudges.nudge()
        Delivery.objects.exclude(nudge__key="promise_due").exclude(nudge=None).delete()
        yield Delivery.objects.get(nudge__key="promise_due")


def deliver(network: addresses.Network = OPEN) -> int:
    return engine.deliver(StaffChannel.Channel.CHAT, network=network)


@pytest.mark.long
def test_a_nudge_arrives_in_a_chat_once(nudged: Delivery, receiver: Receiver, incident: Incident) -> None:
    assert (deliver(), deliver()) == (1, 0)
    (request,) = receiver.received
    assert request.path == f"/hooks/{TOKEN}"
    assert "The next update of “Errors” is due.".encode() in request.body or b"\\u201cErrors\\u201d" in request.body
    assert f"/admin/incident/{incident.public_id}/".encode() in request.body
    nudged.refresh_from_db()
    assert (nudged.state, nudged.answer) == ("sent", "Mattermost")


@pytest.mark.long
def test_what_leads_inside_by_then_is_not_dialled_and_the_try_says_so_without_the_secret(
    nudged: Delivery, receiver: Receiver
) -> None:
    assert deliver(replace(OPEN, look_up=lambda host, port: [INSIDE])) == 0
    assert receiver.connections == 0
    nudged.refresh_from_db()
    assert nudged.state == "due"
    assert "is not an address on the public internet" in nudged.answer
    assert TOKEN not in nudged.answer


@pytest.mark.long
def test_a_chat_that_fails_is_tried_again_and_what_is_pointless_by_then_is_not(
    nudged: Delivery, receiver: Receiver, incident: Incident, author: User
) -> None:
    receiver.behave = answering(500, b"no")
    deliver()
    nudged.refresh_from_db()
    assert nudged.state == "due"
    assert TOKEN not in nudged.answer
    post_update(incident, status=IncidentStatus.RESOLVED, body="Over.", author=author)
    with time_machine.travel(nudged.due_at):
        deliver()
    nudged.refresh_from_db()
    assert (nudged.state, len(receiver.received)) == ("cancelled", 1)
    assert nudged.reason == Delivery.WITHDRAWN


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("json://hooks.example.com/x", "one of these"),
        ("syslog://", "one of these"),
        ("mailto://user:pw@example.com", "one of these"),
        ("gopher://example.com/a", "one of these"),
        (f"mmosts://127.0.0.1/{TOKEN}", "not a number"),
        (f"mmosts://inside.example.com/{TOKEN}", "public internet"),
        (f"mmosts://hooks.example.com/{TOKEN}?verify=no", "no options"),
        ("slack://nothing", "not a complete address"),
    ],
)
def test_an_address_that_is_no_chats_or_leads_inside_is_refused(url: str, words: str) -> None:
    network = replace(OPEN, look_up=lambda host, port: [INSIDE if host.startswith("inside") else OUTSIDE])
    with pytest.raises(addresses.Refused, match=words):
        apprise.check_url(url, network)


@pytest.mark.parametrize(
    "act",
    [
        "import socket; socket.create_connection(('127.0.0.1', 9))",
        "import socket; socket.getaddrinfo('example.com', 443)",
        "import subprocess; subprocess.run(['true'])",
        "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 53))",
    ],
)
def test_the_process_of_apprise_cannot_leave_but_by_the_guard(act: str) -> None:
    program = f"from status.delivery.chats import apprise_process; apprise_process.stay_inside(1)\n{act}"
    done = subprocess.run([sys.executable, "-c", program], check=False, cwd=ROOT, capture_output=True, text=True)
    assert "only the guard may be asked" in done.stderr


@pytest.mark.usefixtures("nudged")
def test_the_address_is_kept_encrypted_and_the_key_can_be_changed(
    receiver: Receiver, settings: Settings, encryption_key: str
) -> None:
    recipient = StaffChannel.objects.get(channel="chat")
    assert TOKEN not in str(StaffChannel.objects.values().get(pk=recipient.pk))
    assert TOKEN not in str(list(StaffChannel.history.values()))
    new = Fernet.generate_key().decode()
    settings.ENCRYPTION_KEYS = [new, encryption_key]
    call_command("rotate_encryption_keys", stdout=StringIO())
    settings.ENCRYPTION_KEYS = [new]
    recipient.refresh_from_db()
    assert secrets.decrypt(recipient.endpoint) == mattermost(receiver)
    settings.ENCRYPTION_KEYS = [encryption_key]
    deliver()
    assert Delivery.objects.get(recipient=recipient).reason == "given_up"


@pytest.mark.long
def test_an_administrator_adds_a_chat_and_its_address_is_never_shown_again(
    client: Client, page: Page, admin: User, settings: Settings
) -> None:
    client.force_login(admin)
    add = reverse("admin:status_nudge_channel_add")
    typed: Any = {"address": "On call", "chat": f"discord://4174216298/{TOKEN}"}
    assert client.post(add, filled(client.get(add), **typed)).status_code == 302
    listed = client.get(reverse("admin:status_nudge_channels")).content.decode()
    assert "On call (Discord)" in listed
    assert TOKEN not in listed


@pytest.mark.long
def test_a_channel_is_tested_and_says_what_was_answered(
    client: Client, page: Page, receiver: Receiver, admin: User, settings: Settings
) -> None:
    channel = staff_channels.add_channel(
        page, channel=StaffChannel.Channel.CHAT, address="On call", url=mattermost(receiver), author=admin
    )
    client.force_login(admin)
    channels = reverse("admin:status_nudge_channels")
    test = reverse("admin:status_nudge_channel_test", args=[channel.pk])
    with time_machine.travel(NOON, tick=False) as clock:
        assert f'href="{test}"' in client.get(channels).text
        assert "The test is on its way" in client.post(test, filled(client.get(test)), follow=True).text
        assert "within this minute" in client.post(test, filled(client.get(test))).text
        assert (deliver(), deliver()) == (1, 0)
        (request,) = receiver.received
        assert b"This is a test of your channel, sent by ada." in request.body
        assert TOKEN not in client.get(channels).text
        assert "Mattermost" in " ".join(client.get(channels).text.split()).partition("Test of Mar 10, 2026")[2]
        assert "A test was sent." in {row.history_change_reason for row in channel.history.all()}
        clock.shift(timedelta(minutes=1))
        staff_channels.send_test(channel, author=admin)
        clock.shift(timedelta(hours=1))
        assert deliver() == 0, "a test that comes late says nothing"
    staff_channels.remove_channel(channel, author=admin)
    with pytest.raises(InvalidTransition, match="not active"):
        staff_channels.send_test(channel, author=admin)
