"""The fault that took the seed's company down: its database stalls, dies, or cannot be reached, under steady load.

FAULT_SECONDS sets how long each fault lasts.
"""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from tests.faults.forwarder import Forwarder, forward
from tests.faults.load import Load, steady_load
from tests.faults.site import Site, serve
from tests.servers import Server, start_pgbouncer
from tests.waiting import let_pass, stretched

pytestmark = [pytest.mark.slow, pytest.mark.postgresql, pytest.mark.timeout(240)]

FAULT_SECONDS = float(os.environ.get("FAULT_SECONDS", "8"))
AFTERWARDS = 5


@pytest.fixture(scope="module")
def gate(postgresql: Server) -> Iterator[Forwarder]:
    """What the site reaches its server through."""
    port = urlsplit(postgresql.url).port
    assert port
    with forward(port) as forwarder:
        yield forwarder


def empty(server: Server) -> None:
    with psycopg.connect(server.url) as observer:
        observer.execute("DROP SCHEMA public CASCADE")
        observer.execute("CREATE SCHEMA public")


@pytest.fixture(scope="module", params=["directly", pytest.param("by PgBouncer", marks=pytest.mark.pgbouncer)])
def cut_off_site(
    request: pytest.FixtureRequest, postgresql: Server, gate: Forwarder, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    address = urlsplit(postgresql.url)
    through = address._replace(netloc=f"{address.username}@127.0.0.1:{gate.port}").geturl()
    folder: Path = tmp_path_factory.mktemp("site")
    with ExitStack() as stack:
        stack.callback(empty, postgresql)  # for the next one
        if request.param == "by PgBouncer":
            pgbouncer = start_pgbouncer(postgresql.url, port=gate.port)
            stack.callback(pgbouncer.stop)
            through = pgbouncer.url
        yield stack.enter_context(serve(folder, database=postgresql.url, through=through))


def check(load: Load, *, ended_at: float) -> None:
    print(f"\nthe first write after the fault took {load.first_write_after(ended_at):.2f} s\n{load}")
    answers = load.outcomes
    assert not [answer for answer in answers if answer.status in {0, 500, 502}]
    assert max(answer.seconds for answer in answers) < stretched(4)
    assert {answer.status for answer in load.of("public")} == {200}
    assert {answer.status for answer in load.of("health")} == {200}
    assert max(answer.seconds for answer in load.of("health")) < stretched(1)
    unknown = [answer for answer in answers if answer.status == 504]
    assert {answer.kind for answer in unknown} <= {"form", "write"}, "only of what is written it is not known"
    assert all(answer.is_done or answer.status in {503, 504} for answer in answers)
    assert all(answer.retry_after for answer in answers if answer.status == 503)
    recovery = stretched(1.5)
    late = [answer for answer in answers if answer.began_at > ended_at + recovery]
    assert late
    assert all(answer.is_done for answer in late)


def none_is_lost(load: Load, server: Server) -> None:
    """Every update and note that was acknowledged is there, none is twice, and none that was said not to be saved."""
    with psycopg.connect(server.url) as observer:
        rows = observer.execute(
            "SELECT body FROM incidents_incidentupdate UNION ALL SELECT text FROM incidents_timelineentry"
        ).fetchall()
    kept = Counter(text for (text,) in rows)
    sent = load.of("write") + load.of("form")
    assert all(kept[answer.marker] == 1 for answer in sent if answer.is_done)
    assert all(kept[answer.marker] <= 1 for answer in sent)
    assert not any(kept[answer.marker] for answer in sent if answer.status == 503)


def test_stopped_backends_that_are_terminated_later(cut_off_site: Site, postgresql: Server) -> None:
    with steady_load(cut_off_site) as load, psycopg.connect(postgresql.url, autocommit=True) as observer:
        let_pass(2)
        backends = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        stopped = [int(pid) for (pid,) in observer.execute(backends).fetchall()]
        assert stopped
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        try:
            let_pass(FAULT_SECONDS)
            ended_at = time.monotonic()
            observer.execute("SELECT pg_terminate_backend(pid) FROM unnest(%s) AS pid", [stopped])
        finally:
            for pid in stopped:
                os.kill(pid, signal.SIGCONT)
        let_pass(stretched(AFTERWARDS))
    check(load, ended_at=ended_at)
    none_is_lost(load, postgresql)


def test_a_server_that_is_stopped_and_started(cut_off_site: Site, postgresql: Server) -> None:
    with steady_load(cut_off_site) as load:
        let_pass(2)
        postgresql.stop()
        let_pass(FAULT_SECONDS)
        postgresql.start()
        ended_at = time.monotonic()
        let_pass(stretched(AFTERWARDS))
    check(load, ended_at=ended_at)
    none_is_lost(load, postgresql)


def test_a_server_that_cannot_be_reached(cut_off_site: Site, postgresql: Server, gate: Forwarder) -> None:
    with steady_load(cut_off_site) as load:
        let_pass(2)
        gate.is_black_hole = True
        let_pass(FAULT_SECONDS)
        gate.is_black_hole = False
        ended_at = time.monotonic()
        let_pass(stretched(AFTERWARDS))
    check(load, ended_at=ended_at)
    none_is_lost(load, postgresql)


def test_a_server_that_only_reads(cut_off_site: Site, postgresql: Server) -> None:
    """As after a failover, until whoever connects is led to the new one."""
    with steady_load(cut_off_site) as load, psycopg.connect(postgresql.url, autocommit=True) as observer:
        let_pass(2)
        observer.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        observer.execute("SELECT pg_reload_conf()")
        let_pass(FAULT_SECONDS)
        observer.execute("ALTER SYSTEM RESET default_transaction_read_only")
        observer.execute("SELECT pg_reload_conf()")
        ended_at = time.monotonic()
        let_pass(stretched(AFTERWARDS))
    check(load, ended_at=ended_at)
    none_is_lost(load, postgresql)
    assert {answer.status for answer in load.of("staff")} == {200}, "who only reads is served"
    assert any(answer.status == 503 for answer in load.of("form"))
