"""Headers on every answer; and what people and programs are answered while the database is away."""

from __future__ import annotations

import html
import json
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import psycopg
import pytest
from django.contrib.sessions.backends.base import SessionBase
from django.db import IntegrityError, InternalError, OperationalError, ProgrammingError, connection, transaction
from django.http import HttpRequest, HttpResponse
from django.template import Context, Template
from django.test import Client, RequestFactory
from django.urls import URLPattern, URLResolver, include, path
from django.views.decorators.csrf import csrf_exempt
from pytest_django import Settings

from portal import middleware, web_server
from portal.accounts import known_browsers
from portal.middleware import DatabaseGuardMiddleware
from portal.postgresql import deadline
from status import outside
from tests import browser
from tests.faults.site import serve
from tests.waiting import let_pass, stretched, within

pytestmark = pytest.mark.both

attempts: list[bytes] = []  # the body of each time that a view below was reached
asked, answered = threading.Event(), threading.Event()


def _fail(error: Exception, times: int = 99) -> None:
    if len(attempts) <= times:
        raise error


@csrf_exempt
def away(request: HttpRequest, times: int = 99) -> HttpResponse:
    attempts.append(request.body)
    _fail(OperationalError("the connection is closed"), times)
    return HttpResponse("done")


@csrf_exempt
def saved(request: HttpRequest) -> HttpResponse:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return away(request)


def in_a_template(request: HttpRequest) -> HttpResponse:
    attempts.append(b"")
    return HttpResponse(Template("{{ rows }}").render(Context({"rows": lambda: _fail(OperationalError())})))


def wrapped(request: HttpRequest) -> HttpResponse:
    try:
        return away(request)
    except OperationalError as error:
        raise RuntimeError("what a framework makes of it") from error


def session_cannot_be_saved(request: HttpRequest) -> HttpResponse:
    attempts.append(b"")
    request.session["visits"] = 1
    return HttpResponse("done")


@csrf_exempt
def refused(request: HttpRequest, state: str) -> HttpResponse:
    """What the server says, as Django hands it on."""
    attempts.append(b"")
    cause = psycopg.errors.lookup(state)("no")
    kinds = (OperationalError, InternalError)
    raise next(kind for kind in kinds if isinstance(cause, getattr(psycopg, kind.__name__))) from cause


@csrf_exempt
def asks(request: HttpRequest, seconds: str) -> HttpResponse:
    """Of somebody outside, who answers when the test lets them."""
    attempts.append(b"asks")

    def question() -> str:
        asked.set()
        return "yes" if answered.wait(stretched(30)) else "no"

    try:
        return HttpResponse(outside.ask("name", question, seconds=float(seconds)))
    except TimeoutError:
        return HttpResponse("too slow")


def broken(request: HttpRequest, name: str) -> HttpResponse:
    attempts.append(b"")
    if name == "statement":
        connection.cursor().execute("SELECT * FROM a_table_that_is_missing")
    raise {"integrity": IntegrityError, "programming": ProgrammingError}[name]


urlpatterns: list[URLPattern | URLResolver] = [
    path("away", away),
    path("away/<int:times>", away),
    path("api/v1/away", away),
    path("api/v1/away/<int:times>", away),
    path("api/v1/saved", saved),
    path("api/v1/refused/<state>", refused),
    path("in-a-template", in_a_template),
    path("wrapped", wrapped),
    path("session", session_cannot_be_saved),
    path("asks/<seconds>", asks),
    path("broken/<name>", broken),
    path("", include("portal.urls")),
]


class SessionStore(SessionBase):
    """Sessions of a database that is away."""

    def save(self, must_create: bool = False) -> None:
        raise OperationalError

    def load(self) -> dict[str, object]:
        return {}


@pytest.fixture(autouse=True)
def own_urls(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.ROOT_URLCONF = __name__
    attempts.clear()
    asked.clear()
    answered.clear()
    monkeypatch.setattr(middleware, "REPEAT", stretched(0.4))
    monkeypatch.setattr(deadline.server, "silent_since", None)


def silent(monkeypatch: pytest.MonkeyPatch, *, seconds: float) -> None:
    monkeypatch.setattr(deadline.server, "silent_since", time.monotonic() - seconds)


def test_every_answer_forbids_foreign_and_inline_code_and_is_not_kept(client: Client) -> None:
    answer = client.get("/admin/login/")
    policy = answer["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert re.search(r"style-src 'self' 'sha256-[^ ']+';", policy), "and one style: that of mails, for their preview"
    assert "unsafe" not in policy
    assert "no-store" in answer["Cache-Control"]
    assert "camera=()" in answer["Permissions-Policy"]
    assert answer["X-Frame-Options"] == "DENY"
    assert answer["X-Content-Type-Options"] == "nosniff"


def test_a_reader_gets_a_page_that_tries_again_by_itself(client: Client) -> None:
    answer = client.get("/away")
    assert answer.status_code == 503
    assert int(answer["Retry-After"]) >= 1
    assert answer["Refresh"] == "5"
    assert "no-store" in answer["Cache-Control"]
    assert "The database did not answer in time" in answer.text
    assert "unsafe" not in answer["Content-Security-Policy"]


def test_a_writer_reads_that_nothing_was_saved_and_can_send_it_again(client: Client) -> None:
    form = {"body": 'We "look" into it:\r\n<b>soon</b>', "components": ["1", "2"]}
    answer = client.post("/away", form | {"password": "correct horse"})
    assert answer.status_code == 503
    assert "Nothing was saved" in answer.text
    assert "Refresh" not in answer.headers
    assert len(attempts) == 1
    kept = re.findall(r'name="(\w+)" value="(.*?)"', answer.text, re.DOTALL)
    assert [(name, html.unescape(value)) for name, value in kept] == [
        ("body", form["body"]),
        ("components", "1"),
        ("components", "2"),
    ]
    assert "form-action 'self'" in answer["Content-Security-Policy"]


def test_a_program_gets_the_sentence_as_json(client: Client) -> None:
    answer = client.post("/api/v1/away", {}, content_type="application/json")
    assert answer.status_code == 503
    assert "Nothing was saved" in answer.json()["error"]
    assert int(answer["Retry-After"]) >= 1


def test_a_read_is_repeated_until_the_database_answers(client: Client) -> None:
    assert client.get("/away/2").content == b"done"
    assert len(attempts) == 3


def test_a_write_with_an_idempotency_key_is_repeated_with_its_body(client: Client) -> None:
    body = {"body": "Again"}
    answer = client.post("/api/v1/away/2", body, content_type="application/json", headers={"Idempotency-Key": "k1"})
    assert answer.content == b"done"
    assert [json.loads(attempt) for attempt in attempts] == [body] * 3


@pytest.mark.django_db(transaction=True)
def test_what_may_have_been_saved_is_not_repeated_and_not_called_unsaved(client: Client) -> None:
    connection.close()  # the request opens its own
    answer = client.post("/api/v1/saved", {}, content_type="application/json", headers={"Idempotency-Key": "k2"})
    connection.close()  # which is too short of time for what pytest-django does next
    assert (answer.status_code, "Retry-After" in answer) == (504, False)
    assert "It may have been saved. Look before you send it again." in answer.json()["error"]
    assert len(attempts) == 1


@pytest.mark.parametrize("address", ["/in-a-template", "/wrapped"])
def test_a_failure_is_found_in_what_others_made_of_it(client: Client, address: str) -> None:
    assert client.get(address).status_code == 503
    assert len(attempts) > 1


# A lost connection, too many, a shutdown, no disk; read-only; idle too long, and after it; in another one's way
@pytest.mark.parametrize(
    "state", ["08006", "53300", "57P01", "53100", "25006", "25P02", "25P03", "40P01", "40001", "55P03"]
)
def test_an_outage_is_told_by_its_code(client: Client, state: str) -> None:
    answer = client.post(f"/api/v1/refused/{state}", {}, content_type="application/json")
    assert answer.status_code == 503
    assert "Nothing was saved" in answer.json()["error"]


def test_a_session_that_cannot_be_saved_is_no_server_error(client: Client, settings: Settings) -> None:
    settings.SESSION_ENGINE = __name__
    client.raise_request_exception = False
    assert client.get("/session").status_code == 503


@pytest.mark.long
@pytest.mark.django_db
@pytest.mark.parametrize("name", ["integrity", "programming", "statement"])
def test_a_mistake_of_ours_is_not_called_an_outage(client: Client, name: str) -> None:
    client.raise_request_exception = False
    assert client.get(f"/broken/{name}").status_code == 500
    assert len(attempts) == 1


@pytest.mark.parametrize(("address", "kind"), [("/away", "text/html"), ("/api/v1/away", "application/json")])
def test_a_body_that_is_too_large_is_refused_with_a_sentence(
    client: Client, settings: Settings, address: str, kind: str
) -> None:
    answer = client.post(
        address, b"x" * (settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1), content_type="application/x-www-form-urlencoded"
    )
    assert answer.status_code == 413
    assert answer["Content-Type"].startswith(kind)
    assert "larger than" in answer.text
    assert not attempts


@pytest.mark.slow
def test_a_silent_server_is_probed_by_one_request_and_nobody_else_waits(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent(monkeypatch, seconds=stretched(10))
    monkeypatch.setattr(middleware, "PROBE", stretched(1.5))
    assert [client.get("/away").status_code for _ in range(10)] == [503] * 10
    assert len(attempts) == 1
    let_pass(middleware.PROBE)
    client.get("/away")
    assert len(attempts) == 2


def test_a_request_that_needs_no_database_does_not_use_up_the_probe(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent(monkeypatch, seconds=stretched(10))
    assert client.get("/away/0").status_code == 200
    assert client.get("/away/1").status_code == 200


KINDS = {
    "reads": ("GET", "/admin/", ""),
    "writes": ("POST", "/admin/incidents/", ""),
    "newcomers": ("POST", "/admin/account/login/", ""),
    "programs": ("POST", "/mail/events", "Basic bmFtZTpwYXNzd29yZA=="),
    "strangers": ("POST", "/subscribe/webhook", ""),
}


@pytest.mark.parametrize("kind", KINDS)
def test_no_kind_of_requests_takes_the_slots_or_the_threads_of_another(
    kind: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.MAIL_EVENTS, settings.ANYMAIL = "postmark", {"WEBHOOK_SECRET": "name:password"}
    monkeypatch.setattr(middleware, "TURN", 0.1)
    slots, inside = middleware.SHARES[kind]
    released, reached = threading.Event(), threading.Barrier(slots + 1)

    def wait(request: HttpRequest) -> HttpResponse:
        if request.path == KINDS[kind][1]:
            reached.wait(stretched(5))
            released.wait(stretched(5))
        return HttpResponse("late")

    def ask(name: str) -> HttpResponse:
        method, address, authorization = KINDS[name]
        request = RequestFactory().generic(method, address, headers={"Authorization": authorization})
        request.COOKIES = {} if name == "newcomers" else known
        return guard(request)

    known_browsers.remember(answer := HttpResponse())
    known = {known_browsers.COOKIE: answer.cookies[known_browsers.COOKIE].value}
    guard = DatabaseGuardMiddleware(wait)
    with ThreadPoolExecutor(inside + 1) as pool:
        waiting = [pool.submit(ask, kind) for _ in range(slots)]
        reached.wait(stretched(5))
        with within(3):
            refused = ask(kind)
            assert (refused.status_code, refused["Retry-After"]) == (503, "2")
            assert b"Too many ask at this moment" in refused.content
            assert {ask(other).status_code for other in KINDS if other != kind} == {200}
            assert guard(RequestFactory().get("/healthz")).status_code == 200
        released.set()
        assert {answer.result().status_code for answer in waiting} == {200}


def test_a_kind_of_requests_has_a_bounded_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(middleware, "TURN", stretched(3))
    released = threading.Event()
    guard = DatabaseGuardMiddleware(lambda _request: HttpResponse(str(released.wait(stretched(5)))))
    _slots, inside = middleware.SHARES["strangers"]
    with ThreadPoolExecutor(inside + 1) as pool:
        asked = [pool.submit(guard, RequestFactory().get("/subscribe")) for _ in range(inside + 1)]
        refused = next(as_completed(asked)).result()
        assert refused.status_code == 503, "it did not wait for its turn"
        released.set()
        assert sorted(each.result().status_code for each in asked) == [*[200] * inside, 503]


def test_the_web_server_has_threads_for_more_than_all_of_them() -> None:
    assert web_server.threads > sum(inside for _slots, inside in middleware.SHARES.values())


def test_a_slot_is_free_while_somebody_outside_is_asked(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(middleware, "SHARES", dict.fromkeys(middleware.SHARES, (1, 2)))
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(client.post, "/asks/30")
        assert asked.wait(stretched(5))
        assert client.post("/away/0").content == b"done"
        answered.set()
        assert asking.result().content == b"yes"
    assert [attempts[0], attempts[2:]] == [b"asks", [b"asks"]], "it began anew when it had its answer"


def test_whoever_does_not_answer_is_asked_few_questions_at_once(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(middleware, "SHARES", dict.fromkeys(middleware.SHARES, (1, 2)))
    before = threading.active_count()
    assert client.post("/asks/0.1").content == b"too slow"
    later = [client.post("/asks/0.1") for _ in range(3)]
    assert [answer.status_code for answer in later] == [503] * 3, "of a name that was not asked for nothing is said"
    assert threading.active_count() == before + 1
    answered.set()


@pytest.mark.slow
@pytest.mark.browser
def test_the_admin_and_the_api_docs_work_under_the_policy(tmp_path: Path) -> None:
    complaints: list[str] = []
    with serve(tmp_path, database="") as site, browser.chromium() as chromium:
        address = f"http://127.0.0.1:{site.port}"
        context = browser.new_context(chromium)
        context.add_cookies([{"name": "sessionid", "value": site.session, "url": address}])
        tab = context.new_page()
        tab.on("pageerror", lambda error: complaints.append(f"{tab.url}: {error}"))
        tab.on("console", lambda line: complaints.append(line.text) if "Security Policy" in line.text else None)
        record = "/admin/incidents"
        forms = (f"{record}/incident/add/", f"{record}/component/add/", f"{record}/user/add/", site.note)
        for page in ("/admin/", f"{record}/incident/", *forms, "/api/docs"):
            answer = tab.goto(f"{address}{page}", wait_until="networkidle")
            assert answer
            assert answer.status == 200
            assert "unsafe" not in answer.headers["content-security-policy"]
    assert not complaints
