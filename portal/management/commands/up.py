from __future__ import annotations

from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandParser

from portal.embedded import supervisor
from status.publication import publisher


class Command(BaseCommand):
    help = "Migrates, then runs the web server, the worker and the clock on this host until it is stopped."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("part", nargs="?", choices=supervisor.PARTS, help="only this, and without migrating")
        parser.add_argument("--port", type=int, default=8000)
        parser.add_argument("--beside", action="store_true", help="on the port of a version that is to end then")
        parser.add_argument("--address", default="127.0.0.1", help="where it listens, for a proxy that ends TLS")

    def handle(self, *, part: str | None, port: int, address: str, beside: bool, **_options: Any) -> None:
        if not beside and part in (None, "web"):
            supervisor.require_free(port, address)
        if part:
            supervisor.become(part, port, address)
        call_command("migrate", verbosity=0)
        publisher.identity()  # says what is wrong with a folder that cannot be there
        supervisor.serve(port, f"Serving http://{address}:{port}", address)
