"""Whoever is killed while backing up or restoring, or finds the disk full, leaves nothing half, and does it again."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection

from incidents.incidents import post_update
from incidents.lifecycle import IncidentStatus
from incidents.models import Incident, IncidentUpdate, User
from portal.operations import backup
from portal.operations.restoring import restore
from tests.incidents.html_forms import counts
from tests.killing import killed

pytestmark = [pytest.mark.both, pytest.mark.django_db(transaction=True)]

STEPS = (1, 2, 3, 5, 20, 80, 150, 190, 220, 250, 300)


@contextmanager
def full_disk(size: int) -> Iterator[None]:
    """No file of this process grows beyond so many bytes."""
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, usual[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)


@pytest.fixture
def folder(tmp_path: Path, incident: Incident, author: User) -> Path:
    """Has a backup of before an update."""
    (tmp_path / "backups").mkdir()
    backup.write(tmp_path / "backups" / "old.zip")
    post_update(incident, status=IncidentStatus.IDENTIFIED, body="A disk.", author=author)
    return tmp_path / "backups"


@pytest.mark.slow
def test_a_backup_that_is_killed_leaves_the_one_of_before(folder: Path) -> None:
    old = (folder / "old.zip").read_bytes()
    kills = 0
    for step in STEPS:
        if not killed(lambda: backup.write(folder / "old.zip"), step=step):
            break
        kills += 1
        assert (folder / "old.zip").read_bytes() == old
        assert {path.name for path in folder.iterdir()} <= {"old.zip", backup.PART}
    assert kills > 5
    manifest = backup.write(folder / "old.zip")
    assert manifest.tables["incidents_incidentupdate"].count == 1
    assert [path.name for path in folder.iterdir()] == ["old.zip"]
    restore(folder / "old.zip", replace=True)


@pytest.mark.slow
def test_a_restore_that_is_killed_has_changed_nothing(folder: Path) -> None:
    before, kills = counts(), 0
    for step in STEPS:
        if not killed(lambda: restore(folder / "old.zip", replace=True), step=step):
            break
        kills += 1
        assert counts() == before
    assert kills > 5
    restore(folder / "old.zip", replace=True)
    assert not IncidentUpdate.objects.exists()


@pytest.mark.slow
def test_on_a_full_disk_the_backup_says_so_and_leaves_nothing(folder: Path) -> None:
    old = (folder / "old.zip").read_bytes()
    with full_disk(4096), pytest.raises(CommandError, match=r"could not be written: File too large\. Nothing is left"):
        call_command("backup", "--to", str(folder / "old.zip"))
    assert [path.name for path in folder.iterdir()] == ["old.zip"]
    assert (folder / "old.zip").read_bytes() == old


@pytest.mark.slow
def test_on_a_full_disk_the_database_stays_as_it_was(folder: Path) -> None:
    if connection.vendor != "sqlite":
        pytest.skip(
            "the server writes, and this process does not"
        )  # so no limit of ours reaches it; SQLite's run tests it
    before = counts()
    with full_disk(64 * 1024), pytest.raises(OperationalError):
        restore(folder / "old.zip", replace=True)
    connection.close()
    assert counts() == before
