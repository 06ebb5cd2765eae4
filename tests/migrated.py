"""The tests' databases are copies of one that was migrated, because migrating takes as long as a hundred tests.

Whoever needs one first migrates it and leaves it for later runs: another database of the PostgreSQL server, or a file
for SQLite. Its name says what it was made from. On a server that was started for the run, it goes with the server.

A test that commits leaves the rows that the migrations made, and no others. Django's own way, which empties all tables
and makes some of those rows anew, takes as long as ten tests.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.db import OperationalError, ProgrammingError, connection, connections, transaction
from django.db.backends.utils import CursorWrapper
from django.test import TransactionTestCase
from pytest_django.plugin import DjangoDbBlocker

from tests.servers import temporary_folder
from tests.waiting import until

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".pytest_cache" / "migrated"
PREFIX = "portal_migrated_"
PATTERN = f"^{PREFIX}[0-9a-f]{{12}}$"
MANY = 10  # working copies that share a server may each have migrations of their own


def _name() -> str:
    """Another one after every new migration, also of a package that we install, and for another key of the history."""
    sources = sorted([*ROOT.glob("*/migrations/*.py"), ROOT / "requirements" / "run.txt"])
    key = os.environ["AUDIT_KEY"].encode()
    return PREFIX + sha256(b"".join([key, *(source.read_bytes() for source in sources)])).hexdigest()[:12]


@contextmanager
def _alone() -> Iterator[None]:
    """One process of a run migrates, and the others wait for what it leaves."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _migrate(**environment: str) -> None:
    command = [sys.executable, "manage.py", "migrate", "--verbosity=0"]
    subprocess.run(command, cwd=ROOT, env=os.environ | environment, check=True)


def begin(file: Path) -> None:
    """Make an embedded database that has had every migration."""
    kept = FOLDER / f"{_name()}.sqlite3"
    with _alone():
        if not kept.exists():
            for older in FOLDER.glob("*.sqlite3"):
                older.unlink()
            folder = temporary_folder("portal-migrated-")
            _migrate(DATABASE_URL="", DATA_DIR=str(folder))
            shutil.move(folder / "portal.sqlite3", kept)
    shutil.copyfile(kept, file)


def _template(cursor: CursorWrapper) -> str:
    """The name of a database of the server that has had every migration."""
    name = _name()
    with _alone():
        cursor.execute("SELECT FROM pg_database WHERE datname = %s", [name])
        if not cursor.rowcount:
            unfinished = f"{name}_{os.getpid()}"
            cursor.execute(f"CREATE DATABASE {unfinished}")
            _migrate(DATABASE_URL=urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{unfinished}").geturl())
            try:
                cursor.execute(f"ALTER DATABASE {unfinished} RENAME TO {name}")
            except ProgrammingError:  # another working copy with the same migrations was faster
                cursor.execute(f"DROP DATABASE {unfinished}")
            _drop_oldest(cursor)
    return name


def _drop_oldest(cursor: CursorWrapper) -> None:
    cursor.execute("SELECT datname FROM pg_database WHERE datname ~ %s ORDER BY oid DESC OFFSET %s", [PATTERN, MANY])
    for (older,) in cursor.fetchall():
        with suppress(ProgrammingError, OperationalError):  # another process did it, or is reading it
            cursor.execute(f"DROP DATABASE {older}")


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings_parallel_suffix: None, django_db_blocker: DjangoDbBlocker
) -> None:
    """Let Django begin with what has been migrated: it finds nothing to do."""
    test = connection.settings_dict["TEST"]
    if connection.vendor == "sqlite":
        begin(Path(test["NAME"]))
    else:
        with django_db_blocker.unblock(), connection._nodb_cursor() as cursor:
            test["TEMPLATE"] = _template(cursor)


@pytest.fixture(scope="session")
def django_db_keepdb() -> bool:
    """Whether Django takes a database that is there: the file, which goes with its folder."""
    return connection.vendor == "sqlite"


def _restoring_postgresql() -> Callable[[], None]:
    """What takes the rows that are there now back."""
    rows = {}
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            with cursor.copy(f'COPY "{table}" TO STDOUT') as copy:
                rows[table] = b"".join(copy)
    emptied = "; ".join(f'DELETE FROM "{table}"' for table in rows)

    def restore() -> None:
        with transaction.atomic(), connection.cursor() as cursor:  # foreign keys are checked at its end
            cursor.execute(emptied)
            for table in filter(rows.get, rows):
                with cursor.copy(f'COPY "{table}" FROM STDIN') as copy:
                    copy.write(rows[table])

    return restore


def _restore_sqlite() -> None:
    connection.ensure_connection()
    with closing(sqlite3.connect(FOLDER / f"{_name()}.sqlite3")) as kept:
        kept.backup(connection.connection)


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    with django_db_blocker.unblock():
        restore = _restore_sqlite if connection.vendor == "sqlite" else _restoring_postgresql()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", lambda _test: restore())
        yield
    if connection.vendor == "sqlite":
        return
    # A browser that has just been closed may have asked something still: it is answered before the database goes.
    with django_db_blocker.unblock():
        name = connection.settings_dict["NAME"]
        connections.close_all()
        with connection._nodb_cursor() as cursor:
            query = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s"
            until(lambda: cursor.execute(query, [name]) or cursor.fetchone() == (0,), 10)
