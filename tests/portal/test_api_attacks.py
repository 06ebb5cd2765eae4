"""Whatever is sent to whichever operation: 4xx with a sentence, never 5xx, and nothing is written."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from datetime import timedelta
from itertools import product
from typing import Any

import pytest
import time_machine
from django.apps import apps
from django.db import transaction
from django.test import Client
from django.utils import timezone

from incidents import people
from incidents.models import Page, User
from incidents.permissions import Scope
from tests.portal.world import World, template_of

pytestmark = pytest.mark.long

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
# Bodies that are none, each with its content type
BODIES: dict[str, tuple[bytes, str]] = {
    "malformed": (b'{"incident": ', JSON),
    "not a number": (b'{"incident": NaN}', JSON),
    "deep": (b"[" * 100_000, JSON),
    "deep objects": (b'{"incident":' * 20_000, JSON),
    "deep form": (b"incident" + b"[a]" * 5_000 + b"=1", FORM),
    "contradicting form": (b"incident=1&incident[name]=2&component=1&component[name]=2&a=1&a[b]=1", FORM),
    "too many fields": (b"&".join(b"a%d=1" % number for number in range(2_000)), FORM),
    "large": (b'{"incident": {"body": "' + b"x" * 5_300_000 + b'"}}', JSON),
    "large form": (b"incident[body]=" + b"x" * 5_300_000, FORM),
    "no UTF-8": (b'{"incident": {"name": "\xff\xfe"}}', JSON),
    "half a character": (b'{"incident": {"name": "\\ud800"}}', JSON),
    "another charset": ('{"incident": {"name": "a"}}'.encode("utf-16"), f"{JSON}; charset=utf-16"),
    "packed": (gzip.compress(b'{"incident": {"name": "a"}}'), JSON),
    "text": (b"incident[name]=a", "text/plain"),
    "XML": (b"<!DOCTYPE a [<!ENTITY b SYSTEM 'ftp://example.com/a'>]><a>&b;</a>", "application/xml"),
    "a form of parts without its boundary": (b"--x", "multipart/form-data"),
    "a list": (b"[]", JSON),
    "a word": (b'"incident"', JSON),
    "an endless number": (b'{"incident": ' + b"9" * 10_000 + b"}", JSON),
}
# Values that no field means
WRONG: tuple[object, ...] = ({"a": {"b": []}}, [[{}]], 10**400, "a\x00b", "x" * 30_000, -1, "1e999")


@pytest.fixture
def attack_world(page: Page, admin: User, settings: Any) -> World:
    settings.API_RATE = 1_000_000
    return World(page, admin)


def rows() -> dict[str, int]:
    """How many rows each table has, histories too; but for how often a key was used."""
    models = [model for model in apps.get_models() if model._meta.model_name != "apikeyuse"]
    return {model._meta.db_table: model._base_manager.count() for model in models}


def writes(world: World) -> Iterator[tuple[str, str]]:
    return ((method, path) for path, methods in world.operations().items() for method in methods if method != "get")


def assert_refused(response: Any, *about: object) -> None:
    assert 400 <= response.status_code < 500 or response.status_code == 501, (*about, response.content)
    assert response["Content-Type"] == JSON, (*about, response.content)
    assert response.json()["error"].endswith((".", "”")), (*about, response.content)


@pytest.mark.slow
def test_a_body_that_is_none_is_refused_by_every_operation_that_reads_one(
    client: Client, attack_world: World, root_key: str
) -> None:
    headers = {"Authorization": f"OAuth {root_key}"}
    before = rows()
    for method, path in writes(attack_world):
        if method == "delete" or path.endswith(
            ("/submit", "/revert", f"{attack_world.recipient.public_id}/resend_confirmation")
        ):
            continue  # these read none
        address = f"/api/v1/pages/{attack_world.page.public_id}/{path}"
        for name, (body, kind) in BODIES.items():
            response = client.generic(method.upper(), address, body, content_type=kind, headers=headers)
            assert_refused(response, name, method, path)
    assert rows() == before


@pytest.mark.slow
def test_a_wrong_value_in_any_field_is_refused_and_leaves_nothing(
    client: Client, attack_world: World, root_key: str
) -> None:
    schema = json.loads(client.get("/api/schema", headers={"Accept": "application/vnd.oai.openapi+json"}).content)

    def ways(form: Any) -> list[list[str]]:
        """The names that lead to each field of a request."""
        if "$ref" in form:
            form = schema["components"]["schemas"][form["$ref"].rpartition("/")[2]]
        return [[name, *way] for name, inner in form.get("properties", {}).items() for way in (ways(inner) or [[]])]

    def form_of(method: str, address: str) -> Any:
        operation = schema["paths"][template_of(address, schema["paths"])][method]
        return operation["requestBody"]["content"][JSON]["schema"] if "requestBody" in operation else {}

    before, asked = rows(), 0
    for method, path in writes(attack_world):
        address = f"/api/v1/pages/{attack_world.page.public_id}/{path}".rstrip("/")
        if method in ("delete", "put") and not path.endswith(("postmortem", "approve", "publish")):
            continue  # where PUT is PATCH
        for way, wrong in product(ways(form_of(method, address)), WRONG):
            body: Any = wrong
            for name in reversed(way):
                body = {name: body}
            with transaction.atomic():
                response = client.generic(
                    method.upper(),
                    address,
                    json.dumps(body),
                    content_type=JSON,
                    headers={"Authorization": f"OAuth {root_key}"},
                )
                asked += 1
                if response.status_code >= 400:
                    assert_refused(response, method, path, str(body)[:80])
                transaction.set_rollback(response.status_code < 400)
    assert asked > 500
    assert rows() == before


@pytest.mark.slow
def test_ids_that_are_unknown_or_of_another_page_are_not_found(
    client: Client, attack_world: World, other_page: Page, admin: User, root_key: str
) -> None:
    other = World(other_page, admin)
    ours, theirs = (
        [each.public_id for each in (w.component, w.group, w.incident, w.update, w.recipient, w.metric, w.item)]
        for w in (attack_world, other)
    )
    before = rows()
    for path, methods in attack_world.operations().items():
        wrong = set()
        for mine, foreign in zip(ours, theirs, strict=True):
            if mine in path:
                wrong |= {
                    path.replace(mine, each) for each in (foreign, "nosuchthing0", "a%00b", "%F0%9F%92%A9", "x" * 3000)
                }
        for address in wrong:
            for method in methods:
                response = client.generic(
                    method.upper(),
                    f"/api/v1/pages/{attack_world.page.public_id}/{address}",
                    "{}" if method in ("post", "patch", "put") else "",
                    content_type=JSON,
                    headers={"Authorization": f"OAuth {root_key}"},
                )
                assert_refused(response, method, address)
                assert response.status_code in ((404,) if method in ("get", "delete") else (404, 422)), (
                    method,
                    address,
                )
    assert rows() == before


@pytest.mark.slow
def test_a_key_that_does_not_open_an_operation_writes_nothing(
    client: Client, attack_world: World, other_page: Page, admin: User
) -> None:
    revoked, row = people.create_key("revoked", scopes=[Scope.ADMIN], author=admin)
    people.revoke_key(row, author=admin)
    soon = timezone.now() + timedelta(minutes=1)
    expired, _row = people.create_key("expired", scopes=[Scope.ADMIN], expires_at=soon, author=admin)
    reader, _row = people.create_key("reader", scopes=[Scope.READ], author=admin)
    foreign, _row = people.create_key("foreign", scopes=[Scope.ADMIN], page=other_page, author=admin)
    keys = {
        revoked: 401,
        expired: 401,
        "": 401,
        "wrong": 401,
        "\xe9": 401,
        "a" * 10_000: 401,
        foreign: 403,
        reader: 403,
    }
    before = rows()
    with time_machine.travel(soon + timedelta(seconds=1)):
        for method, path in [*writes(attack_world), *(("get", path) for path in attack_world.operations())]:
            for key, code in keys.items():
                if (key, method) == (reader, "get"):
                    continue
                response = client.generic(
                    method.upper(),
                    f"/api/v1/pages/{attack_world.page.public_id}/{path}",
                    "{}",
                    content_type=JSON,
                    headers={"Authorization": f"OAuth {key}"},
                )
                if response.status_code not in (405, 501):
                    assert_refused(response, method, path)
                    assert response.status_code == code, (method, path, key, response.content)
    assert rows() == before


@pytest.mark.slow
def test_a_method_is_the_one_that_was_used(client: Client, attack_world: World, root_key: str) -> None:
    before = rows()
    for path, methods in attack_world.operations().items():
        if "get" in methods:
            response = client.get(
                f"/api/v1/pages/{attack_world.page.public_id}/{path}?_method=DELETE",
                headers={"Authorization": f"OAuth {root_key}", "X-HTTP-Method-Override": "DELETE"},
            )
            assert response.status_code == 200, path
    assert rows() == before
