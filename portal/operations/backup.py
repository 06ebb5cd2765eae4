"""One file with the whole record, made while the site runs: whole, or not there.

It is a zip: `rows/<table>.jsonl` for each table, `manifest.json`, and `keys.env` if that was asked for.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO
from zipfile import ZIP_DEFLATED, ZipFile

from django.conf import settings
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from incidents.record_time import record_time
from portal import __version__
from portal.operations import rows
from portal.operations.rows import Digest

MANIFEST, KEYS = "manifest.json", "keys.env"
PART = ".backup.part"
NAME = "incident-portal-%Y-%m-%dT%H%M%SZ.zip"
LEVEL = 1  # of compression: measured, the next ones take twice the time for a tenth less


class Refused(Exception):
    """A backup or a restore that is not done; its words say why, and what to do."""


@dataclass(frozen=True, slots=True)
class Rows:
    columns: list[str]
    count: int
    digest: str  # of its lines


@dataclass(frozen=True, slots=True)
class Manifest:
    made_at: str  # by the database's clock
    software: str
    migrations: list[str]
    keys: dict[str, list[str]]  # what tells whether those at hand are the right ones
    tables: dict[str, Rows]

    @property
    def count(self) -> int:
        return sum(table.count for table in self.tables.values())


def write(file: Path, *, with_keys: bool = False) -> Manifest:
    """Back up into this file; what had that name is replaced once the new one is on the disk."""
    with _written_whole(file) as part, ZipFile(part, "w", ZIP_DEFLATED, compresslevel=LEVEL) as archive:
        with rows.one_moment():
            manifest = Manifest(
                made_at=record_time().isoformat(),
                software=__version__,
                migrations=applied_migrations(),
                keys=key_digests(),
                tables={name: _write_rows(archive, table) for name, table in rows.tables().items()},
            )
        if with_keys:
            archive.writestr(KEYS, "".join(f"{name}={_quoted(','.join(keys))}\n" for name, keys in _keys().items()))
        archive.writestr(MANIFEST, json.dumps(asdict(manifest), indent=1))
    return manifest


def leave_newest(folder: Path, keep: int) -> list[Path]:
    """Delete all but so many of the backups that have their usual name; returns which."""
    old = sorted(folder.glob("incident-portal-*Z.zip"))[:-keep]
    for file in old:
        file.unlink()
    return old


def name_of_rows(table: str) -> str:
    return f"rows/{table}.jsonl"


def applied_migrations() -> list[str]:
    return sorted(f"{app}.{name}" for app, name in MigrationRecorder(connection).applied_migrations())


def key_digests() -> dict[str, list[str]]:
    return {
        name: [hashlib.sha256(f"incident-portal {key}".encode()).hexdigest()[:16] for key in keys]
        for name, keys in _keys().items()
    }


def _keys() -> dict[str, list[str]]:
    return {
        "SECRET_KEY": [settings.SECRET_KEY],
        "SECRET_KEY_FALLBACKS": settings.SECRET_KEY_FALLBACKS,
        "ENCRYPTION_KEYS": settings.ENCRYPTION_KEYS,
        "AUDIT_KEY": [settings.AUDIT_KEY],
    }


def _quoted(value: str) -> str:
    """As `environment.load` reads it."""
    return f'"{value}"' if "'" in value else f"'{value}'"


def _write_rows(archive: ZipFile, table: rows.Table) -> Rows:
    digest = Digest()
    with archive.open(name_of_rows(table.name), "w", force_zip64=True) as entry:
        for line in digest.through(rows.lines(table)):
            entry.write(line + b"\n")
    return Rows(list(table.columns), digest.count, str(digest))


@contextmanager
def _written_whole(file: Path) -> Iterator[IO[bytes]]:
    """A new file beside it, for its owner alone, which takes its name at the end. What a killed one left is used."""
    part = file.parent / PART
    with os.fdopen(os.open(part, os.O_RDWR | os.O_CREAT, 0o600), "r+b") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_ours = part.stat().st_ino == os.fstat(handle.fileno()).st_ino
        except (BlockingIOError, FileNotFoundError):
            is_ours = False
        if not is_ours:
            raise Refused(f"Another backup is being written into {file.parent}. Wait until it is done.")
        try:
            handle.truncate()
            yield handle
            handle.flush()
            os.fsync(handle.fileno())
            part.replace(file)
        except BaseException:
            part.unlink(missing_ok=True)  # a full disk must not be made fuller
            raise
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
