"""A worker through which no tick comes looks alive to whoever started it: it ends by itself."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests import migrated
from tests.embedded import ROOT, environment
from tests.waiting import stretched, until

WORKER = """
import sys
from portal import celery

celery.SILENCE = 5
celery.app.worker_main(["worker", "--pool=threads", "--without-gossip", "--without-mingle", *sys.argv[1:]])
"""


@pytest.mark.slow
@pytest.mark.parametrize("with_clock", [False, True])
def test_a_worker_without_ticks_ends_and_one_with_them_goes_on(tmp_path: Path, with_clock: bool) -> None:
    database = tmp_path / "portal.sqlite3"
    migrated.begin(database)

    def ticked() -> datetime | None:
        with closing(sqlite3.connect(database)) as reader:
            row = reader.execute("SELECT ticked_at FROM incidents_clock").fetchone()
        return datetime.fromisoformat(row[0]) if row else None

    with (tmp_path / "said").open("w") as said:
        command = [sys.executable, "-c", WORKER, *(["--beat"] if with_clock else [])]
        worker = subprocess.Popen(command, cwd=ROOT, env=environment(tmp_path), stdout=said, stderr=said)
    try:
        if with_clock:
            until(ticked, 60)
            first = ticked()
            assert first
            until(lambda: worker.poll() is not None or (ticked() or first) - first > timedelta(seconds=15), 60)
            assert worker.poll() is None
        else:
            until(lambda: worker.poll() is not None, 60)
            assert worker.returncode == 1
            assert "No tick has come through for 5 seconds" in (tmp_path / "said").read_text()
    finally:
        worker.terminate()
        worker.wait(stretched(30))
