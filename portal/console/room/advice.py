"""What the room says by itself, from rows, each time: the next step, an answer for customers, what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from incidents.history.changes import format_time
from incidents.lifecycle import STATUSES, ComponentStatus, IncidentStatus, Kind, Severity, Visibility
from incidents.maintenance.plans import usual_sentence
from incidents.models import ActionItem, Component, Incident, IncidentUpdate, TimelineEntry
from status.rendering import labels

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise

REPORTED = (Severity.SEV1, Severity.SEV2)  # of which customers are owed a postmortem
STEPS = {
    IncidentStatus.RESOLVED: gettext_lazy("Resolve"),
    IncidentStatus.IN_PROGRESS: gettext_lazy("Start maintenance"),
    IncidentStatus.COMPLETED: gettext_lazy("Complete maintenance"),
}
# Of something that goes on, in public
STANDINGS = {
    IncidentStatus.INVESTIGATING: gettext_lazy("We have known of “%(title)s” since %(time)s and are investigating it."),
    IncidentStatus.IDENTIFIED: gettext_lazy(
        "We know the cause of “%(title)s”, which began at %(time)s, and are fixing it."
    ),
    IncidentStatus.MONITORING: gettext_lazy(
        "“%(title)s”, which began at %(time)s, is fixed as far as we see; we are watching."
    ),
    IncidentStatus.RESOLVED: gettext_lazy("“%(title)s” was resolved at %(time)s."),
    IncidentStatus.SCHEDULED: gettext_lazy("“%(title)s” is planned from %(start)s to %(end)s."),
    IncidentStatus.IN_PROGRESS: gettext_lazy("“%(title)s” is under way; we expect it to end at %(end)s."),
    IncidentStatus.VERIFYING: gettext_lazy("“%(title)s” is done; we are making sure that everything works."),
    IncidentStatus.COMPLETED: gettext_lazy("“%(title)s” was completed at %(time)s."),
}


@dataclass(frozen=True, slots=True)
class NextStep:
    """The one thing to do next. `status` is what the composer then proposes, `sentence` what it begins with."""

    words: str
    address: str
    status: str = ""
    sentence: str = ""


@dataclass(frozen=True, slots=True)
class Missing:
    """Something that an incident lacks before it can be closed, and where to add it."""

    words: str
    address: str


def next_step(incident: Incident, latest: IncidentUpdate | None) -> NextStep | None:
    report, kind = incident.postmortem, Kind(incident.kind)
    if incident.is_ended and report:
        address = reverse("admin:incidents_postmortem_change", args=[report.pk])
        return None if report.is_public else NextStep(_("Go on with the postmortem"), address)
    if incident.is_ended:
        address = reverse("admin:incidents_incident_postmortem", args=[incident.pk])
        return NextStep(_("Start the postmortem"), address) if kind is Kind.REALTIME else None
    current, order = IncidentStatus(incident.status), STATUSES[kind]
    if latest is None:
        return NextStep(_("Post first update"), f"?status={current}#compose", current)
    new = order[order.index(current) + 1]
    words = STEPS.get(new, _("Move to %(status)s") % {"status": new.label.lower()})
    sentence = usual_sentence(incident.page, new) if kind is Kind.MAINTENANCE else ""
    return NextStep(str(words), f"?status={new}#compose", new, sentence)


def customer_answer(incident: Incident, components: Sequence[Component], latest: IncidentUpdate | None) -> str:
    """Two sentences for a ticket, made only of what the public page says. Times are in the current time zone."""
    if not incident.is_public or latest is None:
        return _(
            "We have not said anything in public about this yet. "
            "Tell the customer that you have passed it on, and come back to this box."
        )
    address = f"{incident.page.url}/incidents/{incident.public_id}"
    names = labels.names((each.group.name if each.group else "", each.name) for each in components)
    plan = getattr(incident, "plan", None)
    since = latest.display_at
    if not incident.is_ended and plan is None:
        since = incident.impact_began_at or incident.first_posted_at or since
    first: StrPromise | str = STANDINGS[IncidentStatus(incident.status)]
    if plan and plan.cancelled_at:
        first = _("“%(title)s” was cancelled and does not take place.")
    elif plan and plan.is_overrunning:
        first = _("“%(title)s” is taking longer than planned; it was to end at %(end)s.")
    second = (
        _("Affected: %(components)s; details and updates: %(address)s")
        if names
        else _("Details and updates: %(address)s")
    )
    start, end = (plan.scheduled_for, plan.ends_at) if plan else (since, since)
    times = {"time": format_time(since), "start": format_time(start), "end": format_time(end)}
    return f"{first} {second}" % {"title": incident.public_title, "components": names, "address": address, **times}


def missing(
    incident: Incident,
    components: Sequence[Component],
    latest: IncidentUpdate | None,
    attempts: Sequence[TimelineEntry],
    measures: Sequence[ActionItem],
) -> list[Missing]:
    """Everything that is missing before an incident can be closed, all at once.

    `attempts` are those still running, `measures` the unfinished ones of its postmortem.
    """
    facts = reverse("admin:incidents_incident_change", args=[incident.pk])
    kind, plan = Kind(incident.kind), getattr(incident, "plan", None)
    found = []

    def need(is_missing: object, words: StrPromise | str, address: str) -> None:
        if is_missing:
            found.append(Missing(str(words), address))

    step, last = next_step(incident, latest), STATUSES[kind][-1]
    need(latest is None and incident.visibility == Visibility.PUBLIC, _("No public word has been said."), "#compose")
    need(not incident.is_ended, _("It is not %(status)s.") % {"status": last.label.lower()}, f"?status={last}#compose")
    late = _("It is past its planned end: say when it is now expected to end.")
    need(plan and plan.is_overrunning, late, reverse("admin:incidents_incident_extend", args=[incident.pk]))
    for component in components:
        if component.current != ComponentStatus.OPERATIONAL:
            state = {"name": component.name, "status": ComponentStatus(component.current).label.lower()}
            address = reverse("admin:incidents_component_status", args=[component.pk])
            need(True, _("%(name)s is not operational (%(status)s).") % state, address)
    need(not components, _("No component is named."), "#compose")
    if kind is Kind.REALTIME:
        need(incident.detected_at is None, _("When was it detected?"), f"{facts}#id_detected_at")
        need(incident.impact_began_at is None, _("When did the impact begin?"), f"{facts}#id_impact_began_at")
        need(incident.impact_ended_at is None, _("When did the impact end?"), f"{facts}#id_impact_ended_at")
    for attempt in attempts:
        need(True, _("How did this attempt end: “%(text)s”?") % {"text": attempt.text[:60]}, "#attempts")
    owed = incident.is_ended and (incident.postmortem or incident.severity in REPORTED)
    need(owed and step, _("The postmortem is not published."), step.address if step else facts)
    for measure in measures:
        address = reverse("admin:incidents_postmortem_change", args=[measure.postmortem_id])
        need(not measure.owner_id, _("Who sees to “%(text)s”?") % {"text": measure.text[:60]}, address)
    return found
