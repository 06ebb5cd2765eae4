"""The links in mails."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from django.core.signing import BadSignature, SignatureExpired
from django.utils import timezone

from status import tokens


def test_a_link_is_good_for_its_purpose_alone() -> None:
    subscription, confirmation = tokens.subscription("abc"), tokens.confirmation("abc")
    assert (tokens.read_subscription(subscription), tokens.read_confirmation(confirmation)) == ("abc", "abc")
    for forged in (confirmation, subscription[:-1], subscription.replace("abc", "abd"), "abc", "", "ü.ü"):
        with pytest.raises(BadSignature):
            tokens.read_subscription(forged)
    with pytest.raises(BadSignature):
        tokens.read_confirmation(subscription)


def test_a_confirmation_link_ages_and_the_others_do_not() -> None:
    subscription, confirmation = tokens.subscription("abc"), tokens.confirmation("abc")
    with time_machine.travel(timezone.now() + timedelta(days=7, seconds=2)):
        with pytest.raises(SignatureExpired):
            tokens.read_confirmation(confirmation)
        assert tokens.read_subscription(subscription) == "abc"
