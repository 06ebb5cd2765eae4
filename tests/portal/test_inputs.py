"""Whatever stands in an address, behind its question mark or in a form: an answer, and never a failure of ours."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import product
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.contrib import admin
from django.db import transaction
from django.test import Client
from django.urls import URLResolver, get_resolver, reverse

from incidents.errors import InvalidInput
from incidents.models import Incident, Page, User
from portal.console.forms import typed_times
from tests.portal.signing_in import sign_in_anew
from tests.portal.world import World

pytestmark = pytest.mark.long

LARGE, ENDLESS = "9" * 30, "9" * 5000
PARAMETER = re.compile(r"<\w*:?\w+>|\(\?P<\w+>[^)]*\)|\((?!\?P)[^)]*\)")


def routes(prefix: str = "/", patterns: Any = None) -> Iterator[str]:
    """Every address that Django has, with its parameters as they are declared."""
    for each in get_resolver().url_patterns if patterns is None else patterns:
        route = prefix + str(each.pattern)
        if isinstance(each, URLResolver):
            yield from routes(route, each.url_patterns)
        else:
            yield re.sub(r"\\(.)", r"\1", re.sub(r"[$^]|\\Z", "", route))


@pytest.fixture
def at_work(client: Client, page: Page, admin: User) -> Client:
    """A superuser's, where there is one of everything."""
    World(page, admin)
    sign_in_anew(client, admin)
    client.raise_request_exception = False
    return client


def status(client: Client, method: str, address: str, sent: dict[str, str] | None = None) -> int:
    with transaction.atomic():
        answer = getattr(client, method)(address, sent)
        transaction.set_rollback(True)
    code: int = answer.status_code
    return code


@pytest.mark.slow
@pytest.mark.parametrize("value", ["abc", "0", LARGE, ENDLESS, "%00"], ids=["word", "none", "large", "endless", "nul"])
def test_no_path_fails(at_work: Client, value: str) -> None:
    with_parameters = [route for route in routes() if PARAMETER.search(route)]
    assert len(with_parameters) > 100
    failed = [
        (method, route)
        for route, method in product(with_parameters, ("get", "post"))
        if status(at_work, method, PARAMETER.sub(value, route)) >= 500
    ]
    assert not failed


@pytest.mark.slow
@pytest.mark.parametrize("value", ["abc", LARGE, "\0"], ids=["word", "large", "nul"])
def test_no_filter_of_a_list_fails(at_work: Client, value: str) -> None:
    failed = [
        (rows.opts.model_name, name)
        for rows in admin.site._registry.values()
        for name in ["q", "o", "p", "deleted", *(field.name for field in rows.opts.fields)]
        if status(
            at_work,
            "get",
            reverse(f"admin:{rows.opts.app_label}_{rows.opts.model_name}_changelist"),
            {name: value},
        )
        >= 500
    ]
    assert not failed


@pytest.mark.slow
@pytest.mark.parametrize("value", ["abc", LARGE, ENDLESS, "\0", "²"], ids=["word", "large", "endless", "nul", "power"])
def test_no_field_fails(at_work: Client, value: str, incident: Incident) -> None:
    assert status(at_work, "post", reverse("admin:status_delivery_ledger"), {"event": value}) == 404
    for name in ("page", "period", "q", "author", "kind", "object", "since", "until", "after", "status", "incident"):
        for address in ("numbers", "audit", "search", "overview"):
            assert status(at_work, "get", reverse(address), {name: value}) < 500, (address, name)
    typed = {"status": "identified", "body": "Words {next_update}.", "next_update": value, "seen": value}
    for name in ("room_update", "room_note", "room_outcome", "room_publish", "room_withdraw"):
        address = reverse(name, args=[incident.public_id])
        assert status(at_work, "post", address, typed | {"when": value, "kind": value, "text": value}) < 500, name


@pytest.mark.parametrize("typed", [f"{ENDLESS} min ago", f"{LARGE}d ago", "0001-01-01 00:10", "9999-12-31 23:50"])
@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/New_York"])
def test_a_time_that_no_clock_shows_is_refused_with_a_sentence(typed: str, zone: str) -> None:
    with contextlib.suppress(InvalidInput):
        typed_times.parse(typed, datetime(2026, 1, 1, 12, tzinfo=UTC), ZoneInfo(zone))
