"""Who gets in, and how: passwords, second factors, sessions, and limits on guessing."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value, yield_hotp_counters_from_time
from django.core import mail
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from incidents.admin import history
from incidents.models import User
from incidents.people import service_user
from tests.incidents.filled import filled

MakeUser = Callable[[str, str], User]
PASSWORD = "correct horse battery"
LOGIN, ADMIN = "/admin/account/login/", "/admin/"


@pytest.fixture(autouse=True)
def nobody_has_tried_yet(db: None) -> None:
    cache.clear()


def code(secret: str) -> str:
    """What an authenticator program shows now."""
    return format_hotp_value(hotp_value(secret, next(yield_hotp_counters_from_time())))


def sign_in(client: Client, user: User, password: str = PASSWORD) -> str:
    return client.post(LOGIN, {"login": user.get_username(), "password": password}, follow=True).text


def set_up_second_factor(client: Client) -> str:
    """Its secret."""
    page = client.get(reverse("mfa_activate_totp"))
    (secret,) = set(re.findall(r'value="([A-Z2-7]{32})"', page.text))
    client.post(reverse("mfa_activate_totp"), {"code": code(secret)})
    return secret


def test_the_admin_asks_for_a_password_and_leads_back_to_where_one_was(client: Client, author: User) -> None:
    asked = client.get("/admin/incidents/incident/", follow=True)
    assert asked.redirect_chain[-1][0] == f"{LOGIN}?next=/admin/incidents/incident/"
    answer = client.post(asked.redirect_chain[-1][0], filled(asked, login=author.username, password=PASSWORD))
    assert answer.headers["Location"] == "/admin/incidents/incident/"


def test_a_wrong_password_is_told_and_guessing_is_limited(client: Client, author: User) -> None:
    assert "not correct" in sign_in(client, author, "wrong")
    for _attempt in range(5):
        said = sign_in(client, author, "wrong")
    assert "Too many failed login attempts" in said
    assert "Too many failed login attempts" in sign_in(client, author), "not even with the right one"


def test_whoever_may_publish_has_to_set_up_a_second_factor_first(
    client: Client, author: User, settings: Settings
) -> None:
    settings.REQUIRE_SECOND_FACTOR = True
    page = sign_in(client, author)
    assert "set up a second factor" in page
    assert client.get(ADMIN).headers["Location"] == reverse("mfa_activate_totp")
    secret = set_up_second_factor(client)
    assert client.get(ADMIN).status_code == 200

    client.post(reverse("account_logout"))
    assert "authenticator code" in sign_in(client, author)
    assert client.get(ADMIN).status_code == 302, "a password alone is not enough any more"
    answer = client.post(reverse("mfa_authenticate"), {"code": "000000"})
    assert "Incorrect code" in answer.text
    cache.clear()  # a code is good for one sign-in
    client.post(reverse("mfa_authenticate"), {"code": code(secret)})
    assert client.get(ADMIN).status_code == 200


def test_whoever_only_reads_needs_none(client: Client, make_user: MakeUser, settings: Settings) -> None:
    settings.REQUIRE_SECOND_FACTOR = True
    sign_in(client, make_user("vera", "viewer"))
    assert client.get(ADMIN).status_code == 200


def test_nobody_signs_up(client: Client) -> None:
    page = client.get("/admin/account/signup/")
    assert "Sign Up Closed" in page.text
    client.post("/admin/account/signup/", {"username": "mallory", "password1": PASSWORD, "password2": PASSWORD})
    assert not User.objects.filter(username="mallory").exists()


def test_one_s_sessions_are_listed_and_can_be_ended(author: User) -> None:
    here, there = Client(), Client()
    sign_in(here, author)
    sign_in(there, author)
    page = here.get(reverse("usersessions_list"))
    assert page.text.count("127.0.0.1") == 2
    here.post(reverse("usersessions_list"))
    assert there.get(ADMIN).status_code == 302
    assert here.get(ADMIN).status_code == 200


def test_a_forgotten_password_is_replaced_by_mail(client: Client, author: User) -> None:
    author.email = "grace@acme.example"
    author.save()
    reset = reverse("account_reset_password")
    assert reset in client.get(LOGIN).text
    client.post(reset, {"email": author.email})
    (message,) = mail.outbox
    (link,) = re.findall(r"https?://[^/]+(/\S+)", str(message.body))
    form = client.get(link, follow=True)
    chosen = {"password1": "a much better battery", "password2": "a much better battery"}
    client.post(form.redirect_chain[-1][0], chosen)
    assert client.login(username=author.username, password="a much better battery")


def test_nobody_learns_who_has_an_account_and_programs_get_no_password(client: Client, author: User) -> None:
    program = service_user("key:monitoring", role="viewer")
    program.email = "monitoring@acme.example"
    program.save()
    for address in ("stranger@acme.example", program.email):
        assert client.post(reverse("account_reset_password"), {"email": address}).status_code == 302
    assert not [each for each in mail.outbox if "password/reset/key" in str(each.body)]


def test_signing_in_and_changing_a_password_are_in_the_history_and_the_password_is_not(
    client: Client, author: User
) -> None:
    sign_in(client, author)
    chosen = {"oldpassword": PASSWORD, "password1": "a much better battery", "password2": "a much better battery"}
    client.post(reverse("account_change_password"), chosen)
    newest = author.history.latest("history_id")
    assert newest.history_user == author
    assert newest.history_change_reason == "Password set"
    assert not hasattr(newest, "password")
    assert any(change.name == "Last login" for entry in history.of_row(author) for change in entry.changes)
