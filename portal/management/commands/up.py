from __future__ import annotations

from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandParser

from portal.embedded import supervisor


class Command(BaseCommand):
    help = "Migrates, then runs the web server, the worker and the clock on this host until it is stopped."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=8000, help="on 127.0.0.1, for a proxy that ends TLS")

    def handle(self, *, port: int, **_options: Any) -> None:
        supervisor.require_free(port)
        call_command("migrate", verbosity=0)
        supervisor.serve(port, f"Serving http://127.0.0.1:{port}")
