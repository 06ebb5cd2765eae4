"""Scheduled maintenance: an incident of kind maintenance with an announced window.

The incident's lock guards its plan and reminders too. A maintenance is moved on by `incidents.post_update`; what it
does by itself is in `clockwork`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TypedDict, Unpack

from django.utils import translation
from django.utils.translation import gettext as _

from incidents import outbox
from incidents.authorship import service
from incidents.errors import InvalidInput, InvalidTransition
from incidents.incidents import declare_incident, post_update
from incidents.lifecycle import RUNNING, USUAL_SENTENCES, IncidentStatus, Kind, Visibility
from incidents.models import Component, Incident, IncidentUpdate, MaintenancePlan, Page, User
from incidents.models.base import save_checked
from incidents.permissions import Verb
from incidents.record_time import record_time, written_at
from incidents.windows import reminders_of, set_reminders

REMIND_BEFORE = (24 * 60, 60)  # minutes


class PlanFacts(TypedDict, total=False):
    """What a maintenance does by itself, and of what its subscribers are notified."""

    starts_by_itself: bool
    ends_by_itself: bool
    shows_components: bool
    tells_at_start: bool
    tells_at_end: bool


@service(Verb.POST_UPDATE, locks=(Page, Component), public=["title", "public_title", "body"])
def schedule_maintenance(
    page: Page,
    *,
    title: str,
    body: str,
    scheduled_for: datetime,
    scheduled_until: datetime,
    author: User,
    public_title: str | None = None,
    components: Sequence[Component] = (),
    visibility: Visibility = Visibility.PUBLIC,
    reminders: Iterable[int] = REMIND_BEFORE,
    display_at: datetime | None = None,
    notify: bool = True,
    **facts: Unpack[PlanFacts],
) -> Incident:
    """Announce a maintenance, or keep an internal one that is never announced. `reminders` are minutes before it.

    The window must not be over, unless it is entered later: by `display_at`, or of an internal one.
    """
    if visibility == Visibility.PUBLIC:
        check_window(scheduled_for, scheduled_until, display_at or record_time())
    incident = declare_incident(
        page, title=title, public_title=public_title, author=author, kind=Kind.MAINTENANCE, visibility=visibility
    )
    plan = MaintenancePlan(incident=incident, scheduled_for=scheduled_for, scheduled_until=scheduled_until, **facts)
    check_order(scheduled_for, scheduled_until)
    save_checked(plan)
    set_reminders(plan, reminders if visibility == Visibility.PUBLIC else ())
    post_update(
        incident,
        status=IncidentStatus.SCHEDULED,
        body=body,
        author=author,
        components=[(component, None) for component in components],
        display_at=display_at,
        notify=notify,
    )
    return incident


@service(Verb.POST_UPDATE, locks=Incident)
def plan_maintenance(
    incident: Incident, *, author: User, reminders: Iterable[int] | None = None, **facts: Unpack[PlanFacts]
) -> MaintenancePlan:
    """Change what a maintenance does by itself and when it reminds; what is not named stays."""
    plan = lock_plan(incident)
    if incident.is_ended:
        raise InvalidTransition(_("This maintenance is over. There is nothing left to plan."))
    save_checked(plan, **facts)
    if reminders is not None:
        set_reminders(plan, reminders)
    if "shows_components" in facts:
        outbox.record_incident(outbox.Kind.INCIDENT_EDITED, incident)
    return plan


@service(Verb.POST_UPDATE, locks=(Incident, Component), public=["body"])
def move_maintenance(
    incident: Incident,
    *,
    scheduled_for: datetime,
    scheduled_until: datetime,
    body: str,
    author: User,
    notify: bool = True,
) -> IncidentUpdate:
    """Plan a maintenance that has not begun for another time, and say so. Its reminders move with it."""
    plan = lock_plan(incident)
    _check_ahead(incident)
    check_window(scheduled_for, scheduled_until, record_time())
    if (scheduled_for, scheduled_until) == (plan.scheduled_for, plan.scheduled_until):
        raise InvalidInput(_("This is the present window. Choose another one."), field="scheduled_for")
    update = post_update(
        incident, status=IncidentStatus.SCHEDULED, body=body, author=author, components=named(incident), notify=notify
    )
    window = {"scheduled_for": scheduled_for, "scheduled_until": scheduled_until, "expected_until": None}
    save_checked(plan, **window, moved_by=update, sequence=plan.sequence + 1)
    set_reminders(plan, reminders_of(plan))
    return update


@service(Verb.POST_UPDATE, locks=(Incident, Component), public=["body"])
def cancel_maintenance(incident: Incident, *, body: str, author: User, notify: bool = True) -> IncidentUpdate:
    """Call off a maintenance that has not begun. It stays on the page, as cancelled."""
    plan = lock_plan(incident)
    _check_ahead(incident)
    plan.change(cancelled_at=written_at(), sequence=plan.sequence + 1)
    return post_update(
        incident, status=IncidentStatus.COMPLETED, body=body, author=author, components=named(incident), notify=notify
    )


@service(Verb.POST_UPDATE, locks=(Incident, Component), public=["body"])
def extend_maintenance(
    incident: Incident, *, expected_until: datetime, body: str, author: User, notify: bool = True
) -> IncidentUpdate:
    """Say when a maintenance that runs is now expected to end. What was planned stays on the page beside it."""
    plan = lock_plan(incident)
    if incident.status not in RUNNING:
        raise InvalidTransition(_("Only a maintenance that runs has a new expected end. Move one that is ahead."))
    if expected_until <= record_time():
        raise InvalidInput(_("The new end lies in the past. Choose one that is ahead."), field="expected_until")
    status = IncidentStatus(incident.status)
    update = post_update(incident, status=status, body=body, author=author, components=named(incident), notify=notify)
    # When it takes longer than this, too, people are notified again.
    save_checked(plan, expected_until=expected_until, overran_at=None, moved_by=update, sequence=plan.sequence + 1)
    return update


def lock_plan(incident: Incident) -> MaintenancePlan:
    """Lock a maintenance and read its plan; raises `InvalidTransition` when it has none."""
    incident.lock_live()
    plan = MaintenancePlan.objects.filter(incident=incident).first()
    if plan is None:
        raise InvalidTransition(_("This is no maintenance with a planned window."))
    plan.incident = incident
    return plan


def named(incident: Incident) -> list[tuple[Component, None]]:
    """The components of a maintenance, to be named again by its next update."""
    return [(component, None) for component in incident.components().live().on(incident.page)]


def usual_sentence(page: Page, status: IncidentStatus) -> str:
    """What customers read of this step when nobody finds other words, in the language of their page."""
    with translation.override(page.language):
        return str(USUAL_SENTENCES[status])


def check_order(scheduled_for: datetime, scheduled_until: datetime) -> None:
    if scheduled_until <= scheduled_for:
        raise InvalidInput(_("The window must end after it starts."), field="scheduled_until")


def check_window(scheduled_for: datetime, scheduled_until: datetime, now: datetime) -> None:
    check_order(scheduled_for, scheduled_until)
    if scheduled_until <= now:
        raise InvalidInput(
            _("This window is over already. Choose one that is ahead, or record an internal maintenance."),
            field="scheduled_until",
        )


def _check_ahead(incident: Incident) -> None:
    if incident.status in RUNNING:
        raise InvalidTransition(_("This maintenance has begun. Give it a new expected end, or complete it."))
    if incident.is_ended:
        raise InvalidTransition(_("This maintenance is over. Schedule another one."))
