"""What mail providers tell of mail that came back, in their own words, over HTTP."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from incidents.models import Page, User
from status.models import Delivery, Subscriber
from status.subscriptions import subscribers

ANN, SECRET, KEY = "ann@example.com", "postmark:correct horse battery", "key-3ax6xnjp29jd6fds4gc373sgvjxteol0"
BASIC = "Basic " + base64.b64encode(SECRET.encode()).decode()

# As Postmark documents them
BOUNCE = {
    "RecordType": "Bounce",
    "ID": 4323372036854775807,
    "Type": "HardBounce",
    "TypeCode": 1,
    "Name": "Hard bounce",
    "Tag": "",
    "MessageID": "883953f4-6105-42a2-a16a-77a8eac79483",
    "Metadata": {},
    "ServerID": 23,
    "MessageStream": "outbound",
    "Description": "The server was unable to deliver your message (ex: unknown user, mailbox not found).",
    "Details": "smtp;550 5.1.1 The email account that you tried to reach <ann@example.com> does not exist.",
    "Email": "ann@example.com",
    "From": "status@acme.example",
    "BouncedAt": "2026-11-05T16:33:54.9070259Z",
    "DumpAvailable": True,
    "Inactive": True,
    "CanActivate": True,
    "Subject": "[Acme] Identified: Errors",
}
COMPLAINT = BOUNCE | {
    "RecordType": "SpamComplaint",
    "Type": "SpamComplaint",
    "TypeCode": 512,
    "Name": "Spam complaint",
    "Description": "The subscriber explicitly marked this message as spam.",
    "Details": "",
    "CanActivate": False,
}
DELIVERY = {
    "RecordType": "Delivery",
    "MessageID": "883953f4-6105-42a2-a16a-77a8eac79483",
    "Subscriber": "ann@example.com",
    "DeliveredAt": "2026-11-05T16:33:54.9070259Z",
    "Details": "Test delivery webhook details",
    "Tag": "",
    "ServerID": 23,
    "Metadata": {},
    "MessageStream": "outbound",
}


@pytest.fixture
def bouncing(page: Page, other_page: Page, admin: User) -> Subscriber:
    subscribers.add_by_staff(other_page, address=ANN, author=admin)
    subscribers.add_by_staff(page, address="bob@example.com", author=admin)
    return subscribers.add_by_staff(page, address=ANN, author=admin)


@pytest.fixture(autouse=True)
def mail_provider(settings: Settings) -> None:
    settings.MAIL_EVENTS = "postmark"
    settings.ANYMAIL = {"WEBHOOK_SECRET": SECRET, "MAILGUN_WEBHOOK_SIGNING_KEY": KEY}


def post(event: Any, authorization: str = BASIC) -> Any:
    client = Client(enforce_csrf_checks=True, headers={"authorization": authorization})
    return client.post("/mail/events", json.dumps(event), content_type="application/json")


def states(address: str = ANN) -> list[str]:
    return list(Subscriber.objects.filter(address=address).values_list("state", flat=True))


def test_an_address_whose_mail_came_back_is_in_quarantine_on_every_page_with_the_reason(bouncing: Subscriber) -> None:
    due = Delivery.objects.create(recipient=bouncing, due_at=bouncing.created_at)
    assert post(BOUNCE).status_code == 200
    assert states() == ["quarantined", "quarantined"]
    assert states("bob@example.com") == ["active"]
    bouncing.refresh_from_db()
    due.refresh_from_db()
    assert bouncing.reason.startswith("Came back: smtp;550 5.1.1 The email account")
    assert "ann@example.com" not in bouncing.reason.lower(), "it stays in the history"
    assert (due.state, due.reason) == ("cancelled", "quarantined")
    assert str(bouncing.history.latest().history_user) == "mail"
    assert post(BOUNCE).status_code == 200, "twice is harmless"


def test_who_complains_is_sent_nothing_more(bouncing: Subscriber) -> None:
    assert post(COMPLAINT).status_code == 200
    bouncing.refresh_from_db()
    assert (bouncing.state, bouncing.reason.partition(".")[0]) == ("quarantined", "Marked as spam by its owner")


@pytest.mark.parametrize(
    "event",
    [
        DELIVERY,
        BOUNCE | {"Type": "Transient", "Name": "Message delayed"},
        BOUNCE | {"Type": "AutoResponder", "Name": "Auto responder"},
        BOUNCE | {"Type": "DMARCPolicy", "Name": "DMARC policy"},
        BOUNCE | {"Email": "stranger@example.com"},
    ],
)
def test_what_is_not_about_the_mailbox_costs_nobody_a_subscription(bouncing: Subscriber, event: Any) -> None:
    assert post(event).status_code == 200
    assert states() == ["active", "active"]


@pytest.mark.parametrize("authorization", ["", "Basic cG9zdG1hcms6d3Jvbmc=", "Bearer x"])
def test_who_is_not_the_provider_is_refused(
    bouncing: Subscriber, authorization: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert post(BOUNCE, authorization).status_code == 400
    assert states() == ["active", "active"]
    assert "basic auth" in caplog.text
    assert "ann@" not in caplog.text.lower()


def test_without_a_provider_there_is_no_such_address(bouncing: Subscriber, settings: Settings) -> None:
    settings.MAIL_EVENTS = ""
    assert post(BOUNCE).status_code == 404


def mailgun(severity: str, *, key: str = KEY) -> dict[str, Any]:
    """A `failed` event as Mailgun documents it."""
    token, timestamp = "06c96bafc3f42a66b9edd546347a2fe18dc23461fe80dc52f0", "1793896434"
    signature = hmac.new(key.encode(), f"{timestamp}{token}".encode(), hashlib.sha256).hexdigest()
    return {
        "signature": {"token": token, "timestamp": timestamp, "signature": signature},
        "event-data": {
            "id": "G9Bn5sl1TC6nu79C8C0bwg",
            "timestamp": 1793896434.068,
            "log-level": "error",
            "event": "failed",
            "severity": severity,
            "reason": "bounce",
            "delivery-status": {
                "attempt-no": 1,
                "message": "",
                "code": 550 if severity == "permanent" else 421,
                "enhanced-code": "5.1.1",
                "description": "No such user here",
                "session-seconds": 0.0,
            },
            "flags": {"is-routed": False, "is-authenticated": True, "is-system-test": False, "is-test-mode": False},
            "envelope": {"sender": "status@acme.example", "transport": "smtp", "targets": "ann@example.com"},
            "message": {
                "headers": {"to": "ann@example.com", "message-id": "7.b1c2d3@status.acme.example", "from": "x"},
                "attachments": [],
                "size": 111,
            },
            "recipient": "ann@example.com",
            "recipient-domain": "example.com",
            "storage": {"url": "https://se.api.mailgun.net/v3/domains/acme/messages/id", "key": "id"},
            "campaigns": [],
            "tags": [],
            "user-variables": {},
        },
    }


def test_mailgun_is_believed_by_its_signature(bouncing: Subscriber, settings: Settings) -> None:
    settings.MAIL_EVENTS = "mailgun"
    assert post(mailgun("permanent", key="another")).status_code == 400
    assert post(mailgun("temporary")).status_code == 200
    assert states() == ["active", "active"]
    assert post(mailgun("permanent")).status_code == 200
    bouncing.refresh_from_db()
    assert (bouncing.state, bouncing.reason) == ("quarantined", "Came back: No such user here")
