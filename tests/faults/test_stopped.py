"""A worker stands still in the middle of its messages, for longer than they are its own, and then goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import psycopg
import pytest

from portal.embedded.supervisor import TIMEOUT, WORKER
from status.delivery.webhooks import posting
from tests.receiver import HOST, OPEN, OUTSIDE, answering, receiving
from tests.servers import Server
from tests.services import ROOT
from tests.sink import mail_server
from tests.waiting import let_pass, stretched, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.postgresql]

READERS, HOOKS = 60, 60
LEASE = timedelta(seconds=10)  # instead of minutes, so that nobody need wait for them
STOPPED = posting.TIMEOUT + 2  # as the lease is longer than a try, so is this


@pytest.fixture
def empty(postgresql: Server) -> Server:
    with psycopg.connect(postgresql.url) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    return postgresql


def own_environment(folder: Path, database: Server, mail_port: int, *, rate: int) -> dict[str, str]:
    return os.environ | {
        "DATA_DIR": str(folder),
        "PUBLICATION_ROOT": str(folder / "public"),
        "DATABASE_URL": database.url,
        "DJANGO_SETTINGS_MODULE": "portal.settings",
        "SMTP_HOST": "127.0.0.1",
        "SMTP_PORT": str(mail_port),
        "SMTP_RATE": str(rate),
        "NOTIFY_HOLD": "0",
        "LOG_LEVEL": "CRITICAL",
    }


def test_a_worker_that_stood_still_sends_nothing_that_another_one_has_sent(empty: Server, tmp_path: Path) -> None:
    with mail_server() as mailbox, receiving(OUTSIDE) as hooks:

        def dawdle(handler: BaseHTTPRequestHandler) -> None:
            let_pass(0.5)
            answering(200)(handler)

        hooks.behave = dawdle
        environment = own_environment(tmp_path, empty, mailbox.port, rate=20)

        def start(*words: str) -> subprocess.Popen[bytes]:
            return subprocess.Popen(
                [sys.executable, "-m", "tests.faults.test_stopped", *words], cwd=ROOT, env=environment
            )

        def arrived() -> Counter[str]:
            return mailbox.ids() + Counter(post.headers["webhook-id"] for post in hooks.received)

        def count(state: str) -> int:
            with psycopg.connect(empty.url) as connection:
                rows = connection.execute("SELECT count(*) FROM status_delivery WHERE state = %s", [state]).fetchone()
            assert rows
            return int(rows[0])

        assert start("prepare", str(hooks.server_address[1])).wait() == 0
        first = start("work")
        until(lambda: len(mailbox.received) > 5 and len(hooks.received) > 5)
        first.send_signal(signal.SIGSTOP)
        stopped_at = time.monotonic()
        let_pass(0.5)
        unrecorded = arrived().total() - count("sent")
        second = start("work")
        try:
            assert second.wait(stretched(100)) == 0
            let_pass(max(0.0, stopped_at + STOPPED - time.monotonic()))
            before = arrived()
            assert count("sent") == READERS + HOOKS == len(before), "nothing is lost"
            assert before.total() - len(before) == unrecorded, "twice is only what was under way"
        finally:
            first.send_signal(signal.SIGCONT)
            code = first.wait(stretched(60))
        assert code == 0
        assert arrived() == before
        assert count("sent") == READERS + HOOKS


def test_a_worker_that_is_told_to_end_gives_back_what_it_has_not_sent(empty: Server, tmp_path: Path) -> None:
    with mail_server() as mailbox:
        environment = own_environment(tmp_path, empty, mailbox.port, rate=1)
        prepare = [sys.executable, "-m", "tests.faults.test_stopped", "prepare", "1"]
        subprocess.run(prepare, cwd=ROOT, env=environment, check=True)
        worker = subprocess.Popen([sys.executable, "-m", *WORKER, "--beat"], cwd=ROOT, env=environment)
        try:
            until(lambda: len(mailbox.received) > 1)
        finally:
            before = len(mailbox.received)
            worker.send_signal(signal.SIGTERM)
        try:
            worker.wait(stretched(TIMEOUT))
        finally:
            worker.kill()
            worker.wait()
        assert len(mailbox.received) <= before + 5, "of the twenty that it has claimed"
        states = "SELECT state, claimed_at IS NULL FROM status_delivery WHERE id <= %s"
        with psycopg.connect(empty.url) as connection:
            assert set(connection.execute(states, [READERS])) == {("sent", True), ("due", True)}


# --- What the processes do --------------------------------------------------------------------------------------------


def prepare(port: str) -> None:
    from django.contrib.auth.models import Group
    from django.core.management import call_command

    from incidents import catalogue
    from incidents.incidents import declare_incident, post_update
    from incidents.lifecycle import IncidentStatus
    from incidents.models import User
    from status import relay
    from status.models import Subscriber
    from status.secrets import encrypt
    from status.subscriptions.subscribers import new_secret

    call_command("migrate", verbosity=0)
    ada = User.objects.create_user("ada", is_staff=True)
    ada.groups.add(Group.objects.get(name="administrator"))
    page = catalogue.create_page(name="Acme", url="https://status.acme.example", time_zone="Europe/Rome", author=ada)
    active = Subscriber.State.ACTIVE
    readers = [Subscriber(page=page, address=f"reader-{number}@example.com", state=active) for number in range(READERS)]
    hooks = [
        Subscriber(
            page=page,
            channel=Subscriber.Channel.WEBHOOK,
            address=f"{HOST}/{number}",
            endpoint=encrypt(f"https://{HOST}:{port}/{number}"),
            secret=encrypt(new_secret()),
            contact="owner@example.com",
            state=active,
        )
        for number in range(HOOKS)
    ]
    Subscriber.objects.bulk_create([*readers, *hooks])
    incident = declare_incident(page, title="Errors", author=ada)
    post_update(incident, status=IncidentStatus.INVESTIGATING, body="News.", author=ada)
    relay.owe()


def work() -> None:
    """Until nothing is due any more."""
    from status.delivery import engine, protocol
    from status.models import Delivery, Recipient

    protocol.LEASE = LEASE

    def send(channel: Recipient.Channel) -> None:
        while Delivery.objects.due().filter(recipient__channel=channel).exists():
            engine.deliver(channel, network=OPEN)
            let_pass(0.1)

    channels = Recipient.Channel.EMAIL, Recipient.Channel.WEBHOOK
    threads = [threading.Thread(target=send, args=[channel]) for channel in channels]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def main(task: str, *words: str) -> None:
    import django

    django.setup()
    globals()[task](*words)


if __name__ == "__main__":
    main(*sys.argv[1:])
