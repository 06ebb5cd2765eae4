"""No wait for PostgreSQL is without end, and what must take long may."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import psycopg
import pytest
from django.conf import settings
from django.db import OperationalError, connections, transaction
from pytest_django.plugin import DjangoDbBlocker

from portal import environment
from portal.postgresql import deadline
from portal.postgresql.base import DatabaseWrapper
from portal.postgresql.deadline import DeadlineConnection, time_limit
from tests.faults.forwarder import forward
from tests.servers import Server, free_port
from tests.waiting import let_pass, stretched, until, within

pytestmark = pytest.mark.postgresql

Connect = Callable[[], DatabaseWrapper]


@pytest.fixture(autouse=True)
def server(monkeypatch: pytest.MonkeyPatch) -> deadline.Server:
    """What this process knows of the server: nothing yet."""
    monkeypatch.setattr(deadline, "server", deadline.Server())
    return deadline.server


@pytest.fixture
def connect(
    postgresql: Server, django_db_blocker: DjangoDbBlocker, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Connect]:
    """Makes Django connections to the private server, as threads of the portal do."""
    monkeypatch.setenv("FAULTY_DATABASE", postgresql.url)
    address = settings.DATABASES["default"] | environment.database("FAULTY_DATABASE")
    monkeypatch.setitem(connections.settings, "faulty", address)
    made: list[DatabaseWrapper] = []

    def make() -> DatabaseWrapper:
        connection = connections["faulty"] = connections.create_connection("faulty")
        assert isinstance(connection, DatabaseWrapper)
        made.append(connection)
        return connection

    with django_db_blocker.unblock():
        yield make
        for connection in made:
            connection.close()
        del connections["faulty"]


def scalar(connection: DatabaseWrapper, statement: str) -> object:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        row = cursor.fetchone()
    return row and row[0]


def statements(url: str, pattern: str) -> int:
    """How many backends are at work on a statement like this one."""
    with psycopg.connect(url) as observer:
        return observer.execute(
            "SELECT FROM pg_stat_activity WHERE state = 'active' AND query LIKE %s AND pid <> pg_backend_pid()",
            [pattern],
        ).rowcount


def test_a_stopped_backend_costs_one_wait_and_the_next_statement_works(
    connect: Connect, server: deadline.Server
) -> None:
    connection = connect()
    pid = scalar(connection, "SELECT pg_backend_pid()")
    assert isinstance(pid, int)
    os.kill(pid, signal.SIGSTOP)
    try:
        refusal = pytest.raises(OperationalError, match=r"no answer within 0\.3 s")
        with within(2, at_least=0.3), time_limit(0.3), refusal:
            scalar(connection, "SELECT 1")
        assert server.silent_since is not None
        assert scalar(connection, "SELECT pg_backend_pid()") != pid
        assert server.silent_since is None
    finally:
        os.kill(pid, signal.SIGCONT)


def test_one_expired_wait_condemns_every_older_connection(connect: Connect) -> None:
    stalled, older = connect(), connect()
    pids = [scalar(connection, "SELECT pg_backend_pid()") for connection in (stalled, older)]
    for pid in pids:
        os.kill(int(str(pid)), signal.SIGSTOP)
    try:
        with time_limit(0.3), pytest.raises(OperationalError):
            scalar(stalled, "SELECT 1")
        older.close_if_unusable_or_obsolete()  # what Django does before a request
        with within(0.9):  # less than a health check would wait
            assert scalar(older, "SELECT pg_backend_pid()") not in pids
    finally:
        for pid in pids:
            os.kill(int(str(pid)), signal.SIGCONT)


def test_all_waits_of_a_request_end_with_its_total(connect: Connect, server: deadline.Server) -> None:
    connection = connect()
    connection.ensure_connection()
    with within(2), time_limit(stretched(1.0), total=stretched(0.5)):
        scalar(connection, f"SELECT pg_sleep({stretched(0.3)})")
        with pytest.raises(OperationalError, match=r"no answer within [\d.]+ s"):
            scalar(connection, f"SELECT pg_sleep({stretched(0.3)})")
    assert server.silent_since is None  # it answered well enough: only this request has used up its time


def test_the_server_gives_up_what_the_client_gave_up(connect: Connect, postgresql: Server) -> None:
    connection = connect()
    with time_limit(0.3), pytest.raises(OperationalError):
        scalar(connection, "SELECT pg_sleep(20)")
    until(lambda: not statements(postgresql.url, "%pg_sleep(20)%"), 5)


@pytest.mark.slow
def test_a_slow_statement_of_a_request_is_ended_by_the_server_and_the_connection_stays(
    connect: Connect, server: deadline.Server
) -> None:
    connection = connect()
    with time_limit(stretched(2.0), total=stretched(9.0)):
        pid = scalar(connection, "SELECT pg_backend_pid()")
        with pytest.raises(OperationalError, match="statement timeout"):
            scalar(connection, f"SELECT pg_sleep({stretched(5)})")
        connection.close_if_unusable_or_obsolete()
        assert scalar(connection, "SELECT pg_backend_pid()") == pid
    assert server.silent_since is None


def test_outside_a_request_a_statement_may_take_long(connect: Connect) -> None:
    connection = connect()
    assert scalar(connection, "SELECT pg_sleep(1.5)") == ""
    assert scalar(connection, "SHOW statement_timeout") == "0"


def test_a_migration_waits_as_long_as_it_takes(connect: Connect) -> None:
    with time_limit(0.2), connect().schema_editor() as editor:
        editor.execute("SELECT pg_sleep(0.6)")


def test_a_server_that_accepts_and_says_nothing_is_given_up_in_time(server: deadline.Server) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, time_limit(0.3):
        with within(2), pytest.raises(psycopg.errors.ConnectionTimeout):
            DeadlineConnection.connect(
                host="127.0.0.1", port=listener.getsockname()[1], dbname="x", connect_timeout=round(stretched(2))
            )
        assert server.silent_since is not None


def test_a_connection_that_comes_too_late_is_closed(postgresql: Server) -> None:
    target = urlsplit(postgresql.url).port
    assert target
    with forward(target) as gate, psycopg.connect(postgresql.url, autocommit=True) as observer:
        gate.is_black_hole = True
        with time_limit(0.3), pytest.raises(psycopg.errors.ConnectionTimeout):
            DeadlineConnection.connect(
                host="127.0.0.1", port=gate.port, user="postgres", dbname="postgres", application_name="late"
            )
        gate.is_black_hole = False
        let_pass(1)  # by now it has come
        late = observer.execute("SELECT FROM pg_stat_activity WHERE application_name = 'late'")
        assert late.rowcount == 0


def test_a_resolver_that_hangs_is_given_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(*_args: object, **_parameters: object) -> None:
        let_pass(3)
        raise socket.gaierror("Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    with within(2), time_limit(0.3), pytest.raises(psycopg.errors.ConnectionTimeout):
        DeadlineConnection.connect(host="db.example", dbname="x")


def test_a_refused_connection_is_an_operational_error_at_once(postgresql: Server) -> None:
    with within(2), pytest.raises(psycopg.OperationalError, match="refused"):
        DeadlineConnection.connect(host="127.0.0.1", port=free_port(), dbname="x")


def test_a_forked_process_leaves_the_connection_to_its_parent(connect: Connect) -> None:
    connection = connect()
    pid = scalar(connection, "SELECT pg_backend_pid()")
    child = os.fork()
    if child == 0:
        code = 2
        try:
            code = 0 if scalar(connection, "SELECT pg_backend_pid()") != pid else 1
            connection.close()
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert scalar(connection, "SELECT pg_backend_pid()") == pid


def test_it_is_known_whether_a_commit_was_sent(connect: Connect) -> None:
    connection = connect()
    with time_limit(stretched(1.0)) as allowed:
        with transaction.atomic(using="faulty"):
            scalar(connection, "SELECT 1")
            transaction.set_rollback(True, using="faulty")
        assert not allowed.commit_sent
        with transaction.atomic(using="faulty"):
            scalar(connection, "SELECT 1")
        assert allowed.commit_sent
