"""Staff post, and the page changes, while Redis is stopped or frozen; mails go out once it is back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.faults.load import request
from tests.faults.site import Site, serve
from tests.front import ask
from tests.servers import Server
from tests.services import ROOT
from tests.sink import Sink, mail_server
from tests.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def mailbox() -> Iterator[Sink]:
    with mail_server() as sink:
        yield sink


@pytest.fixture(scope="module")
def redis_site(redis: Server, mailbox: Sink, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "REDIS_URL": redis.url,
            "SMTP_HOST": "127.0.0.1",
            "SMTP_PORT": str(mailbox.port),
            "NOTIFY_HOLD": "0",
        }.items():
            patch.setenv(name, value)
        with serve(tmp_path_factory.mktemp("site"), database="") as running:
            yield running


@pytest.fixture
def worker(redis_site: Site) -> Iterator[None]:
    """A worker with the clock inside."""
    words = ["worker", "--beat", "--schedule-filename=", "--pool=threads", "--concurrency=4", "--loglevel=critical"]
    command = [sys.executable, "-m", "celery", "--app=portal", "--quiet", *words]
    process = subprocess.Popen(command, cwd=ROOT, env=redis_site.environment)
    yield
    process.kill()
    process.wait()


def post_and_read(site: Site) -> str:
    """A program posts an update; the page, the JSON and the feed have it as soon as the answer is there.

    Returns what the update said.
    """
    posted = request(site, "write")
    assert posted.is_done
    public = f"http://127.0.0.1:{site.port}"
    for path in ("/", "/api/v2/summary.json", "/history.atom"):
        assert posted.marker.encode() in ask(public, path).body
    assert request(site, "staff").status == 200
    return posted.marker


def test_the_page_changes_without_a_worker_while_redis_is_well(redis_site: Site) -> None:
    post_and_read(redis_site)


def test_the_page_changes_while_redis_is_frozen(redis_site: Site, redis: Server) -> None:
    os.kill(redis.pid, signal.SIGSTOP)
    try:
        post_and_read(redis_site)
    finally:
        os.kill(redis.pid, signal.SIGCONT)


def test_the_page_changes_while_redis_is_gone(redis_site: Site, redis: Server) -> None:
    redis.stop()
    try:
        post_and_read(redis_site)
    finally:
        redis.start()


@pytest.mark.parametrize("fault", ["frozen", "gone"])
def test_what_was_posted_meanwhile_is_sent_once_redis_is_back(
    redis_site: Site, redis: Server, mailbox: Sink, worker: None, fault: str
) -> None:
    def mails_saying(said: str) -> int:
        return sum(said.encode() in mail.content for mail in mailbox.received)

    before = post_and_read(redis_site)
    until(lambda: mails_saying(before) == 1, 60)
    if fault == "frozen":
        os.kill(redis.pid, signal.SIGSTOP)
    else:
        redis.stop()
    try:
        meanwhile = post_and_read(redis_site)
    finally:
        if fault == "frozen":
            os.kill(redis.pid, signal.SIGCONT)
        else:
            redis.start()
    until(lambda: mails_saying(meanwhile) == 1, 60)
    after = post_and_read(redis_site)
    until(lambda: mails_saying(after) == 1, 60)
    assert mails_saying(meanwhile) == 1
