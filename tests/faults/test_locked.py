"""On the embedded database a writer that does not end cannot hold up the site either."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import pytest

from tests.faults.load import request
from tests.faults.site import Site, serve


@pytest.fixture
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with serve(tmp_path_factory.mktemp("embedded"), database="") as running:
        yield running


def test_a_locked_database_refuses_writes_soon_and_lets_everybody_read(site: Site) -> None:
    assert request(site, "write").status == 200
    other = sqlite3.connect(site.folder / "portal.sqlite3", isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        for count in range(2):  # without and with an Idempotency-Key
            refused = request(site, "write", count=count)
            assert (refused.status, bool(refused.retry_after)) == (503, True)
            assert refused.seconds < 4
        for kind in ("public", "health", "staff"):
            read = request(site, kind)
            assert read.status == 200
            assert read.seconds < 1
        other.execute("ROLLBACK")
    finally:
        other.close()
    assert request(site, "write").status == 200
