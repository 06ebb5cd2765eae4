from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from portal.embedded.replay import replay_seed


class Command(BaseCommand):
    help = "Replays one real incident report through the services. Running it again changes nothing."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--url", default=settings.SITE_URL, help="the public address of the page")

    def handle(self, *, url: str, **_options: Any) -> None:
        page = replay_seed(url)
        self.stdout.write(f"{page.name}: {page.url}")
