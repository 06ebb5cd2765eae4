"""The complete file of one incident: every version of every row about it, and what became of each message."""

from __future__ import annotations

from typing import Any

from django.db.models import Model

from incidents.models import Incident
from portal.console.audit.log import Filter
from status.models import Delivery


def incident_file_of(incident: Incident) -> dict[str, Any]:
    """Values that JSON can hold, dates excepted; tables by their name, rows oldest first, authors by their user name.

    Recipients are named by their ids alone: who they are is theirs, and can be forgotten.
    """
    return {
        "incident": {"id": incident.public_id, "title": incident.title, "page": incident.page.name},
        "history": {
            table.name: [_values(row, table.author) for row in table.rows(Filter(incident=incident)).order_by("pk")]
            for table in Filter(incident=incident).tables()
        },
        "deliveries": list(
            Delivery.objects.filter(event__incident=incident)
            .order_by("pk")
            .values(
                *("event", "event__kind", "event__update__public_id", "recipient__public_id", "recipient__channel"),
                *("state", "reason", "answer", "attempts", "created_at", "finished_at"),
            )
        ),
    }


def _values(row: Model, author: str) -> dict[str, Any]:
    values = {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}
    user = getattr(row, author)
    return values | {"author": user.get_username() if user else ""}
