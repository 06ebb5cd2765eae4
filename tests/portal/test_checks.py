"""What `check` and the console say of an installation."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from incidents import catalogue
from incidents.models import Clock, Page, User
from incidents.record_time import record_time
from portal import __version__, checks
from portal.checks import Level, Line
from status import relay
from status.publication import publishing
from tests import receiver
from tests.receiver import Receiver, answering
from tests.servers import free_port
from tests.services import ROOT
from tests.sink import Sink
from tests.waiting import let_pass

pytestmark = [pytest.mark.django_db, pytest.mark.long]
MakeUser = Callable[[str, str], User]


@pytest.fixture
def well(page: Page, settings: Settings, tmp_path: Path) -> Page:
    """An installation about whose inside there is nothing to say."""
    settings.DATA_DIR = tmp_path / "data"
    settings.DATA_DIR.mkdir(mode=0o700)
    publishing.publish(page)
    relay.heartbeat()
    Clock.tick()
    return page


def complaints(lines: list[Line]) -> dict[str, tuple[Level, str]]:
    return {line.name: (line.level, line.words) for line in lines if line.level != Level.OK and line.name != "Settings"}


@pytest.mark.slow
def test_of_an_installation_that_is_well_nothing_is_complained(well: Page) -> None:
    lines = checks.inside()
    assert complaints(lines) == {}
    names = ["Version", "Database", "Clock", "Time", "Pages", "Parked", "Messages", "Redis"]
    assert [line.name for line in lines if line.name not in {"Settings", "Disk"}] == names


def stop_clock(_settings: Settings) -> None:
    Clock.objects.update(ticked_at=record_time() - timedelta(minutes=3))


def set_clock_wrong(_settings: Settings) -> None:
    Clock.objects.update(skew=-90)


def stop_redis(settings: Settings) -> None:
    settings.REDIS_URL = f"redis://127.0.0.1:{free_port()}/1"


def lose_files(settings: Settings) -> None:
    for file in settings.PUBLICATION_ROOT.glob("pages/*/index.html"):
        file.unlink()


def take_other_folder(settings: Settings) -> None:
    settings.PUBLICATION_ROOT = settings.DATA_DIR / "other"
    settings.PUBLICATION_ROOT.mkdir()


def open_keys(settings: Settings) -> None:
    settings.DATA_DIR.chmod(0o755)
    (settings.DATA_DIR / "audit-key").touch()
    (settings.DATA_DIR / "audit-key").chmod(0o644)


@pytest.mark.parametrize(
    ("fault", "name", "level", "words"),
    [
        (stop_clock, "Clock", Level.WRONG, "Start the worker and the clock."),
        (set_clock_wrong, "Time", Level.LOOK, "by 90.0 seconds. Have them set by a time server."),
        (stop_redis, "Redis", Level.WRONG, "Start it, or correct REDIS_URL."),
        (lose_files, "Pages", Level.WRONG, "Run tick: it says what is in the way."),
        (take_other_folder, "Pages", Level.WRONG, "publish --here"),
        (open_keys, "Files", Level.WRONG, "Run: chmod 600 "),
    ],
)
def test_what_is_wrong_inside_is_named_with_what_to_do(
    well: Page, settings: Settings, fault: Callable[[Settings], None], name: str, level: Level, words: str
) -> None:
    fault(settings)
    found = complaints(checks.inside())
    assert found.keys() == {name}
    assert found[name][0] == level
    assert words in found[name][1]


def test_a_folder_that_cannot_be_written_to_is_named(well: Page, settings: Settings) -> None:
    settings.DATA_DIR = Path("/proc")  # not even by root
    assert "/proc cannot be written to by account" in complaints(checks.inside())["Files"][1]


def test_a_full_disk_is_foreseen(well: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "SCARCE", 1 << 60)
    level, words = complaints(checks.inside())["Disk"]
    assert level == Level.LOOK
    assert words.endswith("Make room, or nothing can be saved or published.")


# --- Others -----------------------------------------------------------------------------------------------------------


def test_the_mail_server_is_greeted_and_sent_nothing(sink: Sink, settings: Settings) -> None:
    line, _site = checks.outside([], datetime.now(UTC))
    assert (line.name, line.level) == ("Mail", Level.OK)
    assert not sink.received
    settings.EMAIL_PORT = free_port()
    line, _site = checks.outside([], datetime.now(UTC))
    assert (line.level, line.words) == (
        Level.WRONG,
        f"127.0.0.1:{settings.EMAIL_PORT}: Connection refused. See SMTP_HOST and what follows it in the settings.",
    )


@pytest.fixture
def example_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every name below example.com leads to this host, and all others nowhere."""

    def look_up(host: str, port: Any, *_arguments: Any, **_options: Any) -> list[Any]:
        if not str(host).endswith((".example.com", "127.0.0.1", "localhost")):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)


def address(url: str) -> Line:
    _mail, _site, line = checks.outside([url], datetime.now(UTC))
    return line


@pytest.mark.slow
def test_a_page_is_asked_as_readers_ask(
    example_names: None, live_server: LiveServer, well: Page, settings: Settings, admin: User
) -> None:
    settings.ALLOWED_HOSTS = ["*"]
    port = live_server.url.rpartition(":")[2]
    catalogue.edit_page(well, url=f"http://status.example.com:{port}", author=admin)
    publishing.publish(well)
    relay.heartbeat()
    urls, now = checks.pages()
    assert urls == [f"http://status.example.com:{port}"]
    assert address(urls[0]) == Line(f"Page {urls[0]}", Level.OK, "It answers, and is ours.")
    _mail, _site, late = checks.outside(urls, now + timedelta(minutes=6))
    assert "another host's, or nobody confirms them" in late.words
    (settings.PUBLICATION_ROOT / "hosts" / "status.example.com").unlink()
    unknown = address(f"http://beta.example.com:{port}")
    assert unknown.words == "It answers, and is ours.", "the only page that there is"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("https://status.acme.test", "Name servers know no status.acme.test. Enter it, with this host's address."),
        ("http://status.example.com:1", "Nothing answers at 127.0.0.1: Connection refused."),
    ],
)
def test_an_address_that_leads_nowhere_is_named(example_names: None, url: str, words: str) -> None:
    assert address(url) == Line(f"Page {url}", Level.WRONG, words)


@pytest.fixture
def secured(example_names: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    monkeypatch.setenv("SSL_CERT_FILE", str(receiver.CERTIFICATE))
    with receiver.receiving("127.0.0.1") as server:
        yield server


SAFE = {"Content-Security-Policy": "default-src 'none'", "Strict-Transport-Security": "max-age=300"}


def test_what_answers_behind_tls_is_looked_at(secured: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    port = secured.server_address[1]
    url, now = f"https://{receiver.HOST}:{port}", datetime.now(UTC)
    beat = json.dumps({"at": now.isoformat()}).encode()
    cases = [
        (beat, SAFE, Level.OK, "It answers, and is ours."),
        (b"<p>Welcome to nginx", SAFE, Level.WRONG, "It does not show this page's files (200)."),
        (b"{}", SAFE, Level.WRONG, "It does not show this page's files (200)."),
        (beat, {}, Level.WRONG, "leaves out the headers that keep readers safe"),
        (beat, {"Content-Security-Policy": "default-src 'none'"}, Level.LOOK, "see HSTS in the settings"),
    ]
    for body, headers, level, words in cases:
        secured.behave = answering(200, body, **headers)
        line = address(url)
        assert (line.level, words in line.words) == (level, True), line
    assert "certificate is not trusted" in address(f"https://other.example.com:{port}").words
    monkeypatch.setattr(checks, "EXPIRES", timedelta(days=400 * 365))
    secured.behave = answering(200, beat, **SAFE)
    assert "Its certificate ends on 2126-10-29. Renew it." in address(url).words


def test_who_answers_a_byte_at_a_time_is_not_listened_to_for_ever(
    secured: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "TIMEOUT", 1.0)

    def trickle(handler: BaseHTTPRequestHandler) -> None:
        with suppress(OSError):
            while not secured.closing.is_set():
                handler.wfile.write(b"H")
                let_pass(0.1)

    secured.behave = trickle
    assert address(f"https://{receiver.HOST}:{secured.server_address[1]}").level == Level.WRONG


def test_another_program_at_the_sites_address_is_named(secured: Receiver, settings: Settings) -> None:
    settings.SITE_URL = f"https://{receiver.HOST}:{secured.server_address[1]}"

    def site() -> str:
        return checks.outside([], datetime.now(UTC))[1].words

    secured.behave = answering(404, b"Not found")
    assert site() == "Another program answers there (404)."
    secured.behave = answering(200, b'{"version": "0.9", "database": "ok"}')
    assert site() == f"Version 0.9 answers there, and this is {__version__}."


# --- Where it is said -------------------------------------------------------------------------------------------------


def test_the_command_ends_with_1_when_something_is_wrong(well: Page, sink: Sink, settings: Settings) -> None:
    settings.SITE_URL = f"http://127.0.0.1:{free_port()}"
    out = StringIO()
    with pytest.raises(SystemExit, match="1"):
        call_command("check", stdout=out, no_color=True)
    assert f"wrong  Site {settings.SITE_URL}" in out.getvalue()
    call_command("check", "incidents", stdout=StringIO())  # Django's own


@pytest.mark.slow
def test_without_a_database_all_else_is_said(tmp_path: Path) -> None:
    own = {name: os.environ[name] for name in ("PATH", "SECRET_KEY", "ENCRYPTION_KEYS", "AUDIT_KEY")}
    own |= {"DATA_DIR": str(tmp_path), "DATABASE_URL": f"postgresql://me:open-sesame@127.0.0.1:{free_port()}/portal"}
    own |= {"SITE_URL": "https://incidents.acme.test", "SMTP_HOST": "127.0.0.1", "SMTP_PORT": str(free_port())}
    command = [sys.executable, "manage.py", "check"]
    result = subprocess.run(command, cwd=ROOT, env=own, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (1, "")
    assert re.findall(r"^wrong  (\w+)", result.stdout, re.MULTILINE) == ["Database", "Mail", "Site"]
    assert "open-sesame" not in result.stdout


@pytest.mark.slow
def test_the_console_says_the_same_to_those_who_answer_for_it(
    client: Client, well: Page, sink: Sink, admin: User, make_user: MakeUser
) -> None:
    client.force_login(admin)
    answer = client.get(reverse("installation"))
    for line in [*checks.inside(), *checks.outside([], datetime.now(UTC))]:
        assert line.name in answer.text
    assert reverse("installation") in client.get(reverse("admin:index")).text
    client.force_login(make_user("ruth", "approver"))
    assert client.get(reverse("installation")).status_code == 403
    assert reverse("installation") not in client.get(reverse("admin:index")).text
