"""Updates that are written now and posted later, by the clock, in their author's name.

What is posted must still be true then. When somebody else has posted in between, the clock was away past its latest
time, or the author may not post any more, the update is held back with the reason, and its author is nudged: staff read
it again and plan it anew, or cancel it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NotRequired, TypedDict, Unpack

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from incidents import people, promises
from incidents.affected import Affected, lock_components
from incidents.authorship import service
from incidents.checking import check_words, letting_stand
from incidents.errors import DomainError, InvalidInput, InvalidTransition
from incidents.incidents import check_seen, post_update
from incidents.isolation import each, loop
from incidents.lifecycle import ComponentStatus, IncidentStatus, Kind, Severity, Visibility, check_transition
from incidents.models import Component, Incident, IncidentUpdate, PlannedComponent, PlannedUpdate, User
from incidents.models.base import save_checked
from incidents.permissions import Verb
from incidents.record_time import record_time
from incidents.texts import check_body

State = PlannedUpdate.State


class PlannedFacts(TypedDict):
    """What is said at `due_at`, or `latest_minutes` after it at the latest.

    `next_update` promises another one so many minutes after it: None as usual, 0 never.
    """

    due_at: datetime
    latest_minutes: NotRequired[int]
    status: IncidentStatus
    body: str
    components: Affected
    next_update: int | None
    notify: bool


@service(Verb.POST_UPDATE, locks=(Incident, Component), public=["body"])
def plan_update(
    incident: Incident, *, author: User, seen: str | None = None, **facts: Unpack[PlannedFacts]
) -> PlannedUpdate:
    """Post this at its time. `seen` is as for `incidents.post_update`, which is how it will be posted."""
    incident.lock_live()
    return _write(PlannedUpdate(incident=incident), author, seen, facts)


@service(Verb.POST_UPDATE, locks=(Incident, PlannedUpdate, Component), public=["body"])
def change_planned(
    planned: PlannedUpdate, *, author: User, seen: str | None = None, **facts: Unpack[PlannedFacts]
) -> PlannedUpdate:
    """Post this instead; whoever wrote last is the author. One that was held back waits again."""
    _lock_open(planned)
    return _write(planned, author, seen, facts)


@service(Verb.POST_UPDATE, locks=(Incident, PlannedUpdate))
def cancel_planned(planned: PlannedUpdate, *, author: User) -> None:
    """Do not post it."""
    _lock_open(planned)
    planned.change(state=State.CANCELLED)


@service(Verb.POST_UPDATE, locks=(Incident, PlannedUpdate))
def post_planned(planned: PlannedUpdate, *, author: User) -> IncidentUpdate | None:
    """Post it in its own author's name if its time has come and nobody has; else None, also when it is held back."""
    incident = planned.incident
    incident.lock()
    planned.lock()
    if planned.state != State.WAITING or planned.due_at > record_time():
        return None
    try:
        with transaction.atomic(), letting_stand(planned.let_stand):
            update = _post(incident, planned)
    except DomainError as refusal:
        planned.change(state=State.HELD, reason=str(refusal))
        return None
    planned.change(state=State.POSTED, update=update)
    # Whoever planned another one after this one knew what this one says.
    for later in incident.planned.filter(state=State.WAITING, seen=planned.seen, pk__gt=planned.pk):
        later.change(seen=update.public_id)
    return update


def _oldest() -> datetime | None:
    return _due().values_list("due_at", flat=True).first()


def _due() -> QuerySet[PlannedUpdate]:
    return PlannedUpdate.objects.filter(state=State.WAITING, due_at__lte=record_time()).order_by("due_at", "pk")


@loop("planned", oldest=_oldest)
def post_due() -> int:
    """Post what is due, in order; for the clock. Returns how many were posted."""
    clock = people.clock_user()
    due = _due().select_related("incident__page", "author")
    return each("planned", due, lambda planned: post_planned(planned, author=clock) is not None)


def _post(incident: Incident, planned: PlannedUpdate) -> IncidentUpdate:
    _check_in_time(incident, planned)
    status = IncidentStatus(planned.status)
    is_public = incident.visibility == Visibility.PUBLIC
    mentions = planned.mentions.filter(deleted_at=None).select_related("component")
    return post_update(
        incident,
        status=status,
        body=planned.body,
        author=planned.author,
        components=[(row.component, ComponentStatus(row.status) if row.status else None) for row in mentions],
        next_update_due_at=promises.due_at(Severity(incident.severity), status, planned.next_update)
        if is_public
        else None,
        seen=planned.seen,
        notify=planned.notify,
    )


def _check_in_time(incident: Incident, planned: PlannedUpdate) -> None:
    latest = planned.due_at + timedelta(minutes=planned.latest_minutes)
    if record_time() > latest:
        raise DomainError(
            _("It was to be posted by %(latest)s, and the clock was away. Read whether it still holds.")
            % {"latest": f"{latest.astimezone(incident.page.zone):%b %-d, %H:%M %Z}"}
        )


def _lock_open(planned: PlannedUpdate) -> None:
    planned.incident.lock_live()
    planned.lock()
    if planned.state not in (State.WAITING, State.HELD):
        raise InvalidTransition(_("This update is %(state)s already.") % {"state": planned.get_state_display().lower()})


def _write(planned: PlannedUpdate, author: User, seen: str | None, facts: PlannedFacts) -> PlannedUpdate:
    """The incident is locked."""
    latest = planned.incident.latest_update()
    check_seen(seen, latest)
    if facts["due_at"] <= record_time():
        raise InvalidInput(_("This time is past. Choose a later one, or post the update now."), field="due_at")
    kind, current = Kind(planned.incident.kind), IncidentStatus(planned.incident.status)
    check_transition(kind, current if latest else None, facts["status"])
    lock_components(planned.incident, facts["components"])
    body, words = check_body(facts["body"]), dict[str, Any]()
    if planned.incident.visibility == Visibility.PUBLIC:
        words["let_stand"] = check_words(planned.incident.page, body=body)
    save_checked(
        planned,
        due_at=facts["due_at"],
        latest_minutes=facts.get("latest_minutes", planned.latest_minutes),
        status=facts["status"],
        body=body,
        next_update=facts["next_update"],
        notify=facts["notify"],
        author=author,
        seen=latest.public_id if latest else "",
        state=State.WAITING,
        reason="",
        **words,
    )
    _name(planned, facts["components"])
    return planned


def _name(planned: PlannedUpdate, components: Sequence[tuple[Component, ComponentStatus | None]]) -> None:
    wanted = {component.pk: status or "" for component, status in components}
    for row in planned.mentions.filter(deleted_at=None):
        status = wanted.pop(row.component_id, None)
        if status is None:
            row.mark_deleted()
        elif status != row.status:
            row.change(status=status)
    for key, status in wanted.items():
        save_checked(PlannedComponent(planned=planned, component_id=key, status=status))
