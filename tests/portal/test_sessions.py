"""A session is its browser's alone, also where somebody writes to the database, and until it ends."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from django.conf import settings
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from incidents.models import User
from portal.accounts import known_browsers, sessions
from portal.models import Session
from tests.concurrency import together
from tests.portal.signing_in import LOGIN, is_in, sign_in

MINE = "k" * 32  # the key of who chose it


def with_key(key: str) -> Client:
    client = Client()
    client.cookies[settings.SESSION_COOKIE_NAME] = key
    return client


def test_a_row_that_is_given_another_key_opens_nothing(client: Client, author: User) -> None:
    sign_in(client, author)
    assert Session.objects.filter(user=author).update(session_key=sessions.digest(MINE)) == 1
    assert not is_in(with_key(MINE))
    assert sessions.of_user(author) == []


def test_contents_that_are_copied_into_another_row_open_nothing(client: Client, admin: User, author: User) -> None:
    sign_in(client, admin)
    sign_in(mine := Client(), author)
    theirs = Session.objects.get(user=admin).session_data
    Session.objects.filter(user=author).update(session_data=theirs, user=admin)
    assert not is_in(mine)
    assert [row.pk for row, _data in sessions.of_user(admin)] == [sessions.digest(client.session.session_key or "")]


def test_a_session_that_is_over_opens_nothing(client: Client, author: User) -> None:
    sign_in(client, author)
    with time_machine.travel(timezone.now() + timedelta(seconds=settings.SESSION_COOKIE_AGE + 60)):
        assert Session.objects.filter(user=author).exists(), "nobody has cleared it"
        assert not is_in(with_key(client.cookies[settings.SESSION_COOKIE_NAME].value))


def test_a_new_password_ends_the_sessions_of_the_old_one(client: Client, author: User) -> None:
    sign_in(client, author)
    assert len(sessions.of_user(author)) == 1
    author.set_password("another horse, another battery")
    author.save()
    assert not is_in(client)
    sign_in(Client(), author, "another horse, another battery")
    assert len(sessions.of_user(author)) == 1, "of those that are listed as signed in"


def test_a_browser_is_known_once_somebody_signed_in_there_and_opens_nothing_by_that(
    client: Client, author: User
) -> None:
    client.get(LOGIN)
    sign_in(client, author, "a wrong password")
    assert known_browsers.COOKIE not in client.cookies
    sign_in(client, author)
    cookie = client.cookies[known_browsers.COOKIE]
    assert (cookie["path"], cookie["httponly"], cookie["max-age"]) == ("/admin/", True, known_browsers.KEPT)
    client.post(reverse("account_logout"))
    assert client.cookies[known_browsers.COOKIE].value == cookie.value
    assert not is_in(client)


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_what_sign_in_remembers_may_be_dropped_while_somebody_writes_it() -> None:
    """allauth locks a limit by a key that it deletes at once, and many may try to sign in under one name."""

    def come_and_go() -> None:
        for number in range(40):
            if cache.add("lock", True, 10):
                cache.delete("lock")
            cache.set("limit", [number], 10)
            cache.delete("limit")

    together(*[come_and_go] * 4)
    assert cache.add("lock", True, 10)
    assert not cache.add("lock", True, 10)
    cache.set("lock", [7], 10)
    assert cache.get("lock") == [7]
