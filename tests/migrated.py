"""The tests' databases are copies of one that was migrated, because migrating takes as long as a hundred tests.

Whoever migrates first leaves a copy for later runs: another database of the PostgreSQL server, or a file for SQLite.
Its name says what it was made from. On a server that was started for the run, it goes with the server.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import pytest
from django.db import OperationalError, ProgrammingError, connection
from django.db.utils import IntegrityError
from pytest_django.plugin import DjangoDbBlocker

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".pytest_cache" / "migrated"
PREFIX = "portal_migrated_"
MANY = 10  # working copies that share a server may each have migrations of their own


@pytest.fixture(scope="session")
def django_db_keepdb() -> bool:
    """Whether Django takes a database that is there: the file, which goes with its folder."""
    return connection.vendor == "sqlite"


@pytest.fixture(scope="session")
def copy(django_db_modify_db_settings: None, django_db_blocker: DjangoDbBlocker) -> str:
    """The name of a copy that is still to be made, or "": Django begins with it, and finds nothing to migrate."""
    # Another name after every new migration, also of a package that we install
    sources = sorted([*ROOT.glob("*/migrations/*.py"), ROOT / "requirements" / "run.txt"])
    name = PREFIX + sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:12]
    test = connection.settings_dict["TEST"]
    if connection.vendor == "sqlite":
        try:
            shutil.copyfile(FOLDER / name, test["NAME"])
        except FileNotFoundError:
            return name
        return ""
    with django_db_blocker.unblock(), connection._nodb_cursor() as cursor:
        cursor.execute("SELECT FROM pg_database WHERE datname = %s AND datdba = current_user::regrole", [name])
        if not cursor.rowcount:
            return name
    test["TEMPLATE"] = name
    return ""


@pytest.fixture(scope="session")
def django_db_setup(copy: str, django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> None:
    """A database with every migration."""
    if not copy:
        return
    with django_db_blocker.unblock():
        connection.close()
        if connection.vendor == "sqlite":
            _keep_file(copy)
        else:
            _keep_database(copy)


def _keep_file(name: str) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for older in FOLDER.iterdir():
        older.unlink(missing_ok=True)
    unfinished = FOLDER / f"{name}.{os.getpid()}"
    shutil.copyfile(connection.settings_dict["NAME"], unfinished)
    unfinished.rename(FOLDER / name)


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
