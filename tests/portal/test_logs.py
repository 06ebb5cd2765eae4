"""No log holds a key, or a link by which whoever reads the log could act; who tries to sign in leaves an address."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import get_resolver, reverse

from incidents.models import User
from portal import logs
from portal.logs import masked
from tests.front import ask, front
from tests.portal.signing_in import set_up_second_factor, sign_in
from tests.servers import free_port
from tests.waiting import stretched, until

pytestmark = pytest.mark.long

ROOT = Path(__file__).resolve().parents[2]
PLANTED = "pL4nt3dS3cr3t"
PROOFS = {"token", "key", "uidb36"}  # who has one can act by it
# What addresses name beside these: rows, words and files. A new name belongs to one of the two.
NAMES = {
    *("app_label", "comment_pk", "component_id", "content_type_id", "digest", "file", "group_id", "id", "incident_id"),
    *("incident_pk", "item_id", "item_pk", "metric_id", "name", "number", "object_id", "page_id", "page_pk", "path"),
    *("pk", "planned_pk", "provider_id", "public_id", "rest", "section_pk", "subscriber_id", "update_id", "update_pk"),
    *("url", "verb"),
}


def routes(prefix: str = "/", patterns: list[Any] | None = None) -> Iterator[str]:
    for each in get_resolver().url_patterns if patterns is None else patterns:
        route = prefix + str(each.pattern)
        yield from routes(route, each.url_patterns) if hasattr(each, "url_patterns") else [route]


def test_every_proof_in_an_address_is_masked() -> None:
    asked = 0
    for route in routes():
        plain = re.sub(r"\(\?P<(\w+)>[^)]*\)", r"<\1>", route).replace("^", "").rstrip("$")
        names = set(re.findall(r"<(?:\w+:)?(\w+)>", plain))
        assert names <= PROOFS | NAMES, f"is this secret? {route}"
        if names & PROOFS:
            asked += 1
            address = re.sub(r"<[^>]+>", PLANTED, plain)
            assert PLANTED not in masked(f"Internal Server Error: {address}"), route
    assert asked >= 5


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        (f"GET /api/v1/pages?api_key={PLANTED} HTTP/1.1", "GET /api/v1/pages?*** HTTP/1.1"),
        (f'"GET /a?b=\'"&api_key={PLANTED} HTTP/1.1" 200', '"GET /a?*** HTTP/1.1" 200'),
        (f"/subscriptions/{PLANTED}/confirm", "/subscriptions/***/confirm"),
        ("Is it down? Nobody knows.", "Is it down? Nobody knows."),
    ],
)
def test_a_line_says_what_was_asked_and_not_with_which_key(line: str, kept: str) -> None:
    assert masked(line) == kept


@pytest.fixture
def shipped_server(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """The web server of production, on a database without a table, so that requests fail in every way."""
    port, log = free_port(), tmp_path / "log"
    environment = {"PATH": os.environ["PATH"], "DATA_DIR": str(tmp_path / "data"), "SECRET_KEY": "k5wZ0fQ9-" * 6}
    with log.open("w") as said:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "up", "web", f"--port={port}"],
            cwd=ROOT,
            env=environment,
            stdout=said,
            stderr=said,
        )
    url = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        with suppress(OSError, HTTPException):
            return ask(url, "/healthz").status == 200
        return False

    try:
        until(answers, 60)
        yield url, log
    finally:
        process.terminate()
        process.wait(stretched(30))


def ask_with_secrets(url: str) -> None:
    paths = [
        f"/api/v1/pages.json?api_key={PLANTED}",
        f"/api/v1/pages/b1c2d3f4g5h6/incidents?a=1&api_key={PLANTED}",
        f"/subscriptions/{PLANTED}",
        f"/subscriptions/{PLANTED}/confirm?again={PLANTED}",
        f"/admin/account/password/reset/key/1-{PLANTED}/",
        f"/admin/account/confirm-email/{PLANTED}/",
    ]
    for path in paths:
        for method in ("GET", "POST"):
            referer = f"{url}/subscriptions/{PLANTED}"
            ask(url, path, method, authorization=f"OAuth {PLANTED}", referer=referer, cookie=f"sessionid={PLANTED}")


@pytest.mark.nginx
def test_nginx_says_nothing_of_what_was_asked_while_the_web_process_is_away(tmp_path: Path) -> None:
    nginx = front(tmp_path, tmp_path / "public", web_port=free_port())
    nginx.start()
    ask_with_secrets(nginx.url)
    nginx.stop()
    assert PLANTED not in (tmp_path / "log").read_text()


@pytest.mark.slow
def test_a_run_leaves_no_key_and_no_token_in_its_logs(shipped_server: tuple[str, Path]) -> None:
    url, log = shipped_server
    ask_with_secrets(url)
    said = log.read_text()
    assert "GET /api/v1/pages.json?*** HTTP/1.1" in said
    assert "POST /subscriptions/***/confirm?*** HTTP/1.1" in said
    assert "Traceback" in said, "an error is logged, too"
    assert PLANTED not in said


def test_a_fault_that_comes_again_and_again_is_said_once_and_counted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [0.0]
    monkeypatch.setattr("portal.logs.time.monotonic", lambda: now[0])
    logger = logging.getLogger("tests.worker")
    logger.propagate = False
    logger.addHandler(logs.Handler())
    for tick in range(7):
        now[0] += 10
        try:
            raise OSError(28, "No space left on device")
        except OSError:
            logger.exception("Task relay[%s] failed after %s s", f"0a1b2c3d-0a1b-0a1b-0a1b-0a1b2c3d4e5{tick}", tick / 7)
        logger.error("page %d failed", tick)
        logger.warning("a sign-in was refused")
    now[0] += logs.SILENCE + 1
    logger.warning("all is well")
    said = capsys.readouterr().err
    assert said.count("Traceback") == 1
    assert re.search(r"Task relay.* \(6 times more\)\n", said)
    assert said.count("page ") == 7, "another row is another fault"
    assert said.count("a sign-in was refused") == 7, "what is no fault is always said"


def test_an_event_is_one_line_of_json_with_its_traceback_inside_and_no_key(capsys: pytest.CaptureFixture[str]) -> None:
    handler = logs.Handler()
    handler.setFormatter(logs.JsonFormatter())
    logger = logging.getLogger("tests.json")
    logger.propagate = False
    logger.addHandler(handler)
    try:
        raise ValueError(f"GET /api/v1/pages?api_key={PLANTED}")
    except ValueError:
        logger.exception("GET %s failed", f"/subscriptions/{PLANTED}")
    (line,) = capsys.readouterr().err.splitlines()
    event = json.loads(line)
    assert (event["level"], event["logger"], event["message"]) == (
        "ERROR",
        "tests.json",
        "GET /subscriptions/*** failed",
    )
    assert "ValueError: GET /api/v1/pages?***" in event["traceback"]
    assert PLANTED not in line


@pytest.mark.slow
def test_whoever_tries_to_sign_in_leaves_an_address(
    client: Client, author: User, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "portal.accounts.attempts")
    client.defaults["HTTP_X_FORWARDED_FOR"] = "192.0.2.7"
    sign_in(client, author, "wrong")
    client.post("/admin/account/login/", {"login": PLANTED, "password": PLANTED})
    sign_in(client, author)
    assert caplog.messages == [
        "a sign-in as grace from 192.0.2.7 was refused: wrong password",
        "a sign-in as nobody whom we know from 192.0.2.7 was refused: wrong password",
        "grace signed in from 192.0.2.7",
    ]
    set_up_second_factor(client)
    caplog.clear()
    sign_in(other := Client(), author)
    other.post(reverse("mfa_authenticate"), {"code": "000000"})
    assert "a sign-in as grace from 127.0.0.1 was refused: wrong code" in caplog.messages
    caplog.clear()
    for _attempt in range(8):
        sign_in(Client(), author, "wrong")
    assert "a sign-in as grace from 127.0.0.1 was refused: too many attempts" in caplog.messages
