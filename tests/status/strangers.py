"""What strangers do at the doors for subscribers."""

from __future__ import annotations

from typing import Any

from django.test import Client
from django.utils import timezone

from status import tokens
from status.models import Subscriber
from status.subscriptions import signups

ANN = "ann@example.com"


def ask(client: Client, address: str = ANN, *, headers: dict[str, str] | None = None, **facts: str) -> Any:
    """The answer at the door, and a moment later the clock has done what was asked."""
    answer = client.post("/subscribe", {"address": address, **facts}, headers=headers)
    signups.take_up()
    return answer


def path(recipient: Subscriber, verb: str = "") -> str:
    if verb == "confirm":
        asked_at = recipient.confirmation_sent_at or timezone.now()
        return f"/subscriptions/{tokens.confirmation(recipient.public_id, asked_at=asked_at)}/confirm"
    return f"/subscriptions/{tokens.subscription(recipient.public_id)}{verb and '/'}{verb}"
