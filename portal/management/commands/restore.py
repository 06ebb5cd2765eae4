from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from portal.operations.backup import Refused
from portal.operations.restoring import restore


class Command(BaseCommand):
    help = "Puts a backup into an empty database: all of it, or nothing. What was due at its time is not sent."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--replace", action="store_true", help="lose what is in the database")
        parser.add_argument(
            "--without-keys", action="store_true", help="lose what the keys protect: yours are other ones"
        )

    def handle(self, *, file: Path, replace: bool, without_keys: bool, **_options: Any) -> None:
        began_at = time.monotonic()
        try:
            restored = restore(file, replace=replace, without_keys=without_keys)
        except Refused as refusal:
            raise CommandError(str(refusal)) from None
        self.stdout.write(
            f"{restored.manifest.count} rows, as they were at {restored.manifest.made_at}, "
            f"in {time.monotonic() - began_at:.0f} s. Everybody signs in anew; the pages are published by the clock."
        )
        if restored.cancelled:
            self.stdout.write(
                f"Messages that were due: {restored.cancelled}. They are cancelled, for they may have been sent since. "
                "Look at them among the deliveries, by the reason “restored”, and send again what was not."
            )
