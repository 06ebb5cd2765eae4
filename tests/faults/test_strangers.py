"""Strangers hammer every door that they reach; the staff's sign-in and a program, behind the real nginx, are served."""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlencode

import psycopg
import pytest

from portal import web_server
from tests.faults.site import PASSWORD, Site, serve
from tests.front import front
from tests.servers import Server
from tests.waiting import let_pass, stretched

pytestmark = [pytest.mark.slow, pytest.mark.postgresql, pytest.mark.nginx, pytest.mark.timeout(240)]

STRANGERS = 24
SIGN_INS = 12
CSRF_TOKEN = "t" * 32
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture(scope="module")
def site(postgresql: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with serve(tmp_path_factory.mktemp("site"), database=postgresql.url) as running:
        yield running


@pytest.fixture(scope="module")
def door(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    nginx = front(tmp_path_factory.mktemp("nginx"), site.folder / "public", web_port=site.port)
    nginx.start()
    yield nginx
    nginx.stop()


def send(
    door: Server, method: str, path: str, form: Mapping[str, str] | None = None, **headers: str
) -> tuple[int, float]:
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
        doors: dict[str, tuple[str, str, Mapping[str, str], Mapping[str, str]]] = {
            "sign-up": ("POST", "/subscribe", {"address": f"{name}@example.com"}, {}),
            "webhook": (
                "POST",
                "/subscribe/webhook",
                {"url": f"https://{name}.dead.example/", "contact": f"{name}@example.com"},
                {},
            ),
            "schema": ("GET", "/api/schema", {}, {}),
            "no key": ("GET", "/api/v1/pages", {}, {}),
            "wrong key": ("GET", "/api/v1/pages", {}, {"Authorization": f"OAuth {name}"}),
        }
        kind = list(doors)[number % len(doors)]
        method, path, form, headers = doors[kind]
        network = f"{random.randrange(1, 200)}.{random.randrange(256)}.{random.randrange(256)}.7"
        status, _seconds = send(door, method, path, form, **headers, **{"X-Forwarded-For": network})
        answers.append((kind, status))


def guess(door: Server, number: int, answers: list[int], stop: threading.Event) -> None:
    while not stop.is_set():
        network = f"{random.randrange(1, 200)}.{random.randrange(256)}.{random.randrange(256)}.7"
        answers.append(
            sign_in(door, "guessed", name="ada" if number % 2 else network, **{"X-Forwarded-For": network})[0]
        )


def sign_in(door: Server, password: str, *, name: str = "ada", cookies: str = "", **headers: str) -> tuple[int, float]:
    typed = {"login": name, "password": password, "csrfmiddlewaretoken": CSRF_TOKEN}
    return send(door, "POST", "/admin/account/login/", typed, Cookie=f"csrftoken={CSRF_TOKEN}; {cookies}", **headers)


def test_whoever_guesses_passwords_keeps_nobody_out_who_has_signed_in_before(site: Site, door: Server) -> None:
    assert sign_in(door, PASSWORD)[0] == 302, "from a network that is ada's own from then on"
    answers: list[int] = []
    stop = threading.Event()
    strangers = [threading.Thread(target=guess, args=(door, number, answers, stop)) for number in range(STRANGERS)]
    for stranger in strangers:
        stranger.start()
    let_pass(1)
    known = f"known-browser={site.known_browser}"
    note = {"text": "Seen.", "kind": "observation", "occurred_at": "2026-01-10T10:00", "precision": "exact"}
    note["csrfmiddlewaretoken"] = CSRF_TOKEN
    cookies = {"Cookie": f"{site.cookies}; csrftoken={CSRF_TOKEN}"}
    sign_ins, reads, writes = [], [], []
    try:
        for _number in range(SIGN_INS // 3):
            sign_ins.append(sign_in(door, PASSWORD, cookies=known))
            reads.append(send(door, "GET", "/admin/", None, **cookies))
            writes.append(send(door, "POST", site.note, note, **cookies))
    finally:
        stop.set()
        for stranger in strangers:
            stranger.join()
    print(f"\nsign-ins: {sign_ins}\nreads: {reads}\nwrites: {writes}\nguesses: {Counter(answers)}")
    assert {status for status, _seconds in sign_ins} == {302}
    assert {status for status, _seconds in reads} == {200}
    assert {status for status, _seconds in writes} == {302}
    assert max(seconds for _status, seconds in (*sign_ins, *reads, *writes)) < stretched(2)
    assert set(answers) <= {200, 503, 504}


def test_strangers_keep_nobody_waiting_and_break_nothing(site: Site, door: Server) -> None:
    answers: list[tuple[str, int]] = []
    stop = threading.Event()
    strangers = [threading.Thread(target=hammer, args=(door, number, answers, stop)) for number in range(STRANGERS)]
    for stranger in strangers:
        stranger.start()
    let_pass(1)
    sign_ins, writes = [], []
    incident, key = f"/api/v1/pages/{site.page}/incidents/{site.incidents[0]}", {"Authorization": f"OAuth {site.key}"}
    try:
        for number in range(SIGN_INS):
            sign_ins.append(send(door, "GET", "/admin/account/login/"))
            sign_ins.append(sign_in(door, PASSWORD))
            writes.append(send(door, "PATCH", incident, {"incident[name]": f"Errors, again {number}"}, **key))
    finally:
        stop.set()
        for stranger in strangers:
            stranger.join()
    with psycopg.connect(site.environment["DATABASE_URL"]) as connection:
        kept = connection.execute(
            "SELECT count(*) - 1 FROM pg_stat_activity WHERE datname = current_database()"
        ).fetchone()
    assert kept
    assert kept[0] <= web_server.threads, "each thread has one"
    print(f"\nconnections: {kept[0]}")
    for who, answered, fine in (("sign-ins", sign_ins, {200, 302}), ("writes", writes, {200})):
        slowest = max(seconds for _status, seconds in answered)
        print(f"\n{who}: {Counter(status for status, _seconds in answered)}, slowest {slowest:.2f} s")
        assert {status for status, _seconds in answered} == fine
        assert slowest < stretched(2)
    print(f"strangers: {Counter(answers)}")
    assert {status for _kind, status in answers} <= {200, 401, 422, 503}
    assert {kind for kind, status in answers if status == 200} >= {"sign-up", "schema"}
    assert {kind for kind, status in answers if status == 401} == {"no key", "wrong key"}
    assert ("webhook", 422) in answers, "its name server is too slow"
