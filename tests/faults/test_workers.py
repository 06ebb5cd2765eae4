"""Everyone is told, whatever dies: real Celery workers over real Redis and PostgreSQL, and a mail server that counts.

FAULT_RECIPIENTS=20000 and FAULT_RATE=0 make it as large as life.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import LiteralString

import psycopg
import pytest
import redis as redis_client

from tests.servers import Server, start_redis
from tests.services import ROOT
from tests.sink import Sink, mail_server

RECIPIENTS = int(os.environ.get("FAULT_RECIPIENTS", "1000"))
RATE = int(os.environ.get("FAULT_RATE", "40"))  # messages a second of each worker
BAD = 10  # addresses that do not exist
WORKERS, CONNECTIONS, KILLS = 3, 2, 5
LEASE = timedelta(seconds=8)  # instead of minutes, so that the test need not wait for them

pytestmark = [pytest.mark.timeout(600), pytest.mark.postgresql]


class Workers:
    """Processes of this module's `main`, with settings of their own."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment
        self.running: list[subprocess.Popen[bytes]] = []

    def start(self, task: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.test_workers", task], cwd=ROOT, env=self.environment
        )
        self.running.append(process)
        return process

    def run(self, *words: str) -> None:
        subprocess.run(
            [sys.executable, "-m", "tests.faults.test_workers", *words], cwd=ROOT, env=self.environment, check=True
        )

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        process.send_signal(signal.SIGKILL)
        process.wait()
        self.running.remove(process)


@pytest.fixture
def redis() -> Iterator[Server]:
    server = start_redis()
    yield server
    server.stop()


@pytest.fixture
def sink() -> Iterator[Sink]:
    with mail_server() as server:
        server.answers["RCPT TO:<bad-"] = "550 5.1.1 no such user"
        yield server


@pytest.fixture
def workers(
    postgresql: Server, redis: Server, sink: Sink, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Workers]:
    folder = tmp_path_factory.mktemp("site")
    workers = Workers(
        os.environ
        | {
            "DATA_DIR": str(folder),
            "PUBLICATION_ROOT": str(folder / "public"),
            "DATABASE_URL": postgresql.url,
            "REDIS_URL": redis.url,
            "DJANGO_SETTINGS_MODULE": "portal.settings",
            "SMTP_HOST": "127.0.0.1",
            "SMTP_PORT": str(sink.port),
            "SMTP_RATE": str(RATE),
            "SMTP_CONNECTIONS": str(CONNECTIONS),
            "NOTIFY_HOLD": "0",
            "LOG_LEVEL": "CRITICAL",
        }
    )
    workers.run("prepare")
    yield workers
    for process in list(workers.running):
        workers.kill(process)


def until(condition: Callable[[], object], seconds: float) -> None:
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up, "waited in vain"
        time.sleep(0.1)


def select(postgresql: Server, query: LiteralString) -> list[tuple[str, str]]:
    with psycopg.connect(postgresql.url) as connection:
        return connection.execute(query).fetchall()


def test_everyone_is_told_once_whatever_dies(postgresql: Server, redis: Server, sink: Sink, workers: Workers) -> None:
    began_at = time.monotonic()
    workers.start("beat")
    sending = [workers.start("work") for _ in range(WORKERS)]
    workers.run("post", "investigating")
    until(lambda: len(sink.received) > RECIPIENTS / 20, 60)
    for number in range(KILLS):
        time.sleep(random.uniform(0.2, 1.2))
        victim = sending.pop(random.randrange(WORKERS))
        workers.kill(victim)
        sending.append(workers.start("work"))
        if number == 1:
            with redis_client.Redis.from_url(redis.url) as client:
                client.flushall()
        if number == 2:
            sink.is_refusing = True
            time.sleep(3)
            sink.is_refusing = False
        if number == 3:
            postgresql.stop()
            postgresql.start()
    workers.run("post", "resolved")
    two = "SELECT count(*)::text, '' FROM incidents_outboxevent WHERE notify AND owed_at IS NOT NULL"
    due = "SELECT count(*)::text, '' FROM status_delivery WHERE state = 'due'"
    until(lambda: (select(postgresql, two), select(postgresql, due)) == ([("2", "")], [("0", "")]), 300)

    rows = select(postgresql, "SELECT d.id || '.' || r.public_id, d.state || ' ' || d.reason"
                              " FROM status_delivery d JOIN status_recipient r ON r.id = d.recipient_id")  # fmt: skip
    ledger = {f"<{number}@status.acme.example>": state for number, state in rows}
    arrived = sink.ids()
    sent = {number for number, state in ledger.items() if state == "sent "}
    twice = sum(arrived.values()) - len(arrived)
    # A worker was killed between the server's yes and the record, and the message was past before it could be repeated.
    unrecorded = set(arrived) - sent
    print(
        f"\nowed {len(ledger)}: {dict(Counter(ledger.values()))}; arrived {len(arrived)}, twice {twice}, unrecorded"
        f" {len(unrecorded)} after {KILLS} kills of workers with {CONNECTIONS} connections,"
        f" {time.monotonic() - began_at:.0f} s"
    )
    assert sent <= set(arrived)  # none is lost
    assert {ledger[number] for number in unrecorded} <= {"cancelled coalesced"}
    assert twice + len(unrecorded) <= KILLS * CONNECTIONS
    assert set(ledger.values()) <= {"sent ", "cancelled coalesced", "cancelled quarantined", "failed refused"}
    assert len({mail.recipient for mail in sink.received if is_end(mail.content)}) == RECIPIENTS - BAD
    assert select(postgresql, "SELECT state, count(*)::text FROM status_recipient GROUP BY 1 ORDER BY 1") == [
        ("active", str(RECIPIENTS - BAD)),
        ("quarantined", str(BAD)),
    ]
    first_end = {
        mail.recipient: place for place, mail in reversed(list(enumerate(sink.received))) if is_end(mail.content)
    }
    late = [m for place, m in enumerate(sink.received) if not is_end(m.content) and place > first_end[m.recipient]]
    assert late == []  # nobody is told of a step after the end


def is_end(content: bytes) -> bool:
    return b"Subject: [Acme] Resolved" in content


# --- What the processes do --------------------------------------------------------------------------------------------


def prepare() -> None:
    from django.contrib.auth.models import Group
    from django.core.management import call_command

    from incidents import catalogue
    from incidents.models import Page, User
    from incidents.services import declare_incident
    from status.models import Recipient

    call_command("migrate", verbosity=0)
    ada = User.objects.create_user("ada", is_staff=True)
    ada.groups.add(Group.objects.get(name="administrator"))
    page = Page(name="Acme", url="https://status.acme.example", time_zone="Europe/Rome")
    catalogue.save(page, author=ada)
    declare_incident(page, title="Errors", author=ada)
    names = [*(f"bad-{n}" for n in range(BAD)), *(f"reader-{n}" for n in range(RECIPIENTS - BAD))]
    Recipient.objects.bulk_create(
        Recipient(page=page, address=f"{name}@example.com", state=Recipient.State.ACTIVE) for name in names
    )


def post(status: str) -> None:
    from incidents.lifecycle import IncidentStatus
    from incidents.models import Incident, User
    from incidents.services import post_update

    author = User.objects.get(username="ada")
    post_update(Incident.objects.get(), status=IncidentStatus(status), body="News.", author=author)


def celery(*arguments: str) -> None:
    from portal.celery import app
    from status import delivery

    delivery.LEASE = LEASE
    app.start(["--quiet", *arguments])


def main(task: str, *words: str) -> None:
    import django

    django.setup()
    if task == "prepare":
        prepare()
    elif task == "post":
        post(*words)
    elif task == "beat":
        celery("beat", "--pidfile=", "--loglevel=critical")
    else:
        celery(
            "worker", "--pool=threads", "--concurrency=4", "--without-gossip", "--without-mingle", "--loglevel=critical"
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
