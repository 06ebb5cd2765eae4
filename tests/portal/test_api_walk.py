"""The whole of Statuspage's v1 document, walked by schemathesis: what we answer is what it says."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
import requests
import schemathesis
from django.db import transaction
from django.test import Client
from django.utils import timezone
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.core.transport import Response
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
)

from incidents import catalogue, metrics, templates
from incidents.lifecycle import IncidentStatus
from incidents.maintenance import schedule_maintenance
from incidents.models import Component, ComponentGroup, IncidentTemplate, Metric, Page, User
from incidents.services import declare_incident, post_update
from status import subscriptions
from tests.reports import publish_report

DOCUMENT = json.loads((Path(__file__).parent / "statuspage-v1.json").read_text())
for path in ("/pages/{page_id}/metrics", "/pages/{page_id}/metrics_providers/{metrics_provider_id}/metrics"):
    # “Get a list of metrics”, it says, and describes one of them: what Statuspage answers is a list.
    content = DOCUMENT["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]
    content["schema"] = {"type": "array", "items": content["schema"]}
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)
NOT_OFFERED = ("page_access", "organizations", "metrics_providers/{metrics_provider_id}", "metrics_providers")
CHECKS = (response_schema_conformance, response_headers_conformance, content_type_conformance)
OPERATIONS: list[Any] = [each.ok() for each in cast(Any, SCHEMA).get_all_operations()]
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:schemathesis", "ignore::ResourceWarning")


@pytest.fixture
def ids(page: Page, component: Component, author: User, admin: User) -> dict[str, str]:
    """A page with one of everything, by the names of the document's parameters."""
    group = ComponentGroup(page=page, name="Core")
    catalogue.save_group(group, components=[component], author=admin)
    incident = declare_incident(page, title="Errors", author=author)
    update = post_update(incident, status=IncidentStatus.RESOLVED, body="Over.", author=author)
    publish_report(incident, body="Why.", author=author)
    start = timezone.now() + timedelta(days=1)
    schedule_maintenance(
        page, title="Disks", body="New.", scheduled_for=start, scheduled_until=start + timedelta(hours=1), author=author
    )
    recipient = subscriptions.add_by_staff(page, address="ann@example.com", author=admin)
    metric = metrics.save_metric(Metric(page=page, name="Latency"), author=admin)
    templates.save_template(IncidentTemplate(page=page, name="n", title="t", body="b"), author=admin)
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
    ids: dict[str, str], perform: Callable[[Any], Response], settings: Any
) -> None:
    settings.API_RATE = 1_000_000
    accepted = set()

    def visit(case: Any) -> None:
        if _is_accepted(case, ids, perform):
            accepted.add(case.operation.label)

    for operation in OPERATIONS:
        with transaction.atomic():  # each finds one of everything
            _walked(3)(given(case=operation.as_strategy())(visit))()
            transaction.set_rollback(True)
    print(sorted({each.label for each in OPERATIONS} - accepted))  # TODO


def _walked(examples: int) -> Any:
    return settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


def _is_accepted(case: Any, ids: dict[str, str], perform: Callable[[Any], Response]) -> bool:
    """Whether it was accepted."""
    case.path_parameters |= {name: value for name, value in ids.items() if name in case.path_parameters}
    response = perform(case)
    is_offered = response.status_code != 501
    assert is_offered or any(part in case.operation.path for part in NOT_OFFERED), response.content
    if is_offered:
        assert response.status_code < 500, response.content
    if response.status_code >= 400:
        assert json.loads(response.content)["error"], response.content
    elif is_offered:
        assert str(response.status_code) in case.operation.definition.raw["responses"], response.content
        case.validate_response(response, checks=CHECKS)
    return response.status_code < 400
