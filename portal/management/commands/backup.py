from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.template.defaultfilters import filesizeformat

from incidents.record_time import record_time
from portal import health
from portal.operations import backup


class Command(BaseCommand):
    help = "Backs up the whole record into one file, while the site runs."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--to",
            type=Path,
            metavar="PATH",
            help="a file, or a folder, where its name says the time (DATA_DIR/backups)",
        )
        parser.add_argument(
            "--with-keys", action="store_true", help="put the keys into it, too: then keep it as you keep them"
        )
        parser.add_argument("--keep", type=int, metavar="N", help="leave only the newest N backups of the folder")

    def handle(self, *, to: Path | None, with_keys: bool, keep: int | None, **_options: Any) -> None:
        if not backup.applied_migrations():
            sys.exit(health.NOT_MIGRATED)
        if to is None:
            (to := settings.DATA_DIR / "backups").mkdir(mode=0o700, parents=True, exist_ok=True)
        is_folder = to.is_dir()
        if keep is not None and (keep < 1 or not is_folder):
            raise CommandError("--keep leaves one backup or more, of a folder: name no file.")
        began_at = time.monotonic()
        file = to / f"{record_time():{backup.NAME}}" if is_folder else to
        try:
            manifest = backup.write(file, with_keys=with_keys)
            gone = backup.leave_newest(to, keep) if keep else []
        except backup.Refused as refusal:
            raise CommandError(str(refusal)) from None
        except OSError as error:
            raise CommandError(f"{file} could not be written: {error.strerror}. Nothing is left of it.") from None
        size = filesizeformat(file.stat().st_size).replace("\xa0", " ")
        self.stdout.write(f"{file}: {manifest.count} rows, {size}, in {time.monotonic() - began_at:.0f} s")
        if not with_keys:
            self.stdout.write("Keep SECRET_KEY, ENCRYPTION_KEYS and AUDIT_KEY elsewhere: they are not in it.")
        for old in gone:
            self.stdout.write(f"{old.name} is deleted.")
