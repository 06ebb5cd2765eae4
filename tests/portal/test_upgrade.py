"""The database is brought to a next version while the version before is at work."""

from __future__ import annotations

import threading
import zipfile
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, connections, transaction
from pytest_django import Settings

from portal import health
from portal.management.commands import migrate
from portal.models import AccountMail
from portal.operations.backup import PART
from tests.killing import killed
from tests.waiting import until

pytestmark = [pytest.mark.postgresql, pytest.mark.long, pytest.mark.django_db(transaction=True)]


def columns(table: str = "portal_accountmail") -> set[str]:
    with connection.cursor() as cursor:
        return {column.name for column in connection.introspection.get_table_description(cursor, table)}


@pytest.fixture
def next_version(settings: Settings) -> Iterator[None]:
    settings.MIGRATION_MODULES = {"portal": "tests.portal.next_migrations"}
    yield
    call_command("migrate", "portal", "0001", verbosity=0)
    assert "next" not in columns()


class Holder(threading.Thread):
    """A request of the version before, which uses a table until it is told to end."""

    def __init__(self) -> None:
        super().__init__()
        self.began, self.may_end = threading.Event(), threading.Event()

    def run(self) -> None:
        try:
            with transaction.atomic():
                AccountMail.objects.exists()
                self.began.set()
                self.may_end.wait()
        finally:
            connections.close_all()

    def __enter__(self) -> Holder:
        self.start()
        self.began.wait()
        return self

    def __exit__(self, *exception: object) -> None:
        self.may_end.set()
        self.join()


@pytest.mark.slow
def test_a_table_that_others_hold_is_asked_for_briefly_and_again(next_version: None) -> None:
    """Who asks for it after the migration waits for no more than the migration's own wait."""
    said = StringIO()

    def migrate_() -> None:
        try:
            call_command("migrate", verbosity=0, stderr=said)
        finally:
            connections.close_all()

    with Holder() as holder:
        migrating = threading.Thread(target=migrate_)
        migrating.start()
        until(lambda: "It is asked for again." in said.getvalue())
        AccountMail.objects.exists()
        assert migrating.is_alive()
        holder.may_end.set()
        migrating.join()
    assert "next" in columns()


@pytest.mark.slow
def test_who_holds_it_for_too_long_is_looked_for(next_version: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrate, "PATIENCE", 0)
    with Holder(), pytest.raises(CommandError, match=r"pg_stat_activity says who.* run this once more"):
        call_command("migrate", verbosity=0)
    assert "next" not in columns()
    call_command("migrate", verbosity=0)
    assert "next" in columns()


def test_an_upgrade_backs_up_first_and_may_be_run_again(next_version: None, settings: Settings, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path
    for expected in (1, 1):
        said = StringIO()
        call_command("upgrade", stdout=said)
        assert "Start the portal anew now." in said.getvalue()
        assert len(list((tmp_path / "backups").iterdir())) == expected, "and none when nothing was to be done"
    assert "next" in columns()


MOMENTS = (
    PART,
    "os.rename",
    "ALTER TABLE portal_accountmail",
    "ALTER TABLE status_delivery",
    'INSERT INTO "django_migrations"',
    'UPDATE "status_publisher"',
)


@pytest.mark.slow
def test_an_upgrade_that_is_killed_has_done_all_of_a_step_or_nothing_and_is_run_again(
    next_version: None, settings: Settings, tmp_path: Path
) -> None:
    settings.DATA_DIR = tmp_path
    backups, said = tmp_path / "backups", StringIO()
    for moment in MOMENTS:
        assert killed(lambda: call_command("upgrade", stdout=StringIO()), at=moment), moment
        is_done = "next" in columns()
        assert ("next" in columns("status_delivery")) is is_done
        assert health.lacks_migrations() is not is_done, "whoever starts it too early is told"
        for file in backups.iterdir():
            assert file.name == PART or zipfile.is_zipfile(file)
    call_command("upgrade", stdout=said)
    assert "Start the portal anew now." in said.getvalue()
    assert "next" in columns()
