"""The whole of Statuspage's v1 document, walked by schemathesis: what we answer is what it says."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar, cast

import pytest
import requests
import schemathesis
from django.db import transaction
from django.test import Client
from django.utils import timezone
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.stateful import run_state_machine_as_test
from schemathesis.core.transport import Response
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
)

from incidents import catalogue, metrics, templates
from incidents.incidents import declare_incident, post_update
from incidents.lifecycle import IncidentStatus
from incidents.maintenance.plans import schedule_maintenance
from incidents.models import Component, Page, User
from status.subscriptions import subscribers
from status.subscriptions.choices import Choices
from tests.reports import approved, publish_report


def _plain(schema: Any) -> Any:
    """A request's schema without the nulls that the document allows everywhere: with them nothing would be written."""
    if isinstance(schema, list):
        return [_plain(each) for each in schema if each is not None]
    if not isinstance(schema, dict):
        return schema
    found = {name: _plain(each) for name, each in schema.items() if name not in ("nullable", "default")}
    if found.get("type") == "string" and "enum" not in found and "format" not in found:
        found |= {"minLength": 1, "maxLength": 12, "pattern": "^[a-z]+$"}
    return found


def _document() -> dict[str, Any]:
    document: dict[str, Any] = json.loads((Path(__file__).parent / "statuspage-v1.json").read_text())
    for path in ("/pages/{page_id}/metrics", "/pages/{page_id}/metrics_providers/{metrics_provider_id}/metrics"):
        # “Get a list of metrics”, it says, and describes one of them: what Statuspage answers is a list.
        content = document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]
        content["schema"] = {"type": "array", "items": content["schema"]}
    schemas = document["components"]["schemas"]
    for name in [name for name in schemas if name.startswith(("post", "put", "patch"))]:
        envelope = schemas[name] = _plain(schemas[name])
        for each in [envelope, *(envelope["properties"].values() if name.startswith("post") else ())]:
            each["required"] = list(each.get("properties", ()))
    return document


SCHEMA = schemathesis.openapi.from_dict(_document())
CHECKS = (response_schema_conformance, response_headers_conformance, content_type_conformance)
PROVIDERS = "/pages/{page_id}/metrics_providers"
SUBSCRIBER = "/pages/{page_id}/subscribers/{subscriber_id}"
INCIDENT = "/pages/{page_id}/incidents/{incident_id}"
OPERATIONS: list[Any] = [each.ok() for each in cast(Any, SCHEMA).get_all_operations()]
NOT_OFFERED = {
    *(each.label for each in OPERATIONS if "page_access" in each.path or "organizations" in each.path),
    f"POST {PROVIDERS}",
    *(f"{method} {PROVIDERS}/{{metrics_provider_id}}" for method in ("PATCH", "PUT", "DELETE")),
}
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning:schemathesis", "ignore::ResourceWarning"),
]


@pytest.fixture
def ids(page: Page, component: Component, author: User, admin: User) -> dict[str, str]:
    """A page with one of everything, by the names of the document's parameters."""
    group = catalogue.create_group(page, name="Core", components=[component], author=admin)
    incident = declare_incident(page, title="Errors", author=author)
    update = post_update(incident, status=IncidentStatus.RESOLVED, body="Over.", author=author)
    publish_report(incident, body="Why.", author=author)
    start = timezone.now() + timedelta(days=1)
    schedule_maintenance(
        page, title="Disks", body="New.", scheduled_for=start, scheduled_until=start + timedelta(hours=1), author=author
    )
    recipient = subscribers.add_by_staff(page, address="ann@example.com", author=admin)
    metric = metrics.create_metric(page, name="Latency", author=admin)
    templates.create_template(page=page, name="n", title="t", body="b", author=admin)
    return {
        "page_id": page.public_id,
        "component_id": component.public_id,
        "id": group.public_id,
        "incident_id": incident.public_id,
        "incident_update_id": update.public_id,
        "subscriber_id": recipient.public_id,
        "metric_id": metric.public_id,
        "metrics_provider_id": page.public_id,
    }


@pytest.fixture
def instead(ids: dict[str, str], page: Page, author: User, admin: User) -> dict[str, dict[str, str]]:
    """What some operations need instead, by the beginning of their path."""
    opened = declare_incident(page, title="Slow", author=author)
    post_update(opened, status=IncidentStatus.IDENTIFIED, body="Slow.", author=author)
    asked = Choices(everything=False, incidents=[opened])
    unsure = subscribers.invite(page, address="bob@example.com", choices=asked, author=admin)
    resolved = declare_incident(page, title="Slower", author=author)
    post_update(resolved, status=IncidentStatus.RESOLVED, body="Over.", author=author)
    approved(resolved, "Why.", author)
    return {
        f"{INCIDENT}/subscribers": {"incident_id": opened.public_id, "subscriber_id": unsure.public_id},
        f"{SUBSCRIBER}/resend_confirmation": {"subscriber_id": unsure.public_id},
        f"{INCIDENT}/postmortem/publish": {"incident_id": resolved.public_id},
    }


@pytest.fixture
def perform(client: Client, root_key: str) -> Callable[[Any], Response]:
    """Sends a case in this process; returns what came back."""

    def send(case: Any) -> Response:
        prepared: Any = requests.Request(**case.as_transport_kwargs(base_url="http://testserver/api/v1")).prepare()
        headers = {name: value for name, value in prepared.headers.items() if name != "Content-Length"}
        answer = client.generic(
            prepared.method or "GET",
            prepared.path_url,
            prepared.body or b"",
            content_type=headers.pop("Content-Type", "application/json"),
            headers=headers | {"Authorization": f"OAuth {root_key}"},
        )
        received = {name: [value] for name, value in answer.items()}
        return Response(answer.status_code, received, answer.content, prepared, elapsed=0.1, verify=False)

    return send


def test_every_operation_answers_as_the_document_says(
    ids: dict[str, str], instead: dict[str, dict[str, str]], perform: Callable[[Any], Response], settings: Any
) -> None:
    settings.API_RATE = 1_000_000
    codes = defaultdict[str, set[int]](set)

    def visit(case: Any) -> None:
        own = next((known for path, known in instead.items() if case.operation.path.startswith(path)), {})
        case.body = _filled(case.body, ids)
        case.path_parameters |= {name: (ids | own).get(name, "abc") for name in case.path_parameters}
        response = perform(case)
        _check(case, response)
        codes[case.operation.label].add(response.status_code)

    for operation in OPERATIONS:
        with transaction.atomic():  # each finds one of everything
            _walked(3)(given(case=operation.as_strategy())(visit))()
            transaction.set_rollback(True)
    assert len(codes) == len(OPERATIONS) == 112
    assert {label for label, seen in codes.items() if seen == {501}} == NOT_OFFERED, "of these nothing is accepted"
    assert not [label for label in codes.keys() - NOT_OFFERED if min(codes[label]) >= 300], "each other one is"


class Walk(SCHEMA.exclude(path_regex="page_access|organizations").as_state_machine()):  # type: ignore[misc]  # made at run time
    """Goes on with the ids that it was answered."""

    perform: ClassVar[Callable[[Any], Response]]
    ids: ClassVar[dict[str, str]]
    accepted: ClassVar[set[str]] = set()
    answered: ClassVar[set[bytes]] = set()

    def setup(self) -> None:
        """Each walk begins with one of everything."""
        self.walk = transaction.atomic()
        self.walk.__enter__()

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.walk.__exit__(None, None, None)

    def call(self, case: Any, **_kwargs: Any) -> Response:
        for name, value in case.path_parameters.items():
            if name == "page_id" or str(value).encode() not in self.answered:
                case.path_parameters[name] = self.ids[name]
        case.body = _filled(case.body, self.ids)
        response = type(self).perform(case)
        self.answered.update(re.findall(rb'"id":"(\w+)"', response.content))
        if response.status_code < 300:
            self.accepted.add(case.operation.label)
        return response

    def validate_response(self, response: Response, case: Any, **_kwargs: Any) -> None:
        _check(case, response)


def test_what_was_made_by_one_operation_is_found_by_the_next(
    ids: dict[str, str], perform: Callable[[Any], Response], settings: Any
) -> None:
    settings.API_RATE = 1_000_000
    Walk.perform, Walk.ids = staticmethod(perform), ids
    run_state_machine_as_test(Walk, settings=_walked(30, stateful_step_count=25))
    assert len(Walk.accepted) > 40, Walk.accepted


def _walked(examples: int, **more: Any) -> Any:
    return settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
        **more,
    )


def _check(case: Any, response: Response) -> None:
    if case.operation.label in NOT_OFFERED:
        assert response.status_code in (501, 404), response.content
    else:
        assert response.status_code < 500, response.content
    if response.status_code >= 400:
        assert json.loads(response.content)["error"], response.content
    else:
        assert str(response.status_code) in case.operation.definition.raw["responses"], response.content
        case.validate_response(response, checks=CHECKS)


# What a program knows when it writes: ids, addresses, days; and what it may leave out because nobody has it here
LEFT_OUT = {
    *(
        "reminder_intervals",
        "group_id",
        "should_tweet",
        "phone_number",
        "phone_country",
        "page_access_user",
        "endpoint",
    ),
    *(
        "transform",
        "application_id",
        "y_axis_min",
        "y_axis_max",
        "metadata",
        "backfilled",
        "backfill_date",
        "subdomain",
    ),
    *("impact_override", "branding", "notifications_from_email", "notifications_email_footer"),
}


def _filled(body: Any, ids: dict[str, str]) -> Any:
    known: dict[str, Any] = {
        "component_ids": [ids["component_id"]],
        "email": "new@example.com",
        "time_zone": "Europe/Rome",
        "url": "https://status.acme.example",
        "domain": "status.acme.example",
        "position": "top-left",
        "decimal_places": 2,
        "start_date": "2026-01-01",
        "display_at": "2026-01-01T10:00:00Z",
        "timestamp": timezone.now().timestamp(),
        "subscribers": "all",
        "scheduled_for": "2030-01-01T10:00:00Z",
        "scheduled_until": "2030-01-01T12:00:00Z",
    }
    if not isinstance(body, dict):
        return body
    filled = {}
    for name, value in body.items():
        if name == "components":
            filled[name] = [ids["component_id"]] if isinstance(value, list) else {}
        elif name.endswith("_color"):
            filled[name] = "#ff0000"
        elif name not in LEFT_OUT and not name.startswith(("css_", "allow_", "hidden", "viewers")):
            filled[name] = known.get(name, _filled(value, ids))
    return filled | ({"status": "scheduled"} if "scheduled_for" in filled else {})
