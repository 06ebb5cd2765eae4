"""Processes that publish at once, or are stopped or killed in the middle: what is published is whole, and the newest.

A child process runs a function of this module; it is stopped or killed from its own audit hook, that is at the system
call.
"""

from __future__ import annotations

import gzip
import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from django.db import connection

from incidents.incidents import declare_incident, post_update
from incidents.lifecycle import ComponentStatus, IncidentStatus
from incidents.models import Component, Incident, IncidentUpdate, OutboxEvent, Page, User
from status import relay
from status.publication import files, publishing
from tests.concurrency import assert_one_chain, together
from tests.waiting import let_pass

ROOT = Path(__file__).resolve().parents[2]
MakeComponent = Callable[..., Component]
OPEN = [IncidentStatus.INVESTIGATING, IncidentStatus.IDENTIFIED, IncidentStatus.MONITORING]

pytestmark = [pytest.mark.both, pytest.mark.processes, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def start_child(publication_root: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Calls a function of this module in a new process, on this test's database and files."""
    children = []

    def start(function: Callable[..., None], *arguments: object) -> subprocess.Popen[bytes]:
        source = (
            "import json, sys, django; from django.conf import settings; name, function, arguments = sys.argv[1:];"
            "settings.DATABASES['default']['NAME'] = name; django.setup();"
            f"import {__name__} as module; getattr(module, function)(*json.loads(arguments))"
        )
        name, environment = str(connection.settings_dict["NAME"]), {"PUBLICATION_ROOT": str(publication_root)}
        children.append(
            subprocess.Popen(
                [sys.executable, "-c", source, name, function.__name__, json.dumps(arguments)],
                cwd=ROOT,
                env=os.environ | environment | {"DJANGO_SETTINGS_MODULE": "portal.settings", "LOG_LEVEL": "ERROR"},
            )
        )
        return children[-1]

    yield start
    for child in children:
        child.kill()
        child.wait()


StartChild = Callable[..., "subprocess.Popen[bytes]"]


def post_many(seed: int, count: int) -> None:
    """In a child: post `count` updates to incidents and about components taken by chance."""
    chance = random.Random(seed)
    author = User.objects.get(username="grace")
    for number in range(count):
        incident = chance.choice(Incident.objects.order_by("pk"))
        named = chance.sample(list(Component.objects.order_by("pk")), 2)
        post_update(
            incident,
            status=chance.choice(OPEN),
            body=f"Update {number} of process {seed}.",
            author=author,
            components=[(component, chance.choice(list(ComponentStatus))) for component in named],
        )


def relay_for_ever() -> None:
    while True:
        relay.relay()
        let_pass(0.05)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_what_four_processes_posted_while_the_relay_ran_is_published_whole(
    page: Page, make_component: MakeComponent, author: User, start_child: StartChild
) -> None:
    components = [make_component(f"Component {number}") for number in range(4)]
    for number in range(5):
        declare_incident(page, title=f"Trouble {number}", author=author)
    start_child(relay_for_ever)
    posters = [start_child(post_many, seed, 50) for seed in range(4)]
    assert [poster.wait() for poster in posters] == [0] * 4

    relay.relay()
    assert publishing.differences(page) == []
    assert not OutboxEvent.objects.unpublished().exists()
    assert IncidentUpdate.objects.count() == len(set(IncidentUpdate.objects.values_list("body", flat=True))) == 200
    for component in components:
        assert_one_chain(component)


def publish_and_stop(public_id: str, moment: str) -> None:
    """In a child: render everything, and stop once after reading ("read") or before the first write ("write")."""
    stopped = False

    def stop() -> None:
        nonlocal stopped
        if not stopped:
            stopped = True
            os.kill(os.getpid(), signal.SIGSTOP)

    def query(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        result = execute(sql, *rest)
        if moment == "read" and 'FROM "incidents_incidentupdate"' in sql:
            stop()
        return result

    def audit(event: str, arguments: tuple[Any, ...]) -> None:
        if moment == "write" and event == "os.rename" and str(arguments[1]).endswith("index.html.gz"):
            stop()

    sys.addaudithook(audit)
    with connection.execute_wrapper(query):
        publishing.publish(Page.objects.get(public_id=public_id), rebuild=True)


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["read", "write"])
def test_a_writer_that_was_paused_never_leaves_older_bytes(
    page: Page,
    incident: Incident,
    author: User,
    published: Callable[[Page, str], str],
    start_child: StartChild,
    moment: str,
) -> None:
    post_update(incident, status=OPEN[0], body="What was first.", author=author)
    (files.folder(page.public_id) / "index.html").unlink()  # so that there is something to write
    child = start_child(publish_and_stop, page.public_id, moment)
    _pid, status = os.waitpid(child.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)
    post_update(incident, status=OPEN[1], body="What came later.", author=author)
    relay.relay()

    os.kill(child.pid, signal.SIGCONT)
    assert child.wait() == 0
    relay.relay()
    assert "What came later." in published(page, "index.html")
    assert publishing.differences(page) == []


def post_and_die(key: int, body: str, step: int) -> None:
    """In a child: post an update, and be killed by its own hand at the `step`th rename of its publication."""
    renames = 0

    def audit(event: str, _arguments: tuple[Any, ...]) -> None:
        nonlocal renames
        if event == "os.rename":
            renames += 1
            if renames == step:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(audit)
    incident, author = Incident.objects.get(pk=key), User.objects.get(username="grace")
    post_update(incident, status=OPEN[0], body=body, author=author)


def assert_whole(file: Path) -> None:
    """Fails when the file is cut short, or its bytes are not what they claim."""
    content = file.read_bytes()
    if file.suffix == ".gz":
        content = gzip.decompress(content)
    name = file.name.removesuffix(".gz")
    if name.endswith(".json"):
        json.loads(content)
    elif name.endswith((".html", ".atom", ".rss")) and "fragments" not in file.parts:
        assert content.rstrip().endswith((b"</html>", b"</feed>", b"</rss>")), (file, content[-80:])


@pytest.mark.slow
def test_what_a_killed_publisher_left_is_whole_and_the_relay_completes_it(
    page: Page, incident: Incident, author: User, published: Callable[[Page, str], str], start_child: StartChild
) -> None:
    post_update(incident, status=OPEN[0], body="Before.", author=author)
    root = files.folder(page.public_id)
    for step in (1, 2, 12, 25):
        body = f"Killed at step {step}."
        assert start_child(post_and_die, incident.pk, body, step).wait() == -signal.SIGKILL
        assert incident.updates.filter(body=body).exists()
        for path in files.tracked(root):
            assert_whole(root / path)
            assert_whole(root / f"{path}.gz")
        assert publishing.is_due(page)
        relay.relay()
        assert body in published(page, "index.html")
        assert publishing.differences(page) == []


@pytest.mark.slow
def test_a_reader_never_sees_half_a_file(page: Page, incident: Incident, author: User) -> None:
    post_update(incident, status=OPEN[0], body="Before.", author=author)
    root = files.folder(page.public_id)
    watched = [
        root / f"{path}{suffix}"
        for path in ("index.html", "api/v2/summary.json", "history.atom", "heartbeat.json")
        for suffix in ("", ".gz")
        if (path, suffix) != ("heartbeat.json", ".gz")
    ]
    is_over = Event()

    def watch() -> int:
        reads = 0
        while not is_over.is_set():
            for file in watched:
                assert_whole(file)
                reads += 1
                let_pass(0.002)  # leaves the interpreter to the publisher
        return reads

    with ThreadPoolExecutor(2) as pool:
        readers = [pool.submit(watch) for _reader in range(2)]
        try:
            for number in range(50):
                post_update(incident, status=OPEN[number % 3], body=f"Update {number}. " * (number + 1), author=author)
        finally:
            is_over.set()
        assert all(reader.result() > len(watched) for reader in readers)
    assert publishing.differences(page) == []


def test_two_that_replace_one_file_at_once_do_not_get_in_each_others_way(tmp_path: Path) -> None:
    """The clock's heartbeat and a publication's, from containers that number their processes alike."""
    file = tmp_path / "heartbeat.json"

    def beat() -> None:
        for number in range(200):
            files.replace(file, json.dumps({"at": "x" * number}).encode())
            assert_whole(file)

    together(beat, beat)
    assert list(tmp_path.iterdir()) == [file]
