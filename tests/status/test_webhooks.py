"""Programs are notified in Statuspage's words, signed, and only where the open internet is."""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from incidents.authorship import authored_by
from incidents.incidents import delete_incident, edit_incident, post_update
from incidents.lifecycle import ComponentStatus, Impact, IncidentStatus, Visibility
from incidents.maintenance import clockwork
from incidents.maintenance.plans import schedule_maintenance
from incidents.models import Component, Incident, Page, User
from incidents.people import service_user
from status import relay, tokens
from status.addresses import INTERNET, Network
from status.delivery import engine
from status.delivery.channels import webhook
from status.delivery.protocol import Answer, Claimed, Meaning
from status.delivery.webhooks import payloads
from status.delivery.webhooks.posting import Request, post, signature
from status.models import Delivery, Subscriber
from status.secrets import encrypt
from status.subscriptions.subscribers import new_secret
from tests.receiver import HOST, INSIDE, OPEN, OUTSIDE, Receiver, answering, leading_to, receiving
from tests.waiting import stretched, within

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def request(url: str) -> Request:
    body, now = b'{"test": 2432232314}', timezone.now()
    return Request(url=url, secrets=[SECRET], id="msg_7_b1c2d3f4g5h6", body=body, at=now, gone=webhook.GONE)


LONG, BRIEF = stretched(10), 0.5  # seconds


def asked(receiver: Receiver, *, timeout: float = LONG) -> Answer:
    return post([request(receiver.url)], leading_to(OUTSIDE), timeout=timeout)


# --- In Statuspage's words --------------------------------------------------------------------------------------------


@pytest.fixture
def reader(page: Page) -> Subscriber:
    with authored_by(service_user("robot", role="subscriptions")):
        return Subscriber.objects.create(
            page=page,
            channel=Subscriber.Channel.WEBHOOK,
            address=HOST,
            endpoint=encrypt(f"https://{HOST}/"),
            secret=encrypt(SECRET),
            state=Subscriber.State.ACTIVE,
        )


@pytest.fixture
def owed_webhook(incident: Incident, component: Component, author: User, reader: Subscriber) -> Delivery:
    """Of an update that changed a component."""
    changes = [(component, ComponentStatus.PARTIAL_OUTAGE)]
    post_update(incident, status=IncidentStatus.IDENTIFIED, body="**Found** it.", components=changes, author=author)
    relay.owe()
    return Delivery.objects.latest("id")


def requests(delivery: Delivery) -> list[Request]:
    assert delivery.event
    row = Delivery.objects.values_list(*engine.COLUMNS).get(pk=delivery.pk)
    claimed = Claimed._make((*row, timezone.now()))
    return webhook.fill(payloads.event_payloads(delivery.event), claimed)


def contents(delivery: Delivery) -> list[Any]:
    return [json.loads(each.body) for each in requests(delivery)]


# As captured from Statuspage
KEYS = {
    part: keys.split()
    for part, keys in {
        "meta": "unsubscribe documentation generated_at",
        "page": "id status_indicator status_description",
        "incident": "name status created_at updated_at monitoring_at resolved_at impact shortlink scheduled_for "
        "scheduled_until scheduled_remind_prior scheduled_reminded_at impact_override scheduled_auto_in_progress "
        "scheduled_auto_completed metadata started_at reminder_intervals id page_id incident_updates components",
        "an update": "status body created_at updated_at display_at id incident_id affected_components",
        "a component": "status name created_at updated_at position description showcase id page_id group_id",
        "component": "created_at id name page_id position status updated_at showcase",
        "component_update": "old_status new_status created_at component_type state id component_id",
    }.items()
}


def assert_keys(content: dict[str, Any], *parts: str) -> None:
    assert {part: list(found) for part, found in content.items()} == {part: KEYS[part] for part in parts}


def test_an_incident_has_the_keys_of_statuspage(owed_webhook: Delivery, incident: Incident, page: Page) -> None:
    content = contents(owed_webhook)[0]
    assert_keys(content, "meta", "page", "incident")
    newest = content["incident"]["incident_updates"][0]
    [row] = content["incident"]["components"]
    assert (list(newest), list(row)) == (KEYS["an update"], KEYS["a component"])
    assert (content["incident"]["id"], content["incident"]["status"]) == (incident.public_id, "identified")
    assert content["page"] == {
        "id": page.public_id,
        "status_indicator": "major",
        "status_description": "Partial System Outage",
    }
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", newest["display_at"])
    assert newest["affected_components"][0]["new_status"] == "partial_outage"


def test_a_maintenance_says_what_it_does_by_itself_and_when_it_reminded(
    page: Page, author: User, reader: Subscriber
) -> None:
    start = timezone.now().replace(microsecond=0) + timedelta(minutes=90)
    schedule_maintenance(
        page,
        title="Disks",
        body="New ones.",
        scheduled_for=start,
        scheduled_until=start + timedelta(hours=1),
        reminders=[60],
        starts_by_itself=True,
        author=author,
    )

    def said() -> dict[str, Any]:
        relay.owe()
        (content,) = contents(Delivery.objects.latest("id"))
        return {name: value for name, value in content["incident"].items() if re.match("scheduled_(auto|remind)", name)}

    assert said() == {
        "scheduled_remind_prior": True,
        "scheduled_reminded_at": None,
        "scheduled_auto_in_progress": True,
        "scheduled_auto_completed": False,
    }
    reminded_at = start - timedelta(minutes=59)
    with time_machine.travel(reminded_at, tick=False):
        clockwork.advance()
        assert datetime.fromisoformat(said()["scheduled_reminded_at"]) == reminded_at


def test_the_impact_that_staff_chose_is_sent(owed_webhook: Delivery, incident: Incident, author: User) -> None:
    assert contents(owed_webhook)[0]["incident"]["impact_override"] is None
    edit_incident(incident, impact_override=Impact.CRITICAL, author=author)
    assert contents(owed_webhook)[0]["incident"]["impact_override"] == "critical"


def test_each_component_that_changed_has_a_message_of_its_own(owed_webhook: Delivery, component: Component) -> None:
    content = contents(owed_webhook)[1]
    assert_keys(content, "meta", "page", "component", "component_update")
    assert content["component"]["status"] == "partial_outage"
    update = content["component_update"]
    assert (update["old_status"], update["new_status"]) == ("operational", "partial_outage")
    assert update["component_id"] == content["component"]["id"] == component.public_id


def test_each_message_has_an_id_that_stays_when_it_is_sent_again(owed_webhook: Delivery) -> None:
    def ids() -> list[str]:
        return [each.id for each in requests(owed_webhook)]

    assert len(set(ids())) == 2
    assert ids() == ids()
    assert not any("." in found for found in ids())  # it would make the signature ambiguous


def test_the_link_to_leave_is_the_recipients_own(owed_webhook: Delivery, reader: Subscriber, page: Page) -> None:
    link = contents(owed_webhook)[0]["meta"]["unsubscribe"]
    assert link.startswith(f"{page.url}/subscriptions/")
    assert tokens.read_subscription(link.rpartition("/")[2]) == reader.public_id


def test_what_is_no_longer_public_is_not_sent(owed_webhook: Delivery, incident: Incident, admin: User) -> None:
    delete_incident(incident, reason="A duplicate.", author=admin)
    assert contents(owed_webhook) == []


def test_internal_components_are_not_named(
    incident: Incident, make_component: Callable[..., Component], author: User, reader: Subscriber
) -> None:
    changes = [
        (make_component("Vault", visibility=Visibility.INTERNAL), ComponentStatus.MAJOR_OUTAGE),
        (make_component("Web"), ComponentStatus.MAJOR_OUTAGE),
    ]
    post_update(incident, status=IncidentStatus.IDENTIFIED, body="News.", components=changes, author=author)
    relay.owe()
    found = contents(Delivery.objects.latest("id"))
    assert len(found) == 2
    assert "Vault" not in json.dumps(found)


# --- Signed and accepted ----------------------------------------------------------------------------------------------


def test_the_signature_is_that_of_standard_webhooks() -> None:
    # The published example of https://github.com/standard-webhooks/standard-webhooks
    body = b'{"test": 2432232314}'
    found = signature(SECRET, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert found == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_message_is_posted_with_its_id_its_time_and_its_signature(receiver: Receiver) -> None:
    answer = asked(receiver)
    assert (answer.meaning, answer.text) == (Meaning.SENT, "200 OK")
    [found] = receiver.received
    assert found.path == "/hook?for=us"
    assert found.body == b'{"test": 2432232314}'
    assert found.headers["content-type"] == "application/json"
    assert found.headers["host"] == f"{HOST}:{receiver.server_address[1]}"
    assert found.headers["webhook-id"] == "msg_7_b1c2d3f4g5h6"
    timestamp = int(found.headers["webhook-timestamp"])
    assert abs(timestamp - time.time()) < stretched(5)
    assert found.headers["webhook-signature"] == signature(SECRET, "msg_7_b1c2d3f4g5h6", timestamp, found.body)


def test_a_secret_has_the_form_that_libraries_expect() -> None:
    assert new_secret() != new_secret()
    assert signature(new_secret(), "msg_1", 1, b"").startswith("v1,")


def test_of_several_messages_the_first_refusal_ends_the_try(receiver: Receiver) -> None:
    receiver.behave = answering(500)
    answer = post([request(receiver.url)] * 3, leading_to(OUTSIDE, OUTSIDE, OUTSIDE))
    assert answer.meaning is Meaning.RETRY
    assert len(receiver.received) == 1


def test_retries_last_a_little_more_than_75_hours() -> None:
    waits = webhook.RETRIES
    assert waits[:2] == [timedelta(seconds=5), timedelta(minutes=5)]
    assert len(waits) == 9
    assert timedelta(hours=75) < sum(waits, timedelta()) < timedelta(hours=76)


# --- Refused, failed, cut off -----------------------------------------------------------------------------------------


def test_a_refusal_is_kept_in_its_own_words(receiver: Receiver) -> None:
    receiver.behave = answering(401, b"bad\r\nsignature\x00" + b"." * 100_000)
    answer = asked(receiver)
    assert answer.meaning is Meaning.RETRY
    assert answer.text.startswith("401 Unauthorized: bad signature ...")
    assert len(answer.text) <= 500


def test_an_answer_that_repeats_the_address_is_kept_without_its_secret(receiver: Receiver) -> None:
    path = "/services/T00000001/pL4nt3dS3cr3t?token=4n0th3rS3cr3t"
    said = f"No such hook: {path}, nor with 4n0th3rS3cr3t. {'.' * 200} pL4nt3dS3cr3t".encode()
    receiver.behave = answering(404, said)
    url = receiver.url.removesuffix("/hook?for=us") + path
    text = post([request(url)], leading_to(OUTSIDE)).text
    assert text.startswith("404 Not Found: No such hook: …, nor with ….")
    assert "pL4nt" not in text


def test_410_means_never_again(receiver: Receiver) -> None:
    receiver.behave = answering(410)
    assert asked(receiver).meaning is Meaning.GONE


def test_a_redirect_is_a_failure_and_is_not_followed(receiver: Receiver) -> None:
    with receiving(INSIDE) as private:
        receiver.behave = answering(307, Location=private.url)
        answer = asked(receiver)
        assert answer.meaning is Meaning.RETRY
        assert answer.text == "307 Temporary Redirect: redirects are not followed."
        assert (len(receiver.received), private.connections) == (1, 0)


def test_a_name_that_leads_to_a_private_address_is_sent_nothing() -> None:
    with receiving(INSIDE) as private:
        answer = post([request(private.url)], leading_to(INSIDE))
        assert answer.meaning is Meaning.RETRY
        assert answer.text == f"{HOST} is not an address on the public internet."
        assert private.connections == 0


def test_the_real_way_out_does_not_reach_this_machine(receiver: Receiver) -> None:
    local = Network(look_up=lambda host, port: [OUTSIDE], authorities=OPEN.authorities)
    assert "public internet" in post([request(receiver.url)], local).text
    assert receiver.connections == 0
    assert INTERNET.is_open is local.is_open


def test_a_name_whose_address_changes_leads_to_no_second_place(receiver: Receiver) -> None:
    rebinding = leading_to(OUTSIDE, INSIDE)  # public when it is checked, private from then on
    with receiving(INSIDE) as private:
        assert post([request(receiver.url)], rebinding).meaning is Meaning.SENT  # the checked address was dialled
        assert post([request(private.url)], rebinding).meaning is Meaning.RETRY
        assert (receiver.connections, private.connections) == (1, 0)


def test_a_certificate_of_another_name_is_refused_before_anything_is_said(receiver: Receiver) -> None:
    url = receiver.url.replace(HOST, "other.example.com")
    answer = post([request(url)], leading_to(OUTSIDE))
    assert "certificate verify failed" in answer.text
    assert not receiver.received


def test_a_certificate_that_nobody_vouches_for_is_refused(receiver: Receiver) -> None:
    strict = Network(look_up=lambda host, port: [OUTSIDE], is_open=lambda ip: True)
    assert "certificate verify failed" in post([request(receiver.url)], strict).text
    assert not receiver.received


def test_a_proxy_in_the_environment_is_not_used(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server((INSIDE, 0)) as proxy:
        for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://{INSIDE}:{proxy.getsockname()[1]}")
        assert asked(receiver).meaning is Meaning.SENT
        proxy.setblocking(False)
        with pytest.raises(BlockingIOError):
            proxy.accept()


def test_silence_is_cut_off(receiver: Receiver) -> None:
    def wait(handler: BaseHTTPRequestHandler) -> None:
        receiver.closing.wait()

    receiver.behave = wait
    with within(2):
        answer = asked(receiver, timeout=BRIEF)
    assert (answer.meaning, answer.text) == (Meaning.RETRY, "There was no answer in time.")


def test_silence_before_the_encryption_is_cut_off() -> None:
    with socket.create_server((OUTSIDE, 0)) as silent, within(2):
        url = f"https://{HOST}:{silent.getsockname()[1]}/"
        assert post([request(url)], leading_to(OUTSIDE), timeout=BRIEF).text == "There was no answer in time."


def trickle(receiver: Receiver, *parts: bytes, piece: bytes) -> Callable[[BaseHTTPRequestHandler], None]:
    def behave(handler: BaseHTTPRequestHandler) -> None:
        with suppress(OSError):  # until the caller hangs up
            for part in parts:
                handler.wfile.write(part)
            while not receiver.closing.wait(0 if len(piece) > 100 else 0.05):
                handler.wfile.write(piece)

    return behave


def test_a_head_that_trickles_is_cut_off(receiver: Receiver) -> None:
    receiver.behave = trickle(receiver, b"HTTP/1.1 200 OK\r\nX: ", piece=b"x")
    with within(2):
        assert asked(receiver, timeout=BRIEF).text == "There was no answer in time."


def test_promises_without_end_are_cut_off(receiver: Receiver) -> None:
    receiver.behave = trickle(receiver, piece=b"HTTP/1.1 100 Continue\r\n\r\n" * 10)
    with within(5):
        answer = asked(receiver)
    assert (answer.meaning, answer.text) == (Meaning.RETRY, "The answer was too long.")


def test_a_body_that_trickles_or_never_ends_is_not_waited_for(receiver: Receiver) -> None:
    for piece in (b"x", b"x" * 10_000):
        receiver.behave = trickle(receiver, b"HTTP/1.1 200 OK\r\n\r\n", piece=piece)
        with within(2):
            assert asked(receiver, timeout=stretched(5)).meaning is Meaning.SENT
        receiver.behave = trickle(receiver, b"HTTP/1.1 500 Oh\r\n\r\n", piece=piece)
        with within(2):
            assert asked(receiver, timeout=BRIEF).text.startswith("500 Oh")


@pytest.mark.parametrize("noise", [b"SSH-2.0-x\r\n", b"HTTP/1.1 200\xff\x00 x", b"HTTP/1.1 2000 OK\r\n\r\n", b""])
def test_an_answer_that_is_none_is_a_failure(receiver: Receiver, noise: bytes) -> None:
    def behave(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(noise)
        handler.connection.shutdown(socket.SHUT_RDWR)

    receiver.behave = behave
    answer = asked(receiver)
    assert answer.meaning is Meaning.RETRY
    assert answer.text


def test_nobody_there_is_a_failure() -> None:
    with socket.create_server((OUTSIDE, 0)) as gone:
        url = f"https://{HOST}:{gone.getsockname()[1]}/"
    assert "refused" in post([request(url)], leading_to(OUTSIDE)).text
