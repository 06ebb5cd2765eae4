"""The internal timeline of an incident."""

from __future__ import annotations

from datetime import datetime

from django.utils.translation import gettext as _

from incidents.authorship import service
from incidents.errors import InvalidInput
from incidents.models import Incident, TimelineEntry, User
from incidents.models.base import save_checked
from incidents.permissions import Verb
from incidents.record_time import record_time


@service(Verb.NOTE_TIMELINE, locks=Incident)
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
    done_by: str = "",
) -> TimelineEntry:
    """Write down what was seen, decided or tried. Internal; it cannot be changed, only followed by another."""
    incident.lock_live()
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
        done_by=" ".join(done_by.split()),
        author=author,
    )
    save_checked(entry)
    return entry


@service(Verb.NOTE_TIMELINE, locks=Incident)
def conclude_attempt(
    attempt: TimelineEntry, *, outcome: TimelineEntry.Outcome, author: User, ended_at: datetime | None = None
) -> TimelineEntry:
    """Say how a mitigation attempt ended, as an entry of its own: the attempt stays as it was written."""
    attempt.incident.lock_live()
    if attempt.kind != TimelineEntry.Kind.MITIGATION or attempt.outcome:
        raise InvalidInput(_("Only a mitigation attempt whose outcome is open has one to tell."), field="outcome")
    instant = ended_at or record_time()
    is_range = instant > attempt.occurred_at
    entry = TimelineEntry(
        incident=attempt.incident,
        kind=TimelineEntry.Kind.MITIGATION,
        text=attempt.text,
        occurred_at=attempt.occurred_at,
        ended_at=instant if is_range else None,
        precision=TimelineEntry.Precision.RANGE if is_range else attempt.precision,
        outcome=outcome,
        is_public=attempt.is_public,
        done_by=attempt.done_by,
        attempt=attempt,
        author=author,
    )
    save_checked(entry)
    return entry
