"""Staff post, and the page changes, while Redis is stopped or frozen and no worker runs."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from tests.faults.load import request
from tests.faults.site import Site, serve
from tests.front import ask
from tests.servers import Server, start_redis

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def redis() -> Iterator[Server]:
    server = start_redis()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def site(redis: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REDIS_URL", redis.url)
        with serve(tmp_path_factory.mktemp("site"), database="") as running:
            yield running


def post_and_read(site: Site) -> None:
    """A program posts an update; the page, the JSON and the feed have it as soon as the answer is there."""
    posted = request(site, "write")
    assert posted.is_done
    public = f"http://127.0.0.1:{site.port}"
    for path in ("/", "/api/v2/summary.json", "/history.atom"):
        assert posted.marker.encode() in ask(public, path).body
    assert request(site, "staff").status == 200


def test_the_page_changes_without_a_worker_while_redis_is_well(site: Site) -> None:
    post_and_read(site)


def test_the_page_changes_while_redis_is_frozen(site: Site, redis: Server) -> None:
    os.kill(redis.pid, signal.SIGSTOP)
    try:
        post_and_read(site)
    finally:
        os.kill(redis.pid, signal.SIGCONT)


def test_the_page_changes_while_redis_is_gone(site: Site, redis: Server) -> None:
    redis.stop()
    try:
        post_and_read(site)
    finally:
        redis.start()
