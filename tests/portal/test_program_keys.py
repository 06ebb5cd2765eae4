"""Who comes without a key that fits is a stranger, and takes nothing of what programs have."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from incidents import people
from incidents.models import User
from incidents.permissions import Scope
from portal import middleware, program_keys
from portal.middleware import DatabaseGuardMiddleware
from portal.program_keys import KnownKeys
from tests.waiting import stretched

SECRET = "name:password-of-the-provider"
BASIC = "Basic bmFtZTpwYXNzd29yZC1vZi10aGUtcHJvdmlkZXI="


@pytest.fixture(autouse=True)
def provider_secret(settings: Settings) -> None:
    settings.MAIL_EVENTS, settings.ANYMAIL = "postmark", {"WEBHOOK_SECRET": SECRET}


def asked(authorization: str = "", path: str = "/api/v1/pages") -> HttpRequest:
    return RequestFactory().get(path, headers={"Authorization": authorization} if authorization else {})


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("path", "authorization"),
    [("/api/v1/pages", ""), ("/api/v1/pages", "OAuth wrong"), ("/mail/events", ""), ("/mail/events", "Basic wrong")],
)
def test_who_has_no_key_that_fits_keeps_no_program_out(
    path: str, authorization: str, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(middleware, "SHARES", dict.fromkeys(middleware.SHARES, (1, 1)))
    inside, released = threading.Event(), threading.Event()

    def wait(request: HttpRequest) -> HttpResponse:
        if request.path == "/subscribe":
            inside.set()
            released.wait(stretched(5))
        return HttpResponse()

    guard = DatabaseGuardMiddleware(wait)
    with ThreadPoolExecutor(1) as pool:
        stranger = pool.submit(guard, asked(path="/subscribe"))
        assert inside.wait(stretched(5))
        assert guard(asked(authorization, path)).status_code == 503, "it takes what strangers have"
        for own in (f"OAuth {key}", f"Bearer {key}"):
            assert guard(asked(own)).status_code == 200
        assert guard(asked(path=f"/api/v1/pages?api_key={key}")).status_code == 200
        assert guard(asked(BASIC, "/mail/events")).status_code == 200
        released.set()
        assert stranger.result().status_code == 200


def test_many_wrong_keys_cost_one_query(db: None, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    keys = KnownKeys()
    with django_assert_num_queries(1):
        assert not any(keys.fit(asked(f"OAuth {number}")) for number in range(50))


def test_a_key_is_known_soon_after_it_was_made_and_not_for_long_after_it_was_revoked(
    key: str, admin: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = KnownKeys()
    assert keys.fit(asked(f"OAuth {key}"))
    other, row = people.create_key("other", scopes=[Scope.READ], author=admin)
    past = timezone.now() - timedelta(seconds=1)
    late, expired = people.create_key("late", scopes=[Scope.READ], author=admin)
    type(expired).objects.filter(pk=expired.pk).update(expires_at=past)
    assert not keys.fit(asked(f"OAuth {other}")), "it has just looked"
    monkeypatch.setattr(program_keys, "PAUSE", 0.0)
    assert keys.fit(asked(f"OAuth {other}"))
    assert not keys.fit(asked(f"OAuth {late}"))
    people.revoke_key(row, author=admin)
    assert keys.fit(asked(f"OAuth {other}"))
    monkeypatch.setattr(program_keys, "KEPT", 0.0)
    assert not keys.fit(asked(f"OAuth {other}"))


def test_what_is_known_stays_known_while_the_database_is_away(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(_execute: Callable[..., Any], *_statement: Any) -> None:
        raise OperationalError("the connection is lost")

    keys = KnownKeys()
    assert keys.fit(asked(f"OAuth {key}"))
    monkeypatch.setattr(program_keys, "KEPT", 0.0)
    with connection.execute_wrapper(away):
        assert keys.fit(asked(f"OAuth {key}"))
