"""How much does it cost to seal messages that were sent, and to verify them; does a tick cost more with a long history?

On PostgreSQL: 60,000 finished deliveries are sealed tick by tick, as the clock does it, and verified. Limit: the last
tick takes at most 1.5 times the first one.
"""

from __future__ import annotations

import os
import secrets
import time
from statistics import median

from cryptography.fernet import Fernet

from tests.servers import start_postgresql, temporary_folder

DELIVERIES = 60_000
GROWTH = 1.5
INSERT = """
INSERT INTO status_delivery
  (recipient_id, purpose, priority, state, reason, answer, attempts, due_at, created_at, finished_at)
SELECT %s, 'event', 1, 'sent', '', '', 1, at, at, at
FROM (SELECT now() - interval '1 day' + n * interval '1 second' AS at FROM generate_series(1, %s) AS n) AS instants
"""


def prepare() -> None:
    from django.core.management import call_command
    from django.db import connection

    from incidents import catalogue, people
    from incidents.authorship import authored_by
    from status.models import Recipient

    call_command("migrate", verbosity=0)
    author = people.service_user("bench", role="administrator")
    page = catalogue.create_page(name="Acme", url="https://status.acme.example", author=author)
    with authored_by(author):
        recipient = Recipient.objects.create(page=page, address="ann@example.com")
    with connection.cursor() as cursor:
        cursor.execute(INSERT, [recipient.pk, DELIVERIES])
        cursor.execute("VACUUM ANALYZE")


def main() -> int:
    folder = temporary_folder("seal-")
    os.environ |= {
        "DATABASE_URL": start_postgresql().url,
        "DATA_DIR": str(folder),
        "SECRET_KEY": secrets.token_urlsafe(50),
        "AUDIT_KEY": secrets.token_urlsafe(50),
        "ENCRYPTION_KEYS": Fernet.generate_key().decode(),
        "DJANGO_SETTINGS_MODULE": "portal.settings",
    }
    import django

    django.setup()
    prepare()
    from incidents.history import seals

    ticks = []
    while True:
        began_at = time.perf_counter()
        if not (rows := seals.seal()):
            break
        ticks.append((time.perf_counter() - began_at) / rows)
    idle = []
    for _time in range(5):
        began_at = time.perf_counter()
        seals.seal()
        idle.append(time.perf_counter() - began_at)
    began_at = time.perf_counter()
    findings = list(seals.verify())
    verified = DELIVERIES / (time.perf_counter() - began_at)
    growth = ticks[-1] / ticks[0]
    print(f"sealed {1 / median(ticks):,.0f} rows a second, verified {verified:,.0f}; findings: {findings}")
    print(f"a tick with nothing to seal: {median(idle) * 1000:.0f} ms")
    print(f"the last of {len(ticks)} ticks beside the first: {growth:.2f}, limit {GROWTH}")
    return int(bool(findings) or growth > GROWTH)


if __name__ == "__main__":
    raise SystemExit(main())
