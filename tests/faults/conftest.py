"""A PostgreSQL server of the tests' own, which they may stop, freeze and cut off."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.portal.bad_rows import world  # noqa: F401  (a fixture)
from tests.servers import Server, start_postgresql, start_redis


@pytest.fixture(scope="module")
def postgresql() -> Iterator[Server]:
    server = start_postgresql()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def redis() -> Iterator[Server]:
    server = start_redis()
    yield server
    server.stop()
