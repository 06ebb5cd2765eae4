"""An incident or maintenance ready to be shown: what was said, newest first, and how honest its times are."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.utils.formats import number_format
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.timezone import get_current_timezone_name
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from status.rendering import labels
from status.rendering.instants import Teller, Zones
from status.rendering.markdown import to_html

if TYPE_CHECKING:
    from status.rendering.snapshot import Incident, Postmortem, Told

BACK_DATED = timedelta(minutes=5)  # later than this after the time it shows, a text says when it was published


@dataclass(frozen=True, slots=True)
class Entry:
    """One text of an incident; the last two instants only where they must be told."""

    title: str
    status: str
    html: SafeString
    at: datetime
    published_at: datetime | None
    edited_at: datetime | None
    told: str = ""  # "1,204 people were told within 2 min."


@dataclass(frozen=True, slots=True)
class Story:
    incident: Incident
    tone: str
    impact: str
    entries: tuple[Entry, ...]  # newest first, the postmortem before all
    final: Entry  # the newest update
    affected: str  # "API and Dashboard"
    lasted: str  # "" while it lasts
    entered_at: datetime | None  # all of it was published later than it shows: told once, and not at each entry


def tell(incident: Incident, top: int) -> Story:
    """An incident ready to be shown, its texts' headings beginning at `h<top>`."""
    updates = [
        Entry(
            title=labels.title(incident, update),
            status=update.status,
            html=to_html(update.body, top),
            at=update.display_at,
            published_at=if_late(update.display_at, update.published_at),
            edited_at=update.edited_at,
            told=_told(update.told) if update.told else "",
        )
        for update in incident.updates
    ]
    told = incident.postmortem
    postmortem = told and Entry(
        title=_("Postmortem"),
        status="postmortem",
        html=report_html(told, top),
        at=told.display_at,
        published_at=if_late(told.display_at, told.published_at),
        edited_at=None,
    )
    entries = (postmortem, *updates) if postmortem else tuple(updates)
    late = [entry.published_at for entry in entries if entry.published_at]
    entered_at = max(late) if len(late) == len(entries) else None
    return Story(
        incident=incident,
        tone="notice" if incident.impact == "none" else incident.impact,
        impact=str(labels.IMPACTS[incident.impact]),
        entries=tuple(replace(entry, published_at=None) for entry in entries) if entered_at else entries,
        final=updates[0],
        affected=labels.names(incident.components),
        lasted=_lasted(incident),
        entered_at=entered_at,
    )


def report_html(report: Postmortem, top: int) -> SafeString:
    """Its sections, each with an anchor and a heading `h<top>`; its instants also in the current time zone."""
    zones = Zones.named(report.time_zone, get_current_timezone_name())
    parts = [
        (f"h{top}", anchor, section.heading, to_html(section.text, top + 1, zones))
        for anchor, section in zip(anchors(report), report.sections, strict=True)
    ]
    return format_html_join("\n", '<{0} id="{1}">{2}</{0}>\n{3}', parts)


def report_text(report: Postmortem, zone: str) -> str:
    """Its sections in Markdown, its instants also in `zone`."""
    zones = Zones.named(report.time_zone, zone)
    return "\n\n".join(f"## {each.heading}\n\n{Teller(zones).text(each.text)}" for each in report.sections)


def anchors(report: Postmortem) -> list[str]:
    """An id for each section that stays when its heading changes."""
    return [
        f"section-{number}" if section.key == "other" else section.key.replace("_", "-")
        for number, section in enumerate(report.sections, start=1)
    ]


def _lasted(incident: Incident) -> str:
    """From when it began, which of a maintenance is not when it was announced; "" of one that never began."""
    began_at = incident.began_at if incident.is_maintenance else incident.started_at
    return labels.duration(incident.resolved_at - began_at) if incident.resolved_at and began_at else ""


def _told(told: Told) -> str:
    sentence = ngettext(
        "%(people)s person was told within %(time)s.", "%(people)s people were told within %(time)s.", told.people
    )
    people = number_format(told.people, use_l10n=True, force_grouping=True)
    return sentence % {"people": people, "time": labels.duration(told.took)}


def if_late(shown: datetime, published: datetime) -> datetime | None:
    """When it was published, if that was noticeably later than the time it shows."""
    return published if published - shown > BACK_DATED else None
