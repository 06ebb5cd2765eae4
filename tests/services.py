"""pytest plugin: the real servers that the suite runs on, and an environment that is the tests' own.

PostgreSQL and Redis each come from the first of these that answers: TEST_DATABASE_URL / TEST_REDIS_URL (or the run
ends); a server on 127.0.0.1 at its usual port that lets us in; a private one, started on a free port from the programs
of this machine or of an installed wheel, and gone when the run is, also after kill -9. Databases are always the run's
own: PostgreSQL's has the process id in its name, Redis's is a numbered one that was found empty. Nothing is flushed.
(What a run leaves on a server that it did not start is said in tests/migrated.py.)

`--sqlite` runs the suite on the embedded database instead, without the tests marked `postgresql`.

It is loaded by `-p tests.services`, because pytest-django reads the settings before any conftest.py.
"""

from __future__ import annotations

import os
import pwd
import re
import secrets
from collections.abc import Generator, Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

import pytest
import redis
from cryptography.fernet import Fernet

from tests import waiting
from tests.servers import (
    PGBOUNCER,
    Unavailable,
    at_end,
    postgresql_version,
    program,
    redis_version,
    start_postgresql,
    start_redis,
    temporary_folder,
)

ROOT = Path(__file__).resolve().parent.parent
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")  # "" in the process that started the run
CHROMIUM = os.environ.get("CHROMIUM") or program("chromium", "chromium-browser", "google-chrome")
NGINX = program("nginx")
FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)  # for programs of several threads
CLIENTS = ROOT / ".venv" / "clients"  # the environment of requirements/clients.txt and tests/clients
CLAIM = "portal:tests"  # the key that marks a Redis database as taken by a run

_report: list[str] = []


def _postgresql() -> tuple[str, str]:
    """The address of a server, and in words where it came from."""
    if url := os.environ.get("TEST_DATABASE_URL"):
        if version := postgresql_version(url):
            return url, f"{version}, named by TEST_DATABASE_URL"
        raise Unavailable("TEST_DATABASE_URL: no server answers there, or its role may not create databases")
    for user in dict.fromkeys(["postgres", pwd.getpwuid(os.geteuid()).pw_name]):
        url = f"postgresql://{user}@127.0.0.1:5432/postgres"
        if version := postgresql_version(url):
            return url, f"{version}, running on 127.0.0.1:5432"
    server = start_postgresql()
    return server.url, f"{postgresql_version(server.url)}, private, from {server.program}"


def _own_database(url: str) -> str:
    """The address of the run's own database; Django puts "test_" before its name and creates it."""
    parts = urlsplit(url)
    if parts.password:
        # The settings refuse a password like "postgres", which is what a throw-away test server has.
        os.environ["PGPASSWORD"] = unquote(parts.password)
        parts = parts._replace(netloc=f"{parts.username}@{parts.netloc.rpartition('@')[2]}")
    return urlunsplit(parts._replace(path=f"/portal_{os.getpid()}"))


def _claim(url: str) -> str | None:
    """The address of an empty numbered database, which is now this process's own; the keys of Celery go at the end."""
    for number in range(63, 0, -1):
        address = urlunsplit(urlsplit(url)._replace(path=f"/{number}"))
        client = redis.Redis.from_url(address)
        try:
            if client.set(CLAIM, os.getpid(), nx=True, ex=2 * 3600):
                if client.dbsize() == 1:
                    at_end.callback(_release, client)
                    return address
                client.delete(CLAIM)
        except redis.ResponseError:  # the server has fewer databases
            continue
    return None


def _release(client: redis.Redis) -> None:
    with client, suppress(redis.RedisError):  # a server that is gone has nothing to release
        for pattern in ("_kombu.*", "unacked*", "celery*", CLAIM):
            for key in client.scan_iter(match=pattern):
                client.delete(key)


def _redis() -> tuple[str, str]:
    """The address of a database that is now ours, and in words where it came from."""
    if url := os.environ.get("TEST_REDIS_URL"):
        if (version := redis_version(url)) and (address := _claim(url)):
            return address, f"{version}, named by TEST_REDIS_URL"
        raise Unavailable("TEST_REDIS_URL: no server answers there, or none of its numbered databases is empty")
    url = "redis://127.0.0.1:6379"
    if (version := redis_version(url)) and (address := _claim(url)):
        return address, f"{version}, running on 127.0.0.1:6379"
    server = start_redis()
    return f"{server.url}/1", f"{redis_version(server.url)}, private, from {server.program}"


# --- pytest -----------------------------------------------------------------------------------------------------------


def _left_out() -> dict[str, str]:
    """The markers whose tests cannot run here, each with the reason."""
    reasons = {}
    if not os.environ.get("DATABASE_URL"):
        reasons["postgresql"] = "about row locks or another thing that only PostgreSQL has"
    if not CHROMIUM:
        reasons["browser"] = "no Chromium: apt-get install chromium, or name one in CHROMIUM"
    if not (CLIENTS / "node_modules").exists():
        reasons["clients"] = "no environment for them: make .venv/clients.stamp, which wants npm"
    if not PGBOUNCER:
        reasons["pgbouncer"] = "no PgBouncer: apt-get install pgbouncer"
    if not FAKETIME:
        reasons["faketime"] = "no libfaketime: apt-get install faketime"
    if not NGINX:
        reasons["nginx"] = "no nginx: apt-get install nginx"
    return reasons


def _prepare(*, on_sqlite: bool) -> None:
    """Replace what the outer environment says about the portal, so that a run never reaches its real servers."""
    waiting.measure()
    variables = re.findall(r"^#? ?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
    for name in list(os.environ):
        if name in variables or name.startswith(("PG", "CELERY_")):
            del os.environ[name]
    os.environ["SECRET_KEY"] = secrets.token_urlsafe(50)
    os.environ["ENCRYPTION_KEYS"] = Fernet.generate_key().decode()
    os.environ["AUDIT_KEY"] = "the same for every run, because a migrated database is kept for later ones"
    os.environ["WITHOUT_SECOND_FACTOR"] = "1"  # but for the tests that are about it
    os.environ["DATA_DIR"] = str(temporary_folder("portal-tests-"))
    if on_sqlite:
        _report.append("database: SQLite")
    else:
        url, origin = _postgresql()
        os.environ["DATABASE_URL"] = _own_database(url)
        _report.append(f"database: PostgreSQL {origin}")
    os.environ["REDIS_URL"], origin = _redis()
    _report.append(f"broker: {origin}")
    for marker, reason in _left_out().items():
        _report.append(f"left out: tests marked {marker} ({reason})")


def _prepare_worker() -> None:
    """Give a process of pytest-xdist its own folder and its own Redis database on the run's servers."""
    folder = Path(os.environ["DATA_DIR"]) / WORKER
    folder.mkdir()
    os.environ["DATA_DIR"] = str(folder)
    address = _claim(os.environ["REDIS_URL"])
    if not address:
        raise Unavailable("Redis has too few empty databases for this many processes")
    os.environ["REDIS_URL"] = address


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--sqlite", action="store_true", help="run on SQLite, without the tests marked postgresql")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Iterator[None]:
    try:
        if WORKER:
            _prepare_worker()
        else:
            _prepare(on_sqlite=early_config.known_args_namespace.sqlite)
    except Unavailable as error:
        raise pytest.UsageError(str(error)) from error
    yield
    if not os.environ.get("DATABASE_URL"):
        from django.db import connections  # pytest-django has just read the settings

        # A file, where Django would take memory: the other processes of a test read it too.
        connections.settings["default"]["TEST"]["NAME"] = Path(os.environ["DATA_DIR"]) / "test.sqlite3"


def pytest_report_header() -> list[str]:
    return _report


@pytest.hookimpl(tryfirst=True)  # before its fixtures
def pytest_runtest_setup(item: pytest.Item) -> None:
    """What cannot run is one line at the end of the run, and a failure where nobody reads that."""
    for marker, reason in _left_out().items():
        if item.get_closest_marker(marker):
            is_failure = os.environ.get("CI") == "true" and marker != "postgresql"
            (pytest.fail if is_failure else pytest.skip)(reason)


@pytest.hookimpl(wrapper=True, tryfirst=True)  # before pytest-timeout reads it
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """A test that hangs is ended, later where everything takes longer."""
    marker = item.get_closest_marker("timeout")
    seconds = float(marker.args[0] if marker else item.config.getini("timeout"))
    item.add_marker(pytest.mark.timeout(waiting.stretched(seconds)), append=False)
    return (yield)


@pytest.hookimpl(wrapper=True)  # before -m is applied, and after the order is shuffled
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Iterator[None]:
    for item in items:
        if {"db", "transactional_db"} & set(getattr(item, "fixturenames", ())) or item.get_closest_marker("django_db"):
            item.add_marker("database")
        if "faults" in item.path.parts:
            item.add_marker("processes")
    yield
    items[:] = _long_ones_first(items)


def _long_ones_first(items: list[pytest.Item]) -> list[pytest.Item]:
    """In the part of each process, those that were given more time: they take long, and the run must not end with them.

    pytest-xdist deals the list out in as many pieces as there are processes, which then take from each other's ends.
    """
    # What a test that commits leaves is emptied tables: pytest-django has put those at the end, and there they stay.
    long = [i for i in items if i.get_closest_marker("timeout") and not i.get_closest_marker("database")]
    short = [item for item in items if item not in long]
    count = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))

    def piece(of: list[pytest.Item], number: int) -> list[pytest.Item]:
        return of[len(of) * number // count : len(of) * (number + 1) // count]

    return [item for number in range(count) for item in (*piece(long, number), *piece(short, number))]


def pytest_unconfigure() -> None:
    at_end.close()
