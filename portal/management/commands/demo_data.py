from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from portal.embedded.demo_data import ensure_demo_login, load_demo
from portal.embedded.replay import replay_seed


class Command(BaseCommand):
    help = "Loads the demonstration: the replayed report, more history, and a login. Running it again changes nothing."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--url", default=settings.SITE_URL, help="the public address of the page")

    def handle(self, *, url: str, **_options: Any) -> None:
        if not settings.DEMO:
            raise CommandError("This makes a login that everybody knows: it runs with DEMO=1 only.")
        load_demo(replay_seed(url))
        ensure_demo_login()
