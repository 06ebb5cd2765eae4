"""Maintenances that repeat: each occurrence is one of its own, made ahead, and made like the one before it."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import islice

from django.utils.translation import gettext as _

from incidents.authorship import service
from incidents.checking import repeating
from incidents.errors import InvalidInput, InvalidTransition
from incidents.lifecycle import IncidentStatus, Visibility
from incidents.maintenance import recurrence
from incidents.maintenance.plans import cancel_maintenance, lock_plan, move_maintenance, named, schedule_maintenance
from incidents.models import Component, Incident, MaintenancePlan, MaintenanceSeries, Page, User
from incidents.models.base import save_checked
from incidents.permissions import Verb
from incidents.record_time import record_time, written_at

AHEAD = 3  # so many occurrences that have not begun are known to readers


@service(Verb.POST_UPDATE, locks=(Page, Incident, Component))
def repeat_maintenance(incident: Incident, *, rule: str, author: User) -> MaintenanceSeries:
    """Let a maintenance that is ahead be the first of a series. Subscribers are only reminded of the others."""
    incident.page.lock_live()  # before the incident, for the others will be scheduled there
    plan = lock_plan(incident)
    if plan.series:
        raise InvalidTransition(_("This maintenance repeats already. Cancel those that follow, then schedule anew."))
    if incident.status != IncidentStatus.SCHEDULED:
        raise InvalidTransition(_("Only a maintenance that has not begun can be the first of several."))
    zone = incident.page.zone
    first, last = (recurrence.local(at, zone) for at in (plan.scheduled_for, plan.scheduled_until))
    parsed = recurrence.parse(rule, plan.scheduled_for, zone)
    recurrence.check_start(parsed, first)
    recurrence.check_length(parsed, last - first)
    series = MaintenanceSeries(
        page=incident.page,
        rule=rule.strip(),
        starts_at=plan.scheduled_for,
        time_zone=incident.page.time_zone,
        duration=last - first,
        due_at=written_at(),
    )
    save_checked(series)
    save_checked(plan, series=series, occurrence=first.strftime(recurrence.KEY))
    make_ahead(series, author=author)
    return series


@service(Verb.POST_UPDATE, locks=MaintenanceSeries)
def make_ahead(series: MaintenanceSeries, *, author: User) -> int:
    """Make the next occurrences that are not there yet; returns how many. What is past without having been made is not.

    Each is made like the newest one: its title, text, components, and what it does by itself.
    """
    series.lock()
    now, zone = record_time(), series.zone
    if series.due_at is None or series.due_at > now:
        return 0
    rule = recurrence.parse(series.rule, series.starts_at, zone)
    walls = list(islice(recurrence.after(rule, recurrence.local(now, zone) - series.shift), AHEAD))
    there = set(series.plans.values_list("occurrence", flat=True))
    model = series.plans.select_related("incident").order_by("occurrence").last()
    missing = [wall for wall in walls if wall.strftime(recurrence.KEY) not in there]
    for wall in missing:
        assert model is not None, "a series begins with a maintenance"
        _make_like(model, series, wall, author)
    series.change(due_at=recurrence.instant(walls[0] + series.shift, zone) if walls else None)
    return len(missing)


@service(Verb.POST_UPDATE, locks=(MaintenanceSeries, Incident, Component), public=["body"])
def move_following(
    incident: Incident,
    *,
    scheduled_for: datetime,
    scheduled_until: datetime,
    body: str,
    author: User,
    notify: bool = True,
) -> None:
    """Move this occurrence, and all that follow by as much. Subscribers are notified once."""
    series, plans = _following(incident)
    first = plans[0]
    start, end = (recurrence.local(at, series.zone) for at in (scheduled_for, scheduled_until))
    duration = end - start
    if duration <= timedelta():
        raise InvalidInput(_("The window must end after it starts."), field="scheduled_until")
    recurrence.check_length(recurrence.parse(series.rule, series.starts_at, series.zone), duration)
    due_at = written_at()  # another one may have come into sight
    save_checked(series, shift=start - _wall(first), duration=duration, due_at=due_at)
    for plan in plans:
        window = recurrence.window(_wall(plan) + series.shift, series.duration, series.zone)
        if plan is first:
            window = scheduled_for, scheduled_until
        if window != (plan.scheduled_for, plan.scheduled_until):
            move_maintenance(
                plan.incident,
                scheduled_for=window[0],
                scheduled_until=window[1],
                body=body,
                author=author,
                notify=notify and plan is first,
            )


@service(Verb.POST_UPDATE, locks=(MaintenanceSeries, Incident, Component), public=["body"])
def cancel_following(incident: Incident, *, body: str, author: User, notify: bool = True) -> None:
    """Call off this occurrence and all that follow: the series is over. Subscribers are notified once."""
    series, plans = _following(incident)
    series.change(due_at=None)
    for plan in plans:
        cancel_maintenance(plan.incident, body=body, author=author, notify=notify and plan is plans[0])


def upcoming(series: MaintenanceSeries, count: int) -> list[tuple[datetime, datetime]]:
    """The windows of the next occurrences by the rule, whether they are made yet or not."""
    rule = recurrence.parse(series.rule, series.starts_at, series.zone)
    walls = recurrence.after(rule, recurrence.local(record_time(), series.zone) - series.shift)
    return [recurrence.window(wall + series.shift, series.duration, series.zone) for wall in islice(walls, count)]


def _following(incident: Incident) -> tuple[MaintenanceSeries, list[MaintenancePlan]]:
    """The series, locked before its occurrences, and the plans from this one on that have not begun."""
    plan = MaintenancePlan.objects.filter(incident=incident).select_related("series").first()
    if plan is None or plan.series is None:
        raise InvalidTransition(_("This maintenance does not repeat."))
    series = plan.series.lock()
    ahead = series.plans.live().filter(occurrence__gte=plan.occurrence, incident__status=IncidentStatus.SCHEDULED)
    plans = list(ahead.select_related("incident__page").order_by("occurrence"))
    if not plans or plans[0].incident_id != incident.pk:
        raise InvalidTransition(_("This maintenance has begun or is over. Choose one that is ahead."))
    return series, plans


def _wall(plan: MaintenancePlan) -> datetime:
    return datetime.strptime(plan.occurrence, recurrence.KEY)  # noqa: DTZ007  (a wall clock's time, without a zone)


def _make_like(model: MaintenancePlan, series: MaintenanceSeries, wall: datetime, author: User) -> None:
    start, end = recurrence.window(wall + series.shift, series.duration, series.zone)
    incident = model.incident
    said = incident.updates.published() if incident.public_title else incident.updates.standing()
    announced = said.newest_first().last()
    body = announced.body if announced else incident.public_title or incident.title
    with repeating(series.page, public_title=incident.public_title, body=body):
        made = schedule_maintenance(
            series.page,
            title=incident.title,
            public_title=incident.public_title,
            body=body,
            scheduled_for=start,
            scheduled_until=end,
            author=author,
            components=[component for component, _status in named(incident)],
            visibility=Visibility(incident.visibility),
            reminders=list(model.reminders.filter(deleted_at=None).values_list("minutes", flat=True)),
            notify=False,
            starts_by_itself=model.starts_by_itself,
            ends_by_itself=model.ends_by_itself,
            shows_components=model.shows_components,
            tells_at_start=model.tells_at_start,
            tells_at_end=model.tells_at_end,
        )
    save_checked(made.plan, series=series, occurrence=wall.strftime(recurrence.KEY))
