from __future__ import annotations

from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandParser
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from portal import __version__, health


class Command(BaseCommand):
    help = (
        "Brings the record to this version: looks at the settings, backs up, and migrates, while the version before"
        " goes on serving. Ended in the middle, it is run again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--without-backup", action="store_true", help="you have one already")

    def handle(self, *, without_backup: bool, **_options: Any) -> None:
        call_command("check", deploy=True, fail_level="ERROR", stdout=self.stdout, stderr=self.stderr)
        if not without_backup and health.lacks_migrations() and MigrationRecorder(connection).applied_migrations():
            call_command("backup", stdout=self.stdout)
        # Also where nothing is to be done: it says that from now on this version makes the pages.
        call_command("migrate", verbosity=0, stdout=self.stdout, stderr=self.stderr)
        self.stdout.write(
            f"The database is that of {__version__}. Start the portal anew now. The version before runs on it too: to"
            " go back, run its upgrade, and start it."
        )
