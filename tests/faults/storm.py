"""Everything dies while mails go out: real Celery workers, Redis and PostgreSQL, and a mail server that counts.

Workers are killed at random moments; meanwhile Redis is flushed, the mail server refuses for a while, and PostgreSQL
is restarted. What arrived is then compared with the ledger. tests/faults/test_workers.py does it at a moderate size,
bench/reconcile.py as large as life.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import LiteralString

import psycopg
import redis as redis_client

from tests.servers import Server, temporary_folder
from tests.sink import Sink
from tests.waiting import let_pass, until

ROOT = Path(__file__).resolve().parents[2]
BAD = 10  # addresses that do not exist
LEASE = timedelta(seconds=8)  # instead of minutes, so that nobody need wait for them


@dataclass(frozen=True, slots=True)
class Scale:
    recipients: int  # BAD ones included
    workers: int
    connections: int  # of each worker
    rate: int  # messages a second of each worker
    kills: int  # at least four
    calm: float  # seconds between two kills, on average
    refusal: float  # seconds in which the mail server hangs up on everybody
    updates: Sequence[str]  # the first one before the storm, the others at its end


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """The ledger beside what arrived, by Message-ID."""

    ledger: dict[str, str]  # "sent", or why not
    arrived: Counter[str]

    @property
    def lost(self) -> set[str]:
        return {number for number, end in self.ledger.items() if end == "sent"} - set(self.arrived)

    @property
    def twice(self) -> int:
        return self.arrived.total() - len(self.arrived)

    @property
    def unrecorded(self) -> dict[str, str]:
        """A worker died between the server's yes and the record, and the message was past before it went out again."""
        return {number: self.ledger[number] for number in self.arrived if self.ledger[number] != "sent"}

    def __str__(self) -> str:
        ends = ", ".join(f"{count:,} {end}" for end, count in Counter(self.ledger.values()).most_common())
        return (
            f"owed {len(self.ledger):,} = {ends}; arrived {len(self.arrived):,};"
            f" lost {len(self.lost)}, twice {self.twice}, arrived but not recorded {len(self.unrecorded)}"
        )


class Site:
    """The portal's processes, which may be killed one by one."""

    def __init__(self, scale: Scale, postgresql: Server, redis: Server, sink: Sink) -> None:
        self.scale, self.postgresql, self.redis, self.sink = scale, postgresql, redis, sink
        self._running: list[subprocess.Popen[bytes]] = []
        folder = temporary_folder("storm-")
        self._environment = os.environ | {
            "DATA_DIR": str(folder),
            "PUBLICATION_ROOT": str(folder / "public"),
            "DATABASE_URL": postgresql.url,
            "REDIS_URL": redis.url,
            "DJANGO_SETTINGS_MODULE": "portal.settings",
            "SMTP_HOST": "127.0.0.1",
            "SMTP_PORT": str(sink.port),
            "SMTP_RATE": str(scale.rate),
            "SMTP_CONNECTIONS": str(scale.connections),
            "NOTIFY_HOLD": "0",
            "LOG_LEVEL": "CRITICAL",
        }

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.storm", *words], cwd=ROOT, env=self._environment
        )
        self._running.append(process)
        return process

    def run(self, *words: str) -> None:
        assert self.start(*words).wait() == 0, f"{words} failed"

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        process.send_signal(signal.SIGKILL)
        process.wait()
        self._running.remove(process)

    def kill_all(self) -> None:
        for process in list(self._running):
            self.kill(process)

    def memory(self) -> float:
        """The most that one of the running processes has had, in MB."""
        status = [Path(f"/proc/{process.pid}/status") for process in self._running if process.poll() is None]
        return max(int(line.split()[1]) / 1024 for file in status for line in file.open() if line.startswith("VmHWM"))

    def select(self, query: LiteralString) -> list[tuple[str, str]]:
        with psycopg.connect(self.postgresql.url) as connection:
            return connection.execute(query).fetchall()

    def is_done(self) -> bool:
        owed = "SELECT count(*)::text, '' FROM incidents_outboxevent WHERE notify AND owed_at IS NOT NULL"
        due = "SELECT count(*)::text, '' FROM status_delivery WHERE state = 'due'"
        return self.select(owed) == [(str(len(self.scale.updates)), "")] and self.select(due) == [("0", "")]

    def reconcile(self) -> Reconciliation:
        rows = self.select(
            "SELECT d.id || '.' || r.public_id, d.state || ' ' || d.reason"
            " FROM status_delivery d JOIN status_recipient r ON r.id = d.recipient_id"
        )
        return Reconciliation({f"<{number}@status.acme.example>": end.strip() for number, end in rows}, self.sink.ids())


@contextmanager
def site(scale: Scale, postgresql: Server, redis: Server, sink: Sink) -> Iterator[Site]:
    """A page with its subscribers, and an incident that nobody was notified of yet."""
    sink.answers["RCPT TO:<bad-"] = "550 5.1.1 no such user"
    found = Site(scale, postgresql, redis, sink)
    try:
        found.run("prepare", str(scale.recipients))
        yield found
    finally:
        found.kill_all()


def rage(site: Site) -> None:
    """Tell everybody while everything dies; returns when nothing is due any more."""
    scale, sink = site.scale, site.sink
    site.start("beat")
    workers = [site.start("work") for _ in range(scale.workers)]
    site.run("post", scale.updates[0])
    until(lambda: len(sink.received) > scale.recipients / 20, 60)
    for number in range(scale.kills):
        let_pass(random.uniform(0.2, 2 * scale.calm - 0.2))
        site.kill(workers.pop(random.randrange(scale.workers)))
        workers.append(site.start("work"))
        if number == 1:
            with redis_client.Redis.from_url(site.redis.url) as client:
                client.flushall()
        if number == 2:
            sink.is_refusing = True
            let_pass(scale.refusal)
            sink.is_refusing = False
        if number == 3:
            site.postgresql.stop()
            site.postgresql.start()
    for update in scale.updates[1:]:
        site.run("post", update)
    until(site.is_done, 300)


# --- What the processes do --------------------------------------------------------------------------------------------


def prepare(recipients: int) -> None:
    from django.contrib.auth.models import Group
    from django.core.management import call_command

    from incidents import catalogue
    from incidents.incidents import declare_incident
    from incidents.models import User
    from status.models import Subscriber

    call_command("migrate", verbosity=0)
    ada = User.objects.create_user("ada", is_staff=True)
    ada.groups.add(Group.objects.get(name="administrator"))
    page = catalogue.create_page(name="Acme", url="https://status.acme.example", time_zone="Europe/Rome", author=ada)
    declare_incident(page, title="Errors", author=ada)
    names = [*(f"bad-{n}" for n in range(BAD)), *(f"reader-{n}" for n in range(recipients - BAD))]
    Subscriber.objects.bulk_create(
        (Subscriber(page=page, address=f"{name}@example.com", state=Subscriber.State.ACTIVE) for name in names),
        batch_size=1000,
    )


def post(status: str) -> None:
    from incidents.incidents import post_update
    from incidents.lifecycle import IncidentStatus
    from incidents.models import Incident, User

    author = User.objects.get(username="ada")
    post_update(Incident.objects.get(), status=IncidentStatus(status), body="News.", author=author)


def celery(*arguments: str) -> None:
    from portal.celery import app
    from status.delivery import protocol

    protocol.LEASE = LEASE
    app.start(["--quiet", *arguments, "--loglevel=critical"])


def main(task: str, *words: str) -> None:
    import django

    django.setup()
    if task == "prepare":
        prepare(int(*words))
    elif task == "post":
        post(*words)
    elif task == "beat":
        celery("beat", "--pidfile=")
    else:
        celery("worker", "--pool=threads", "--concurrency=4", "--without-gossip", "--without-mingle")


if __name__ == "__main__":
    main(*sys.argv[1:])
