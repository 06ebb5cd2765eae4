from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client
from django.utils import timezone
from jsonschema import Draft202012Validator
from pytest_django import DjangoAssertNumQueries

from incidents import catalogue, incidents
from incidents.lifecycle import ComponentStatus, IncidentStatus, Visibility
from incidents.models import ApiKey, Component, Incident, IncidentUpdate, Page, User
from tests.reports import publish_report
from tests.status.schema import DOCUMENTS

Call = Callable[..., Any]
WINDOW = {"scheduled_for": "2030-01-10T20:00:00+01:00", "scheduled_until": "2030-01-10T22:00:00+01:00"}


@pytest.fixture
def opened(call: Call, component: Component) -> Any:
    """An incident that a program opened, as it was answered."""
    response = call("POST", "incidents", {"incident": {"name": "Errors", "body": "We look.", **degraded(component)}})
    assert response.status_code == 201, response.content
    return response.json()


def degraded(component: Component) -> dict[str, Any]:
    return {"components": {component.public_id: "degraded_performance"}}


def update_bodies(incident: dict[str, Any]) -> list[str]:
    return [update["body"] for update in incident["incident_updates"]]


# --- Incidents ---
def test_an_incident_opened_by_a_program_has_the_key_s_user_as_author(opened: Any, component: Component) -> None:
    incident = Incident.objects.get(public_id=opened["id"])
    user = ApiKey.objects.get(name="deploys").user
    assert incident.updates.get().author == user
    assert incident.history.get(history_type="+").history_user == user
    assert component.status == ComponentStatus.DEGRADED_PERFORMANCE


@pytest.mark.django_db(transaction=True)
def test_what_a_program_writes_is_on_the_page_at_once(
    call: Call, opened: Any, page: Page, published: Callable[[Page, str], str]
) -> None:
    summary = json.loads(published(page, "api/v2/summary.json"))
    assert [incident["id"] for incident in summary["incidents"]] == [opened["id"]]
    assert summary["status"]["description"] == "Degraded System Service"
    call("PATCH", f"incidents/{opened['id']}", {"incident": {"status": "resolved"}})
    assert json.loads(published(page, "api/v2/summary.json"))["incidents"] == []
    call("POST", "incidents", {"incident": {"name": "New disks", **WINDOW}})
    for path, schema in DOCUMENTS.items():
        document = json.loads(published(page, f"api/v2/{path}".replace("<id>", opened["id"])))
        Draft202012Validator(schema).validate(document)


def test_an_incident_is_answered_in_statuspage_s_words(opened: Any, page: Page, component: Component) -> None:
    update = opened["incident_updates"][0]
    assert list(opened) == [
        *("id", "components", "created_at", "impact", "impact_override", "incident_updates", "metadata"),
        *("monitoring_at", "name", "page_id", "postmortem_body", "postmortem_body_last_updated_at"),
        *("postmortem_ignored", "postmortem_notified_subscribers", "postmortem_notified_twitter"),
        *("postmortem_published_at", "resolved_at", "scheduled_auto_completed", "scheduled_auto_in_progress"),
        *("scheduled_for", "auto_transition_deliver_notifications_at_end"),
        *("auto_transition_deliver_notifications_at_start", "auto_transition_to_maintenance_state"),
        *("auto_transition_to_operational_state", "scheduled_remind_prior", "scheduled_reminded_at"),
        *("scheduled_until", "shortlink", "status", "updated_at", "reminder_intervals"),
    ]
    assert opened["name"] == "Errors"
    assert opened["status"] == "investigating"
    assert opened["impact"] == "minor"
    assert opened["impact_override"] is None
    assert opened["page_id"] == page.public_id
    assert opened["shortlink"] == f"https://status.acme.example/incidents/{opened['id']}"
    assert opened["metadata"] == {}
    assert opened["created_at"].endswith("Z")
    assert len(opened["created_at"]) == len("2024-06-07T01:00:17.123Z")
    assert update["affected_components"] == [
        {
            "code": component.public_id,
            "name": "API",
            "old_status": "operational",
            "new_status": "degraded_performance",
        }
    ]
    assert (update["incident_id"], update["body"], update["status"]) == (opened["id"], "We look.", "investigating")
    assert [row["status"] for row in opened["components"]] == ["degraded_performance"]


def test_an_update_is_posted_with_a_body_and_a_status(call: Call, opened: Any, component: Component) -> None:
    response = call(
        "PATCH",
        f"incidents/{opened['id']}",
        {
            "incident": {
                "body": "Fixed it.",
                "status": "monitoring",
                "components": {component.public_id: "operational"},
                "deliver_notifications": False,
            }
        },
    )
    assert response.status_code == 200
    incident = response.json()
    assert update_bodies(incident) == ["Fixed it.", "We look."]
    assert incident["status"] == "monitoring"
    assert incident["monitoring_at"] == incident["incident_updates"][0]["display_at"]
    assert incident["incident_updates"][0]["deliver_notifications"] is False
    assert incident["impact"] == "minor"
    assert component.status == ComponentStatus.OPERATIONAL


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"status": "identified"}, "The issue has been identified and a fix is being implemented."),
        ({"status": "resolved", "body": ""}, "This incident has been resolved."),
        ({"message": "The old word."}, "The old word."),
    ],
)
def test_an_update_without_a_body_has_the_usual_sentence(
    call: Call, opened: Any, said: dict[str, str], expected: str
) -> None:
    incident = call("PUT", f"incidents/{opened['id']}", {"incident": said}).json()
    assert update_bodies(incident) == [expected, "We look."]


def test_a_name_alone_is_enough_to_open_an_incident(call: Call) -> None:
    response = call("POST", "incidents", {"incident": {"name": "Slow"}})
    assert response.status_code == 201
    assert update_bodies(response.json()) == ["We are currently investigating this issue."]


def test_the_name_and_the_impact_change_without_an_update(call: Call, opened: Any) -> None:
    change = {"name": "Slow answers", "impact_override": "critical", "status": "investigating"}
    incident = call("PATCH", f"incidents/{opened['id']}", {"incident": change}).json()
    assert (incident["name"], incident["impact"], incident["impact_override"]) == ("Slow answers", *["critical"] * 2)
    assert update_bodies(incident) == ["We look."]
    incident = call("PATCH", f"incidents/{opened['id']}", {"incident": {"impact_override": None}}).json()
    assert (incident["impact"], incident["impact_override"]) == ("minor", None)


def test_components_can_be_named_without_changing_them(call: Call, component: Component) -> None:
    said = {"name": "Look at this", "component_ids": [component.public_id]}
    incident = call("POST", "incidents", {"incident": said}).json()
    assert [row["id"] for row in incident["components"]] == [component.public_id]
    assert incident["impact"] == "none"
    assert component.status == ComponentStatus.OPERATIONAL


def test_forms_are_read_as_statuspage_s_examples_send_them(
    client: Client, page: Page, key: str, make_component: Callable[..., Component]
) -> None:
    api, web = make_component("API"), make_component("Web")
    fields = [
        ("incident[name]", "Form & function"),
        ("incident[status]", "identified"),
        ("incident[body]", "Über alles"),
        (f"incident[components][{api.public_id}]", "major_outage"),
        ("incident[component_ids][]", api.public_id),
        ("incident[component_ids][]", web.public_id),
        ("incident[deliver_notifications]", "f"),
    ]
    response = client.generic(
        "POST",
        f"/api/v1/pages/{page.public_id}/incidents.json",
        urlencode(fields),
        content_type="application/x-www-form-urlencoded",
        headers={"Authorization": f"OAuth {key}"},
    )
    assert response.status_code == 201, response.content
    incident = response.json()
    assert incident["name"] == "Form & function"
    assert update_bodies(incident) == ["Über alles"]
    assert {row["name"]: row["status"] for row in incident["components"]} == {
        "API": "major_outage",
        "Web": "operational",
    }
    assert incident["incident_updates"][0]["deliver_notifications"] is False


def test_a_maintenance_is_announced_with_its_window_and_moved_on(call: Call, component: Component) -> None:
    said = {"name": "New disks", "component_ids": [component.public_id], **WINDOW}
    response = call("POST", "incidents", {"incident": said})
    assert response.status_code == 201, response.content
    incident = response.json()
    assert (incident["status"], incident["impact"]) == ("scheduled", "maintenance")
    assert incident["scheduled_for"] == "2030-01-10T19:00:00.000Z"
    assert incident["scheduled_until"] == "2030-01-10T21:00:00.000Z"
    begun = {"status": "in_progress", "components": {component.public_id: "under_maintenance"}, **WINDOW}
    incident = call("PATCH", f"incidents/{incident['id']}", {"incident": begun}).json()
    assert incident["status"] == "in_progress"
    assert component.status == ComponentStatus.UNDER_MAINTENANCE


def test_an_incident_stays_resolved_when_its_postmortem_is_published(call: Call, opened: Any, author: User) -> None:
    call("PATCH", f"incidents/{opened['id']}", {"incident": {"status": "resolved"}})
    publish_report(Incident.objects.get(), body="It was DNS.", author=author)
    incident = call("GET", f"incidents/{opened['id']}").json()
    assert incident["status"] == "resolved"
    assert incident["postmortem_body"] == "## Summary\n\nIt was DNS."
    assert incident["postmortem_published_at"] is not None


def test_incidents_are_listed_newest_first_in_slices(call: Call) -> None:
    for name in ("first", "second", "third"):
        call("POST", "incidents", {"incident": {"name": name, "body": f"About the {name}."}})

    def names(query: str) -> list[str]:
        return [incident["name"] for incident in call("GET", f"incidents{query}").json()]

    assert names("") == names(".json") == ["third", "second", "first"]
    assert names("?limit=2") == ["third", "second"]
    assert names("?limit=2&page=2") == ["first"]
    assert names("?limit=2&page=9") == []
    assert names("?q=SECOND") == ["second"]
    assert names("?q=about the first") == ["first"]


def test_reading_a_list_takes_the_same_number_of_queries_for_one_and_for_many(
    call: Call, component: Component, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(4):
        call("POST", "incidents", {"incident": {"name": f"Number {number}", **degraded(component)}})
    with django_assert_max_num_queries(50) as one:
        call("GET", "incidents?limit=1")
    with django_assert_max_num_queries(len(one)):
        assert len(call("GET", "incidents").json()) == 4


def test_every_path_works_with_json_at_its_end(call: Call, opened: Any, component: Component) -> None:
    update = opened["incident_updates"][0]
    for path in ("incidents", f"incidents/{opened['id']}", "components", f"components/{component.public_id}"):
        assert call("GET", f"{path}.json").json() == call("GET", path).json()
    path = f"incidents/{opened['id']}/incident_updates/{update['id']}.json"
    assert call("PATCH", path, {"incident_update": {"body": "Other words."}}).status_code == 200


# --- Corrections and components ---
def test_a_correction_changes_the_text_keeps_the_old_one_and_says_that_it_was_edited(call: Call, opened: Any) -> None:
    path = f"incidents/{opened['id']}/incident_updates/{opened['incident_updates'][0]['id']}"
    response = call("PATCH", path, {"incident_update": {"body": "We looked.", "wants_twitter_update": False}})
    assert response.status_code == 200
    assert response.json()["body"] == "We looked."
    assert list(response.json()) == list(opened["incident_updates"][0])
    update = IncidentUpdate.objects.get()
    assert update.edited_at is not None
    assert [row.body for row in update.history.order_by("history_id")] == ["We look.", "We looked."]


def test_the_time_shown_is_corrected_in_order_and_the_old_one_kept(call: Call, opened: Any) -> None:
    call("PATCH", f"incidents/{opened['id']}", {"incident": {"status": "identified"}})
    first = opened["incident_updates"][0]
    path = f"incidents/{opened['id']}/incident_updates/{first['id']}"
    same = call("PATCH", path, {"incident_update": first})
    assert (same.status_code, IncidentUpdate.objects.earliest("pk").edited_at) == (200, None)
    moved = call("PATCH", path, {"incident_update": {"display_at": "2026-01-10T10:00:00+01:00"}})
    assert (moved.status_code, moved.json()["display_at"]) == (200, "2026-01-10T09:00:00.000Z")
    update = IncidentUpdate.objects.get(public_id=first["id"])
    assert [row.display_at == update.display_at for row in update.history.order_by("history_id")] == [False, True]
    assert update.incident.first_posted_at == update.display_at
    for late in ("2990-01-01T00:00:00Z", timezone.now().isoformat()):
        refused = call("PATCH", path, {"incident_update": {"display_at": late}})
        assert (refused.status_code, "time shown lies" in refused.json()["error"]) == (422, True)


def test_components_are_listed_in_page_order(call: Call, make_component: Callable[..., Component]) -> None:
    make_component("Second", position=2)
    first = make_component("First", position=1, description="Begins.")
    rows = call("GET", "components").json()
    assert [row["name"] for row in rows] == ["First", "Second"]
    assert list(rows[0]) == [
        *("id", "page_id", "group_id", "created_at", "updated_at", "group", "name", "description", "position"),
        *("status", "showcase", "only_show_if_degraded", "automation_email", "start_date"),
    ]
    assert rows[0]["id"] == first.public_id
    assert rows[0]["description"] == "Begins."
    assert [row["name"] for row in call("GET", "components?per_page=1&page=2").json()] == ["Second"]


def test_the_status_of_a_component_is_set_without_an_incident(call: Call, component: Component) -> None:
    path = f"components/{component.public_id}"
    for method, to in (("PATCH", "major_outage"), ("PUT", "operational")):
        whole = call("GET", path).json()
        response = call(method, path, {"component": whole | {"status": to}})
        assert response.status_code == 200, response.content
        assert response.json()["status"] == component.status == to
        assert call("GET", path).json() == response.json()
    assert component.status_changes.earliest("pk").author == ApiKey.objects.get().user


def test_an_end_that_leaves_a_component_down_says_so(call: Call, component: Component) -> None:
    down = {"name": "Errors", "body": "Down.", "components": {component.public_id: "major_outage"}}
    opened = call("POST", "incidents", {"incident": down}).json()
    assert "warnings" not in opened
    path = f"incidents/{opened['id']}"
    answer = call("PATCH", path, {"incident": {"status": "resolved"}}).json()
    assert answer["warnings"] == ["It is over, but this component is not operational: API (Major outage)."]
    assert "warnings" not in call("GET", path).json()


# --- What is refused ---
@pytest.mark.parametrize(
    ("method", "path", "body", "code"),
    [
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
    ],
)
def test_what_cannot_be_done_is_refused_with_a_sentence_and_leaves_no_trace(
    call: Call, opened: Any, component: Component, method: str, path: str, body: Any, code: int
) -> None:
    def fill(text: str) -> str:
        names = {"incident": opened["id"], "component": component.public_id}
        for name, value in (names | {"update": opened["incident_updates"][0]["id"]}).items():
            text = text.replace(f"{{{name}}}", value)
        return text

    before = call("GET", "incidents").json(), call("GET", "components").json()
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
