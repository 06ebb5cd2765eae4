"""The tests' databases are copies of one that was migrated, because migrating takes as long as a hundred tests.

Whoever needs one first migrates it and leaves it for later runs: another database of the PostgreSQL server, or a file
for SQLite. Its name says what it was made from. On a server that was started for the run, it goes with the server.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import pytest
from django.db import OperationalError, ProgrammingError, connection
from django.db.utils import IntegrityError
from pytest_django.plugin import DjangoDbBlocker

from tests.servers import temporary_folder

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".pytest_cache" / "migrated"
PREFIX = "portal_migrated_"
MANY = 10  # working copies that share a server may each have migrations of their own


def _name() -> str:
    """Another one after every new migration, also of a package that we install."""
    sources = sorted([*ROOT.glob("*/migrations/*.py"), ROOT / "requirements" / "run.txt"])
    return PREFIX + sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:12]


def begin(file: Path) -> None:
    """Make an embedded database that has had every migration."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    kept = FOLDER / f"{_name()}.sqlite3"
    with (FOLDER / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # one migrates, the others wait
        if not kept.exists():
            for older in FOLDER.glob("*.sqlite3"):
                older.unlink()
            folder = temporary_folder("portal-migrated-")
            environment = os.environ | {"DATABASE_URL": "", "DATA_DIR": str(folder)}
            command = [sys.executable, "manage.py", "migrate", "--verbosity=0"]
            subprocess.run(command, cwd=ROOT, env=environment, check=True)
            shutil.move(folder / "portal.sqlite3", kept)
    shutil.copyfile(kept, file)


@pytest.fixture(scope="session")
def django_db_keepdb() -> bool:
    """Whether Django takes a database that is there: the file, which goes with its folder."""
    return connection.vendor == "sqlite"


@pytest.fixture(scope="session")
def copy(django_db_modify_db_settings: None, django_db_blocker: DjangoDbBlocker) -> str:
    """The name of a copy that is still to be made, or "": Django begins with it, and finds nothing to migrate."""
    test = connection.settings_dict["TEST"]
    if connection.vendor == "sqlite":
        begin(Path(test["NAME"]))
        return ""
    with django_db_blocker.unblock(), connection._nodb_cursor() as cursor:
        cursor.execute(
            "SELECT FROM pg_database WHERE datname = %s AND datdba = current_user::regrole", [name := _name()]
        )
        if not cursor.rowcount:
            return name
    test["TEMPLATE"] = name
    return ""


@pytest.fixture(scope="session")
def django_db_setup(copy: str, django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> None:
    """A database with every migration."""
    if copy:
        with django_db_blocker.unblock():
            connection.close()
            _keep_database(copy)


def _keep_database(name: str) -> None:
    with connection._nodb_cursor() as cursor:
        with suppress(ProgrammingError, IntegrityError):  # another process was faster
            cursor.execute(f'CREATE DATABASE {name} TEMPLATE "{connection.settings_dict["NAME"]}"')
            cursor.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        cursor.execute(
            f"SELECT datname FROM pg_database WHERE datname LIKE '{PREFIX}%' ORDER BY oid DESC OFFSET {MANY}"
        )
        for (older,) in cursor.fetchall():
            with suppress(ProgrammingError, OperationalError):  # another process did it, or is reading it
                cursor.execute(f"DROP DATABASE {older}")
