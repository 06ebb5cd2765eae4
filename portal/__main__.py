"""The command `incident-portal`: our own commands and Django's."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from portal import __version__, environment


def main() -> None:
    """Do what the command line says; whatever a person can put right ends this process with a sentence."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    command = sys.argv[1:2]
    if command in (["--version"], ["version"]):
        print(f"incident-portal {__version__}")
        return
    try:
        if command == ["demo"]:  # which sets the environment itself, so before the settings are read
            from portal.embedded.demonstration import run

            sys.exit(run(sys.argv[2:]))
        environment.load()
        from django.conf import settings

        settings.SECRET_KEY  # noqa: B018  (reads the settings, so that a wrong one ends here)
    except ImproperlyConfigured as error:
        sys.exit(f"Cannot start: {error}")

    from django.core.management import execute_from_command_line
    from django.db import DatabaseError

    from incidents.outages import is_outage, is_outage_of_host

    try:
        execute_from_command_line(sys.argv)
    except Exception as error:
        if is_outage(error):
            sys.exit(f"The database cannot be used: {' '.join(str(error).split())}")
        if isinstance(error, OSError) and error.filename and is_on_the_way(settings.PUBLICATION_ROOT, error.filename):
            folder = str(settings.PUBLICATION_ROOT)
            sys.exit(f"PUBLICATION_ROOT={folder!r} cannot be written ({error.strerror}): name a folder of this user's.")
        if is_outage_of_host(error):
            sys.exit(f"This host is in the way ({error}). Put that right, and run it again.")
        if isinstance(error, DatabaseError):
            from portal import health

            if health.lacks_migrations():
                sys.exit(health.NOT_MIGRATED)
        raise


def is_on_the_way(folder: Path, path: str) -> bool:
    """Whether the path leads to the folder, or into it."""
    return folder.is_relative_to(path) or Path(path).is_relative_to(folder)


if __name__ == "__main__":
    main()
