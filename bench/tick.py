"""How many statements does one tick of the clock take when very much is due at once?

A quarter of it are planned updates, a quarter are maintenances that start, half are promises that staff are nudged of.
What each transition itself takes (post the update, start the maintenance) is not counted. Limit: at most five
statements for a hundred due items beyond that; on SQLite, where one statement holds fewer rows.
"""

from __future__ import annotations

import os
import sys

from tests.servers import temporary_folder

ITEMS = 1000
LIMIT = 5.0


def main() -> bool:
    """Whether the limit was kept."""
    import django

    django.setup()
    from django.core.management import call_command

    from incidents import catalogue
    from incidents.people import service_user
    from incidents.signals import event_recorded
    from status.delivery import staff_channels
    from status.models import StaffChannel
    from status.publication import publishing
    from tests.ticks import tick

    event_recorded.disconnect(publishing.on_event, dispatch_uid="status.publish")  # what is published is not asked
    call_command("migrate", verbosity=0)
    author = service_user("bench", role="administrator")
    is_kept = True
    for items in (ITEMS // 10, ITEMS):
        page = catalogue.create_page(name="Bench", url=f"https://status{items}.bench.example", author=author)
        staff_channels.add_channel(
            page, channel=StaffChannel.Channel.STAFF, address="oncall@bench.example", author=author
        )
        found = tick(page, author, items)
        is_kept = found.beyond <= LIMIT or items < ITEMS
        print(
            f"{items} due items: {found.statements} statements, {found.of_transitions} of them in the transitions; "
            f"beyond these {found.beyond:.1f} for a hundred items",
            flush=True,
        )
    print(f"limit: {LIMIT} for a hundred of {ITEMS} items: {'kept' if is_kept else 'NOT KEPT'}")
    return is_kept


if __name__ == "__main__":
    os.environ |= {
        "DATA_DIR": str(temporary_folder("bench-tick-")),
        "SECRET_KEY": "nothing-is-signed-with-this-key-but-in-benchmarks",
        "DATABASE_URL": "",
        "DJANGO_SETTINGS_MODULE": "portal.settings",
    }
    sys.exit(not main())
