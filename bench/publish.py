"""How long from the service call until an update is on disk, with a short and with a long history behind it?

Databases that differ only in the number of incidents from before the 90 days shown, on PostgreSQL and on SQLite, each
in a process of its own; the same update is posted to all of them in turn. Limit: with 10,000 old incidents it takes
at most 1.2 times as long as with 100.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import time
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from statistics import median

from cryptography.fernet import Fernet

from tests.servers import start_postgresql, temporary_folder

SIZES = (100, 1_000, 10_000)
ROUNDS = 30
LIMIT = 1.2
ROOT = Path(__file__).resolve().parents[1]


def serve(size: int) -> None:
    """In a process with its own database: make the page, then post an update for each line read; print its seconds."""
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connection
    from django.utils import timezone

    from incidents import catalogue
    from incidents.incidents import declare_incident, post_update
    from incidents.lifecycle import ComponentStatus, IncidentStatus
    from incidents.people import service_user
    from status.publication import files, publishing
    from tests.old_incidents import make_history

    call_command("migrate", verbosity=0)
    author = service_user("bench", role="administrator")
    page = catalogue.create_page(name="Bench", url="https://status.bench.example", author=author)
    names = [f"Component {number}" for number in range(1, 13)]
    components = [catalogue.create_component(page, name=name, author=author) for name in names]
    now = timezone.now()
    make_history(page, components, author, count=size, before=now - timedelta(days=95), apart=timedelta(hours=3))
    make_history(page, components, author, count=25, before=now, apart=timedelta(days=3))
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")  # as autovacuum does within a minute
    publishing.publish(page, rebuild=True)
    index = files.folder(page.public_id) / "index.html"
    print("ready", flush=True)
    for line in sys.stdin:
        component = components[int(line) % len(components)]
        incident = declare_incident(page, title=f"Trouble {line.strip()}", author=author)
        body = f"Calls fail, round {line.strip()}."
        began = time.perf_counter()
        post_update(
            incident,
            status=IncidentStatus.INVESTIGATING,
            body=body,
            author=author,
            components=[(component, ComponentStatus.PARTIAL_OUTAGE)],
        )
        seconds = time.perf_counter() - began
        assert body in index.read_text(), "the update is not on the page"
        post_update(
            incident,
            status=IncidentStatus.RESOLVED,
            body="Over.",
            author=author,
            components=[(component, ComponentStatus.OPERATIONAL)],
        )
        print(seconds, flush=True)


def measure(urls: dict[int, str]) -> dict[int, float]:
    """The median seconds for each size; `urls` are the databases, "" for SQLite."""
    with ExitStack() as stack:
        servers = {}
        for size, url in urls.items():
            folder = temporary_folder("portal-bench-")
            environment = os.environ | {
                "DJANGO_SETTINGS_MODULE": "portal.settings",
                "SECRET_KEY": secrets.token_urlsafe(50),
                "AUDIT_KEY": secrets.token_urlsafe(50),
                "ENCRYPTION_KEYS": Fernet.generate_key().decode(),
                "DATA_DIR": str(folder),
                "PUBLICATION_ROOT": str(folder / "public"),
                "DATABASE_URL": url,
            }
            command = [sys.executable, "-m", "bench.publish", str(size)]
            servers[size] = stack.enter_context(
                subprocess.Popen(
                    command,
                    cwd=ROOT,
                    env=environment,
                    text=True,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                )
            )
        for server in servers.values():
            assert server.stdout
            assert server.stdout.readline() == "ready\n", "it did not start"
        taken: dict[int, list[float]] = {size: [] for size in urls}
        for number in range(-3, ROUNDS):
            for size, server in servers.items():
                assert server.stdin
                assert server.stdout
                server.stdin.write(f"{number}\n")
                server.stdin.flush()
                seconds = float(server.stdout.readline())
                if number >= 0:  # the first ones warm up
                    taken[size].append(seconds)
    return {size: median(all_of_it) for size, all_of_it in taken.items()}


def main() -> int:
    import psycopg

    postgresql = start_postgresql()
    with psycopg.connect(postgresql.url, autocommit=True) as connection:
        for size in SIZES:
            connection.execute(f"CREATE DATABASE bench_{size}".encode())
    ratios = []
    for name, urls in {
        "PostgreSQL": {size: f"{postgresql.url.rpartition('/')[0]}/bench_{size}" for size in SIZES},
        "SQLite": dict.fromkeys(SIZES, ""),
    }.items():
        medians = measure(urls)
        for size, seconds in medians.items():
            print(f"{name:<12}{size:>8,} old incidents{seconds * 1000:>8.1f} ms from the call to the bytes on disk")
        ratios.append(medians[SIZES[-1]] / medians[SIZES[0]])
        print(f"{name:<12}ratio of the last to the first: {ratios[-1]:.2f} (limit {LIMIT})")
    return int(max(ratios) > LIMIT)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        serve(int(sys.argv[1]))
    else:
        sys.exit(main())
