"""The internal timeline of an incident."""

from __future__ import annotations

from datetime import datetime

from django.utils.translation import gettext as _

from incidents.authorship import service
from incidents.errors import InvalidInput
from incidents.models import Incident, TimelineEntry, User
from incidents.permissions import Verb
from incidents.services import save_checked


@service(Verb.NOTE_TIMELINE)
def note(
    incident: Incident,
    *,
    text: str,
    occurred_at: datetime,
    author: User,
    kind: TimelineEntry.Kind = TimelineEntry.Kind.OBSERVATION,
    outcome: TimelineEntry.Outcome | None = None,
    precision: TimelineEntry.Precision = TimelineEntry.Precision.EXACT,
    ended_at: datetime | None = None,
    is_public: bool = False,
) -> TimelineEntry:
    """Write down what was seen, decided or tried. Internal; it cannot be changed, only followed by another."""
    if not text.strip():
        raise InvalidInput(_("Write what happened."), field="text")
    entry = TimelineEntry(
        incident=incident,
        kind=kind,
        text=text.strip(),
        occurred_at=occurred_at,
        ended_at=ended_at,
        precision=precision,
        outcome=outcome or "",
        is_public=is_public,
        author=author,
    )
    save_checked(entry)
    return entry
