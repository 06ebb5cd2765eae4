"""Maintenance as iCalendar (RFC 5545): one VEVENT for each, which a calendar program updates and cancels by its UID.

A changed window raises SEQUENCE, DTSTAMP is the newest fact about it: everything follows from the snapshot. Times are
in UTC, so no calendar needs to know our time zones, and occurrences of a series are entries of their own.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from django.utils import translation
from django.utils.translation import gettext as _
from icalendar import Calendar, Event

from status.rendering import labels

if TYPE_CHECKING:
    from collections.abc import Iterable

    from status.rendering.snapshot import Incident, Page, Site

REFRESH = timedelta(hours=1)


def feed(site: Site) -> bytes:
    """`/maintenance.ics`: what is ahead and running, and the newest of the past, cancelled ones too."""
    known = (*site.upcoming_maintenances, *site.active_maintenances, *site.recent_maintenances)
    return _calendar(site.page, {each.id: each for each in known}.values())


def maintenance(page: Page, incident: Incident) -> bytes:
    """`/incidents/<id>.ics`: one maintenance, as it is also attached to mails about it."""
    return _calendar(page, [incident])


def _calendar(page: Page, maintenances: Iterable[Incident]) -> bytes:
    calendar = Calendar()
    calendar.add("prodid", "-//Incident portal//Scheduled maintenance//EN")
    calendar.add("version", "2.0")
    calendar.add("method", "PUBLISH")
    with translation.override(page.language):
        calendar.add("x-wr-calname", _("%(name)s: maintenance") % {"name": page.name})
        calendar.add("refresh-interval", REFRESH, parameters={"VALUE": "DURATION"})
        calendar.add("x-published-ttl", "PT1H")  # the same for Outlook
        for each in sorted(maintenances, key=lambda each: (_utc(each.scheduled_for), each.id)):
            calendar.add_component(_event(page, each))
    content: bytes = calendar.to_ical()
    return content


def _event(page: Page, incident: Incident) -> Event:
    """When it was or is to be: the actual times as far as they are known, else the planned ones."""
    link = f"{page.url}/incidents/{incident.id}"
    start = incident.began_at or incident.scheduled_for
    end = incident.resolved_at if incident.began_at and incident.resolved_at else incident.ends_at
    event = Event()
    event.add("uid", f"{incident.id}@{urlsplit(page.url).hostname}")
    event.add("sequence", incident.sequence)
    event.add("dtstamp", _utc(incident.updated_at))
    event.add("created", _utc(incident.created_at))
    event.add("last-modified", _utc(incident.updated_at))
    event.add("dtstart", _utc(start))
    event.add("dtend", max(_utc(end), _utc(start)))
    event.add("status", "CANCELLED" if incident.is_cancelled else "CONFIRMED")
    event.add("transp", "TRANSPARENT")  # nobody is busy because of it
    event.add("summary", incident.name)
    event.add("description", "\n\n".join(filter(None, [incident.updates[0].body, _affected(incident), link])))
    event.add("url", link)
    return event


def _affected(incident: Incident) -> str:
    names = labels.names_of(incident)
    return _("Affected: %(names)s") % {"names": names} if names else ""


def _utc(at: datetime | None) -> datetime:
    assert at is not None, "a maintenance has a window"
    return at.astimezone(UTC)
