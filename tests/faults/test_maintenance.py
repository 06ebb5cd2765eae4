"""A maintenance is started and announced once, whatever becomes of clocks and workers, with real servers and Celery."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from tests.servers import Server
from tests.services import ROOT
from tests.sink import Sink
from tests.waiting import let_pass, until

MAINTENANCES = 3

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180), pytest.mark.postgresql]


class Site:
    """Celery's own processes, with settings of their own."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment
        self.running: list[subprocess.Popen[bytes]] = []

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "celery", "--app=portal.celery", "--quiet", *words, "--loglevel=critical"]
        process = subprocess.Popen(command, cwd=ROOT, env=self.environment)
        self.running.append(process)
        return process

    def worker(self) -> subprocess.Popen[bytes]:
        return self.start("worker", "--pool=threads", "--concurrency=4", "--without-gossip", "--without-mingle")

    def clock(self) -> subprocess.Popen[bytes]:
        return self.start("beat", "--pidfile=")


@pytest.fixture
def clocked_site(postgresql: Server, redis: Server, sink: Sink, tmp_path: Path) -> Iterator[Site]:
    site = Site(
        os.environ
        | {
            "DATA_DIR": str(tmp_path),
            "PUBLICATION_ROOT": str(tmp_path / "public"),
            "DATABASE_URL": postgresql.url,
            "REDIS_URL": redis.url,
            "DJANGO_SETTINGS_MODULE": "portal.settings",
            "SMTP_HOST": "127.0.0.1",
            "SMTP_PORT": str(sink.port),
            "NOTIFY_HOLD": "0",
            "LOG_LEVEL": "CRITICAL",
        }
    )
    subprocess.run([sys.executable, "-m", "tests.faults.test_maintenance"], cwd=ROOT, env=site.environment, check=True)
    yield site
    for process in site.running:
        process.kill()
        process.wait()


def test_each_step_and_each_mail_is_done_once(postgresql: Server, sink: Sink, clocked_site: Site) -> None:
    with psycopg.connect(postgresql.url, autocommit=True) as observer:

        def count(query: str) -> int:
            row = observer.execute(query.encode()).fetchone()
            assert row
            return int(row[0])

        def waiting() -> int:
            return count("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")

        started = "SELECT count(*) FROM incidents_incidentupdate WHERE status = 'in_progress'"
        # The start was an hour ago, and no clock ran. Who starts one must lock its component, and that is held here.
        with psycopg.connect(postgresql.url) as holder:
            holder.execute("SELECT FROM incidents_component FOR UPDATE")
            clocked_site.clock()
            victim = clocked_site.worker()
            until(waiting, 60)
            victim.kill()  # in the middle of a transition
            victim.wait()
            assert count(started) == 0
            for _number in range(2):
                clocked_site.clock()
                clocked_site.worker()
            until(lambda: waiting() > 1, 60)  # two at the same step at once
        until(lambda: count(started) == MAINTENANCES and len(sink.received) >= MAINTENANCES, 60)
        let_pass(5)  # two more ticks, at least
        assert count(started) == MAINTENANCES
        assert count(f"{started} AND display_at < now() - interval '50 min'") == MAINTENANCES  # the planned time
        assert count("SELECT count(*) FROM incidents_outboxevent WHERE notify") == MAINTENANCES
    assert sorted(str(mail.message["Subject"]) for mail in sink.received) == [
        f"[Acme] In progress: Disks {number}" for number in range(MAINTENANCES)
    ]
    assert set(sink.ids().values()) == {1}


# --- What the process that prepares the database does -----------------------------------------------------------------


def prepare() -> None:
    import django

    django.setup()

    import time_machine
    from django.contrib.auth.models import Group
    from django.core.management import call_command
    from django.utils import timezone

    from incidents import catalogue
    from incidents.maintenance.plans import schedule_maintenance
    from incidents.models import User
    from status.subscriptions.subscribers import add_by_staff

    call_command("migrate", verbosity=0)
    ada = User.objects.create_user("ada", is_staff=True)
    ada.groups.add(Group.objects.get(name="administrator"))
    start = timezone.now() - timedelta(hours=1)
    with time_machine.travel(start - timedelta(hours=1)):
        page = catalogue.create_page(
            name="Acme", url="https://status.acme.example", time_zone="Europe/Rome", author=ada
        )
        component = catalogue.create_component(page, name="API", author=ada)
        add_by_staff(page, address="ann@example.com", author=ada)
        for number in range(MAINTENANCES):
            schedule_maintenance(
                page,
                title=f"Disks {number}",
                body="New ones.",
                scheduled_for=start,
                scheduled_until=start + timedelta(days=1),
                author=ada,
                components=[component],
                starts_by_itself=True,
                reminders=(),
                notify=False,
            )


if __name__ == "__main__":
    prepare()
