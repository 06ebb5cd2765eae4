"""An incident or maintenance ready to be shown: its posts, newest first, and which were published late."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.utils.formats import number_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.timezone import get_current_timezone_name
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from status.rendering import labels
from status.rendering.instants import InstantFormatter, Zones
from status.rendering.markdown import to_html

if TYPE_CHECKING:
    from status.rendering.snapshot import Incident, IncidentUpdate, Postmortem, Reach

BACK_DATED = timedelta(minutes=5)  # later than this after the time it shows, a text says when it was published


@dataclass(frozen=True, slots=True)
class Post:
    """One text of an incident; `published_at` and `edited_at` only where readers are shown them."""

    title: str
    status: str
    html: SafeString
    at: datetime
    published_at: datetime | None
    edited_at: datetime | None
    reach: str = ""  # "1,204 people were notified within 2 min."


@dataclass(frozen=True, slots=True)
class Story:
    incident: Incident
    tone: str
    impact: str
    posts: tuple[Post, ...]  # newest first, the postmortem before all
    final: Post  # the newest update
    affected: str  # "API and Dashboard"
    lasted: str  # "" while it lasts
    entered_at: datetime | None  # all of it was published later than it shows: said once, and not at each post


def story_of(incident: Incident, top: int) -> Story:
    """An incident ready to be shown, its texts' headings beginning at `h<top>`."""
    updates = [
        Post(
            title=labels.title(incident, update),
            status=update.status,
            html=to_html(update.body, top),
            at=update.display_at,
            published_at=None if _is_recorded(incident, update) else if_late(update.display_at, update.published_at),
            edited_at=update.edited_at,
            reach=_reach(update.reach) if update.reach else "",
        )
        for update in incident.updates
    ]
    report = incident.postmortem
    postmortem = report and Post(
        title=_("Postmortem"),
        status="postmortem",
        html=report_html(report, top),
        at=report.display_at,
        published_at=if_late(report.display_at, report.published_at),
        edited_at=None,
    )
    posts = (postmortem, *updates) if postmortem else tuple(updates)
    late = [post.published_at for post in posts if post.published_at]
    entered_at = max(late) if len(late) == len(posts) else None
    return Story(
        incident=incident,
        tone="notice" if incident.impact == "none" else incident.impact,
        impact=str(labels.IMPACTS[incident.impact]),
        posts=tuple(replace(post, published_at=None) for post in posts) if entered_at else posts,
        final=updates[0],
        affected=labels.names_of(incident),
        lasted=_lasted(incident),
        entered_at=entered_at,
    )


def report_html(report: Postmortem, top: int) -> SafeString:
    """Its sections, each with an anchor and a heading `h<top>`; its instants also in the current time zone."""
    zones = Zones.named(report.time_zone, get_current_timezone_name())
    parts = [
        (
            format_html('<{0} id="{1}">{2}</{0}>\n', f"h{top}", anchor, section.heading) if section.heading else "",
            to_html(section.text, top + 1, zones),
        )
        for anchor, section in zip(anchors(report), report.sections, strict=True)
    ]
    return format_html_join("\n", "{}{}", parts)


def report_text(report: Postmortem, zone: str) -> str:
    """Its sections in Markdown, its instants also in `zone`."""
    zones = Zones.named(report.time_zone, zone)
    return "\n\n".join(replace(each, text=InstantFormatter(zones).text(each.text)).markdown for each in report.sections)


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


def _is_recorded(incident: Incident, update: IncidentUpdate) -> bool:
    """Whether it was published elsewhere before all of it was recorded, which is said once."""
    return incident.recorded_at is not None and update.published_at < incident.recorded_at


def _reach(reach: Reach) -> str:
    sentence = ngettext(
        "%(people)s person was notified within %(time)s.",
        "%(people)s people were notified within %(time)s.",
        reach.people,
    )
    people = number_format(reach.people, use_l10n=True, force_grouping=True)
    return sentence % {"people": people, "time": labels.duration(reach.took)}


def if_late(shown: datetime, published: datetime) -> datetime | None:
    """When it was published, if that was noticeably later than the time it shows."""
    return published if published - shown > BACK_DATED else None
