"""The history as Atom and RSS, in the shape of Statuspage's feeds: one entry for each incident or maintenance, its
whole story inside, newest first.

Statuspage moves `published` with every update, so that readers show old incidents as new; here it stays at the first
post, and `updated` is the last one.
"""

from __future__ import annotations

import re
from datetime import UTC
from email.utils import format_datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from xml.etree.ElementTree import Element, SubElement, tostring
from zoneinfo import ZoneInfo

from django.utils import timezone, translation
from django.utils.dateformat import format as format_date
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from status.rendering import labels
from status.rendering.markdown import to_html
from status.rendering.stories import report_html

if TYPE_CHECKING:
    from datetime import datetime

    from status.rendering.snapshot import Incident, Page, Site

NEWEST = 25
ATOM = "http://www.w3.org/2005/Atom"
NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # what XML 1.0 cannot carry


def atom(site: Site) -> bytes:
    """`/history.atom`: the newest 25 entries, depending on the snapshot alone."""
    page, incidents = site.page, _newest(site)
    tag = f"tag:{urlsplit(page.url).hostname},2005:"
    feed = Element("feed", {"xmlns": ATOM, "xml:lang": page.language})
    with translation.override(page.language):
        _add(feed, "id", f"{tag}/history")
        _add(feed, "link", rel="alternate", type="text/html", href=page.url)
        _add(feed, "link", rel="self", type="application/atom+xml", href=f"{page.url}/history.atom")
        _add(feed, "title", _title(page))
        _add(feed, "updated", _iso(_last_change(page, incidents)))
        _add(_add(feed, "author"), "name", page.name)
        for incident in incidents:
            entry = _add(feed, "entry")
            _add(entry, "id", f"{tag}Incident/{incident.id}")
            _add(entry, "published", _iso(incident.posted_at))
            _add(entry, "updated", _iso(_last_post(incident)))
            _add(entry, "link", rel="alternate", type="text/html", href=_address(page, incident))
            _add(entry, "title", incident.name)
            _add(entry, "content", _story(page, incident), type="html")
    return _written(feed)


def rss(site: Site) -> bytes:
    """`/history.rss`: the same entries as `atom`."""
    page, incidents = site.page, _newest(site)
    feed = Element("rss", {"version": "2.0", "xmlns:atom": ATOM})
    with translation.override(page.language):
        channel = _add(feed, "channel")
        _add(channel, "title", _title(page))
        _add(channel, "link", page.url)
        _add(channel, "atom:link", rel="self", type="application/rss+xml", href=f"{page.url}/history.rss")
        _add(channel, "description", _title(page))
        _add(channel, "language", page.language)
        _add(channel, "lastBuildDate", format_datetime(_last_change(page, incidents)))
        for incident in incidents:
            item = _add(channel, "item")
            _add(item, "title", incident.name)
            _add(item, "description", _story(page, incident))
            _add(item, "pubDate", format_datetime(incident.posted_at))
            _add(item, "atom:updated", _iso(_last_post(incident)))  # RSS has no word of its own for it
            _add(item, "link", _address(page, incident))
            _add(item, "guid", _address(page, incident))
    return _written(feed)


def _newest(site: Site) -> list[Incident]:
    everything = [*site.recent_incidents, *site.recent_maintenances]
    return sorted(everything, key=lambda incident: incident.posted_at, reverse=True)[:NEWEST]


def _last_post(incident: Incident) -> datetime:
    posted = [incident.updates[0].display_at]
    if report := incident.postmortem:
        posted += [report.display_at, *(amendment.at for amendment in report.amendments)]
    if incident.withdrawn:
        posted.append(incident.withdrawn.at)
    return max(posted)


def _last_change(page: Page, incidents: list[Incident]) -> datetime:
    return max((_last_post(incident) for incident in incidents), default=page.updated_at)


def _title(page: Page) -> str:
    return _("%(name)s Status - Incident History") % {"name": page.name}


def _address(page: Page, incident: Incident) -> str:
    return f"{page.url}/incidents/{incident.id}"


def _story(page: Page, incident: Incident) -> str:
    """The whole timeline as HTML: the postmortem, then the updates, newest first."""
    zone = ZoneInfo(page.time_zone)
    parts: list[str] = []
    if incident.scheduled_for and incident.scheduled_until:
        begin, end = (labels.instant(at, zone) for at in (incident.scheduled_for, incident.scheduled_until))
        parts.append(format_html("<p><strong>{}</strong> {} &ndash; {}</p>", _("Scheduled maintenance"), begin, end))
    if incident.postmortem:
        post = incident.postmortem
        with timezone.override(zone):
            body = report_html(post, 3)
        for each in reversed(post.amendments):
            text = format_html("<p>{}</p>", each.text)
            parts.append(_post(each.at.astimezone(zone), _("Postmortem updated"), "", text))
        parts.append(_post(post.display_at.astimezone(zone), str(labels.STATUSES["postmortem"]), "", body))
    if incident.withdrawn:
        text = format_html("<p>{}</p>", _("The postmortem was taken back."))
        parts.append(_post(incident.withdrawn.at.astimezone(zone), _("Postmortem"), "", text))
    for update in incident.updates:
        edited = " " + _("(edited)") if update.edited_at else ""
        title = labels.title(incident, update)
        parts.append(_post(update.display_at.astimezone(zone), title, edited, to_html(update.body)))
    return "".join(parts)


def _post(at: datetime, title: str, edited: str, body: SafeString) -> str:
    """One post; readers look for the `var` elements and for "<strong>Resolved</strong> - " in a paragraph."""
    head = format_html(
        "<p><small>{} <var data-var='date'>{}</var>, <var data-var='time'>{}</var> {}{}</small><br>"
        "<strong>{}</strong> - ",
        *(format_date(at, mark) for mark in ("M", "j", "H:i", "T")),
        edited,
        title,
    )
    return head + body.removeprefix("<p>") if body.startswith("<p>") else f"{head}</p>{body}"


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _add(parent: Element, tag: str, text: str | None = None, **attributes: str) -> Element:
    child = SubElement(parent, tag, attributes)
    child.text = NOT_XML.sub("", text) if text else None
    return child


def _written(root: Element) -> bytes:
    document: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return document
