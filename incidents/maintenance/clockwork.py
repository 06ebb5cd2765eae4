"""What the clock does with maintenances: found by a query on rows, done one by one, each in a transaction of its own.

Every step asks again under the lock whether it is still due. So two clocks do it once, a clock that dies in the middle
has done nothing, and one that was away does late what it missed, in the order of the planned times.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from django.db.models import Q
from django.db.models.functions import Coalesce
from django.utils import translation
from django.utils.translation import gettext as _

from incidents import outbox, people
from incidents.authorship import service
from incidents.checking import repeating
from incidents.incidents import post_update
from incidents.isolation import each, loop
from incidents.lifecycle import RUNNING, IncidentStatus
from incidents.maintenance.plans import lock_plan, named, usual_sentence
from incidents.maintenance.series import make_ahead
from incidents.models import Incident, MaintenancePlan, MaintenanceReminder, MaintenanceSeries, User
from incidents.permissions import Verb
from incidents.record_time import record_time, written_at


@dataclass(frozen=True, slots=True, order=True)
class Step:
    """Something to do at a time: `what` it is and to which row, for instance "start 7"."""

    at: datetime
    what: str
    act: Callable[..., bool] = field(compare=False)  # in the name of its `author`


def _oldest() -> datetime | None:
    return min((step.at for step in _due()), default=None)


@loop("maintenance", oldest=_oldest)
def advance() -> int:
    """Do everything that is due of maintenances; returns how many steps were done."""
    clock = people.clock_user()
    return each("maintenance", sorted(_due()), lambda step: step.act(author=clock), key=lambda step: step.what)


def _due() -> list[Step]:
    """The steps to take, in any order; a number of queries that does not grow with them."""
    now, steps = record_time(), list[Step]()
    ends_at = Coalesce("expected_until", "scheduled_until")
    starts = Q(incident__status=IncidentStatus.SCHEDULED, starts_by_itself=True, scheduled_for__lte=now)
    ends = Q(incident__status__in=RUNNING, _ends_at__lte=now) & (Q(ends_by_itself=True) | Q(overran_at=None))
    for plan in (
        MaintenancePlan.objects.live().annotate(_ends_at=ends_at).filter(starts | ends).select_related("incident")
    ):
        if plan.incident.status == IncidentStatus.SCHEDULED:
            steps.append(Step(plan.scheduled_for, f"start {plan.pk}", partial(start, plan.incident)))
        if plan.ends_at <= now:
            end = complete if plan.ends_by_itself else tell_overrun
            steps.append(Step(plan.ends_at, f"{end.__name__} {plan.pk}", partial(end, plan.incident)))
    due = MaintenanceReminder.objects.filter(due_at__lte=now, settled_at=None, deleted_at=None)
    for reminder in due.filter(plan__in=MaintenancePlan.objects.live()).select_related("plan__incident"):
        act = partial(remind, reminder.plan.incident, reminder)
        steps.append(Step(reminder.due_at, f"remind {reminder.pk}", act))
    for series in MaintenanceSeries.objects.filter(due_at__lte=now, page__deleted_at=None):
        assert series.due_at is not None, "the query asks for it"
        steps.append(Step(series.due_at, f"make_ahead {series.pk}", partial(_make_ahead, series)))
    return steps


def _make_ahead(series: MaintenanceSeries, *, author: User) -> bool:
    return make_ahead(series, author=author) > 0


@service(Verb.POST_UPDATE, locks=Incident)
def start(incident: Incident, *, author: User) -> bool:
    """Start a maintenance whose time has come, if nobody has; returns whether it did.

    The update shows the planned time, or that of a later update: the components were under maintenance from then on.
    """
    plan = lock_plan(incident)
    is_due = plan.starts_by_itself and plan.scheduled_for <= record_time()
    if not is_due or incident.status != IncidentStatus.SCHEDULED:
        return False
    _post(plan, IncidentStatus.IN_PROGRESS, at=plan.scheduled_for, author=author, notify=plan.tells_at_start)
    return True


@service(Verb.POST_UPDATE, locks=Incident)
def complete(incident: Incident, *, author: User) -> bool:
    """End a maintenance whose time is over, if nobody has; returns whether it did."""
    plan = lock_plan(incident)
    is_due = plan.ends_by_itself and plan.ends_at <= record_time()
    if not is_due or incident.status not in RUNNING:
        return False
    _post(plan, IncidentStatus.COMPLETED, at=plan.ends_at, author=author, notify=plan.tells_at_end)
    return True


@service(Verb.POST_UPDATE, locks=Incident)
def tell_overrun(incident: Incident, *, author: User) -> bool:
    """Say, once, that a maintenance takes longer than planned; returns whether it did."""
    plan = lock_plan(incident)
    is_due = not plan.ends_by_itself and plan.ends_at <= record_time()
    if not is_due or plan.overran_at or incident.status not in RUNNING:
        return False
    at = plan.ends_at
    plan.change(overran_at=written_at())
    with translation.override(incident.page.language):
        body = _("The maintenance is taking longer than planned. We will say when it is over.")
    _post(plan, IncidentStatus(incident.status), at=at, author=author, notify=True, body=body)
    return True


@service(Verb.POST_UPDATE, locks=(Incident, MaintenanceReminder))
def remind(incident: Incident, reminder: MaintenanceReminder, *, author: User) -> bool:
    """Remind of a maintenance that is ahead; one that has become pointless is dropped with a note."""
    plan = lock_plan(incident)
    reminder.lock()
    now = record_time()
    if reminder.settled_at or reminder.deleted_at or reminder.due_at > now:
        return False
    later = plan.reminders.filter(deleted_at=None, settled_at=None, due_at__gt=reminder.due_at, due_at__lte=now)
    note = ""
    if incident.status != IncidentStatus.SCHEDULED or plan.scheduled_for <= now:
        note = _("The maintenance was not ahead any more.")
    elif later.exists():
        note = _("A later reminder was due as well.")
    reminder.change(settled_at=now, note=note)
    if not note:
        outbox.record_incident(outbox.Kind.MAINTENANCE_REMINDER, incident, notify=True)
    return True


def _post(
    plan: MaintenancePlan, status: IncidentStatus, *, at: datetime, author: User, notify: bool, body: str = ""
) -> None:
    incident = plan.incident
    latest = incident.latest_update()
    words = body or usual_sentence(incident.page, status)
    with repeating(incident.page, body=words):  # they are this product's own
        post_update(
            incident,
            status=status,
            body=words,
            author=author,
            components=named(incident),
            display_at=max(at, latest.display_at) if latest else at,
            notify=notify,
        )
