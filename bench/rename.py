"""Is an update public within a second while the whole history is made anew, because a component has another name?

10,000 incidents on PostgreSQL, most of them 240 a month; the worker and the clock run as `manage.py up` runs them.
Updates are posted before the component is renamed, and while the months are left. Limit: each is on disk within a
second of the call, or on a busy machine within three times the slowest of before.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from statistics import median

from cryptography.fernet import Fernet

from tests.servers import start_postgresql, temporary_folder

INCIDENTS = 10_000
ROUNDS = 20
PAUSE = 1.0  # seconds between two updates
LIMIT = 1.0
RATIO = 3.0
ROOT = Path(__file__).resolve().parents[1]


def rounds(post: Callable[[], float], name: str, *, until: Callable[[], bool]) -> list[float]:
    """The seconds of one update after another, until that is so."""
    taken = []
    while not until():
        taken.append(post())
        time.sleep(PAUSE)
    middle, most, load = median(taken) * 1000, max(taken) * 1000, os.getloadavg()[0]
    print(
        f"{name:<22}{len(taken):>4} updates: median {middle:.0f} ms, at most {most:.0f} ms (load {load:.1f})",
        flush=True,
    )
    return taken


def main() -> int:
    folder = temporary_folder("portal-bench-")
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "portal.settings",
        "SECRET_KEY": secrets.token_urlsafe(50),
        "AUDIT_KEY": secrets.token_urlsafe(50),
        "ENCRYPTION_KEYS": Fernet.generate_key().decode(),
        "DATA_DIR": str(folder),
        "PUBLICATION_ROOT": str(folder / "public"),
        "DATABASE_URL": start_postgresql().url,
        "REDIS_URL": "",
        "LOG_LEVEL": "ERROR",
    }
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connection
    from django.utils import timezone

    from incidents import catalogue
    from incidents.incidents import declare_incident, post_update
    from incidents.lifecycle import ComponentStatus, IncidentStatus
    from incidents.people import service_user
    from portal.embedded.supervisor import WORKER
    from status.publication import files, publishing
    from tests.old_incidents import make_history

    call_command("migrate", verbosity=0)
    author = service_user("bench", role="administrator")
    page = catalogue.create_page(name="Bench", url="https://status.bench.example", author=author)
    names = [f"Component {number}" for number in range(1, 13)]
    components = [catalogue.create_component(page, name=name, author=author) for name in names]
    now = timezone.now()
    make_history(page, components, author, count=INCIDENTS, before=now - timedelta(days=95), apart=timedelta(hours=3))
    make_history(page, components, author, count=25, before=now, apart=timedelta(days=3))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")  # as autovacuum does within a minute
    publishing.publish(page, rebuild=True)
    incident = declare_incident(page, title="Trouble", author=author)
    root = files.folder(page.public_id)
    count = 0

    def post() -> float:
        nonlocal count
        count += 1
        body, began_at = f"Calls fail, for the {count}th time.", time.perf_counter()
        status = [ComponentStatus.PARTIAL_OUTAGE, ComponentStatus.MAJOR_OUTAGE][count % 2]
        post_update(
            incident,
            status=IncidentStatus.IDENTIFIED,
            body=body,
            author=author,
            components=[(components[0], status)],
        )
        while body not in (root / "index.html").read_text():
            time.sleep(0.01)
        return time.perf_counter() - began_at

    worker = subprocess.Popen([sys.executable, "-m", *WORKER, "--beat"], cwd=ROOT)
    try:
        time.sleep(10)  # it starts, and does what is due
        idle = rounds(post, "nothing else to do", until=lambda: count >= ROUNDS)
        began_at = time.perf_counter()
        catalogue.edit_component(components[1], name="Another name", author=author)
        print(f"the new name is on the page after {time.perf_counter() - began_at:.1f} s", flush=True)
        busy = rounds(post, "while months are left", until=lambda: not publishing.is_due(page))
        print(f"the history is made anew after {time.perf_counter() - began_at:.0f} s")
    finally:
        worker.terminate()
        worker.wait()
    limit = max(LIMIT, RATIO * max(idle))
    is_met = max(busy) <= limit
    ratio = median(busy) / median(idle)
    print(f"median {ratio:.1f} times as long; limit {limit:.1f} s:", "met" if is_met else "MISSED")
    return int(not is_met)


if __name__ == "__main__":
    sys.exit(main())
