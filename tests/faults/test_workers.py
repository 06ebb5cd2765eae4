"""Everyone is notified once, whatever dies. bench/reconcile.py does the same at full size."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults import storm
from tests.faults.storm import BAD, Scale, Site
from tests.servers import Server, start_redis
from tests.sink import mail_server

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.postgresql]

SCALE = Scale(
    recipients=1000,
    workers=3,
    connections=2,
    rate=40,
    kills=5,
    calm=0.7,
    refusal=3,
    updates=("investigating", "resolved"),
)


@pytest.fixture
def storm_site(postgresql: Server) -> Iterator[Site]:
    redis = start_redis()
    with mail_server() as sink, storm.site(SCALE, postgresql, redis, sink) as site:
        yield site
    redis.stop()


def test_everyone_is_notified_once_whatever_dies(storm_site: Site) -> None:
    storm.rage(storm_site)
    found, readers = storm_site.reconcile(), SCALE.recipients - BAD
    print(f"\n{found}")
    assert not found.lost
    assert found.twice + len(found.unrecorded) <= SCALE.kills * SCALE.connections
    assert set(found.unrecorded.values()) <= {"cancelled coalesced"}
    assert set(found.ledger.values()) <= {"sent", "cancelled coalesced", "cancelled quarantined", "failed refused"}
    states = "SELECT state, count(*)::text FROM status_recipient GROUP BY 1 ORDER BY 1"
    assert storm_site.select(states) == [("active", str(readers)), ("quarantined", str(BAD))]

    received = storm_site.sink.received
    first_end = {mail.recipient: place for place, mail in reversed(list(enumerate(received))) if is_end(mail.content)}
    assert len(first_end) == readers
    late = [
        mail for place, mail in enumerate(received) if not is_end(mail.content) and place > first_end[mail.recipient]
    ]
    assert late == []  # nobody is notified of a step after the end


def is_end(content: bytes) -> bool:
    return b"Subject: [Acme] Resolved" in content
