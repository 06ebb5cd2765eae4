"""Published files from the embedded server: types, caching, compression, and no other door."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from incidents import catalogue
from incidents.incidents import post_update
from incidents.lifecycle import IncidentStatus
from incidents.models import Incident, Page, User
from status.publication import files
from status.publication.publishing import publish


@pytest.fixture
def served(page: Page, incident: Incident, author: User) -> Incident:
    post_update(incident, status=IncidentStatus.INVESTIGATING, body="Looking.", author=author)
    publish(page)
    return incident


TYPES = {
    "/": "text/html; charset=utf-8",
    "/history": "text/html; charset=utf-8",
    "/uptime": "text/html; charset=utf-8",
    "/api/v2/summary.json": "application/json; charset=utf-8",
    "/api/v2/incidents/unresolved.json": "application/json; charset=utf-8",
    "/history.atom": "application/atom+xml; charset=utf-8",
    "/history.rss": "application/rss+xml; charset=utf-8",
    "/heartbeat.json": "application/json; charset=utf-8",
    "/fragments/summary.html": "text/html; charset=utf-8",
}


def test_each_document_has_its_type(served: Incident, client: Client, subtests: pytest.Subtests) -> None:
    for path, content_type in TYPES.items():
        with subtests.test(path):
            response = client.get(path)
            assert response.status_code == 200
            assert response["Content-Type"] == content_type
            assert response["Cache-Control"] == "no-cache"


def test_an_incident_is_served_under_its_address_and_as_json(served: Incident, client: Client) -> None:
    assert b"Errors" in client.get(f"/incidents/{served.public_id}").content
    assert client.get(f"/api/v2/incidents/{served.public_id}.json").json()["incident"]["name"] == "Errors"


def test_public_reads_touch_no_database(
    served: Incident, client: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(0):
        assert client.get("/").status_code == 200
        assert client.get("/no-such-page").status_code == 404
        assert client.get("/", headers={"cookie": "sessionid=abc"}).status_code == 200


def test_a_reader_that_has_the_bytes_gets_304(served: Incident, client: Client) -> None:
    first = client.get("/api/v2/status.json")
    again = client.get("/api/v2/status.json", headers={"if-none-match": first["ETag"]})
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", first["ETag"])
    dated = client.get("/api/v2/status.json", headers={"if-modified-since": first["Last-Modified"]})
    assert dated.status_code == 304
    other = client.get("/api/v2/status.json", headers={"if-none-match": '"other"'})
    assert other.status_code == 200


def test_the_gzip_twin_is_sent_to_those_who_take_it(served: Incident, client: Client) -> None:
    plain = client.get("/")
    packed = client.get("/", headers={"accept-encoding": "br, gzip;q=0.8"})
    assert packed["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.content) == plain.content
    assert packed["ETag"] != plain["ETag"]
    assert "Content-Encoding" not in client.get("/", headers={"accept-encoding": "gzip;q=0"}).headers
    assert plain["Vary"] == packed["Vary"] == "Accept-Encoding"


def test_assets_may_be_kept_for_ever(served: Incident, client: Client) -> None:
    root = files.folder(served.page.public_id)
    (asset,) = root.glob("assets/status.*.css")
    assert "immutable" in client.get(f"/assets/{asset.name}")["Cache-Control"]


def test_programs_on_other_sites_may_read_the_data(served: Incident, client: Client) -> None:
    assert client.get("/api/v2/summary.json")["Access-Control-Allow-Origin"] == "*"
    assert client.get("/history.atom")["Access-Control-Allow-Origin"] == "*"
    assert client.head("/api/next-updates.json")["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Origin" not in client.get("/").headers


def test_other_sites_may_ask_whether_something_is_new(
    served: Incident, client: Client, subtests: pytest.Subtests
) -> None:
    for path in ("/embed.js", "/badge.svg", "/api/v2/summary.json", "/data/index.json"):
        with subtests.test(path):
            head = client.head(path)
            again = client.get(path, headers={"If-None-Match": head["ETag"]})
            assert (head.status_code, head.content, again.status_code, again.content) == (200, b"", 304, b"")
            assert head["Access-Control-Allow-Origin"] == again["Access-Control-Allow-Origin"] == "*"


def test_head_says_the_length_and_sends_nothing(served: Incident, client: Client) -> None:
    head, get = client.head("/"), client.get("/")
    assert head.content == b""
    assert head["Content-Length"] == get["Content-Length"] == str(len(get.content))


def test_a_missing_document_is_the_pages_own_404(served: Incident, client: Client) -> None:
    response = client.get("/incidents/000000000000")
    assert response.status_code == 404
    assert b"Acme" in response.content
    assert client.head("/nothing").status_code == 404


OUTSIDE = [
    "/.lock",
    "/.state.json",
    "/../secret",
    "/..%2f..%2fsecret",
    "/%2e%2e/secret",
    "/assets/../.lock",
    "/index.html/",
    "//",
]


def test_no_path_leads_out_of_the_folder_or_to_hidden_files(
    served: Incident, client: Client, publication_root: Path, subtests: pytest.Subtests
) -> None:
    (publication_root / "pages" / "secret").write_text("secret")
    for path in OUTSIDE:
        with subtests.test(path):
            response = client.get(path)
            assert b"secret" not in response.content
            assert b'"date"' not in response.content


def test_the_folders_around_a_page_are_not_documents(served: Incident, client: Client) -> None:
    assert client.get("/hosts").status_code == 404
    assert client.get("/pages").status_code == 404


def test_each_host_gets_its_own_page_and_others_none(
    served: Incident, other_page: Page, admin: User, client: Client
) -> None:
    publish(other_page)
    assert b"Beta" in client.get("/", headers={"host": "STATUS.beta.example:8443"}).content
    assert b"Beta" not in client.get("/", headers={"host": "status.acme.example"}).content
    assert b"Beta" in client.get("/", headers={"host": "status.beta.example."}).content, "as nginx does"
    for host in ("10.0.0.1", "..%2f", "."):
        answer = client.get("/", headers={"host": host})
        assert answer.status_code == 404
        assert b"No status page is published under this name" in answer.content
    assert client.get(f"/incidents/{served.public_id}", headers={"host": other_page.host}).status_code == 404


def test_every_address_of_a_deleted_page_says_that_it_is_gone(
    served: Incident, other_page: Page, admin: User, client: Client
) -> None:
    publish(other_page)
    catalogue.delete_page(served.page, author=admin)
    publish(served.page)
    for path in ("/", f"/incidents/{served.public_id}", "/history.atom", "/maintenance.ics", "/nothing"):
        answer = client.get(path, headers={"host": served.page.host})
        assert (answer.status_code, b"This page has been removed" in answer.content) == (410, True), path
    for path in ("/api/v2/summary.json", "/data/index.json"):
        answer = client.get(path, headers={"host": served.page.host})
        assert (answer.status_code, answer["Access-Control-Allow-Origin"]) == (410, "*")
        assert answer.json()["error"] == "Acme published its status here. This page has been removed."
    assert client.get("/", headers={"host": other_page.host}).status_code == 200


def test_a_policy_without_exceptions_is_on_every_page(served: Incident, client: Client) -> None:
    policy = client.get("/")["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    assert client.get("/")["X-Content-Type-Options"] == "nosniff"
