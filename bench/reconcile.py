"""Is everybody notified, and how often, when everything dies while 20,000 mails go out?

Four Celery workers over Redis and PostgreSQL send one update to a mail server that keeps what it takes. Workers are
killed at random moments, Redis is flushed, the mail server refuses for ten seconds, PostgreSQL is restarted. Limits:
none is lost, and at most one arrives twice for each kill and connection that the killed worker had.
"""

from __future__ import annotations

import os
import secrets
import sys
import time

from tests.faults import storm
from tests.servers import start_postgresql, start_redis
from tests.sink import mail_server

SCALE = storm.Scale(
    recipients=20_000,
    workers=4,
    connections=4,
    rate=150,
    kills=12,
    calm=2.5,
    refusal=10,
    updates=("investigating",),
)


def main() -> int:
    os.environ.setdefault("SECRET_KEY", secrets.token_urlsafe(50))
    began_at = time.monotonic()
    with mail_server() as sink, storm.site(SCALE, start_postgresql(), start_redis(), sink) as site:
        storm.rage(site)
        found, memory = site.reconcile(), site.memory()
    allowed = SCALE.kills * SCALE.connections
    print(found)
    print(
        f"{SCALE.kills} kills of workers with {SCALE.connections} connections each allow {allowed} twice;"
        f" {time.monotonic() - began_at:.0f} s; a worker had at most {memory:.0f} MB"
    )
    is_met = (
        len(found.ledger) == SCALE.recipients
        and set(found.ledger.values()) == {"sent", "failed refused"}
        and not found.lost
        and found.twice + len(found.unrecorded) <= allowed
    )
    print("limits: none lost, no more twice than that:", "met" if is_met else "MISSED")
    return int(not is_met)


if __name__ == "__main__":
    sys.exit(main())
