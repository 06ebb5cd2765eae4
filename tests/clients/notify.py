"""Runs with the clients' own Python: `notifiers`, whose address alone is another. Prints what it was answered."""

import json
import os

import notifiers
from notifiers.providers.statuspage import StatuspageMixin

StatuspageMixin.base_url = os.environ["BASE"] + "//pages/{page_id}/"  # theirs has the second slash, too
account = {"api_key": os.environ["KEY"], "page_id": os.environ["PAGE"]}
provider = notifiers.get_notifier("statuspage")
(component,) = provider.components(**account)
sent = [
    provider.notify(
        **account,
        message="Slow answers",
        body="Some calls take seconds.",
        status="identified",
        impact_override="minor",
        component_ids=[component["id"]],
        deliver_notifications=False,
    ),
    provider.notify(**account, message="Old trouble", body="It was over.", backfilled=True, backfill_date="2023-01-17"),
    provider.notify(
        **account,
        message="New disks",
        body="They are faster.",
        scheduled_for="2030-01-10T20:00:00Z",
        scheduled_until="2030-01-10T22:00:00Z",
        scheduled_auto_in_progress=True,
    ),
]
refused = provider.notify(**{**account, "api_key": "wrong"}, message="No")
print(json.dumps({"sent": [each.status for each in sent], "errors": [each.errors for each in [*sent, refused]]}))
