"""What the record offers for a report: text to begin with, never written by itself."""

from __future__ import annotations

from collections.abc import Iterable

from django.utils.text import get_text_list
from django.utils.translation import gettext as _

from incidents.lifecycle import IncidentStatus
from incidents.models import Incident, IncidentUpdate, Postmortem, PostmortemSection, TimelineEntry
from incidents.postmortems import instants

Key = PostmortemSection.Key
Kind = TimelineEntry.Kind


def offered(postmortem: Postmortem) -> dict[str, str]:
    """Markdown for each kind of section of which the record knows something.

    All of it is for staff to read, and to use where it may be public: notes are internal unless they were marked.
    """
    incidents = list(postmortem.incidents.order_by("first_posted_at", "pk"))
    noted = TimelineEntry.objects.filter(incident__in=incidents, outcomes=None)  # an attempt's outcome tells all of it
    entries = list(noted.order_by("occurred_at", "pk"))
    updates = IncidentUpdate.objects.published().filter(incident__in=incidents).order_by("display_at", "pk")
    parts = {
        Key.SUMMARY: [_summary(incident) for incident in incidents],
        Key.IMPACT: [line for incident in incidents for line in _impact(incident)],
        Key.DETECTION: [*_detection(incidents), *(_line(entry) for entry in entries if entry.kind == Kind.ALERT)],
        Key.MITIGATION: [_attempt(entry) for entry in entries if entry.kind == Kind.MITIGATION],
        Key.RESPONSE: [_line(entry) for entry in entries if entry.kind == Kind.DECISION],
        Key.TIMELINE: _timeline(updates, [entry for entry in entries if entry.is_public]),
    }
    return {key: "\n".join(lines) for key, lines in parts.items() if lines}


def _summary(incident: Incident) -> str:
    names = get_text_list([component.name for component in incident.components().public()], _("and"))
    began, ended = incident.impact_began_at, incident.impact_ended_at
    when = instants.token(began, ended) if began else ""
    return f"{incident.public_title or incident.title}{f' ({names})' if names else ''}{f', {when}' if when else ''}."


def _impact(incident: Incident) -> Iterable[str]:
    if incident.impact_began_at and incident.impact_ended_at:
        minutes = round((incident.impact_ended_at - incident.impact_began_at).total_seconds() / 60)
        span = instants.token(incident.impact_began_at, incident.impact_ended_at)
        yield _("%(span)s (%(minutes)d minutes)") % {"span": span, "minutes": minutes}
    elif incident.impact_began_at:
        yield _("From %(time)s") % {"time": instants.token(incident.impact_began_at)}


def _detection(incidents: list[Incident]) -> Iterable[str]:
    for incident in incidents:
        if incident.detected_at:
            yield _("- Detected at %(time)s") % {"time": instants.token(incident.detected_at)}
        if incident.acknowledged_at:
            yield _("- Acknowledged at %(time)s") % {"time": instants.token(incident.acknowledged_at)}


def _line(entry: TimelineEntry) -> str:
    about = "~" if entry.precision == TimelineEntry.Precision.APPROXIMATE else ""
    return f"- {about}{instants.token(entry.occurred_at, entry.ended_at)} {entry.text}"


def _attempt(entry: TimelineEntry) -> str:
    return f"{_line(entry)} ({entry.get_outcome_display()})" if entry.outcome else _line(entry)


def _timeline(updates: Iterable[IncidentUpdate], entries: Iterable[TimelineEntry]) -> list[str]:
    posted = [(update.display_at, IncidentStatus(update.status).label) for update in updates]
    noted = [(entry.occurred_at, _line(entry)) for entry in entries]
    lines = [(at, f"- {instants.token(at)} " + _("Posted: %(status)s") % {"status": label}) for at, label in posted]
    return [line for _at, line in sorted([*noted, *lines])]
