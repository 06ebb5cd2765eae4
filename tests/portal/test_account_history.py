"""What opens an account is watched: what its owner changes is in its history, and `audit --verify` finds nothing."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from incidents.history import seals
from incidents.models import User
from tests.portal.signing_in import PASSWORD, code, confirm_password, set_up_second_factor, sign_in

pytestmark = pytest.mark.long

BETTER = "a much better battery"


@pytest.mark.slow
def test_all_that_its_owner_does_to_sign_in_leaves_the_history_true(
    client: Client, author: User, settings: Settings
) -> None:
    settings.PASSWORD_HASHERS = [
        "django.contrib.auth.hashers.PBKDF2PasswordHasher",  # a sign-in replaces the hash by one of this kind
        "django.contrib.auth.hashers.MD5PasswordHasher",
    ]
    with time_machine.travel(timezone.now(), tick=False) as clock:
        sign_in(client, author)
        secret = set_up_second_factor(client)
        confirm_password(client)
        client.post(reverse("mfa_generate_recovery_codes"))
        assert Authenticator.objects.filter(user=author).count() == 2
        assert list(seals.verify()) == []

        recovery = Authenticator.objects.get(user=author, type="recovery_codes").wrap().get_unused_codes()[0]
        client.post(reverse("account_logout"))
        clock.shift(timedelta(minutes=1))
        sign_in(client, author)
        client.post(reverse("mfa_authenticate"), {"code": recovery})
        assert list(seals.verify()) == [], "a code that was used is no change"

        client.post(reverse("account_logout"))
        clock.shift(timedelta(minutes=1))
        sign_in(client, author)
        client.post(reverse("mfa_authenticate"), {"code": code(secret)})
        confirm_password(client)
        client.post(
            reverse("account_change_password"), {"oldpassword": PASSWORD, "password1": BETTER, "password2": BETTER}
        )
        confirm_password(client, BETTER)
        client.post(reverse("mfa_deactivate_totp"))
        assert not Authenticator.objects.filter(user=author, type="totp").exists()
        assert list(seals.verify()) == []


@pytest.mark.parametrize("part", ["email", "provider", "factor"])
def test_whatever_writes_a_part_of_it_is_in_the_history(author: User, part: str) -> None:
    before = author.history.count()
    if part == "email":
        row = EmailAddress.objects.create(user=author, email="grace@example.com", verified=True)
    elif part == "provider":
        row = SocialAccount.objects.create(user=author, provider="oidc", uid="grace")
    else:
        row = Authenticator.objects.create(user=author, type="totp", data={"secret": "A"})
        row.data = {"secret": "B"}
    row.save()
    reasons = list(author.history.values_list("history_change_reason", flat=True))[: author.history.count() - before]
    expected = ["Sign-in changed", "TOTP Authenticator set up"] if part == "factor" else ["Sign-in changed"]
    assert reasons == expected
    assert list(seals.verify()) == []
    if part != "factor":
        row.delete()
        assert list(seals.verify()) == []
