from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from incidents.history import seals


class Command(BaseCommand):
    help = "Seals the settled history and prints the head of the chain: keep it elsewhere, and verify against it later."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--verify", action="store_true", help="only verify; exit code 1 if anything was tampered with"
        )
        parser.add_argument(
            "--kept", default="", metavar="HEAD", help="a head printed earlier, which must be in the chain"
        )

    def handle(self, *, verify: bool, kept: str, **_options: Any) -> None:
        if not verify:
            seals.seal()
            self.stdout.write(str(seals.head() or "nothing is sealed yet"))
            return
        findings = 0
        for sentence in seals.verify(kept):
            self.stdout.write(sentence)
            findings += 1
        if findings:
            raise CommandError(f"The history is not as it was sealed: {findings} findings.")
        head = seals.head()
        self.stdout.write(f"The history is as it was sealed, up to {head}." if head else "Nothing is sealed yet.")
