from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from incidents.models import Page
from status.publication import files, publisher, publishing


class Command(BaseCommand):
    help = "Publishes what is not yet published. --verify compares every published file with a full render."

    def add_arguments(self, parser: CommandParser) -> None:
        how = parser.add_mutually_exclusive_group()
        how.add_argument("--verify", action="store_true", help="only report files that differ; exit code 1 if any does")
        how.add_argument(
            "--here", action="store_true", help="let the clock publish in this folder, with this version, from now on"
        )
        how.add_argument("--rebuild", action="store_true", help="render everything and replace what differs")

    def handle(self, *, verify: bool, here: bool, rebuild: bool, **_options: Any) -> None:
        if here:
            publisher.publish_here()
            self.stdout.write(f"Pages are published in {files.root()} from now on.")
            return
        wrong = 0
        for page in Page.objects.order_by("id"):
            if verify:
                found = publishing.differences(page)
                wrong += len(found)
                self.stdout.write("\n".join([f"{page}: {len(found)} files differ", *(f"  {path}" for path in found)]))
            else:
                try:
                    done = publishing.publish(page, rebuild=rebuild)
                except publisher.NotOurs as error:
                    raise CommandError(str(error)) from None
                self.stdout.write(f"{page}: {len(done.written)} files written, {len(done.removed)} removed")
        if wrong:
            raise CommandError(f"{wrong} published files are not what the record says. Heal them: publish --rebuild")
