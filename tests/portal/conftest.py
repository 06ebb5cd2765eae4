"""A program with a key."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from incidents import people
from incidents.incidents import post_update
from incidents.lifecycle import ComponentStatus, IncidentStatus
from incidents.models import Component, Incident, Page, User
from incidents.permissions import Scope
from tests.portal.bad_rows import world  # noqa: F401  (a fixture)
from tests.portal.signing_in import PASSWORD, sign_in_anew
from tests.portal.two_pages import two_pages, web  # noqa: F401  (fixtures)

Call = Callable[..., Any]


@pytest.fixture
def grace(author: User) -> User:
    """A member of staff with an address."""
    author.email = "grace@acme.example"
    author.save()
    return author


@pytest.fixture
def key(admin: User) -> str:
    key, _row = people.create_key("deploys", scopes=[Scope.INCIDENTS, Scope.COMPONENTS], author=admin)
    return key


@pytest.fixture
def root_key(admin: User) -> str:
    key, _row = people.create_key("root", scopes=[Scope.ADMIN], author=admin)
    return key


@pytest.fixture
def send(client: Client) -> Call:
    """Sends a request below `/api/v1/` as a program would."""

    def send(method: str, path: str, body: object = None, *, key: str, **headers: str) -> Any:
        return client.generic(
            method,
            f"/api/v1/{path}",
            "" if body is None else json.dumps(body),
            content_type="application/json",
            headers={"Authorization": f"OAuth {key}"}
            | {name.replace("_", "-"): value for name, value in headers.items()},
        )

    return send


@pytest.fixture
def call(send: Call, page: Page, key: str) -> Call:
    """The same below the page, with a key for incidents and components."""

    def call(method: str, path: str, body: object = None, **headers: str) -> Any:
        return send(method, f"pages/{page.public_id}/{path}", body, key=key, **headers)

    return call


@pytest.fixture
def root(send: Call, page: Page, root_key: str) -> Call:
    """The same with a key for everything."""

    def call(method: str, path: str, body: object = None, **headers: str) -> Any:
        return send(method, f"pages/{page.public_id}/{path}", body, key=root_key, **headers)

    return call


@pytest.fixture
def root_client(client: Client, db: None) -> Client:
    """Somebody who may do everything has just given their password."""
    sign_in_anew(client, User.objects.create_superuser("root", password=PASSWORD))
    return client


@pytest.fixture
def opened(call: Call, component: Component) -> Any:
    """An incident that a program opened, as it was answered."""
    facts = {"name": "Errors", "body": "We look.", "components": {component.public_id: "degraded_performance"}}
    response = call("POST", "incidents", {"incident": facts})
    assert response.status_code == 201, response.content
    return response.json()


@pytest.fixture
def ongoing(incident: Incident, component: Component, author: User) -> Incident:
    """An incident with one update."""
    affected = [(component, ComponentStatus.PARTIAL_OUTAGE)]
    post_update(
        incident, status=IncidentStatus.INVESTIGATING, body="We look into it.", author=author, components=affected
    )
    return incident
