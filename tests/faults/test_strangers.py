"""Strangers hammer the doors that need no key and no account; the staff's sign-in, behind the real nginx, is served."""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.faults.site import PASSWORD, Site, serve
from tests.front import front
from tests.servers import Server
from tests.waiting import let_pass, stretched

pytestmark = [pytest.mark.slow, pytest.mark.postgresql, pytest.mark.nginx, pytest.mark.timeout(240)]

STRANGERS = 24
SIGN_INS = 12
CSRF_TOKEN = "t" * 32
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture
def site(postgresql: Server, tmp_path: Path) -> Iterator[Site]:
    with serve(tmp_path, database=postgresql.url) as running:
        yield running


@pytest.fixture
def door(site: Site, tmp_path: Path) -> Iterator[Server]:
    folder = tmp_path / "nginx"
    folder.mkdir()
    nginx = front(folder, site.folder / "public", web_port=site.port)
    nginx.start()
    yield nginx
    nginx.stop()


def send(door: Server, method: str, path: str, form: dict[str, str] | None = None, **headers: str) -> tuple[int, float]:
    """The status, 0 without an answer, and how many seconds it took."""
    connection = HTTPConnection(door.url.removeprefix("http://"), timeout=stretched(20))
    began_at = time.monotonic()
    try:
        connection.request(method, path, urlencode(form) if form else None, (FORM if form else {}) | headers)
        status = connection.getresponse().status
    except (OSError, HTTPException):
        status = 0
    finally:
        connection.close()
    return status, time.monotonic() - began_at


def hammer(door: Server, number: int, answers: list[tuple[str, int]], stop: threading.Event) -> None:
    for count in itertools.count():
        if stop.is_set():
            return
        name = f"{number}-{count}"
        paths = {
            "/subscribe": {"address": f"{name}@example.com"},
            "/subscribe/webhook": {"url": f"https://{name}.dead.example/", "contact": f"{name}@example.com"},
            "/api/schema": None,
        }
        path = list(paths)[number % len(paths)]
        network = f"{random.randrange(1, 200)}.{random.randrange(256)}.{random.randrange(256)}.7"
        status, _seconds = send(
            door, "POST" if paths[path] else "GET", path, paths[path], **{"X-Forwarded-For": network}
        )
        answers.append((path, status))


def test_strangers_keep_no_staff_waiting_and_break_nothing(site: Site, door: Server) -> None:
    answers: list[tuple[str, int]] = []
    stop = threading.Event()
    strangers = [threading.Thread(target=hammer, args=(door, number, answers, stop)) for number in range(STRANGERS)]
    for stranger in strangers:
        stranger.start()
    let_pass(1)
    sign_ins = []
    try:
        for _time in range(SIGN_INS):
            sign_ins.append(send(door, "GET", "/admin/account/login/"))
            typed = {"login": "ada", "password": PASSWORD, "csrfmiddlewaretoken": CSRF_TOKEN}
            sign_ins.append(send(door, "POST", "/admin/account/login/", typed, Cookie=f"csrftoken={CSRF_TOKEN}"))
    finally:
        stop.set()
        for stranger in strangers:
            stranger.join()
    slowest = max(seconds for _status, seconds in sign_ins)
    print(f"\nsign-ins: {Counter(status for status, _seconds in sign_ins)}, slowest {slowest:.2f} s")
    print(f"strangers: {Counter(answers)}")
    assert {status for status, _seconds in sign_ins} == {200, 302}
    assert slowest < stretched(2)
    assert {status for _path, status in answers} <= {200, 422, 503}
    assert {path for path, status in answers if status == 200} >= {"/subscribe", "/api/schema"}
    assert ("/subscribe/webhook", 422) in answers, "its name server is too slow"
