"""The OpenAPI document and its page."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.test import Client
from jsonschema import Draft202012Validator
from playwright.sync_api import expect
from pytest_django.live_server_helper import LiveServer

from incidents.models import Page, User
from portal import middleware
from portal.api import documentation
from portal.api.documentation import EXAMPLES
from tests import browser
from tests.portal.world import World, template_of
from tests.status.statuspage_v2_schema import DOCUMENTS

pytestmark = pytest.mark.long


def test_the_schema_describes_each_path_once_and_names_the_public_interface(
    client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    response = client.get("/api/schema", headers={"Accept": "application/vnd.oai.openapi+json"})
    assert response.status_code == 200
    schema = json.loads(response.content)
    assert not [path for path in schema["paths"] if "/v1/" in path and path.endswith((".json", "/"))]
    written = {"get", "patch", "put", "delete"}
    assert schema["paths"]["/api/v1/pages/{page_id}/incidents/{incident_id}"].keys() == written
    said = [each["summary"] for path in schema["paths"].values() for each in path.values()]
    assert {each for each in said if said.count(each) > 1} == {"The same as PATCH", "Not offered"}
    assert "/api/v2/summary.json" in schema["paths"]
    assert schema["components"]["securitySchemes"]["key"]["name"] == "Authorization"
    assert schema["openapi"].startswith("3.1")
    assert capsys.readouterr().err == "", "drf-spectacular complains there of what it could not describe"


def test_it_is_made_once_also_when_many_ask_for_it_first(client: Client) -> None:
    documentation._document.cache_clear()
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(client.get, ["/api/schema"] * 8))
    served = {answer.content for answer in answers if answer.status_code == 200}
    assert len(served) == 1
    assert {answer.status_code for answer in answers} <= {200, 503}, "who comes too often may have to come again"
    assert documentation._document.cache_info().misses == 1


def test_once_it_is_made_nobody_takes_a_share_for_it(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    assert client.get("/api/schema").status_code == 200
    monkeypatch.setattr(middleware, "SHARES", {"strangers": (0, 0)})
    crowded = Client()  # whose guard has no place for a stranger
    assert crowded.get("/api/schema").status_code == crowded.head("/api/schema").status_code == 200
    assert crowded.post("/api/schema").status_code == 405
    assert crowded.get("/api/docs").status_code == 503


def test_each_write_is_shown_with_an_idempotency_key(client: Client) -> None:
    schema = json.loads(client.get("/api/schema").content)
    for path in schema["paths"].values():
        for method, operation in path.items():
            names = [parameter["name"] for parameter in operation.get("parameters", [])]
            assert ("Idempotency-Key" in names) == (method != "get")


def test_the_examples_have_the_keys_of_the_answers_that_they_are_examples_of(client: Client) -> None:
    schema = json.loads(client.get("/api/schema", headers={"Accept": "application/vnd.oai.openapi+json"}).content)
    for name in EXAMPLES["v1"]:
        described = schema["components"]["schemas"][name]
        keys, shown = described["properties"].keys(), described["example"].keys()
        assert shown <= keys, name
        if name.endswith("Answer"):
            assert shown >= set(described["required"]), name
    for operation in (each for path in schema["paths"].values() for each in path.values() if "requestBody" in each):
        assert list(operation["requestBody"]["content"]) == ["application/json"], "generators of clients want one"
        form = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
        assert "example" in schema["components"]["schemas"][form], form
        refusal = operation["responses"]["422"]
        assert refusal["description"]
        assert refusal["content"]["application/json"]["example"]["error"].endswith(".")
    for path, document in DOCUMENTS.items():
        name = path.replace("<id>", "{incident_id}")
        Draft202012Validator(document).validate(EXAMPLES["v2"][name])
        assert f"/api/v2/{name}" in schema["paths"]


@pytest.mark.slow
def test_every_read_answers_as_the_schema_says(
    client: Client, send: Callable[..., Any], root_key: str, page: Page, admin: User
) -> None:
    world = World(page, admin)
    world.grow(range(1, 3))
    schema = json.loads(client.get("/api/schema", headers={"Accept": "application/vnd.oai.openapi+json"}).content)
    read, wrong = 0, set[str]()
    for path, methods in world.operations().items():
        if "get" in methods:
            address = f"pages/{page.public_id}/{path}".rstrip("/")
            described = template_of(f"/api/v1/{address}", schema["paths"])
            answer = schema["paths"][described]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
            whole = {**answer, "components": schema["components"]}
            found = Draft202012Validator(whole).iter_errors(send("GET", address, key=root_key).json())
            wrong |= {f"{described} {error.json_path}: {error.message}" for error in found}
            read += 1
    assert not wrong
    assert read > 30


def test_the_documentation_loads_nothing_from_another_host_and_has_nothing_inline(client: Client) -> None:
    html = client.get("/api/docs").content.decode()
    assert "swagger-ui" in html
    assert "//" not in html.replace("<!DOCTYPE html>", "")
    assert "<style" not in html
    assert html.count("<script") == html.count("<script src=")
    script = client.get("/api/docs?script=")
    assert script["Content-Type"].startswith("application/javascript")
    assert "/api/schema" in script.content.decode() or '"../schema' in script.content.decode()


@pytest.mark.slow
@pytest.mark.browser
def test_the_documentation_works_in_a_browser_and_asks_no_other_host(live_server: LiveServer) -> None:
    asked: list[str] = []
    complaints: list[str] = []
    with browser.chromium() as chromium:
        window = browser.new_context(chromium).new_page()
        window.on("request", lambda request: asked.append(request.url))
        window.on("console", lambda message: complaints.append(message.text))
        window.goto(f"{live_server.url}/api/docs")
        window.get_by_text("Open an incident, or announce a maintenance").click()
        expect(window.get_by_text("Request body", exact=True)).to_be_visible()
    assert not complaints  # the Content-Security-Policy would have spoken here
    assert all(url.startswith((live_server.url, "data:")) for url in asked)
