"""An upgrade, the way back, and both versions at once, while readers read, programs write and mails go out.

The previous release (tests/previous.py) has been at work for years when this one comes, with a migration of tables that
everybody uses. UPGRADE_INCIDENTS says how many incidents it has had. With 10000, whose pages are made anew three times,
this takes a quarter of an hour on a quiet machine.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest

from tests import previous
from tests.faults.handover import NEXT, Load, Version, steady_load
from tests.faults.storm import Reconciliation
from tests.front import ask, front
from tests.servers import Server, free_port
from tests.services import ROOT
from tests.sink import Sink, mail_server
from tests.waiting import let_pass, stretched, until

pytestmark = [pytest.mark.slow, pytest.mark.postgresql, pytest.mark.nginx, pytest.mark.timeout(3600)]

INCIDENTS = int(os.environ.get("UPGRADE_INCIDENTS", "1000"))
DELIVERIES = 100_000
REFUSED = 2.0  # seconds for which a program may be refused
BEFORE = 5.0  # seconds of load
TOGETHER = 30.0  # seconds for which both versions work


def unpack_next(folder: Path) -> None:
    """The tree as it stands, with one more migration, and with pages that look another way."""
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.decode()
    for name in filter(None, names.split("\0")):
        if (ROOT / name).exists():  # or is it being taken away
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    shutil.copy(folder / "tests/portal/next_migrations/0002_next.py", folder / "portal/migrations")
    template = folder / "templates/status/document.html"
    template.write_text(template.read_text().replace("</html>", f"{NEXT}</html>"))


@dataclass(slots=True)
class Portal:
    """One installation, and what it does to the world."""

    database: str
    public: Path
    sink: Sink
    url: str
    facts: dict[str, Any]
    filled_at: Any = None

    def select(self, query: LiteralString, *words: Any) -> list[Any]:
        with psycopg.connect(self.database) as connection:
            return connection.execute(query, words).fetchall()

    def is_calm(self) -> bool:
        """Whether everything is published, also the history, and nothing is to be sent."""
        waiting = self.select(
            "SELECT 1 FROM incidents_outboxevent WHERE published_at IS NULL OR (notify AND owed_at IS NULL)"
            " UNION ALL SELECT 1 FROM status_delivery WHERE state = 'due'"
        )
        noted = json.loads((self.public / "pages" / self.facts["page"] / ".state.json").read_bytes())
        return not waiting and not noted["months_left"]

    def shows_next(self) -> bool:
        return NEXT.encode() in ask(self.url, "/", host="status.acme.example").body

    def check(self, load: Load, version: Version) -> None:
        """Nobody was let down by what happened meanwhile, and all is as it should be."""
        assert [read for read in load.reads if read.status != 200] == []
        assert max(load.waits) < stretched(REFUSED), load
        found = self.select("SELECT body FROM incidents_incidentupdate WHERE body = ANY(%s)", load.posted)
        assert Counter(body for (body,) in found) == Counter(load.posted)
        until(self.is_calm, 600)
        version.run("portal", "publish", "--verify")
        version.run("portal", "audit", "--verify")
        rows = self.select(
            "SELECT d.id || '.' || r.public_id, d.state || ' ' || d.reason"
            " FROM status_delivery d JOIN status_recipient r ON r.id = d.recipient_id"
            " WHERE d.finished_at > %s",
            self.filled_at,
        )
        mails = Reconciliation(
            {f"<{number}@status.acme.example>": end.strip() for number, end in rows}, self.sink.ids()
        )
        print(mails)
        assert (mails.lost, mails.twice, mails.unrecorded) == (set(), 0, {})


@pytest.fixture
def settings_of_both(postgresql: Server, redis: Server, tmp_path: Path) -> dict[str, str]:
    return os.environ | {
        "DATABASE_URL": postgresql.url,
        "REDIS_URL": redis.url,
        "DATA_DIR": str(tmp_path / "data"),
        "PUBLICATION_ROOT": str(tmp_path / "public"),
        "SMTP_HOST": "127.0.0.1",
        "SMTP_RATE": "50",
        "NOTIFY_HOLD": "0",
        "API_RATE": "10000",
        "LOG_LEVEL": "WARNING",
        "DJANGO_SETTINGS_MODULE": "portal.settings",
    }


@pytest.fixture
def installation(settings_of_both: dict[str, str], tmp_path: Path) -> Iterator[tuple[Portal, Version, Version]]:
    """One that the previous release has filled, and is serving; and this version, which is not installed yet."""
    port, public = free_port(), tmp_path / "public"
    previous.unpack(tmp_path / "previous")
    unpack_next(tmp_path / "next")
    nginx = front(tmp_path, public, web_port=port)
    with mail_server() as sink:
        settings = settings_of_both | {"SMTP_PORT": str(sink.port), "SITE_URL": nginx.url}
        old, new = (Version(tmp_path / name, settings, port) for name in ("previous", "next"))
        facts = json.loads(old.run("tests.faults.site"))
        old.run("tests.faults.filling", str(INCIDENTS), str(DELIVERIES))
        portal = Portal(settings["DATABASE_URL"], public, sink, nginx.url, facts)
        ((facts["component"], portal.filled_at),) = portal.select(
            "SELECT public_id, clock_timestamp() FROM incidents_component"
        )
        old.run("portal", "publish")
        try:
            nginx.start()
            old.start()
            yield portal, old, new
        finally:
            old.end()
            new.end()
            nginx.stop()


def take_over(portal: Portal, before: Version, after: Version) -> Load:
    """Let one version follow the other as docs/operations.md says; returns what others saw of it."""
    with steady_load(portal.url, portal.facts) as load:
        let_pass(BEFORE)
        shown, began_at = portal.shows_next(), time.monotonic()
        after.run("portal", "upgrade")
        upgraded_at = time.monotonic()
        after.start()
        before.end()
        until(lambda: portal.shows_next() is not shown, 60)
        followed_at = time.monotonic()
        let_pass(BEFORE)
    print(f"upgrade {upgraded_at - began_at:.1f} s, all anew after {followed_at - began_at:.1f} s; {load}")
    assert load.versions_of("/") == [shown, not shown]
    return load


def test_nobody_notices_an_upgrade_nor_the_way_back(installation: tuple[Portal, Version, Version]) -> None:
    portal, old, new = installation
    portal.check(take_over(portal, old, new), new)
    assert portal.select("SELECT 1 FROM django_migrations WHERE app = 'portal' AND name = '0002_next'")
    portal.check(take_over(portal, new, old), old)

    # Two hosts: one has the new version already.
    with steady_load(portal.url, portal.facts) as load:
        new.run("portal", "upgrade")
        new.start()
        let_pass(TOGETHER)
    assert load.versions_of("/") == [False, True]
    print(f"both versions at once: {load}")
    old.end()
    portal.check(load, new)
