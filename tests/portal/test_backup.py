"""A backup is one file, made while the site runs; what is restored from it is row for row the same."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from pathlib import Path
from threading import Thread
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection, models
from django.db.models import Q
from django.test.utils import isolate_apps
from django.utils import timezone
from pytest_django import Settings

from incidents.history import seals
from incidents.incidents import declare_incident, post_update
from incidents.lifecycle import ComponentStatus, IncidentStatus
from incidents.models import Clock, Component, Incident, Page, User
from incidents.people import clock_user
from portal import environment
from portal.operations import backup, rows
from portal.operations.backup import Refused
from portal.operations.restoring import restore
from status import relay
from status.delivery import owing
from status.publication import files, publishing
from status.subscriptions.subscribers import add_by_staff
from tests.incidents.html_forms import counts
from tests.waiting import stretched

pytestmark = [pytest.mark.long, pytest.mark.both, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def outage(page: Page, incident: Incident, component: Component, author: User, admin: User) -> Incident:
    add_by_staff(page, address="ann@example.com", author=admin)
    affected = [(component, ComponentStatus.PARTIAL_OUTAGE)]
    post_update(
        incident, status=IncidentStatus.IDENTIFIED, body="A „disk“ is full.\\", author=author, components=affected
    )
    return incident


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "backup.zip"


def digests() -> dict[str, str]:
    found = {}
    for label, model in rows.tables().items():
        digest = rows.Digest()
        list(digest.through(rows.lines(model)))
        found[label] = f"{digest.count} {digest}"
    return found


def told(command: str, *arguments: object) -> str:
    out = StringIO()
    call_command(command, *map(str, arguments), stdout=out)
    return out.getvalue()


def changed(file: Path, change: Callable[[dict[str, object]], None]) -> None:
    """Say something else in its manifest."""
    with ZipFile(file) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(contents[backup.MANIFEST])
    change(manifest)
    contents[backup.MANIFEST] = json.dumps(manifest).encode()
    with ZipFile(file, "w", ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)


def test_what_is_restored_is_row_for_row_the_same(
    outage: Incident, page: Page, author: User, file: Path, publication_root: Path
) -> None:
    clock_user()
    relay.owe()
    owing.cancel_due(Q(), "staff")
    publishing.publish(page)
    root = files.folder(page.public_id)
    published = {path: files.read(root, path) for path in files.tracked(root)}
    before = digests()
    manifest = backup.write(file)
    assert file.stat().st_mode & 0o777 == 0o600
    assert manifest.count == sum(int(digest.split()[0]) for digest in before.values())
    post_update(outage, status=IncidentStatus.RESOLVED, body="Lost.", author=author)
    declare_incident(page, title="Lost as well", author=author)

    restore(file, replace=True)

    own = {"incidents_page", "incidents_historicalpage", "status_publisher"}  # that it was restored, and where to
    assert {label for label, digest in digests().items() if digest != before[label]} <= own
    assert page.history.latest().history_change_reason.startswith("Restored from a backup of ")
    publishing.publish(page, rebuild=True)
    assert {path: files.read(root, path) for path in files.tracked(root)} == published
    assert list(seals.verify()) == []


@pytest.mark.slow
def test_numbers_that_the_lost_time_may_have_given_away_are_not_given_again(
    outage: Incident, author: User, file: Path
) -> None:
    """Message-IDs are made of them, and a mailbox drops what it believes to know."""
    backup.write(file)
    lost = post_update(outage, status=IncidentStatus.MONITORING, body="Lost.", author=author)
    restore(file, replace=True)
    again = post_update(outage, status=IncidentStatus.MONITORING, body="Again.", author=author)
    assert again.pk > lost.pk + 1000
    assert again.history.latest().pk > lost.pk + 1000


@pytest.mark.slow
def test_it_leads_from_one_database_to_the_other(outage: Incident, file: Path, tmp_path: Path) -> None:
    """From the tests' own to a new embedded one, and back."""
    clock_user()
    manifest = backup.write(file)
    keys = {name: ",".join(values) for name, values in backup._keys().items()}
    own = {"PATH": os.environ["PATH"], "DATA_DIR": str(tmp_path / "embedded"), **keys}
    there = tmp_path / "there.zip"
    for words in (["restore", str(file)], ["backup", "--to", str(there)]):
        subprocess.run([sys.executable, "manage.py", *words], cwd=settings.BASE_DIR, env=own, check=True)
    added = restore(there, replace=True).manifest.count - manifest.count
    assert added == 2, "a delivery, and the page's history"
    assert list(seals.verify()) == []


def test_it_has_also_what_another_version_has_and_this_one_does_not_know(db: None, file: Path) -> None:
    """An upgrade backs up before it migrates."""
    with isolate_apps("incidents"):

        class Formerly(models.Model):  # noqa: DJ008
            facts = models.JSONField()
            at = models.DateTimeField()

            class Meta:
                app_label = "incidents"

        rows_of: Any = Formerly._base_manager
        with connection.schema_editor() as editor:
            editor.create_model(Formerly)
        try:
            rows_of.create(facts={"b": [1, "ü"], "a": None}, at=timezone.now())
            before = rows_of.values().get()
            assert backup.write(file).tables["incidents_formerly"].count == 1
            restore(file, replace=True)
            assert rows_of.values().get() == before
        finally:
            with connection.schema_editor() as editor:
                editor.delete_model(Formerly)
    with pytest.raises(Refused, match="This backup is of another version"):
        restore(file, replace=True)


@pytest.mark.slow
def test_it_is_of_one_moment_and_nobody_waits_for_it(
    outage: Incident, page: Page, author: User, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between two tables somebody declares an incident."""
    tables = rows.tables()

    def write() -> None:
        try:
            declare_incident(page, title="Meanwhile", author=author)
        finally:
            connection.close()

    def read_and_let_write() -> dict[str, rows.Table]:
        assert Incident.objects.count() == 1
        writer = Thread(target=write)
        writer.start()
        writer.join(stretched(5))
        assert not writer.is_alive()
        return tables

    monkeypatch.setattr(rows, "tables", read_and_let_write)
    manifest = backup.write(file)
    assert (manifest.tables["incidents_incident"].count, Incident.objects.count()) == (1, 2)
    assert manifest.tables["incidents_historicalincident"].count == 2, "declared, and then identified"


@pytest.mark.slow
def test_it_is_refused_in_a_sentence_and_nothing_is_changed(outage: Incident, file: Path, settings: Settings) -> None:
    told("backup", "--to", file)
    whole, before = file.read_bytes(), counts()

    def refused(because: str, *options: str) -> None:
        with pytest.raises(CommandError, match=because):
            told("restore", file, *options)
        assert counts() == before
        file.write_bytes(whole)

    refused("This database is not empty. To lose what is in it: --replace")
    for damaged in (whole[:-100], whole[: len(whole) // 2], b"", b"no zip"):
        file.write_bytes(damaged)
        refused("is damaged, or no backup", "--replace")
    within = ZipFile(file).getinfo("rows/incidents_historicaluser.jsonl").header_offset + 200
    file.write_bytes(whole[:within] + bytes([whole[within] ^ 1]) + whole[within + 1 :])
    refused("is damaged, or no backup", "--replace")
    changed(file, lambda manifest: manifest.update(migrations=["incidents.0001_initial"]))
    refused("This backup is of another version, ", "--replace")
    changed(file, lambda manifest: manifest["tables"].pop("status_tally"))  # type: ignore[attr-defined]
    refused("This backup is of another version, ", "--replace")
    changed(file, lambda manifest: manifest["tables"]["incidents_page"].update(digest="0"))  # type: ignore[index]
    refused("incidents_page is not row for row what was backed up. Nothing was restored", "--replace")
    with ZipFile(file, "w") as archive:
        archive.writestr("holidays.jpg", b"")
    refused("is no backup of this software", "--replace")
    Clock.tick()
    before = counts()
    refused("The site runs on this database, or did a moment ago. Stop its web server", "--replace")
    Clock.objects.update(ticked_at=timezone.now() - timedelta(minutes=1))
    settings.AUDIT_KEY = "another one, " * 4
    settings.ENCRYPTION_KEYS = ["another one"]
    refused("ENCRYPTION_KEYS and AUDIT_KEY: not the ones that this backup was made with", "--replace")
    assert "rows, as they were at" in told("restore", file, "--replace", "--without-keys")


def test_a_missing_file_is_named(db: None, file: Path) -> None:
    with pytest.raises(CommandError, match=r"cannot be read: No such file or directory\. Nothing was restored"):
        told("restore", file, "--replace")
    with pytest.raises(CommandError, match=r"could not be written: No such file or directory\. Nothing is left of it"):
        told("backup", "--to", file.parent / "nowhere" / "backup.zip")


@pytest.mark.slow
def test_a_key_that_was_replaced_is_at_hand_as_long_as_it_is_kept(db: None, file: Path, settings: Settings) -> None:
    backup.write(file)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "new " * 20, [settings.SECRET_KEY]
    restore(file, replace=True)
    settings.SECRET_KEY_FALLBACKS = []
    with pytest.raises(Refused, match="SECRET_KEY: not the ones"):
        restore(file, replace=True)


def test_it_holds_the_keys_only_if_asked_to(
    db: None, file: Path, tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.SECRET_KEY = "it's " * 10
    assert "Keep SECRET_KEY, ENCRYPTION_KEYS and AUDIT_KEY elsewhere" in told("backup", "--to", file)
    assert settings.AUDIT_KEY.encode() not in b"".join(map(ZipFile(file).read, ZipFile(file).namelist()))
    assert "elsewhere" not in told("backup", "--to", file, "--with-keys")
    names = ("SECRET_KEY", "SECRET_KEY_FALLBACKS", "ENCRYPTION_KEYS", "AUDIT_KEY")
    for name in names:
        monkeypatch.delenv(name, raising=False)
    (tmp_path / ".env").write_bytes(ZipFile(file).read(backup.KEYS))
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    environment.load()
    keys = [settings.SECRET_KEY, "", *settings.ENCRYPTION_KEYS, settings.AUDIT_KEY]
    assert [os.environ[name] for name in names] == keys
    for name in names:
        monkeypatch.delenv(name)


def test_the_newest_of_a_folder_are_kept(db: None, tmp_path: Path) -> None:
    for day in (1, 2, 3):
        (tmp_path / f"incident-portal-2026-01-0{day}T000000Z.zip").touch()
    (tmp_path / "mine.zip").touch()
    said = told("backup", "--to", tmp_path, "--keep", "2")
    left = sorted(path.name for path in tmp_path.glob("*.zip"))
    assert left[0] == "incident-portal-2026-01-03T000000Z.zip"
    assert left[2:] == ["mine.zip"]
    assert "incident-portal-2026-01-02T000000Z.zip is deleted." in said
    assert not (tmp_path / backup.PART).exists()
    with pytest.raises(CommandError, match="name no file"):
        told("backup", "--to", tmp_path / "mine.zip", "--keep", "2")


def test_two_at_once_into_one_folder_do_not_mix(db: None, tmp_path: Path) -> None:
    with backup._written_whole(tmp_path / "one.zip") as part:
        part.write(b"one")
        with pytest.raises(CommandError, match="Another backup is being written"):
            told("backup", "--to", tmp_path / "two.zip")
    assert [path.name for path in tmp_path.glob("*.zip")] == ["one.zip"]


def test_every_column_is_of_a_kind_that_is_written_as_it_was(db: None) -> None:
    assert set(rows.LEFT_OUT) <= {model._meta.db_table for model in seals.every_model()}
    kinds = {kind for table in rows.tables().values() for kind in table.columns.values()}
    assert kinds <= {
        *("AutoField", "BigAutoField", "BigIntegerField", "BooleanField", "CharField", "DateField", "DateTimeField"),
        *("DurationField", "FloatField", "ForeignKey", "JSONField", "OneToOneField", "PositiveBigIntegerField"),
        *("PositiveIntegerField", "PositiveSmallIntegerField", "SmallIntegerField", "TextField"),
    }
    assert all("AutoField" in table.columns[table.key] for table in rows.tables().values()), "the order of keys"
    assert rows.tables().keys() | set(rows.LEFT_OUT) == {model._meta.db_table for model in seals.every_model()}
