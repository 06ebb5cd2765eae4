"""The links in mails."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.core.signing import BadSignature, SignatureExpired
from django.utils import timezone

from status import tokens

ASKED_AT = datetime(2026, 3, 10, 12, 0, 20, 123457, tzinfo=UTC)


def test_a_link_is_good_for_its_purpose_alone() -> None:
    subscription, confirmation = tokens.subscription("abc"), tokens.confirmation("abc", asked_at=ASKED_AT)
    assert tokens.read_subscription(subscription) == "abc"
    assert tokens.read_confirmation(confirmation) == ("abc", ASKED_AT)
    for forged in (confirmation, subscription[:-1], subscription.replace("abc", "abd"), "abc", "", "ü.ü"):
        with pytest.raises(BadSignature):
            tokens.read_subscription(forged)
    with pytest.raises(BadSignature):
        tokens.read_confirmation(subscription)


def test_a_confirmation_link_ages_and_the_others_do_not() -> None:
    subscription, confirmation = tokens.subscription("abc"), tokens.confirmation("abc", asked_at=ASKED_AT)
    with time_machine.travel(timezone.now() + timedelta(days=7, seconds=2)):
        with pytest.raises(SignatureExpired):
            tokens.read_confirmation(confirmation)
        assert tokens.read_subscription(subscription) == "abc"
