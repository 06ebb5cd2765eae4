"""A write sent twice is done once, and a write over somebody else's is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import requests
import time_machine
from django.utils import timezone
from pytest_django.live_server_helper import LiveServer

from incidents.models import Component, Incident, IncidentUpdate, Page
from portal import middleware
from portal.models import KeptAnswer
from tests.waiting import stretched

pytestmark = [pytest.mark.long, pytest.mark.both]

Call = Callable[..., Any]
SLOW = {"incident": {"name": "Slow"}}


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_hundred_repetitions_at_once_have_one_effect_and_one_answer(
    live_server: LiveServer, page: Page, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(middleware, "TURN", stretched(5))

    def send(_number: int) -> tuple[int, str]:
        response = requests.post(
            f"{live_server.url}/api/v1/pages/{page.public_id}/incidents",
            json=SLOW,
            headers={"Authorization": f"OAuth {key}", "Idempotency-Key": "deploy 17"},
            timeout=stretched(60),
        )
        return response.status_code, response.text

    _slots, inside = middleware.SHARES["programs"]  # of more, some are told to come again
    with ThreadPoolExecutor(inside) as threads:
        answers = set(threads.map(send, range(100)))
    assert len(answers) == 1
    ((status, text),) = answers
    assert status == 201
    assert json.loads(text)["id"] == Incident.objects.get().public_id


def test_an_idempotency_key_belongs_to_one_request_of_one_key(call: Call, root: Call) -> None:
    first = call("POST", "incidents", SLOW, Idempotency_Key="a")
    again = call("POST", "incidents", SLOW, Idempotency_Key="a")
    assert (again.status_code, again.json(), again["Idempotent-Replayed"]) == (201, first.json(), "true")
    assert not first.has_header("Idempotent-Replayed")
    for path, body in (("incidents", {"incident": {"name": "Other"}}), ("components", SLOW)):
        refused = call("POST", path, body, Idempotency_Key="a")
        assert refused.status_code == 422
        assert "another request" in refused.json()["error"]
    assert root("POST", "incidents", SLOW, Idempotency_Key="a").json()["id"] != first.json()["id"]
    assert Incident.objects.count() == 2


def test_a_refusal_is_not_kept_and_neither_is_an_answer_for_longer_than_a_day(call: Call) -> None:
    assert call("POST", "incidents", {"incident": {}}, Idempotency_Key="a").status_code == 422
    assert not KeptAnswer.objects.exists()
    assert call("POST", "incidents", SLOW, Idempotency_Key="a").status_code == 201
    with time_machine.travel(timezone.now() + timedelta(days=1, minutes=1)):
        assert call("POST", "incidents", SLOW, Idempotency_Key="a").status_code == 201
    assert Incident.objects.count() == 2


def test_an_answer_without_a_body_is_repeated_without_one(call: Call, component: Component) -> None:
    for _time in range(2):
        gone = call("DELETE", f"components/{component.public_id}", Idempotency_Key="a")
        assert (gone.status_code, gone.content, gone.has_header("Content-Type")) == (204, b"", False)


@pytest.mark.parametrize("name", ["", "x" * 256])
def test_an_idempotency_key_that_is_none_is_refused(call: Call, name: str) -> None:
    assert call("POST", "incidents", SLOW, Idempotency_Key=name).status_code == 422
    assert not Incident.objects.exists()


# --- Lost updates -----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_what_another_one_changed_meanwhile_is_shown_instead_of_overwritten(call: Call) -> None:
    path = f"incidents/{call('POST', 'incidents', SLOW).json()['id']}"
    read = call("GET", path)["ETag"]
    assert call("GET", path, If_None_Match=read).status_code == 304
    mine = call("PATCH", path, {"incident": {"status": "identified"}}, If_Match=read)
    assert mine.status_code == 200
    theirs = call("PATCH", path, {"incident": {"status": "monitoring", "name": "Other"}}, If_Match=read)
    assert theirs.status_code == 412
    assert theirs.json()["current"] == mine.json() == call("GET", path).json()
    assert "changed" in theirs.json()["error"]
    again = call("PATCH", path, {"incident": {"status": "monitoring"}}, If_Match=mine["ETag"])
    assert (again.status_code, again.json()["status"]) == (200, "monitoring")
    assert call("PATCH", path, {"incident": {"status": "resolved"}}, If_Match="*").status_code == 200


@pytest.mark.django_db(transaction=True)
def test_of_two_that_change_an_incident_at_the_same_time_one_is_refused(
    live_server: LiveServer, call: Call, key: str, page: Page
) -> None:
    opened = call("POST", "incidents", SLOW).json()["id"]
    url = f"{live_server.url}/api/v1/pages/{page.public_id}/incidents/{opened}"
    headers = {"Authorization": f"OAuth {key}"}
    read = requests.get(url, headers=headers, timeout=stretched(60)).headers["ETag"]

    def say(body: str) -> requests.Response:
        sent = {"incident": {"body": body}}
        return requests.patch(url, json=sent, headers=headers | {"If-Match": read}, timeout=stretched(60))

    with ThreadPoolExecutor(2) as threads:
        answers = sorted(threads.map(say, ["One.", "Two."]), key=lambda answer: answer.status_code)
    assert [answer.status_code for answer in answers] == [200, 412]
    assert answers[1].json()["current"] == answers[0].json()
    assert IncidentUpdate.objects.count() == 2
