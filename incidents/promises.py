"""When the public will hear more: the usual times, and which promises were kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, F, OuterRef, Q, Subquery

from incidents.authorship import service
from incidents.lifecycle import IncidentStatus, Severity
from incidents.models import IncidentUpdate, UpdateCadence, User
from incidents.models.base import save_checked
from incidents.models.incident import IncidentUpdateQuerySet
from incidents.permissions import Verb
from incidents.record_time import record_time


@dataclass(frozen=True, slots=True)
class Kept:
    """How many promises were kept and how many were not; those whose time has not come count nowhere."""

    kept: int
    missed: int


def usual(severity: Severity) -> dict[str, int]:
    """Minutes until the next update by the status of this one; a status without a promise is left out."""
    rows = UpdateCadence.objects.filter(severity=severity, minutes__isnull=False)
    return {status: minutes for status, minutes in rows.values_list("status", "minutes") if minutes}


def due_at(severity: Severity, status: IncidentStatus, minutes: int | None = None) -> datetime | None:
    """The promise of an update posted now: so many minutes, the usual ones for None, 0 for no promise."""
    after = usual(severity).get(status) if minutes is None else minutes
    # To the minute, as it is shown, and never later than what is shown.
    return (record_time() + timedelta(minutes=after)).replace(second=0, microsecond=0) if after else None


def kept(updates: IncidentUpdateQuerySet) -> Kept:
    """Of the promises in these updates. One is kept when the next public update came in time, by the server's clock."""
    now = record_time()
    later = IncidentUpdate.objects.published().filter(incident=OuterRef("incident"), pk__gt=OuterRef("pk"))
    promising = updates.published().exclude(next_update_due_at=None).filter(incident__deleted_at=None)
    answered = promising.annotate(answered_at=Subquery(later.order_by("pk").values("published_at")[:1]))
    is_late = Q(answered_at__gt=F("next_update_due_at")) | Q(answered_at=None, next_update_due_at__lt=now)
    counts = answered.order_by().aggregate(
        kept=Count("pk", filter=Q(answered_at__lte=F("next_update_due_at"))), missed=Count("pk", filter=is_late)
    )
    return Kept(**counts)


@service(Verb.EDIT_CATALOGUE, locks=UpdateCadence)
def set_cadence(cadence: UpdateCadence, *, minutes: int | None, author: User) -> None:
    """Promise the next update after so many minutes from now on, or not at all."""
    cadence.lock()
    save_checked(cadence, minutes=minutes)
