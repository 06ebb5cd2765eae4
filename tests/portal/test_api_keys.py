"""What a key opens, for how long, and how often."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from incidents import people
from incidents.errors import InvalidInput
from incidents.models import ApiKey, ApiKeyUse, Component, Incident, Page, User
from incidents.permissions import Scope

Call = Callable[..., Any]
NOON = datetime(2026, 3, 10, 12, 0, 20, tzinfo=UTC)


@pytest.mark.parametrize("scheme", ["OAuth", "oauth", "Bearer"])
def test_a_key_opens_the_api_in_both_spellings(call: Call, key: str, scheme: str) -> None:
    assert call("GET", "incidents", Authorization=f"{scheme} {key}").status_code == 200


@pytest.mark.parametrize("header", ["", "OAuth", "OAuth ", "OAuth wrong", "Bearer é", "Basic YTpi", "OAuth a b"])
@pytest.mark.parametrize(("method", "path"), [("GET", "incidents"), ("POST", "incidents"), ("GET", "components.json")])
def test_without_a_key_that_fits_nothing_opens(call: Call, header: str, method: str, path: str) -> None:
    response = call(method, path, Authorization=header)
    assert response.status_code == 401
    assert response["WWW-Authenticate"] == "OAuth"
    assert response.json()["error"].endswith(".")


def test_a_revoked_key_and_the_key_of_a_dismissed_user_open_nothing(call: Call, admin: User) -> None:
    other, row = people.create_key("other", scopes=[Scope.INCIDENTS, Scope.COMPONENTS], author=admin)
    assert call("GET", "incidents", Authorization=f"OAuth {other}").status_code == 200
    people.revoke_key(row, author=admin)
    assert call("GET", "incidents", Authorization=f"OAuth {other}").status_code == 401
    user = ApiKey.objects.get(name="deploys").user
    user.is_active = False
    user.save()
    assert call("GET", "incidents").status_code == 401


def test_a_session_of_the_admin_is_not_a_key(client: Client, page: Page, author: User) -> None:
    client.force_login(author)
    assert client.get(f"/api/v1/pages/{page.public_id}/incidents").status_code == 401


def test_a_key_that_may_only_read_is_refused_with_a_sentence(call: Call, admin: User) -> None:
    opened = call("POST", "incidents", {"incident": {"name": "Errors"}}).json()
    viewer, _row = people.create_key("wallboard", scopes=[Scope.READ], author=admin)
    assert call("GET", "incidents", Authorization=f"OAuth {viewer}").json()[0]["id"] == opened["id"]
    response = call("POST", "incidents", {"incident": {"name": "No"}}, Authorization=f"OAuth {viewer}")
    assert response.status_code == 403
    assert "administrator" in response.json()["error"]
    assert Incident.objects.count() == 1


def test_a_key_may_come_in_the_address(client: Client, page: Page, key: str) -> None:
    path = f"/api/v1/pages/{page.public_id}/incidents"
    assert client.get(f"{path}?api_key={key}").status_code == 200
    assert client.get(f"{path}?api_key=wrong").status_code == 401


def test_a_key_opens_nothing_once_it_has_expired(send: Call, page: Page, admin: User) -> None:
    soon = timezone.now() + timedelta(minutes=5)
    key, row = people.create_key("visitor", scopes=[Scope.READ], expires_at=soon, author=admin)
    assert send("GET", "pages", key=key).status_code == 200
    with time_machine.travel(soon):
        response = send("GET", "pages", key=key)
    assert (response.status_code, "expired" in response.json()["error"]) == (401, True)
    with pytest.raises(InvalidInput):
        people.create_key("late", scopes=[Scope.READ], expires_at=timezone.now(), author=admin)
    assert row.history.get().history_user == admin


def test_a_key_of_one_page_opens_no_other(send: Call, page: Page, other_page: Page, admin: User) -> None:
    key, _row = people.create_key("ours", scopes=[Scope.ADMIN], page=page, author=admin)
    assert [each["id"] for each in send("GET", "pages", key=key).json()] == [page.public_id]
    assert send("GET", f"pages/{page.public_id}/components", key=key).status_code == 200
    for method, path, body in (
        ("GET", "components", None),
        ("POST", "incidents", {"incident": {"name": "No"}}),
        ("PATCH", "", {"page": {"name": "No"}}),
    ):
        response = send(method, f"pages/{other_page.public_id}/{path}", body, key=key)
        assert response.status_code == 403
        assert "another page" in response.json()["error"]
    assert not Incident.objects.exists()


WRITES: dict[Scope, tuple[str, str, object]] = {
    Scope.INCIDENTS: ("POST", "incidents", {"incident": {"name": "Slow"}}),
    Scope.COMPONENTS: ("PATCH", "components/{component}", {"component": {"status": "major_outage"}}),
    Scope.ADMIN: ("PATCH", "", {"page": {"name": "Renamed"}}),
}


@pytest.mark.parametrize("scope", WRITES)
def test_a_scope_opens_its_own_and_no_other(
    send: Call, page: Page, component: Component, admin: User, scope: Scope
) -> None:
    key, _row = people.create_key("narrow", scopes=[scope], author=admin)
    for needed, (method, path, body) in WRITES.items():
        below = path.format(component=component.public_id)
        response = send(method, f"pages/{page.public_id}/{below}", body, key=key)
        opens = scope in (needed, Scope.ADMIN)
        assert (response.status_code in (200, 201)) is opens, response.content
        assert opens or needed.value in response.json()["error"]
        assert send("GET", f"pages/{page.public_id}/components", key=key).status_code == 200


def test_a_key_s_answers_say_how_many_requests_are_left_until_there_are_none(call: Call, settings: Settings) -> None:
    settings.API_RATE = 3
    with time_machine.travel(NOON, tick=False) as clock:
        left = [call("GET", "components")["RateLimit-Remaining"] for _time in range(3)]
        refused = call("POST", "incidents", {"incident": {"name": "No"}})
        clock.shift(40)
        again = call("GET", "components")
    assert left == ["2", "1", "0"]
    assert (refused.status_code, refused["Retry-After"], refused["RateLimit-Reset"]) == (429, "40", "40")
    assert refused.json()["error"].endswith(".")
    assert (again.status_code, again["RateLimit-Remaining"]) == (200, "2")
    assert not Incident.objects.exists()


def test_staff_see_when_a_key_was_last_used(client: Client, call: Call, admin: User) -> None:
    client.force_login(admin)
    keys = "/admin/incidents/apikey/"
    assert "never" in client.get(keys).text
    with time_machine.travel(NOON):
        call("GET", "components")
    assert ApiKeyUse.objects.get().used_at == NOON
    assert "Mar 10, 2026 - 12:00" in client.get(keys).text
