"""Metrics, templates and the embed over the API, and what is not offered."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine

from incidents import templates
from incidents.models import Component, Metric, MetricPoint, Page, User

pytestmark = pytest.mark.both

Call = Callable[..., Any]
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)


@pytest.fixture
def created_metric(call: Call, page: Page) -> Any:
    sent = {"name": "Response time", "suffix": "ms", "y_axis_min": 0, "decimal_places": 1, "display": "t"}
    response = call("POST", f"metrics_providers/{page.public_id}/metrics", {"metric": sent})
    assert response.status_code == 201, response.content
    return response.json()


def test_a_metric_is_added_below_the_one_provider_and_changed(call: Call, page: Page, created_metric: Any) -> None:
    (provider,) = call("GET", "metrics_providers").json()
    assert (provider["id"], provider["type"]) == (created_metric["metrics_provider_id"], "Self")
    assert call("GET", f"metrics_providers/{provider['id']}").json() == provider
    assert (
        call("GET", f"metrics_providers/{provider['id']}/metrics").json()
        == call("GET", "metrics").json()
        == [created_metric]
    )
    assert call("GET", "metrics_providers/self/metrics.json").json() == [created_metric]
    path = f"metrics/{created_metric['id']}"
    changed = call("PATCH", path, {"metric": {"name": "Latency", "metric_identifier": "p95"}}).json()
    assert (changed["name"], changed["metric_identifier"], changed["suffix"]) == ("Latency", "p95", "ms")
    assert call("PATCH", path, {"metric": {"y_axis_max": -1}}).status_code == 422
    assert call("DELETE", path).json()["id"] == created_metric["id"]
    assert call("GET", "metrics").json() == []


def test_an_axis_of_which_nothing_is_chosen_is_sent_and_answered_as_clients_without_null_do(
    call: Call, page: Page
) -> None:
    """The requests of the Terraform provider yannh/statuspage: each value of Go's zero, and no Content-Type."""
    zero = {"y_axis_min": 0, "y_axis_max": 0, "transform": "", "suffix": "", "decimal_places": 0, "display": False}
    path = f"metrics_providers/{page.public_id}/metrics"
    response = call("POST", path, {"metric": {"name": "Latency", **zero}}, Content_Type="")
    assert (response.status_code, response.wsgi_request.META["CONTENT_TYPE"]) == (201, ""), response.content
    made = response.json()
    assert (made["y_axis_min"], made["y_axis_max"]) == (0, 0)
    assert (Metric.objects.get().y_min, Metric.objects.get().y_max) == (None, None)
    again = call("PATCH", f"metrics/{made['id']}", {"metric": {**zero, "name": "Delay"}}, Content_Type="")
    assert (again.status_code, again.json()["name"]) == (200, "Delay")


def test_data_points_are_pushed_one_by_one_and_many_at_once(call: Call, created_metric: Any) -> None:
    with time_machine.travel(NOON):
        now = int(NOON.timestamp())
        one = call("POST", f"metrics/{created_metric['id']}/data", {"data": {"timestamp": now - 60, "value": 1.5}})
        assert (one.status_code, one.json()) == (201, {"data": {"timestamp": now - 60, "value": 1.5}})
        many = {created_metric["id"]: [{"timestamp": now - 120, "value": 2}, {"timestamp": now, "value": 3}]}
        response = call("POST", "metrics/data.json", {"data": many})
        assert (response.status_code, response.json()) == (202, {"data": many})
        assert (
            call("GET", f"metrics/{created_metric['id']}").json()["most_recent_data_at"] == "2026-03-10T12:00:00.000Z"
        )
        assert list(MetricPoint.objects.order_by("at").values_list("value", flat=True)) == [2, 1.5, 3]
        wrong: Any
        for wrong in ({"timestamp": 0, "value": 1}, {"timestamp": now, "value": "x"}, {"value": 1}, [], None):
            assert call("POST", f"metrics/{created_metric['id']}/data", {"data": wrong}).status_code == 422
        for unknown in ("nosuchmetric", "a\x00b"):
            assert call("POST", "metrics/data", {"data": {unknown: many[created_metric["id"]]}}).status_code == 404
    assert MetricPoint.objects.count() == 3
    assert call("DELETE", f"metrics/{created_metric['id']}/data").json()["most_recent_data_at"] is None
    assert not MetricPoint.objects.exists()


def test_templates_are_listed_and_added(root: Call, page: Page, component: Component, admin: User) -> None:
    before = len(root("GET", "incident_templates").json())
    sent = {
        "name": "Slow",
        "title": "Slow answers",
        "body": "We see {symptom}.",
        "update_status": "investigating",
        "should_send_notifications": False,
        "component_ids": [component.public_id],
        "group_id": None,
    }
    response = root("POST", "incident_templates", {"template": sent})
    assert response.status_code == 201, response.content
    shown = response.json()
    assert [row["id"] for row in shown.pop("components")] == [component.public_id]
    assert {**shown, "component_ids": sent["component_ids"]} == {**sent, "id": shown["id"], "should_tweet": False}
    templates.create_template(name="For all", body="b", author=admin)
    assert [row["name"] for row in root("GET", "incident_templates").json()][before:] == ["Slow", "For all"]
    for wrong in ({"body": ""}, {"should_tweet": True}, {"group_id": "abc"}, {"component_ids": ["nosuchthing0"]}):
        assert root("POST", "incident_templates", {"template": sent | wrong}).status_code == 422


def test_the_embed_has_a_look_before_anybody_chose_one(root: Call, page: Page) -> None:
    shown = root("GET", "status_embed_config")
    assert (shown.json()["page_id"], shown.json()["position"]) == (page.public_id, "bottom-left")
    change = {"status_embed_config": {"position": "top-right", "incident_text_color": "#00ff00"}}
    changed = root("PATCH", "status_embed_config", change, If_Match=shown["ETag"]).json()
    assert changed == shown.json() | {"position": "top-right", "incident_text_color": "#00ff00"}
    assert root("PATCH", "status_embed_config", change, If_Match=shown["ETag"]).status_code == 412
    wrong = root("PUT", "status_embed_config", {"status_embed_config": {"incident_text_color": "red"}})
    assert (wrong.status_code, "incident_text_color" in wrong.json()["error"]) == (422, True)
    assert root("GET", "status_embed_config").json() == changed


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "pages/{page}/page_access_users"),
        ("POST", "pages/{page}/page_access_users/abc/components"),
        ("DELETE", "pages/{page}/page_access_groups/abc/components/def"),
        ("POST", "pages/{page}/components/{component}/page_access_groups"),
        ("POST", "pages/{page}/metrics_providers"),
        ("DELETE", "pages/{page}/metrics_providers/{page}"),
        ("GET", "organizations/abc/users"),
        ("PUT", "organizations/abc/permissions/def"),
    ],
)
def test_what_is_not_offered_says_so(
    send: Call, root_key: str, page: Page, component: Component, method: str, path: str
) -> None:
    path = path.format(page=page.public_id, component=component.public_id)
    response = send(method, path, {}, key=root_key)
    assert response.status_code == 501
    assert response.json()["error"].endswith(".")
    assert send(method, path, {}, key="wrong").status_code == 401
