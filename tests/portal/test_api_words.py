"""No operation of the API makes a secret or an internal name public: all that take a text are walked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from incidents.incidents import declare_incident
from incidents.models import Page, User
from tests.portal.world import World
from tests.rows import everything

LEAKS = ["token=Winter2024", "Vault Keeper down"]  # short enough for a unit
INCIDENTS = "/api/v1/pages/{page_id}/incidents"
COMPONENTS = "/api/v1/pages/{page_id}/components"
GROUPS = "/api/v1/pages/{page_id}/component-groups"
METRICS = "/api/v1/pages/{page_id}/metrics_providers/{provider_id}/metrics"
# Of each operation that takes a text for the public: the texts, and what else it needs
PUBLIC: dict[tuple[str, str], tuple[set[str], dict[str, Any]]] = {
    ("patch", "/api/v1/pages/{page_id}"): ({"page.name"}, {}),
    ("post", INCIDENTS): ({"incident.name", "incident.body", "incident.message"}, {"incident": {"name": "Slow"}}),
    ("patch", f"{INCIDENTS}/{{incident_id}}"): ({"incident.name", "incident.body", "incident.message"}, {}),
    ("patch", f"{INCIDENTS}/{{incident_id}}/incident_updates/{{update_id}}"): ({"incident_update.body"}, {}),
    ("post", COMPONENTS): ({"component.name", "component.description"}, {"component": {"name": "New"}}),
    ("patch", f"{COMPONENTS}/{{component_id}}"): ({"component.name", "component.description"}, {}),
    ("post", GROUPS): (
        {"component_group.name", "component_group.description", "description"},
        {"component_group": {"name": "New", "components": ["COMPONENT"]}},
    ),
    ("patch", f"{GROUPS}/{{group_id}}"): (
        {"component_group.name", "component_group.description", "description"},
        {"component_group": {"components": ["COMPONENT"]}},
    ),
    ("post", METRICS): (
        {"metric.name", "metric.suffix", "metric.tooltip_description"},
        {"metric": {"name": "New", "metric_identifier": "new"}},
    ),
    ("patch", "/api/v1/pages/{page_id}/metrics/{metric_id}"): (
        {"metric.name", "metric.suffix", "metric.tooltip_description"},
        {},
    ),
}
# What readers do not read as it is
INTERNAL = {
    *("backfill_date", "display_at", "ended_at", "occurred_at", "scheduled_for", "scheduled_until", "start_date"),
    *("reminder_intervals", "time_zone", "timestamp", "due_on"),
    *("application_id", "metric_identifier", "transform", "component_ids", "components", "group_id", "items"),
    *("email", "endpoint", "phone_country", "phone_number", "page_access_user"),  # of recipients
    *("subscribers", "domain", "url", "support_url", "tracker_url"),
    *("incident_background_color", "incident_text_color", "maintenance_background_color", "maintenance_text_color"),
    *("template.body", "template.title", "template.name"),  # checked when an update made of it is posted
    *("action_item.text", "action_item.evidence", "timeline_entry.text"),  # for staff
    *("postmortem.body_draft", "postmortem.body"),  # checked when it is approved and when it is published
    "postmortem.what_changed",  # of a report that was approved anew: the walk of the services has it
    *("postmortem.break_glass", "postmortem.fingerprint", "postmortem.custom_tweet"),
}


pytestmark = [pytest.mark.long, pytest.mark.usefixtures("vault")]


@pytest.fixture
def schema(client: Client) -> dict[str, Any]:
    answer = client.get("/api/schema", headers={"Accept": "application/vnd.oai.openapi+json"})
    found: dict[str, Any] = json.loads(answer.content)
    return found


def texts_of(schema: dict[str, Any], part: dict[str, Any], place: str = "") -> Iterator[str]:
    """Where a request may have a text that is no choice among some: incident.name."""
    if "$ref" in part:
        part = schema["components"]["schemas"][part["$ref"].rpartition("/")[2]]
    for inner in [*part.get("allOf", ()), *part.get("oneOf", ()), *part.get("anyOf", ())]:
        yield from texts_of(schema, inner, place)
    if "string" in part.get("type", ()) and "enum" not in part:
        yield place
    if "items" in part:
        yield from texts_of(schema, part["items"], place)
    if isinstance(part.get("additionalProperties"), dict):
        yield from texts_of(schema, part["additionalProperties"], place)
    for name, inner in part.get("properties", {}).items():
        yield from texts_of(schema, inner, f"{place}.{name}".lstrip("."))


def test_every_text_of_every_operation_is_classified(schema: dict[str, Any]) -> None:
    unknown = {
        (method, path, text)
        for path, operations in schema["paths"].items()
        for method, operation in operations.items()
        if "requestBody" in operation and not (method == "put" and "patch" in operations)
        for text in texts_of(schema, operation["requestBody"]["content"]["application/json"]["schema"])
        if text not in PUBLIC.get((method, path), (set(), {}))[0] | INTERNAL and text.rpartition(".")[2] not in INTERNAL
    }
    assert not unknown, f"{sorted(unknown)}: say here that they are public, or why nobody outside reads them"


@pytest.mark.slow
def test_no_operation_makes_a_secret_or_an_internal_name_public(
    client: Client, page: Page, admin: User, root_key: str, settings: Any
) -> None:
    settings.API_RATE = 1_000_000
    world = World(page, admin)
    incident = declare_incident(page, title="Slow", author=admin)
    update = world.say(incident, [])
    ids = {
        "page_id": world.page.public_id,
        "provider_id": world.page.public_id,
        "incident_id": incident.public_id,
        "update_id": update.public_id,
        "component_id": world.component.public_id,
        "group_id": world.group.public_id,
        "metric_id": world.metric.public_id,
    }
    escaped = []
    for (method, path), (texts, needed) in PUBLIC.items():
        for text in sorted(texts):
            for leak in LEAKS:
                before = everything()
                answer = client.generic(
                    method.upper(),
                    path.format(**ids),
                    json.dumps(planted(needed, text, leak)).replace("COMPONENT", ids["component_id"]),
                    content_type="application/json",
                    headers={"Authorization": f"OAuth {root_key}"},
                )
                is_refused = answer.status_code == 422 and "“" in answer.json()["error"]
                if not is_refused or not answer.json().get("findings") or changed(before):
                    escaped.append((method, path, text, leak, answer.status_code))
    assert escaped == [], "\n".join(map(str, escaped))


def planted(needed: dict[str, Any], text: str, leak: str) -> dict[str, Any]:
    """What an operation needs, with `leak` at the place of this text."""
    noun, _dot, name = text.rpartition(".")
    return needed | ({noun: needed.get(noun, {}) | {name: leak}} if noun else {name: leak})


def changed(before: dict[str, Any]) -> bool:
    """Whether anything was written but when a key was last used."""
    now = everything()
    return any(rows != now[table] for table, rows in before.items() if "keyuse" not in table)
