"""One of two hosts has a wrong clock (by libfaketime): nothing is refused, nobody is told twice, no tick is lost."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.servers import Server
from tests.services import FAKETIME, ROOT
from tests.sink import Sink, mail_server
from tests.waiting import until

READERS = 60

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.postgresql,
    pytest.mark.faketime,
]


class Host:
    """Processes with one clock. The monotonic one stays right, as it does in life."""

    def __init__(self, environment: dict[str, str], ahead: Path | None = None) -> None:
        self.environment, self.ahead = environment, ahead
        self.running: list[subprocess.Popen[bytes]] = []
        if ahead:
            self.environment = environment | {
                "LD_PRELOAD": str(FAKETIME),
                "FAKETIME_TIMESTAMP_FILE": str(ahead),
                "FAKETIME_CACHE_DURATION": "1",
                "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            }

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "tests.faults.test_clocks", *words]
        self.running.append(subprocess.Popen(command, cwd=ROOT, env=self.environment))
        return self.running[-1]

    def run(self, *words: str) -> None:
        assert self.start(*words).wait() == 0, f"{words} was refused"

    def stop(self) -> None:
        for process in self.running:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def clocks_mailbox() -> Iterator[Sink]:
    with mail_server() as sink:
        yield sink


@pytest.fixture(scope="module")
def clocks_environment(
    postgresql: Server, redis: Server, clocks_mailbox: Sink, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("site")
    found = os.environ | {
        "DATA_DIR": str(folder),
        "PUBLICATION_ROOT": str(folder / "public"),
        "DATABASE_URL": postgresql.url,
        "REDIS_URL": redis.url,
        "DJANGO_SETTINGS_MODULE": "portal.settings",
        "SMTP_HOST": "127.0.0.1",
        "SMTP_PORT": str(clocks_mailbox.port),
        "SMTP_RATE": "20",  # so that a message is claimed for a while
        "NOTIFY_HOLD": "0",
        "LOG_LEVEL": "CRITICAL",
    }
    Host(found).run("prepare")
    return found


@pytest.mark.parametrize(
    ("ahead", "then"),
    [("+600", "+600"), ("-600", "-600"), ("+90", "+90"), ("+600", "+0")],
    ids=["ten minutes ahead", "ten minutes behind", "ninety seconds ahead", "a step back"],
)
def test_one_wrong_clock_of_two(
    clocks_environment: dict[str, str], postgresql: Server, clocks_mailbox: Sink, tmp_path: Path, ahead: str, then: str
) -> None:
    (clock := tmp_path / "clock").write_text(ahead)
    title = f"From {ahead} to {then}"
    right, wrong = Host(clocks_environment), Host(clocks_environment, clock)

    def arrived(word: str) -> Counter[str]:
        subjects = (mail for mail in clocks_mailbox.received if title.encode() in mail.content)
        return Counter(mail.recipient for mail in subjects if word.encode() in mail.content)

    try:
        right.start("beat")
        wrong.start("work")  # alone: every tick that it takes for too old or too new is lost
        wrong.run("declare", title)
        until(lambda: len(arrived("in progress")) == READERS, 60)
        wrong.run("post", title, "identified", "First.")
        until(lambda: len(arrived("First.")) == READERS, 60)
        right.start("work")
        right.run("post", title, "monitoring", "Second.")
        clock.write_text(then)
        until(lambda: len(arrived("Second.")) == READERS, 60)
        wrong.run("post", title, "resolved", "Third.")
        until(lambda: len(arrived("Third.")) == READERS, 60)
    finally:
        right.stop()
        wrong.stop()
    assert {most for word in ("in progress", "First.", "Second.", "Third.") for most in arrived(word).values()} == {1}
    assert set(clocks_mailbox.ids().values()) == {1}
    with psycopg.connect(postgresql.url) as connection:
        bodies = connection.execute(
            "SELECT u.body, abs(extract(epoch FROM u.display_at - now())) < 240 FROM incidents_incidentupdate u"
            " JOIN incidents_incident i ON i.id = u.incident_id WHERE i.title = %s ORDER BY u.display_at",
            [title],
        ).fetchall()
    assert bodies == [("First.", True), ("Second.", True), ("Third.", True)]
    for file in Path(clocks_environment["PUBLICATION_ROOT"]).glob("pages/*/heartbeat.json"):
        written = datetime.fromisoformat(json.loads(file.read_text())["at"])
        assert abs(datetime.now(UTC) - written) < timedelta(minutes=4)


# --- What the processes do --------------------------------------------------------------------------------------------


def prepare() -> None:
    from django.contrib.auth.models import Group
    from django.core.management import call_command

    from incidents import catalogue
    from incidents.models import User
    from status.models import Subscriber

    call_command("migrate", verbosity=0)
    ada = User.objects.create_user("ada", is_staff=True)
    ada.groups.add(Group.objects.get(name="administrator"))
    page = catalogue.create_page(name="Acme", url="https://status.acme.example", time_zone="Europe/Rome", author=ada)
    readers = (f"reader-{number}@example.com" for number in range(READERS))
    Subscriber.objects.bulk_create(
        Subscriber(page=page, address=each, state=Subscriber.State.ACTIVE) for each in readers
    )


def declare(title: str) -> None:
    """An incident, and a maintenance of that name which starts at once."""
    from incidents.incidents import declare_incident
    from incidents.maintenance.plans import schedule_maintenance
    from incidents.models import Page, User
    from incidents.record_time import record_time

    page, author = Page.objects.get(), User.objects.get(username="ada")
    declare_incident(page, title=title, author=author)
    schedule_maintenance(
        page,
        title=f"{title}, planned",
        body="New ones.",
        scheduled_for=record_time() + timedelta(seconds=1),
        scheduled_until=record_time() + timedelta(hours=1),
        author=author,
        starts_by_itself=True,
        reminders=(),
        notify=False,
    )


def post(title: str, status: str, body: str) -> None:
    from incidents.incidents import post_update
    from incidents.lifecycle import IncidentStatus
    from incidents.models import Incident, User

    author = User.objects.get(username="ada")
    post_update(Incident.objects.get(title=title), status=IncidentStatus(status), body=body, author=author)


def celery(*arguments: str) -> None:
    from portal.celery import app

    app.start(["--quiet", *arguments, "--loglevel=critical"])


def sleep(seconds: Any) -> None:
    """libfaketime 0.9.10 refuses the one of Python 3.11 while the monotonic clock is real."""
    select.select([], [], [], seconds)


def main(task: str, *words: str) -> None:
    time.sleep = sleep
    import django

    django.setup()
    if task == "beat":
        celery("beat", "--pidfile=")
    elif task == "work":
        celery("worker", "--pool=threads", "--concurrency=4", "--without-gossip", "--without-mingle")
    else:
        globals()[task](*words)


if __name__ == "__main__":
    main(*sys.argv[1:])
