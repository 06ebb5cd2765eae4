from __future__ import annotations

import sys
from typing import Any

from django.core.management.commands import check

from portal import checks
from portal.checks import Level


class Command(check.Command):
    help = (
        "Says of all that the portal needs whether it is there and well, one line each; exit code 1 when something is"
        " wrong. With an app or an option it is Django's own check of the sources and settings, which asks nobody."
    )

    def handle(self, *app_labels: Any, **options: Any) -> None:
        own = {"tags": None, "list_tags": False, "deploy": False, "fail_level": "ERROR", "databases": None}
        if app_labels or any(options.get(name, usual) != usual for name, usual in own.items()):
            super().handle(*app_labels, **options)
            return
        lines = checks.inside()
        lines += checks.outside(*checks.pages())
        paint = {Level.OK: self.style.SUCCESS, Level.LOOK: self.style.WARNING, Level.WRONG: self.style.ERROR}
        width = max(len(line.name) for line in lines)
        for line in lines:
            self.stdout.write(f"{paint[line.level](line.level.ljust(5))}  {line.name.ljust(width)}  {line.words}")
        if any(line.level == Level.WRONG for line in lines):
            sys.exit(1)
