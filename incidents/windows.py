"""The window of a maintenance and the reminders before it: set, and taken back with the update that changed it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.db.models import Q
from django.utils.translation import gettext as _

from incidents.errors import InvalidInput
from incidents.lifecycle import IncidentStatus
from incidents.models import IncidentUpdate, MaintenancePlan, MaintenanceReminder
from incidents.models.base import save_checked
from incidents.record_time import record_time

MOST_REMINDERS = 10
WINDOW = ("scheduled_for", "scheduled_until", "expected_until", "overran_at", "moved_by_id")


def take_back(plan: MaintenancePlan, update: IncidentUpdate, before: IncidentUpdate) -> None:
    """Have a maintenance as it was before `update`, the newest one, whose incident is locked.

    What started or ended it is not done again by the clock; a window that was moved or extended is that of before, with
    its reminders.
    """
    if update.status != before.status:
        if plan.cancelled_at:
            plan.change(cancelled_at=None, sequence=plan.sequence + 1)
        elif update.status == IncidentStatus.COMPLETED:
            plan.change(ends_by_itself=False)
        else:
            plan.change(starts_by_itself=False)
    elif plan.moved_by_id == update.pk:
        moved = plan.history.filter(moved_by=update).earliest("history_id")
        was = plan.history.filter(history_id__lt=moved.history_id).latest("history_id")
        window = {name: getattr(was, name) for name in WINDOW}
        save_checked(plan, **window, sequence=plan.sequence + 1)  # calendars never go back
        set_reminders(plan, reminders_of(plan))


def missed() -> Q:
    """The incidents that are maintenances of which something was due until now."""
    now = record_time()
    reminders = MaintenanceReminder.objects.filter(deleted_at=None, settled_at=None, due_at__lte=now)
    return Q(plan__scheduled_for__lte=now) | Q(plan__in=reminders.values("plan"))


def leave_to_staff(plan: MaintenancePlan) -> None:
    """Of a maintenance that the clock did not see for a while: what was due meanwhile it does not do, or say, now."""
    now = record_time()
    missed: dict[str, Any] = {}
    if plan.scheduled_for <= now and plan.incident.status == IncidentStatus.SCHEDULED:
        missed |= {"starts_by_itself": False}
    if plan.ends_at <= now:
        missed |= {"ends_by_itself": False, "overran_at": plan.overran_at or now}
    save_checked(plan, **missed)
    for row in plan.reminders.filter(deleted_at=None, settled_at=None, due_at__lte=now):
        row.change(settled_at=now, note=_("The maintenance, or its page, was deleted at that time."))


def reminders_of(plan: MaintenancePlan) -> list[int]:
    return list(plan.reminders.filter(deleted_at=None).values_list("minutes", flat=True))


def set_reminders(plan: MaintenancePlan, minutes: Iterable[int]) -> None:
    """Have these reminders and no others; of a time that is past already, none is sent."""
    wanted = set(minutes)
    if len(wanted) > MOST_REMINDERS:
        raise InvalidInput(_("At most %(most)d reminders.") % {"most": MOST_REMINDERS}, field="reminders")
    now = record_time()
    kept = {row.minutes: row for row in plan.reminders.filter(deleted_at=None)}
    for row in kept.values():
        if row.minutes not in wanted:
            row.mark_deleted()
    for before in sorted(wanted):
        due_at = plan.scheduled_for - timedelta(minutes=before)
        row = kept.get(before) or MaintenanceReminder(plan=plan, minutes=before)
        if row.due_at == due_at:
            continue
        note = "" if due_at > now else _("The window was set later than that.")
        save_checked(row, due_at=due_at, settled_at=None if due_at > now else now, note=note)
