"""How long does it take to back up and to restore 10,000 incidents and 100,000 messages, and does staff wait for it?

On PostgreSQL beside `pg_dump`, on SQLite beside its own copy of the file; updates are posted all the while, and the
database is emptied before it is restored. Limits: at most 40 and 150 times as long as that, 200 MB of memory, and an
update is saved within a second, or on a busy machine within three times the slowest of before.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from threading import Event, Thread

from cryptography.fernet import Fernet

from tests.servers import program, start_postgresql, temporary_folder

INCIDENTS = 10_000
RECIPIENTS = 1000
EVENTS = 100  # of which each recipient was notified
RATIO = {"postgresql": 40.0, "sqlite": 150.0}  # a file is copied without reading a row
MEMORY = 200  # MB
LIMIT = 1.0
TIMES = 3.0
# What the kernel says of a child by itself counts its parent, too.
COMMAND = "from portal.__main__ import main; main(); print(open('/proc/self/status').read())"
ROOT = Path(__file__).resolve().parents[1]


def command(*words: str) -> tuple[float, float]:
    """The seconds and the megabytes that a command of ours took."""
    began_at = time.perf_counter()
    child = subprocess.run(
        [sys.executable, "-c", COMMAND, *words], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return time.perf_counter() - began_at, int(child.stdout.partition("VmHWM:")[2].split()[0]) / 1024


def beside(post: Callable[[], float], act: Callable[[], tuple[float, float]]) -> tuple[tuple[float, float], float]:
    """What `act` took, and the slowest update that was posted meanwhile."""
    is_over, taken = Event(), [0.0]

    def go_on() -> None:
        while not is_over.is_set():
            taken.append(post())
            time.sleep(0.2)

    poster = Thread(target=go_on)
    poster.start()
    try:
        return act(), max(taken)
    finally:
        is_over.set()
        poster.join()


def measure(name: str) -> bool:
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connection
    from django.utils import timezone

    from incidents import catalogue
    from incidents.incidents import declare_incident, post_update
    from incidents.lifecycle import IncidentStatus
    from incidents.models import OutboxEvent
    from incidents.people import service_user
    from status.models import Delivery, Recipient
    from tests.old_incidents import make_history

    call_command("migrate", verbosity=0)
    author = service_user("bench", role="administrator")
    page = catalogue.create_page(name="Bench", url="https://status.bench.example", author=author)
    components = [catalogue.create_component(page, name=f"Component {number}", author=author) for number in range(12)]
    now = timezone.now()
    make_history(page, components, author, count=INCIDENTS, before=now - timedelta(days=1), apart=timedelta(hours=3))
    recipients = Recipient.objects.bulk_create(
        Recipient(page=page, address=f"r{number}@example.com", state=Recipient.State.ACTIVE)
        for number in range(RECIPIENTS)
    )
    for event in OutboxEvent.objects.order_by("-pk")[:EVENTS]:
        facts = {"state": Delivery.State.SENT, "answer": "250 2.0.0 Ok: queued as 4XyZ12345"}
        Delivery.objects.bulk_create(
            Delivery(event=event, recipient=recipient, due_at=now, finished_at=now, created_at=now, **facts)
            for recipient in recipients
        )
    incident = declare_incident(page, title="Trouble", author=author)

    def post() -> float:
        began_at = time.perf_counter()
        post_update(incident, status=IncidentStatus.IDENTIFIED, body="Calls fail.", author=author)
        return time.perf_counter() - began_at

    folder = Path(os.environ["DATA_DIR"])
    file = folder / "backup.zip"
    idle = max(post() for _number in range(20))
    (seconds, memory), slowest = beside(post, lambda: command("backup", "--to", str(file)))
    began_at = time.perf_counter()
    if connection.vendor == "postgresql":
        dump = str(program("pg_dump"))
        subprocess.run([dump, "--format=custom", f"--file={folder}/dump", os.environ["DATABASE_URL"]], check=True)
    else:
        with (
            closing(sqlite3.connect(folder / "portal.sqlite3")) as here,
            closing(sqlite3.connect(folder / "c")) as copy,
        ):
            here.backup(copy)
    usual = time.perf_counter() - began_at
    call_command("flush", interactive=False, verbosity=0)
    connection.close()
    restored, needed = command("restore", str(file), "--replace")
    size = file.stat().st_size / 1e6
    print(
        f"{name}: backed up in {seconds:.1f} s with {memory:.0f} MB to {size:.1f} MB, {seconds / usual:.0f} times the "
        f"{usual:.2f} s of its own copy;\n  the slowest update took {slowest * 1000:.0f} ms meanwhile and "
        f"{idle * 1000:.0f} ms before;\n  restored in {restored:.1f} s with {needed:.0f} MB "
        f"(load {os.getloadavg()[0]:.1f})",
        flush=True,
    )
    is_met = (
        seconds <= RATIO[connection.vendor] * usual
        and max(memory, needed) <= MEMORY
        and slowest <= max(LIMIT, TIMES * idle)
    )
    print("  limits:", "met" if is_met else "MISSED", flush=True)
    return is_met


def main() -> int:
    if name := os.environ.get("BENCH_DATABASE"):
        return int(not measure(name))
    missed = 0
    for name, url in (("PostgreSQL", start_postgresql().url), ("SQLite", "")):
        folder = temporary_folder("portal-bench-")
        environment = {
            "BENCH_DATABASE": name,
            "DJANGO_SETTINGS_MODULE": "portal.settings",
            "SECRET_KEY": secrets.token_urlsafe(50),
            "AUDIT_KEY": secrets.token_urlsafe(50),
            "ENCRYPTION_KEYS": Fernet.generate_key().decode(),
            "DATA_DIR": str(folder),
            "PUBLICATION_ROOT": str(folder / "public"),
            "DATABASE_URL": url,
            "REDIS_URL": "",
            "LOG_LEVEL": "ERROR",
        }
        own = {**os.environ, **environment}
        missed += subprocess.run([sys.executable, "-m", "bench.backup"], cwd=ROOT, env=own, check=False).returncode
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
