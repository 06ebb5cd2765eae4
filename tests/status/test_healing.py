"""Files that are not as they were written: noticed and made right by the clock."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine
from django.core.management import CommandError, call_command

from incidents.incidents import declare_incident, post_update
from incidents.lifecycle import IncidentStatus
from incidents.models import Incident, OutboxEvent, Page, User
from status import relay
from status.models import Publisher
from status.publication import files, healing, publisher, publishing, state

pytestmark = pytest.mark.both

INVESTIGATING, RESOLVED = IncidentStatus.INVESTIGATING, IncidentStatus.RESOLVED


def test_a_file_is_on_the_disk_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    fsync, replace = os.fsync, os.replace

    def record(handle: int) -> None:
        fsync(handle)
        synced.append(str(Path(f"/proc/self/fd/{handle}").readlink()))

    def check(source: Path, target: Path) -> None:
        assert str(source) in synced
        synced.remove(str(source))
        replace(source, target)

    monkeypatch.setattr(os, "fsync", record)
    monkeypatch.setattr(os, "replace", check)
    assert files.write(tmp_path, {"index.html": b"The page.", "api/v2/status.json": b"{}"})
    assert sorted(synced) == [str(tmp_path), str(tmp_path / "api/v2")], "and so are the names"


def cut_off(file: Path) -> None:
    file.write_bytes(b"")


def shorten(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-9])


@pytest.mark.parametrize("harm", [cut_off, shorten, Path.unlink])
@pytest.mark.parametrize("path", ["index.html", "api/v2/summary.json.gz"])
def test_the_heartbeat_notices_a_file_of_a_wrong_size_and_heals_it(
    page: Page, path: str, harm: Callable[[Path], None]
) -> None:
    publishing.publish(page)
    file = files.folder(page.public_id) / path
    right = file.read_bytes()
    harm(file)
    relay.heartbeat()
    assert file.read_bytes() == right


def test_the_heartbeat_restores_the_link_of_a_host_name(page: Page, publication_root: Path) -> None:
    publishing.publish(page)
    link = publication_root / "hosts" / page.host
    link.unlink()
    relay.heartbeat()
    assert link.resolve().name == page.public_id


@pytest.mark.parametrize(
    "noted",
    [
        "",
        "[]",
        "{broken",
        {"date": "2026-13-45"},
        {"date": "0001-01-01"},
        {"date": 7},
        {"months_left": ["2026-13"]},
        {"months_left": "2026"},
        {"months_left": ["1999-01"]},
        {"made_to": []},
        {"sizes": ["index.html"]},
        {"sizes": {"index.html": "large"}},
    ],
)
def test_publication_goes_on_whatever_stands_in_its_state(page: Page, noted: str | dict[str, object]) -> None:
    publishing.publish(page)
    file = files.folder(page.public_id) / state.NAME
    file.write_text(noted if isinstance(noted, str) else json.dumps(json.loads(file.read_text()) | noted))
    relay.relay()
    assert publishing.differences(page) == []
    assert not publishing.is_due(page)
    relay.heartbeat()
    assert not healing.is_damaged(page)


@pytest.fixture
def old(page: Page, author: User) -> Incident:
    """An incident of three months ago, published."""
    row = declare_incident(page, title="Errors", author=author)
    at = datetime.now(UTC) - timedelta(days=90)
    post_update(row, status=RESOLVED, body="Done.", author=author, display_at=at, notify=False)
    publishing.publish(page)
    return row


@pytest.mark.slow
def test_the_round_of_the_clock_finds_other_bytes_of_the_same_size_and_what_should_not_be_there(
    page: Page, old: Incident, caplog: pytest.LogCaptureFixture
) -> None:
    root = files.folder(page.public_id)
    changed = ["index.html", f"incidents/{old.public_id}.html", "data/index.json"]
    for path in changed:
        files.write(root, {path: (root / path).read_bytes().swapcase()})
    files.write(root, {"incidents/stray.html": b"What was taken back."})
    assert publishing.differences(page) == sorted([*changed, "incidents/stray.html"])
    relay.heartbeat()
    assert publishing.differences(page), "the sizes say nothing"
    assert relay.heal() >= 3
    relay.relay()  # of data of which nothing was known
    assert publishing.differences(page) == []
    assert "incidents/stray.html" in caplog.text
    assert relay.heal() == 0


@pytest.mark.usefixtures("old")
def test_the_round_goes_on_where_it_stopped(page: Page, other_page: Page) -> None:
    publishing.publish(other_page)
    at, places = healing.Place(), []
    for _step in range(7):
        _wrong, at = healing.heal(page if at.page in (0, page.pk) else other_page, at, timeout=0)
        places.append(at)
        healing.note(at)
        assert healing.place() == at
    assert len(set(places)) == 7, "the page, its months from the newest on, with their incidents first, the next page"
    (files.root() / healing.ROUND).write_text("{broken")
    assert healing.place() == healing.Place()


def test_an_older_version_never_overwrites_what_a_newer_one_wrote(
    page: Page, incident: Incident, author: User, published: Callable[[Page, str], str]
) -> None:
    publishing.publish(page)
    root = files.folder(page.public_id)
    noted = json.loads((root / state.NAME).read_text())
    (root / state.NAME).write_text(json.dumps(noted | {"version": "newer"}))
    Publisher.objects.update(versions=[state.VERSION, "newer"])
    files.write(root, {"index.html": b"As the newer one shows it."})
    beat = (root / "heartbeat.json").read_bytes()
    post_update(incident, status=INVESTIGATING, body="Looking.", author=author)
    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=2)):
        relay.relay()
        relay.heartbeat()
        relay.heal()
    with pytest.raises(CommandError, match="newer software"):
        call_command("publish", rebuild=True)
    assert published(page, "index.html") == "As the newer one shows it."
    assert (root / "heartbeat.json").read_bytes() == beat
    assert OutboxEvent.objects.unpublished().exists(), "it is left to the newer one"
    publisher.note_version()  # whoever goes back to it migrates with it
    assert relay.relay() == 1
    assert "Looking." in published(page, "index.html")
