from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from status.rendering import api_v2
from status.rendering.snapshot import Site
from tests.status import factory
from tests.status.statuspage_v2_schema import DOCUMENTS

RECORDED = sorted((Path(__file__).parent / "github-incidents").glob("*.json"))
RENDERERS: dict[str, Callable[[Site], bytes]] = {
    "summary.json": api_v2.summary,
    "status.json": api_v2.status,
    "components.json": api_v2.components,
    "incidents.json": api_v2.incidents,
    "incidents/unresolved.json": api_v2.incidents_unresolved,
    "scheduled-maintenances.json": api_v2.scheduled_maintenances,
    "scheduled-maintenances/upcoming.json": api_v2.scheduled_maintenances_upcoming,
    "scheduled-maintenances/active.json": api_v2.scheduled_maintenances_active,
}


def accepts(document: str, content: object) -> bool:
    return bool(Draft202012Validator(DOCUMENTS[document]).is_valid(content))


def assert_valid(document: str, content: object) -> None:
    Draft202012Validator(DOCUMENTS[document]).validate(content)


def seed_incident() -> dict[str, Any]:
    page, incident = factory.seed()
    document: dict[str, Any] = json.loads(api_v2.incident(page, incident))
    return document


def broken_copies(document: Any) -> Iterator[tuple[str, Any]]:
    """Every copy of a document that lacks one key, has one too many, or has another type somewhere."""

    def places(node: Any, path: tuple[str | int, ...]) -> Iterator[tuple[str | int, ...]]:
        yield path
        for key, child in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
            yield from places(child, (*path, key))

    def copy_at(path: tuple[str | int, ...]) -> tuple[Any, Any]:
        copy = node = deepcopy(document)
        for step in path:
            node = node[step]
        return copy, node

    for path in places(document, ()):
        copy, node = copy_at(path)
        if isinstance(node, dict):
            node["unheard_of"] = 1
            yield f"{path} with another key", copy
        if not path:
            continue
        copy, parent = copy_at(path[:-1])
        parent[path[-1]] = {"of": "another type"}
        yield f"{path} of another type", copy
        if isinstance(parent, dict) and path[-1] != "reminder_intervals":  # the one key that old recordings lack
            copy, parent = copy_at(path[:-1])
            del parent[path[-1]]
            yield f"without {path}", copy


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_a_recorded_incident_of_a_real_page_is_valid(path: Path) -> None:
    assert_valid("incidents/<id>.json", json.loads(path.read_text()))


def test_our_incidents_are_valid_by_the_same_schema() -> None:
    site = factory.busy_site()
    assert_valid("incidents/<id>.json", seed_incident())
    for incident in (*site.recent_incidents, *site.recent_maintenances):
        assert_valid("incidents/<id>.json", json.loads(api_v2.incident(site.page, incident)))


@pytest.mark.parametrize("document", RENDERERS)
@pytest.mark.parametrize("site", [factory.busy_site(), factory.site()], ids=["busy", "empty"])
def test_every_document_is_valid(document: str, site: Site) -> None:
    assert_valid(document, json.loads(RENDERERS[document](site)))


@pytest.mark.slow
def test_the_schema_refuses_a_missing_key_an_unknown_key_and_a_wrong_type_anywhere() -> None:
    assert len(RECORDED) == 22
    incident = seed_incident()
    summary = json.loads(api_v2.summary(factory.busy_site()))
    recorded = json.loads(next(path for path in RECORDED if path.stem == "4hzj8r2jm0mn").read_text())
    for document, good in (
        ("incidents/<id>.json", incident),
        ("incidents/<id>.json", recorded),
        ("summary.json", summary),
    ):
        for what, broken in broken_copies(good):
            assert not accepts(document, broken), f"{document} {what}"


@pytest.mark.parametrize(
    ("key", "wrong"),
    [
        ("id", "TOO-LONG-AN-ID"),
        ("name", ""),
        ("status", "scheduled"),
        ("status", "fixed"),
        ("impact", "sev1"),
        ("created_at", "2023-01-17T16:02:00Z"),
        ("created_at", "2023-01-17 16:02:00.000"),
        ("shortlink", "/incidents/4hzj8r2jm0mn"),
        ("incident_updates", []),
        ("scheduled_for", "2023-01-17T16:02:00.000Z"),
    ],
)
def test_the_schema_refuses_a_wrong_value_in_an_incident(key: str, wrong: object) -> None:
    document = seed_incident()
    document["incident"][key] = wrong
    assert not accepts("incidents/<id>.json", document)


def test_keys_come_in_the_order_in_which_a_real_page_serves_them() -> None:
    recorded = json.loads(next(path for path in RECORDED if path.stem == "4hzj8r2jm0mn").read_text())
    ours = seed_incident()
    assert list(ours) == list(recorded)
    assert list(ours["page"]) == list(recorded["page"])
    assert list(ours["incident"]) == [*recorded["incident"], "reminder_intervals"]
    update, recorded_update = ours["incident"]["incident_updates"][-1], recorded["incident"]["incident_updates"][-1]
    assert list(update) == list(recorded_update)
    assert list(update["affected_components"][0]) == list(recorded_update["affected_components"][0])
    assert list(ours["incident"]["components"][0]) == list(recorded["incident"]["components"][0])

    summary = json.loads(api_v2.summary(factory.busy_site()))
    assert list(summary) == ["page", "components", "incidents", "scheduled_maintenances", "status"]
    assert list(summary["scheduled_maintenances"][0])[-3:] == ["components", "scheduled_for", "scheduled_until"]


def test_a_group_row_stands_before_its_components_and_names_them() -> None:
    site = factory.busy_site()
    rows = json.loads(api_v2.components(site))["components"]
    assert [row["name"] for row in rows][:6] == ["Core", "API", "Checkout", "Webhooks", "Search", "Edge network"]
    core = rows[0]
    assert core["group"] is True
    assert core["group_id"] is None
    assert core["status"] == "partial_outage"
    assert core["components"] == [row["id"] for row in rows[1:5]]
    assert list(core)[-3:] == ["group", "only_show_if_degraded", "components"]
    assert all("components" not in row and row["group_id"] == core["id"] for row in rows[1:5])
    assert len(rows) == 14


def test_a_component_whose_group_the_page_does_not_show_is_listed_all_the_same() -> None:
    lone = factory.component("Borrowed", group_id=factory.public_id("group", "of another page"))
    empty = factory.group("Empty", [])
    rows = json.loads(api_v2.components(factory.site([lone], groups=(empty,))))["components"]
    assert [row["name"] for row in rows] == ["Borrowed", "Empty"]


def test_the_seed_reads_as_statuspage_would_serve_it() -> None:
    _page, incident = factory.seed()
    served = seed_incident()["incident"]
    assert served["status"] == "postmortem"
    assert served["impact"] == "major"
    assert served["shortlink"] == f"https://status.example.com/incidents/{incident.id}"
    assert served["started_at"] == served["created_at"] == "2023-01-17T17:02:00.000+01:00"
    assert served["monitoring_at"] == "2023-01-17T17:31:00.000+01:00"
    assert served["resolved_at"] == "2023-01-17T17:45:00.000+01:00"
    assert served["reminder_intervals"] is None
    updates = served["incident_updates"]
    assert [update["status"] for update in updates] == [
        "postmortem",
        "resolved",
        "monitoring",
        "identified",
        "investigating",
    ]
    assert [update["body"] for update in updates[1:]] == [update.body for update in incident.updates]
    assert updates[-1]["affected_components"] == [
        {
            "code": component.id,
            "name": component.name,
            "old_status": "operational",
            "new_status": "partial_outage",
        }
        for component in incident.components
    ]
    assert all(update["affected_components"] is None for update in updates[:-1])
    assert all(update["custom_tweet"] is None and update["tweet_id"] is None for update in updates)
    assert [component["name"] for component in served["components"]] == ["Commerce API", "Dashboard"]


def test_a_published_postmortem_is_the_newest_update() -> None:
    page, incident = factory.seed()
    assert incident.postmortem
    begun = incident.updates[-1].display_at
    reported = replace(incident, postmortem=replace(incident.postmortem, created_at=begun))
    update = json.loads(api_v2.incident(page, reported))["incident"]["incident_updates"][0]
    assert update == {
        "id": incident.postmortem.id,
        "status": "postmortem",
        "body": incident.postmortem.body,
        "incident_id": incident.id,
        "created_at": "2023-01-19T14:51:00.000+01:00",
        "updated_at": "2023-01-19T14:51:00.000+01:00",
        "display_at": "2023-01-19T14:51:00.000+01:00",
        "affected_components": None,
        "deliver_notifications": True,
        "custom_tweet": None,
        "tweet_id": None,
    }


@pytest.mark.parametrize(
    ("zone", "month", "served"),
    [
        ("Etc/UTC", 1, "2023-01-05T12:00:00.042Z"),
        ("UTC", 7, "2023-07-05T12:00:00.042Z"),
        ("Europe/Rome", 1, "2023-01-05T13:00:00.042+01:00"),
        ("Europe/Rome", 7, "2023-07-05T14:00:00.042+02:00"),
        ("Europe/London", 1, "2023-01-05T12:00:00.042+00:00"),
        ("America/Tijuana", 7, "2023-07-05T05:00:00.042-07:00"),
        ("Asia/Kolkata", 7, "2023-07-05T17:30:00.042+05:30"),
    ],
)
def test_instants_carry_the_offset_of_the_page_on_that_date(zone: str, month: int, served: str) -> None:
    page = factory.page(time_zone=zone, updated_at=datetime(2023, month, 5, 12, 0, 0, 42_999, tzinfo=UTC))
    document = json.loads(api_v2.status(factory.site(page=page)))
    assert document["page"]["updated_at"] == served
    assert document["page"]["time_zone"] == zone


def test_a_start_date_is_a_date() -> None:
    component = factory.component(start_date=date(2026, 3, 1))
    document = json.loads(api_v2.components(factory.site([component])))
    assert document["components"][0]["start_date"] == "2026-03-01"


def test_lists_are_newest_first_and_end_at_fifty() -> None:
    newest_first = tuple(
        factory.incident(f"Number {ago}", [factory.update("resolved", "Over.", factory.NOW - timedelta(hours=ago))])
        for ago in range(60)
    )
    planned_first = tuple(factory.maintenance(f"Number {ago}") for ago in range(60))
    site = factory.site(recent_incidents=newest_first, recent_maintenances=planned_first)
    names = [f"Number {ago}" for ago in range(50)]
    assert [row["name"] for row in json.loads(api_v2.incidents(site))["incidents"]] == names
    rows = json.loads(api_v2.scheduled_maintenances(site))["scheduled_maintenances"]
    assert [row["name"] for row in rows] == names


def test_the_lists_of_open_things_name_just_those() -> None:
    site = factory.busy_site()
    opened, active, upcoming = site.open_incidents[0], site.active_maintenances[0], site.upcoming_maintenances[0]

    def ids(document: bytes, key: str) -> list[str]:
        return [row["id"] for row in json.loads(document)[key]]

    assert ids(api_v2.incidents_unresolved(site), "incidents") == [opened.id]
    assert ids(api_v2.summary(site), "incidents") == [opened.id]
    assert ids(api_v2.incidents(site), "incidents") == [incident.id for incident in site.recent_incidents]
    assert ids(api_v2.summary(site), "scheduled_maintenances") == [active.id, upcoming.id]
    assert ids(api_v2.scheduled_maintenances_active(site), "scheduled_maintenances") == [active.id]
    assert ids(api_v2.scheduled_maintenances_upcoming(site), "scheduled_maintenances") == [upcoming.id]


def test_a_maintenance_has_its_window_and_no_reminders() -> None:
    site = factory.busy_site()
    served = json.loads(api_v2.scheduled_maintenances_upcoming(site))["scheduled_maintenances"][0]
    assert served["impact"] == "maintenance"
    assert served["status"] == "scheduled"
    assert served["scheduled_for"] == "2026-11-24T10:30:00.000+01:00"
    assert served["scheduled_until"] == "2026-11-24T12:30:00.000+01:00"
    assert served["resolved_at"] is None
    assert "reminder_intervals" not in served


def test_an_incident_without_components_says_null_where_statuspage_does() -> None:
    served = json.loads(api_v2.incident(factory.page(), factory.incident()))["incident"]
    assert served["components"] == []
    assert served["incident_updates"][0]["affected_components"] is None
    assert served["monitoring_at"] is None
    assert served["resolved_at"] is None


def test_a_body_can_open_no_tag_in_a_reader_s_page() -> None:
    update = factory.update("investigating", "<script>alert(1)</script> & more")
    served = json.loads(api_v2.incident(factory.page(), factory.incident(updates=[update])))["incident"]
    assert "<" not in served["incident_updates"][0]["body"]


def test_documents_are_compact_and_the_same_on_every_run() -> None:
    site = factory.site(page=factory.page(name="Münchner Börse ✓"))
    first = api_v2.status(site)
    assert first == api_v2.status(site)
    assert "Münchner Börse ✓".encode() in first
    assert b'"status":{"indicator":"none","description":"All Systems Operational"}' in first
