"""How long do staff wait for a page when the record is large?

10,000 incidents with 20,000 updates and 100,000 history rows, on SQLite: the median time and the number of queries
of the overview's pages. Limit: half a second each, and the queries of a record of 100 incidents.
"""

from __future__ import annotations

import os
import secrets
import sys
import time
from datetime import timedelta
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from incidents.models import Component, Page, User

SMALL, LARGE = 100, 10_000  # incidents
ROUNDS = 5
LIMIT = 0.5  # seconds
HISTORY = 10  # rows of history for each incident


def main() -> int:
    with TemporaryDirectory() as folder:
        return measure(Path(folder))


def measure(data: Path) -> int:
    os.environ.pop("DATABASE_URL", None)
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "portal.settings",
        "SECRET_KEY": secrets.token_urlsafe(50),
        "DATA_DIR": str(data),
        "LOG_LEVEL": "ERROR",
        "ALLOWED_HOSTS": "testserver",
        "WITHOUT_SECOND_FACTOR": "1",
    }
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    from incidents import catalogue
    from incidents.models import Incident, User
    from incidents.people import service_user

    call_command("migrate", verbosity=0)
    author = service_user("bench", role="administrator")
    page = catalogue.create_page(name="Bench", url="https://status.bench.example", author=author)
    component = catalogue.create_component(page, name="API", author=author)
    client = Client()
    client.force_login(User.objects.create_superuser("ada"))

    def answer(path: str) -> tuple[float, int]:
        begun = time.perf_counter()
        with CaptureQueriesContext(connection) as captured:
            assert client.get(path).status_code == 200, path
        return time.perf_counter() - begun, len(captured)

    fill(SMALL, page, component, author)
    room = f"/admin/incident/{Incident.objects.order_by('pk')[0].public_id}/"
    paths = ["/admin/incidents/incident/", room, f"{room}live/", "/admin/search/?q=update", "/admin/search/?q=nowhere"]
    few = {path: [answer(path) for _round in range(2)][-1][1] for path in paths}
    fill(LARGE - SMALL, page, component, author)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    is_good = True
    for path in paths:
        times, queries = zip(*(answer(path) for _round in range(ROUNDS)), strict=True)
        took = median(times)
        is_good &= took <= LIMIT and max(queries) <= few[path]
        print(
            f"{path.replace(room, '/admin/incident/…/'):36} {took * 1000:6.0f} ms  {max(queries)} queries ({few[path]})"
        )
    return 0 if is_good else 1


def fill(many: int, page: Page, component: Component, author: User) -> None:
    """Rows as services leave them, in bulk."""
    from django.utils import timezone

    from incidents.models import ComponentStatusChange, Incident, IncidentUpdate

    now = timezone.now()
    incidents = Incident.objects.bulk_create(
        [
            Incident(
                page=page,
                title=f"Incident {n}",
                public_title=f"Incident {n}",
                status="resolved",
                first_posted_at=now - timedelta(hours=n),
            )
            for n in range(many)
        ],
        batch_size=500,
    )
    updates = IncidentUpdate.objects.bulk_create(
        [
            IncidentUpdate(
                incident=incident,
                status=status,
                body=f"An update of {incident.title}.",
                author=author,
                display_at=incident.first_posted_at or now,
                published_at=now,
            )
            for incident in incidents
            for status in ("investigating", "resolved")
        ],
        batch_size=500,
    )
    ComponentStatusChange.objects.bulk_create(
        [
            ComponentStatusChange(
                component=component,
                update=update,
                author=author,
                effective_at=update.display_at,
                old_status="operational",
                status="operational",
            )
            for update in updates
        ],
        batch_size=500,
    )
    history: Any = Incident.history
    for _version in range(HISTORY):
        history.bulk_history_create(incidents, batch_size=500, default_user=author, default_date=now)


if __name__ == "__main__":
    sys.exit(main())
