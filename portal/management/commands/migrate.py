from __future__ import annotations

import time
from typing import Any

from django.core.management.base import CommandError
from django.core.management.commands import migrate
from django.db import Error

from incidents.outages import is_contention

PATIENCE = 300.0  # seconds in which a table that others hold is asked for again
PAUSE = 1.0


class Command(migrate.Command):
    help = (
        "Brings the database to this version, while the version before goes on serving: a table that others hold is"
        " asked for briefly, and again."
    )

    def handle(self, *arguments: Any, **options: Any) -> None:
        began_at, is_said = time.monotonic(), False
        while True:
            try:
                super().handle(*arguments, **options)
            except Error as error:
                if not is_contention(error):
                    raise
                if time.monotonic() - began_at > PATIENCE:
                    raise CommandError(
                        "For five minutes somebody has been holding a table that is to be changed; pg_stat_activity"
                        " says who. What was migrated until then stays: run this once more."
                    ) from error
                if not is_said:
                    self.stderr.write("Others hold a table that is to be changed. It is asked for again.")
                    is_said = True
                time.sleep(PAUSE)
            else:
                return
