from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand
from django.utils.module_loading import import_string

from incidents.isolation import in_turn
from portal import health
from portal.celery import EVERY
from status.publication import publisher


class Command(BaseCommand):
    help = "Does once what the clock does, by hand or from cron. What fails is in the log."

    def handle(self, **_options: Any) -> None:
        # What all of it needs is said once; what goes wrong later stops only a part.
        if health.lacks_migrations():
            sys.exit(health.NOT_MIGRATED)
        publisher.identity()
        in_turn(*(import_string(task).run for task in EVERY))
        self.stdout.write("The clock's work was done once. What failed is in the log.")
