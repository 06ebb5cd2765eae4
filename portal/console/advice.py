"""What the room says by itself, from rows, each time: the next step, an answer for customers, what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.urls import reverse
from django.utils.text import get_text_list
from django.utils.translation import gettext as _

from incidents.admin.history import moment
from incidents.lifecycle import STATUSES, ComponentStatus, IncidentStatus, Kind, Severity, Visibility
from incidents.models import ActionItem, Component, Incident, IncidentUpdate, TimelineEntry

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise

REPORTED = (Severity.SEV1, Severity.SEV2)  # of which customers are owed a postmortem


@dataclass(frozen=True, slots=True)
class Step:
    """The one thing to do next. `status` is what the composer then proposes."""

    words: str
    address: str
    status: str = ""


@dataclass(frozen=True, slots=True)
class Missing:
    """Something that an incident lacks before it can be closed, and where to add it."""

    words: str
    address: str


def next_step(incident: Incident, latest: IncidentUpdate | None) -> Step | None:
    report = incident.postmortem
    if incident.is_ended and report is None:
        return Step(_("Start the postmortem"), reverse("admin:incidents_incident_postmortem", args=[incident.pk]))
    if incident.is_ended and report:
        address = reverse("admin:incidents_postmortem_change", args=[report.pk])
        return None if report.is_public else Step(_("Go on with the postmortem"), address)
    current = IncidentStatus(incident.status)
    if latest is None:
        return _composing(_("Post first update"), current)
    if current is IncidentStatus.MONITORING:
        return _composing(_("Resolve"), IncidentStatus.RESOLVED)
    order = STATUSES[Kind(incident.kind)]
    new = order[order.index(current) + 1]
    return _composing(_("Move to %(status)s") % {"status": new.label.lower()}, new)


def _composing(words: str, status: IncidentStatus) -> Step:
    return Step(words, f"?status={status}#compose", status)


def customer_answer(incident: Incident, components: Sequence[Component], latest: IncidentUpdate | None) -> str:
    """Two sentences for a ticket, made only of what the public page says. Times are in the current time zone."""
    if not incident.is_public or latest is None:
        return _(
            "We have not said anything in public about this yet. "
            "Tell the customer that you have passed it on, and come back to this box."
        )
    address = f"{incident.page.url}/incidents/{incident.public_id}"
    names = get_text_list([component.name for component in components], _("and"))
    if incident.is_ended:
        first = _("“%(title)s” is resolved since %(time)s.")
        since = latest.display_at
    else:
        first = {
            IncidentStatus.INVESTIGATING: _("We know of “%(title)s” since %(time)s and are investigating it."),
            IncidentStatus.IDENTIFIED: _(
                "We know the cause of “%(title)s”, which began at %(time)s, and are fixing it."
            ),
            IncidentStatus.MONITORING: _(
                "“%(title)s”, which began at %(time)s, is fixed as far as we see; we are watching."
            ),
        }[IncidentStatus(incident.status)]
        since = incident.impact_began_at or incident.first_posted_at or latest.display_at
    second = (
        _("Affected: %(components)s; details and updates: %(address)s")
        if names
        else _("Details and updates: %(address)s")
    )
    facts = {"title": incident.title, "time": moment(since), "components": names, "address": address}
    return f"{first} {second}" % facts


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
    found = []

    def need(is_missing: object, words: StrPromise | str, address: str) -> None:
        if is_missing:
            found.append(Missing(str(words), address))

    step = next_step(incident, latest)
    need(latest is None and incident.visibility == Visibility.PUBLIC, _("No public word has been said."), "#compose")
    need(not incident.is_ended, _("It is not resolved."), "?status=resolved#compose")
    for component in components:
        if component.current != ComponentStatus.OPERATIONAL:
            said = {"name": component.name, "status": ComponentStatus(component.current).label.lower()}
            address = reverse("admin:incidents_component_status", args=[component.pk])
            need(True, _("%(name)s is not operational (%(status)s).") % said, address)
    need(not components, _("No component is named."), "#compose")
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
