"""What programs may not do with incidents, and what they are answered."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from incidents import catalogue, incidents
from incidents.lifecycle import ComponentStatus, IncidentStatus, Visibility
from incidents.models import Component, Incident, Page, User

pytestmark = pytest.mark.long

Call = Callable[..., Any]
WINDOW = {"scheduled_for": "2030-01-10T20:00:00+01:00", "scheduled_until": "2030-01-10T22:00:00+01:00"}


REFUSED: list[tuple[str, str, Any, int]] = [
    ("POST", "incidents", {}, 422),
    ("POST", "incidents", [], 422),
    ("POST", "incidents", {"incident": []}, 422),
    ("POST", "incidents", {"incident": {}}, 422),
    ("POST", "incidents", {"incident": {"name": ""}}, 422),
    ("POST", "incidents", {"incident": {"name": "x" * 256}}, 422),
    ("POST", "incidents", {"incident": {"name": "NUL \x00"}}, 422),
    ("POST", "incidents", {"incident": {"name": "half \ud800"}}, 400),
    ("POST", "incidents", {"incident": {"name": "n", "body": "x" * 25_001}}, 422),
    ("POST", "incidents", {"incident": {"name": "n", "body": "x" * 6_000_000}}, 413),
    ("POST", "incidents", {"incident": {"name": "n", "status": "fixed"}}, 422),
    ("POST", "incidents", {"incident": {"name": "n", "status": "in_progress"}}, 422),
    ("POST", "incidents", {"incident": {"name": "n", "impact_override": "sev1"}}, 422),
    ("POST", "incidents", {"incident": {"name": "n", "components": {"unknown": "major_outage"}}}, 422),
    ("POST", "incidents", {"incident": {"name": "n", "components": {"nul \x00": "operational"}}}, 422),
    ("POST", "incidents", {"incident": {"name": "n", "component_ids": ["unknown"]}}, 422),
    ("POST", "incidents", {"incident": {"name": "n", "backfilled": True}}, 422),
    ("POST", "incidents", {"incident": {"name": "n", "backfilled": True, "backfill_date": "2020-13-01"}}, 422),
    ("POST", "incidents", {"incident": {"name": "n", "backfilled": True, "backfill_date": "2990-01-01"}}, 422),
    ("POST", "incidents", {"incident": {"name": "n", "metadata": {"ticket": 1}}}, 422),
    ("POST", "incidents", {"incident": {"name": "n", "metadata": {"a": {"b": "\x00"}}}}, 422),
    ("POST", "incidents", {"incident": {"name": "n", "impact_override": "maintenance"}}, 422),
    ("POST", "incidents", {"incident": {"name": "n", "scheduled_for": WINDOW["scheduled_for"]}}, 422),
    ("POST", "incidents", {"incident": {"name": "n", "status": "completed", **WINDOW}}, 422),
    ("POST", "incidents", {"incident": {"name": "n", **WINDOW, "scheduled_until": "2030-01-10T10:00:00Z"}}, 422),
    ("PATCH", "incidents/{incident}", {"incident": {"status": "scheduled"}}, 422),
    ("PATCH", "incidents/{incident}", {"incident": {"components": {"{component}": "major_outage"}}}, 422),
    ("PATCH", "incidents/{incident}", {"incident": WINDOW}, 422),
    ("PATCH", "incidents/{incident}", {"incident": {"name": "x" * 256}}, 422),
    ("PATCH", "incidents/{incident}", {"body": "No envelope."}, 422),
    ("PATCH", "incidents/{incident}/incident_updates/{update}", {"incident_update": {"body": ""}}, 422),
    ("PATCH", "incidents/{incident}/incident_updates/{component}", {"incident_update": {"body": "b"}}, 404),
    ("PATCH", "components/{component}", {"component": {"status": "broken"}}, 422),
    ("PATCH", "components/{component}", {"component": {"name": "x" * 101}}, 422),
    ("PATCH", "components/{component}", {"component": {"name": "Renamed", "group_id": "nosuchgroup0"}}, 422),
    ("PATCH", "components/{incident}", {"component": {"status": "major_outage"}}, 404),
    ("GET", "incidents/{component}", None, 404),
    ("GET", "incidents?limit=0", None, 422),
    ("GET", "incidents?page=99999999999999999999", None, 422),
    ("GET", "incidents?q=%00", None, 422),
    ("DELETE", "incidents", None, 405),
    ("GET", "nonsense", None, 404),
    ("GET", "nonsense.json", None, 404),
    ("GET", "non%0Asense//", None, 404),
    ("GET", "incidents/a%00b", None, 404),
]


def test_what_cannot_be_done_is_refused_with_a_sentence_and_leaves_no_trace(
    call: Call, opened: Any, component: Component, subtests: pytest.Subtests
) -> None:
    def fill(text: str) -> str:
        names = {"incident": opened["id"], "component": component.public_id}
        for name, value in (names | {"update": opened["incident_updates"][0]["id"]}).items():
            text = text.replace(f"{{{name}}}", value)
        return text

    before = call("GET", "incidents").json(), call("GET", "components").json()
    for method, path, body, code in REFUSED:
        with subtests.test(method=method, path=path, body=str(body)[:99]):
            response = call(method, fill(path), json.loads(fill(json.dumps(body))))
            assert response.status_code == code, response.content
            assert response["Content-Type"] == "application/json"
            assert list(response.json()) == ["error"]
            assert response.json()["error"].endswith(".")
    assert (call("GET", "incidents").json(), call("GET", "components").json()) == before


def test_a_resolved_incident_is_not_resolved_again(call: Call, opened: Any) -> None:
    path = f"incidents/{opened['id']}"
    assert call("PATCH", path, {"incident": {"status": "resolved"}}).status_code == 200
    response = call("PATCH", path, {"incident": {"status": "resolved", "body": "Again."}})
    assert response.status_code == 422
    assert "reopen" in response.json()["error"]


def test_a_refused_update_takes_the_new_name_back_with_it(call: Call, opened: Any) -> None:
    change = {"name": "Renamed", "body": "b", "components": {"unknown": "operational"}}
    assert call("PATCH", f"incidents/{opened['id']}", {"incident": change}).status_code == 422
    assert Incident.objects.get().title == "Errors"


def test_what_is_internal_is_out_of_reach(
    call: Call, page: Page, author: User, make_component: Callable[..., Component]
) -> None:
    hidden = incidents.declare_incident(page, title="Secret", author=author, visibility=Visibility.INTERNAL)
    incidents.post_update(hidden, status=IncidentStatus.INVESTIGATING, body="Internal.", author=author)
    secret = make_component("Secret component", visibility=Visibility.INTERNAL)
    assert call("GET", "incidents").json() == []
    assert call("GET", "components").json() == []
    assert call("GET", f"incidents/{hidden.public_id}").status_code == 404
    assert call("PATCH", f"incidents/{hidden.public_id}", {"incident": {"body": "b"}}).status_code == 404
    assert call("GET", f"components/{secret.public_id}").status_code == 404
    down = {"component": {"status": "major_outage"}}
    assert call("PATCH", f"components/{secret.public_id}", down).status_code == 404
    assert secret.status == ComponentStatus.OPERATIONAL


def test_another_page_s_incidents_and_components_are_out_of_reach(
    client: Client, key: str, admin: User, opened: Any, component: Component
) -> None:
    other = catalogue.create_page(name="Other", url="https://other.acme.example", author=admin)
    for path in (f"incidents/{opened['id']}", f"components/{component.public_id}"):
        below = f"/api/v1/pages/{other.public_id}/{path}"
        assert client.get(below, headers={"Authorization": f"OAuth {key}"}).status_code == 404


def test_an_unknown_page_is_not_found(client: Client, page: Page, key: str) -> None:
    response = client.get("/api/v1/pages/nosuchpage00/incidents", headers={"Authorization": f"OAuth {key}"})
    assert response.status_code == 404
    assert list(response.json()) == ["error"]


def test_requests_are_read_as_clients_write_them(client: Client, page: Page, component: Component, key: str) -> None:
    headers = {"Authorization": f"OAuth {key}"}
    assert client.get(f"/api/v1//pages/{page.public_id}//incidents.json/", headers=headers).json() == []
    address = f"/api/v1/pages/{page.public_id}/components/{component.public_id}.json"
    asked = client.patch(f"{address}?component[status]=major_outage&api_key={key}")
    assert (asked.status_code, asked.json()["status"]) == (200, "major_outage")
    sent = client.post(
        f"/api/v1//pages/{page.public_id}/incidents.json", {"incident[name]": "By parts"}, headers=headers
    )
    assert (sent.status_code, sent.json()["name"]) == (201, "By parts")
    missing = client.get("/api/v1/nowhere", headers=headers)
    assert (missing.status_code, list(missing.json())) == (404, ["error"])
