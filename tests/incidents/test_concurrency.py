"""Several people at once, and processes that are stopped or killed in the middle.

Threads and processes here are real, each with its own connection. A child process runs a function of this module
that is marked with `in_child`; it is stopped or killed from its own audit hook, that is at the system call.
"""

from __future__ import annotations

import gzip
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from threading import Barrier, Event
from typing import Any

import pytest
from django.db import connection, connections, transaction

from incidents import catalogue
from incidents.errors import Conflict, InvalidTransition
from incidents.forms.incident import DeclareForm
from incidents.lifecycle import ComponentStatus, IncidentStatus
from incidents.models import (
    Component,
    ComponentStatusChange,
    Incident,
    IncidentRole,
    IncidentUpdate,
    OutboxEvent,
    Page,
    Postmortem,
    PostmortemRevision,
    PostmortemSection,
    User,
)
from incidents.postmortems import publishing, writing
from incidents.roles import take_role
from incidents.services import declare_incident, post_update
from status import files, publication, relay
from tests.reports import approved

ROOT = Path(__file__).resolve().parents[2]
MakeComponent = Callable[..., Component]
OPEN = [IncidentStatus.INVESTIGATING, IncidentStatus.IDENTIFIED, IncidentStatus.MONITORING]

pytestmark = pytest.mark.django_db(transaction=True)


# --- People at once ---------------------------------------------------------------------------------------------------


def together(*acts: Callable[[], Any]) -> list[Any]:
    """Run `acts` at the same moment, each in a thread with its own connection; what each returned or raised."""
    barrier = Barrier(len(acts))

    def run(act: Callable[[], Any]) -> Any:
        connection.ensure_connection()
        barrier.wait()
        try:
            return act()
        except Conflict as refusal:
            return refusal
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(run, acts))


@pytest.mark.postgresql
def test_of_two_who_post_at_once_one_wins_and_the_other_reads_the_winners_text(
    incident: Incident, author: User, admin: User
) -> None:
    def post(who: User, seen: str) -> Callable[[], IncidentUpdate]:
        mine = Incident.objects.get(pk=incident.pk)
        body = f"Said by {who} after {seen or 'nothing'}."
        return lambda: post_update(mine, status=OPEN[0], body=body, author=who, seen=seen)

    seen = ""
    for _round in range(10):
        results = together(post(author, seen), post(admin, seen))
        (won,) = (result for result in results if isinstance(result, IncidentUpdate))
        (refused,) = (result for result in results if isinstance(result, Conflict))
        assert refused.theirs == won
        assert won.body in str(refused)
        seen = won.public_id
    assert incident.updates.count() == 10


@pytest.mark.postgresql
def test_of_two_who_save_a_section_at_once_one_wins_and_the_other_is_shown_it(
    incident: Incident, author: User, admin: User
) -> None:
    section = writing.start_postmortem(incident, author=author).live_sections()[0]

    def save(who: User, seen: str, words: str) -> Callable[[], PostmortemSection]:
        mine = PostmortemSection.objects.select_related("postmortem").get(pk=section.pk)
        texts = {"heading": "Summary", "internal": "", "public": words, "withheld": ""}
        return lambda: writing.edit_section(mine, **texts, author=who, seen=seen)

    for turn in range(10):
        seen = PostmortemSection.objects.get(pk=section.pk).version
        results = together(save(author, seen, f"Mine {turn}"), save(admin, seen, f"Theirs {turn}"))
        (won,) = (result for result in results if isinstance(result, PostmortemSection))
        (refused,) = (result for result in results if isinstance(result, Conflict))
        assert isinstance(refused.theirs, PostmortemSection)
        assert refused.theirs.public == won.public
    assert section.history.count() == 11


@pytest.mark.postgresql
def test_of_an_edit_and_a_publication_at_once_what_is_published_was_approved(incident: Incident, author: User) -> None:
    post_update(incident, status=IncidentStatus.RESOLVED, body="Done.", author=author)
    for turn in range(1, 6):
        postmortem = approved(incident, f"It took {turn} minutes.", author)
        section = PostmortemSection.objects.select_related("postmortem").get(postmortem=postmortem, key="summary")
        texts = {"heading": "Summary", "internal": "", "public": "Smuggled in.", "withheld": ""}

        def publish(mine: Postmortem = postmortem) -> object:
            try:
                return publishing.publish_postmortem(mine, what_changed="More.", author=author)
            except InvalidTransition as refusal:
                return refusal

        def edit(mine: PostmortemSection = section, words: Any = texts) -> object:
            return writing.edit_section(mine, **words, author=author)

        together(publish, edit)
        for revision in PostmortemRevision.objects.all():
            assert "Smuggled in." not in str(revision.content)
        incident.refresh_from_db()


@pytest.mark.postgresql
def test_a_form_that_is_sent_twice_at_once_is_done_once(page: Page, author: User) -> None:
    def declare(token: str) -> Callable[[], bool]:
        typed = {
            "token": token,
            "page": str(page.pk),
            "title": "Errors",
            "visibility": "public",
            "status": "investigating",
        }
        form = DeclareForm(author, typed)
        return form.perform

    for turn in range(1, 6):
        token = f"token {turn}"
        assert together(declare(token), declare(token), declare(token)) == [True, True, True]
        assert Incident.objects.count() == turn


@pytest.mark.postgresql
def test_of_two_who_take_a_role_at_once_one_has_it_and_the_other_had_it(
    incident: Incident, author: User, admin: User
) -> None:
    def take(who: User) -> Callable[[], IncidentRole]:
        mine = Incident.objects.get(pk=incident.pk)
        return lambda: take_role(mine, role=IncidentRole.Role.COMMANDER, author=who)

    for _round in range(5):
        together(take(author), take(admin))
        assert incident.roles.active().count() == 1
        assert {row.user for row in incident.roles.all()} == {author, admin}


def assert_told_in_one_chain(component: Component) -> None:
    """Each change began where the one before it had ended."""
    changes = list(component.status_changes.order_by("effective_at", "id"))
    assert changes[0].old_status == ComponentStatus.OPERATIONAL
    for before, after in pairwise(changes):
        assert after.old_status == before.status
    assert component.status == changes[-1].status
    assert [change.pk for change in changes] == sorted(change.pk for change in changes)


@pytest.mark.postgresql
def test_two_incidents_that_change_the_same_components_tell_one_story(
    page: Page, make_component: MakeComponent, author: User, admin: User
) -> None:
    """They name them in opposite orders, so that a lock taken in the order of naming would be a deadlock."""
    components = [make_component(name) for name in ("API", "Dashboard", "Jobs")]
    statuses = list(ComponentStatus)

    def post(incident: Incident, who: User, named: Sequence[Component], turn: int) -> Callable[[], IncidentUpdate]:
        affected = [(component, statuses[(turn + n) % len(statuses)]) for n, component in enumerate(named)]
        return lambda: post_update(incident, status=OPEN[0], body=f"{turn}.", author=who, components=affected)

    one, other = (declare_incident(page, title=title, author=author) for title in ("One", "Other"))
    for turn in range(10):
        together(post(one, author, components, turn), post(other, admin, components[::-1], turn + 2))
    assert ComponentStatusChange.objects.count() == 60
    for component in components:
        assert_told_in_one_chain(component)


@pytest.mark.postgresql
def test_who_waited_for_a_component_speaks_after_the_one_before(
    incident: Incident, component: Component, author: User, admin: User
) -> None:
    """The time of an update is that of its turn, not of its arrival."""
    slow, down = ComponentStatus.DEGRADED_PERFORMANCE, ComponentStatus.MAJOR_OUTAGE

    def post() -> None:
        try:
            post_update(incident, status=OPEN[0], body="Down.", author=author, components=[(component, down)])
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic(), connection.cursor() as cursor:
            component.lock()
            posted = pool.submit(post)
            is_waiting = "SELECT 1 FROM pg_stat_activity WHERE pg_backend_pid() = ANY (pg_blocking_pids(pid))"
            while not cursor.execute(is_waiting).fetchone():
                assert not posted.done(), "it did not wait"
                cursor.execute("SELECT pg_stat_clear_snapshot()")
            catalogue.set_component_status(component, status=slow, author=admin)
        posted.result()
    assert [change.old_status for change in component.status_changes.order_by("pk")] == ["operational", slow]
    assert_told_in_one_chain(component)


# --- Processes --------------------------------------------------------------------------------------------------------


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
        time.sleep(0.05)


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
    assert publication.differences(page) == []
    assert not OutboxEvent.objects.unpublished().exists()
    assert IncidentUpdate.objects.count() == len(set(IncidentUpdate.objects.values_list("body", flat=True))) == 200
    for component in components:
        assert_told_in_one_chain(component)


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
        publication.publish(Page.objects.get(public_id=public_id), rebuild=True)


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
    assert publication.differences(page) == []


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
        assert publication.is_due(page)
        relay.relay()
        assert body in published(page, "index.html")
        assert publication.differences(page) == []


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
                time.sleep(0.002)  # leaves the interpreter to the publisher
        return reads

    with ThreadPoolExecutor(2) as pool:
        readers = [pool.submit(watch) for _reader in range(2)]
        try:
            for number in range(50):
                post_update(incident, status=OPEN[number % 3], body=f"Update {number}. " * (number + 1), author=author)
        finally:
            is_over.set()
        assert all(reader.result() > len(watched) for reader in readers)
    assert publication.differences(page) == []


def test_two_that_replace_one_file_at_once_do_not_get_in_each_others_way(tmp_path: Path) -> None:
    """The clock's heartbeat and a publication's, from containers that number their processes alike."""
    file = tmp_path / "heartbeat.json"

    def beat() -> None:
        for number in range(200):
            files.replace(file, json.dumps({"at": "x" * number}).encode())
            assert_whole(file)

    together(beat, beat)
    assert list(tmp_path.iterdir()) == [file]
