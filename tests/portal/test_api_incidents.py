"""Programs open, update, correct and list incidents."""

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

from incidents.lifecycle import ComponentStatus
from incidents.models import ApiKey, Component, Incident, IncidentUpdate, Page, User
from tests.reports import publish_report
from tests.status.statuspage_v2_schema import DOCUMENTS

pytestmark = pytest.mark.long

Call = Callable[..., Any]
WINDOW = {"scheduled_for": "2030-01-10T20:00:00+01:00", "scheduled_until": "2030-01-10T22:00:00+01:00"}


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


@pytest.mark.slow
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


@pytest.mark.slow
def test_an_incident_stays_resolved_when_its_postmortem_is_published(call: Call, opened: Any, author: User) -> None:
    call("PATCH", f"incidents/{opened['id']}", {"incident": {"status": "resolved"}})
    publish_report(Incident.objects.get(), body="It was DNS.", author=author)
    incident = call("GET", f"incidents/{opened['id']}").json()
    assert incident["status"] == "resolved"
    assert incident["postmortem_body"] == "## Summary\n\nIt was DNS."
    assert incident["postmortem_published_at"] is not None


@pytest.mark.slow
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


@pytest.mark.slow
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
