"""From a backup to the same record: every row, in one transaction, or nothing.

What is restored lags behind what happened since. So nothing of it is sent: what was due or not yet owed is cancelled,
what has become due since is done without a message, and staff send again by hand what they find was not sent.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from zipfile import BadZipFile, ZipFile

from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.db import connection, transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from incidents.authorship import authored_by
from incidents.isolation import each
from incidents.maintenance import clockwork
from incidents.models import Clock, OutboxEvent, Page, PlannedUpdate, User
from incidents.people import clock_user
from incidents.record_time import record_time
from portal import __version__
from portal.operations import backup, rows
from portal.operations.backup import Manifest, Refused, Rows
from portal.operations.rows import Digest
from status.delivery import nudges, owing
from status.models import Publisher
from status.publication import publisher
from status.subscriptions import left_behind, signups

RUNNING = timedelta(seconds=15)  # the clock ticks every two


@dataclass(frozen=True, slots=True)
class Restored:
    manifest: Manifest
    cancelled: int  # messages


def restore(file: Path, *, replace: bool = False, without_keys: bool = False) -> Restored:
    """Put into the database what this file holds, whole; raises `Refused`, and then nothing was changed.

    A database without tables is migrated first. With `replace` what is there goes; `without_keys`, what the backup's
    keys protect is lost.
    """
    is_new = not connection.introspection.table_names()
    with _opened(file) as archive:
        manifest = _manifest(archive)
        if is_new:
            call_command("migrate", verbosity=0)
        _check_version(manifest)
        if not without_keys:
            _check_keys(manifest)
        with transaction.atomic():
            _check_place(replace=replace)
            rows.clear()
            for name, table in rows.tables().items():
                with archive.open(backup.name_of_rows(name)) as entry:
                    rows.load(table, entry)
            _check_rows(manifest)
            rows.skip_numbers()
            ContentType.objects.clear_cache()
            cancelled = _be_silent(datetime.fromisoformat(manifest.made_at))
            Publisher.objects.update(root="")
            publisher.publish_here()
    return Restored(manifest, cancelled)


# --- What is not restored ---------------------------------------------------------------------------------------------


@contextmanager
def _opened(file: Path) -> Iterator[ZipFile]:
    """The archive, if every byte of it is as it was written."""
    try:
        with ZipFile(file) as archive:
            damaged = archive.testzip()
    except (BadZipFile, EOFError, zlib.error):
        damaged = file.name
    except OSError as error:
        raise Refused(f"{file} cannot be read: {error.strerror}. Nothing was restored.") from None
    if damaged:
        raise Refused(f"{file} is damaged, or no backup. Take another one.")
    with ZipFile(file) as archive:
        yield archive


def _manifest(archive: ZipFile) -> Manifest:
    if backup.MANIFEST not in archive.namelist():
        raise Refused(f"{archive.filename} is no backup of this software.")
    said = json.loads(archive.read(backup.MANIFEST))
    return Manifest(**said | {"tables": {name: Rows(**facts) for name, facts in said["tables"].items()}})


def _check_version(manifest: Manifest) -> None:
    here = {name: list(table.columns) for name, table in rows.tables().items()}
    there = {name: table.columns for name, table in manifest.tables.items()}
    if here != there or backup.applied_migrations() != manifest.migrations:
        raise Refused(
            f"This backup is of another version, {manifest.software}, and this is {__version__}. Install that one, "
            "restore with it, and upgrade then."
        )


def _check_keys(manifest: Manifest) -> None:
    here = backup.key_digests()
    at_hand = here | {"SECRET_KEY": here["SECRET_KEY"] + here["SECRET_KEY_FALLBACKS"]}
    names = ("SECRET_KEY", "ENCRYPTION_KEYS", "AUDIT_KEY")
    if missing := [name for name in names if not set(manifest.keys[name]) <= set(at_hand[name])]:
        raise Refused(
            f"{' and '.join(missing)}: not the ones that this backup was made with. Set those first; `unzip -p FILE "
            f"{backup.KEYS}` shows them if they were put into it. If they are lost: --without-keys"
        )


def _check_place(*, replace: bool) -> None:
    clock = Clock.last()
    if clock and record_time() - clock.ticked_at < RUNNING:
        raise Refused(
            "The site runs on this database, or did a moment ago. Stop its web server, workers and clock, and run this "
            "again after a quarter of a minute."
        )
    if not replace and (Page._base_manager.exists() or User.objects.filter(is_service=False).exists()):
        raise Refused("This database is not empty. To lose what is in it: --replace")


def _check_rows(manifest: Manifest) -> None:
    connection.check_constraints()
    for name, table in rows.tables().items():
        digest = Digest()
        for _line in digest.through(rows.lines(table)):
            pass
        if str(digest) != manifest.tables[name].digest:
            raise Refused(f"{name} is not row for row what was backed up. Nothing was restored: please report it.")


# --- What is not sent -------------------------------------------------------------------------------------------------


def _be_silent(made_at: datetime) -> int:
    """Let nobody be notified of anything up to now; returns how many messages are cancelled."""
    clock = clock_user()
    when = f"{made_at:%Y-%m-%d %H:%M} UTC"
    with authored_by(clock):
        for planned in PlannedUpdate.objects.filter(state=PlannedUpdate.State.WAITING):
            reason = _("The database was restored from a backup of %(when)s. Read whether it still holds.")
            planned.change(state=PlannedUpdate.State.HELD, reason=reason % {"when": when})
        for page in Page._base_manager.order_by("pk"):
            page._change_reason = _("Restored from a backup of %(when)s.") % {"when": when}
            page.change()
    cancelled = owing.cancel_due(Q(), owing.RESTORED)
    while clockwork.advance():
        pass
    while signups.take_up():
        pass
    gone = left_behind.left_behind().filter(left_behind_at=None)
    each("left_behind", gone, partial(left_behind.say_left_behind, author=clock), seconds=math.inf)
    events = OutboxEvent.objects.unowed().select_related("page", "update").order_by("id")
    each("owe", events, owing.owe, seconds=math.inf)
    for event in OutboxEvent.objects.unowed():  # that cannot be written down, and which the clock would find again
        owing.note_owed(event)
    while nudges.nudge():
        pass
    return cancelled + owing.cancel_due(Q(), owing.RESTORED)
