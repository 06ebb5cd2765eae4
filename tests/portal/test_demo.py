"""`make demo`, the processes it keeps, and the pages that show its mail."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from django.core.mail import EmailMultiAlternatives
from django.test import Client
from pytest_django import Settings

from tests import migrated
from tests.embedded import below, children, environment, running, status
from tests.front import ask
from tests.servers import free_port
from tests.waiting import stretched, until

ROOT = Path(__file__).resolve().parents[2]
KEY = "k5wZ0fQ9-" * 6

pytestmark = pytest.mark.timeout(180)


# --- The demonstration ------------------------------------------------------------------------------------------------


@pytest.mark.processes
@pytest.mark.slow
def test_the_demonstration_serves_what_it_names_and_a_second_run_keeps_what_was_done(tmp_path: Path) -> None:
    port, other_port = free_port(), free_port()
    # A real installation's environment must not lead it there: nothing listens at these.
    elsewhere = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:9/production", "REDIS_URL": "redis://127.0.0.1:9"}
    with running(tmp_path, "demo", port, **elsewhere) as process:
        said = (tmp_path / "said").read_text()
        for path in ("/", "/admin/", "/api/docs", "/demo/mail"):
            assert f"http://127.0.0.1:{port}{path}" in said
        assert "login demo" in said
        site = f"http://127.0.0.1:{port}"
        assert b"Commerce Layer" in ask(site, "/").body
        for path in (
            "/api/v2/summary.json",
            "/api/v2/incidents.json",
            "/history.atom",
            "/admin/account/login/",
            "/demo/mail",
        ):
            assert status(port, path) == 200
        process.send_signal(signal.SIGINT)
        assert process.wait(stretched(30)) == 0
        until(lambda: below(tmp_path) == [], 5)
    key = tmp_path / "demo" / "secret-key"
    assert others_may_open(tmp_path / "demo") == {"public"}, "what everybody reads on the page, below a closed folder"
    made = key.read_text()
    page = next((tmp_path / "demo" / "public" / "pages").iterdir())
    (page / "heartbeat.json").write_text('{"at": "2023-01-17T16:01:00Z"}')

    with running(tmp_path, "demo", other_port):
        assert key.read_text() == made
        assert b"2023-01-17" not in ask(f"http://127.0.0.1:{other_port}", "/heartbeat.json").body
        assert [folder.name for folder in (tmp_path / "demo" / "public" / "pages").iterdir()] == [page.name]
        assert f'"url":"http://127.0.0.1:{other_port}"'.encode() in ask(
            f"http://127.0.0.1:{other_port}", "/api/v2/status.json"
        ).body.replace(b": ", b":")


@pytest.mark.processes
def others_may_open(data: Path) -> set[str]:
    """The first part of every path that another user of this host might read, if the folder itself were open."""
    assert data.stat().st_mode & 0o777 == 0o700
    found = [path for path in data.rglob("*") if not path.is_symlink()]
    assert len(found) > 10
    return {path.relative_to(data).parts[0] for path in found if path.stat().st_mode & 0o077}


@pytest.mark.slow
def test_a_taken_port_is_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        command = [sys.executable, "manage.py", "demo", f"--port={port}"]
        result = subprocess.run(
            command, cwd=ROOT, env=environment(tmp_path), capture_output=True, text=True, check=False
        )
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == f"Port {port} cannot be used (Address already in use). Choose another one.\n"


# --- The processes ----------------------------------------------------------------------------------------------------


@pytest.fixture
def embedded(tmp_path: Path) -> Path:
    """The folder of a site that ran before: the first start takes ten seconds for its migrations."""
    migrated.begin(tmp_path / "portal.sqlite3")
    return tmp_path


@pytest.mark.slow
@pytest.mark.processes
def test_what_is_killed_is_started_again_and_the_clock_runs_once(embedded: Path) -> None:
    with running(embedded, "up", port := free_port(), SECRET_KEY=KEY) as process:
        until(lambda: len(below(embedded)) == 5)  # the supervisor, gunicorn and its worker, Celery and its clock
        for word in ("gunicorn", "celery"):
            (pid,) = children(process, word)
            os.kill(pid, signal.SIGKILL)

            def is_replaced(word: str = word, pid: int = pid) -> bool:
                return children(process, word) not in ([], [pid])

            until(is_replaced)
        until(lambda: status(port, "/healthz") == 200)
        until(lambda: len(below(embedded)) == 5)
        assert "is started again" in (embedded / "said").read_text()


@pytest.mark.slow
@pytest.mark.processes
def test_nothing_outlives_a_killed_supervisor(embedded: Path) -> None:
    with running(embedded, "up", free_port(), SECRET_KEY=KEY) as process:
        until(lambda: len(below(embedded)) == 5)
        process.kill()
        process.wait()
        until(lambda: below(embedded) == [], 15)


@pytest.mark.slow
@pytest.mark.processes
def test_a_process_that_keeps_ending_ends_the_site_with_a_sentence(embedded: Path) -> None:
    with running(embedded, "up", free_port(), SECRET_KEY=KEY) as process:

        def has_given_up() -> bool:
            with suppress(OSError):  # it may be between two lives
                for pid in children(process, "gunicorn"):
                    os.kill(pid, signal.SIGKILL)
            return process.poll() is not None

        until(has_given_up, 60)
        assert process.returncode == 1
        assert "The web server ended 5 times within a minute" in (embedded / "said").read_text()
        until(lambda: below(embedded) == [], 5)


# --- Its mail ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def mail_folder(settings: Settings, tmp_path: Path) -> Path:
    settings.DEMO = True
    settings.EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    settings.EMAIL_FILE_PATH = tmp_path / "mail"
    return tmp_path / "mail"


def post(subject: str, *, html: str = "") -> None:
    message = EmailMultiAlternatives(subject, f"The text of {subject}", "status@example.com", ["ada@example.com"])
    if html:
        message.attach_alternative(html, "text/html")
    message.send()


def test_the_mail_page_says_so_when_there_is_none(client: Client, mail_folder: Path) -> None:
    assert "No mail yet" in client.get("/demo/mail").content.decode()


def test_mails_are_listed_newest_first_and_each_can_be_read(client: Client, mail_folder: Path) -> None:
    post("First")
    for file in mail_folder.iterdir():
        file.rename(file.with_name("20230117-170200-1.log"))  # the second one may be of the same second
    post("Second: <b>Grüße</b>", html="<p style='color: red'>Red</p><script>alert(1)</script>")
    page = client.get("/demo/mail").content.decode()
    assert page.index("Second: &lt;b&gt;Grüße&lt;/b&gt;") < page.index("First")
    (newest,) = (file.name for file in mail_folder.iterdir() if not file.name.startswith("2023"))
    read = client.get(f"/demo/mail/{newest}/0").content.decode()
    assert "The text of Second" in read
    assert "ada@example.com" in read
    assert "<script>alert" not in read
    assert f"/demo/mail/{newest}/0/html" in read


def test_the_html_of_a_mail_can_neither_run_nor_reach_anything(client: Client, mail_folder: Path) -> None:
    post("Styled", html="<p style='color: red'>Red</p><script>alert(1)</script>")
    (file,) = mail_folder.iterdir()
    response = client.get(f"/demo/mail/{file.name}/0/html")
    assert b"color: red" in response.content
    rules = dict(rule.strip().partition(" ")[::2] for rule in response["Content-Security-Policy"].split(";"))
    assert rules["sandbox"] == ""
    assert rules["default-src"] == "'none'"
    assert "script-src" not in rules


@pytest.mark.parametrize("path", ["", "/20230117-170200-1.log/0", "/..%2fsecret-key/0", "/nothing/0/html"])
def test_there_is_no_such_page_outside_of_the_demonstration(
    client: Client, mail_folder: Path, settings: Settings, path: str
) -> None:
    settings.DEMO = False
    assert client.get(f"/demo/mail{path}").status_code == 404


def test_only_mail_can_be_read(client: Client, mail_folder: Path) -> None:
    post("Only")
    (mail_folder.parent / "secret.log").write_text("secret\n" + "-" * 79 + "\n")
    (file,) = mail_folder.iterdir()
    for path in ("..%2fsecret.log/0", "%2e%2e/secret.log/0", f"{file.name}/1", "nothing.log/0"):
        assert client.get(f"/demo/mail/{path}").status_code == 404
