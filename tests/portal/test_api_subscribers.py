"""Subscribers over the API: asked to confirm, listed, counted, and many at once."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connections
from pytest_django import Settings

from incidents import people
from incidents.models import Component, Page, User
from incidents.permissions import Scope
from status.delivery import quarantine
from status.models import Delivery, Subscriber

Call = Callable[..., Any]


@pytest.fixture
def subs(send: Call, page: Page, admin: User) -> Call:
    """A key for subscribers."""
    key, _row = people.create_key("crm", scopes=[Scope.SUBSCRIBERS], author=admin)

    def call(method: str, path: str, body: object = None, **headers: str) -> Any:
        return send(method, f"pages/{page.public_id}/{path}", body, key=key, **headers)

    return call


def add(subs: Call, email: str, **more: object) -> Any:
    response = subs("POST", "subscribers", {"subscriber": {"email": email, **more}})
    assert response.status_code == 201, response.content
    return response.json()


def test_a_subscriber_is_asked_to_confirm_unless_it_was_asked_elsewhere(subs: Call, component: Component) -> None:
    ann = add(subs, "ann@example.com", component_ids=[component.public_id])
    bob = add(subs, "bob@example.com", skip_confirmation_notification=True)
    assert (ann["mode"], ann["email"], ann["components"]) == ("email", "ann@example.com", [component.public_id])
    states = dict(Subscriber.objects.values_list("address", "state"))
    assert states == {"ann@example.com": "unconfirmed", "bob@example.com": "active"}
    asked = Delivery.objects.get()
    assert (asked.purpose, asked.recipient.address) == (Delivery.Purpose.CONFIRMATION, "ann@example.com")
    assert [row["id"] for row in subs("GET", "subscribers").json()] == [bob["id"]]
    assert [row["id"] for row in subs("GET", "subscribers?state=all").json()] == [ann["id"], bob["id"]]
    assert [row["id"] for row in subs("GET", "subscribers?state=all&q=ANN").json()] == [ann["id"]]
    assert [row["id"] for row in subs("GET", "subscribers?state=all&sort_direction=desc&limit=1").json()] == [bob["id"]]
    assert subs("GET", "subscribers?state=all&limit=1&page=1").json()[0]["id"] == bob["id"]
    again = subs("POST", "subscribers", {"subscriber": {"email": "bob@example.com"}})
    assert (again.status_code, "already" in again.json()["error"]) == (422, True)


def test_a_name_server_is_asked_outside_of_the_transaction_and_once_for_each_idempotency_key(
    subs: Call, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    here, depths = connections["default"], []

    def look_up(_host: str, port: int, **_kind: Any) -> list[Any]:
        depths.append(len(here.savepoint_ids))
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.215.14", port))]

    outermost = len(here.savepoint_ids)
    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    asked = {"subscriber": {"email": "ann@example.com", "endpoint": "https://hooks.example.com/"}}
    answers = [subs("POST", "subscribers", asked, Idempotency_Key="a") for _time in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[1]["Idempotent-Replayed"] == "true"
    assert depths == [outermost]
    assert int(answers[1]["RateLimit-Remaining"]) == settings.API_RATE - 2, "what began anew is one request"


def test_subscribers_are_counted_by_type_and_state(subs: Call) -> None:
    add(subs, "ann@example.com")
    add(subs, "bob@example.com", skip_confirmation_notification="t")
    histogram = subs("GET", "subscribers/histogram_by_state").json()
    assert histogram["email"] == {"active": 1, "unconfirmed": 1, "quarantined": 0, "total": 2}
    assert histogram["sms"]["total"] == 0
    assert subs("GET", "subscribers/count").json()["email"] == 1
    assert subs("GET", "subscribers/count?type=email&state=all").json() == {"email": 2}


def test_what_a_subscriber_hears_about_is_changed_and_ended(subs: Call, component: Component) -> None:
    path = f"subscribers/{add(subs, 'ann@example.com', skip_confirmation_notification=True)['id']}"
    assert subs("PATCH", path, {"component_ids": [component.public_id]}).json()["components"] == [component.public_id]
    assert subs("PATCH", path, {"component_ids": ["nosuchthing0"]}).status_code == 422
    assert subs("PATCH", path, {"component_ids": []}).json()["components"] == []
    assert Subscriber.objects.get().everything
    assert subs("DELETE", f"{path}?skip_unsubscription_notification=true").status_code == 200
    assert subs("GET", "subscribers/unsubscribed").json()[0]["email"] == "ann@example.com"
    assert subs("GET", "subscribers?state=all").json() == []


def test_many_are_asked_released_and_unsubscribed_at_once_or_none(subs: Call, admin: User) -> None:
    ids = [add(subs, f"{name}@example.com")["id"] for name in ("ann", "bob", "eve")]
    assert subs("POST", "subscribers/resend_confirmation", {"subscribers": ",".join(ids[:2])}).status_code == 201
    assert Delivery.objects.count() == 5
    wrong = subs("POST", "subscribers/unsubscribe", {"subscribers": [ids[0], "nosuchperson"]})
    assert (wrong.status_code, Subscriber.objects.filter(state="unsubscribed").count()) == (422, 0)
    for recipient in Subscriber.objects.all():
        quarantine.quarantine(recipient, reason="550", author=admin)
    assert subs("POST", "subscribers/reactivate", {"subscribers": ids}).status_code == 201
    assert set(Subscriber.objects.values_list("state", flat=True)) == {"unconfirmed"}
    response = subs("POST", "subscribers/unsubscribe", {"subscribers": "all", "state": "all"})
    assert (response.status_code, response.content, response.has_header("Content-Type")) == (201, b"", False)
    assert set(Subscriber.objects.values_list("state", flat=True)) == {"unsubscribed"}
    assert subs("POST", "subscribers/unsubscribe", {"subscribers": ["a"] * 101}).status_code == 422


@pytest.mark.slow
def test_a_subscriber_of_one_incident_hears_of_that_one(subs: Call, call: Call) -> None:
    opened = call("POST", "incidents", {"incident": {"name": "Slow"}}).json()["id"]
    path = f"incidents/{opened}/subscribers"
    response = subs("POST", path, {"subscriber": {"email": "ann@example.com"}})
    assert response.status_code == 201, response.content
    one = f"{path}/{response.json()['id']}"
    assert subs("GET", path).json() == [subs("GET", one).json()]
    assert subs("POST", f"{one}/resend_confirmation").status_code == 201
    assert subs("DELETE", one).json()["email"] == "ann@example.com"
    assert subs("GET", one).status_code == 404
    assert Subscriber.objects.get().state == Subscriber.State.UNSUBSCRIBED
    call("PATCH", f"incidents/{opened}", {"incident": {"status": "resolved"}})
    assert subs("POST", path, {"subscriber": {"email": "bob@example.com"}}).status_code == 422


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"email": "nobody"},
        {"email": "a@example.com\r\nBcc: b@example.com"},
        {"phone_number": "5551234", "phone_country": "us"},
        {"email": "a@example.com", "component_ids": ["nosuchthing0"]},
        {"email": "a@example.com", "endpoint": "http://127.0.0.1/hook"},
        {"email": "a@example.com", "endpoint": "ftp://example.com"},
    ],
)
def test_who_cannot_be_notified_is_refused(subs: Call, wrong: dict[str, Any]) -> None:
    response = subs("POST", "subscribers", {"subscriber": wrong})
    assert response.status_code == 422, response.content
    assert not Subscriber.objects.exists()


def test_addresses_are_for_keys_of_subscribers_only(call: Call) -> None:
    for path in ("subscribers", "subscribers/count", "subscribers/unsubscribed"):
        response = call("GET", path)
        assert (response.status_code, "subscribers" in response.json()["error"]) == (403, True)
