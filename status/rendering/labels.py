"""The words for a snapshot's statuses and impacts, in the active language; shared by pages and feeds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils import dateformat
from django.utils.text import get_text_list
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime, timedelta, tzinfo

    from status.rendering.snapshot import Incident, IncidentUpdate

STATUSES = {
    # of components
    "operational": gettext_lazy("Operational"),
    "degraded_performance": gettext_lazy("Degraded performance"),
    "partial_outage": gettext_lazy("Partial outage"),
    "major_outage": gettext_lazy("Major outage"),
    "under_maintenance": gettext_lazy("Under maintenance"),
    # of incidents
    "investigating": gettext_lazy("Investigating"),
    "identified": gettext_lazy("Identified"),
    "monitoring": gettext_lazy("Monitoring"),
    "resolved": gettext_lazy("Resolved"),
    "postmortem": gettext_lazy("Postmortem"),
    # of maintenances
    "scheduled": gettext_lazy("Scheduled"),
    "in_progress": gettext_lazy("In progress"),
    "verifying": gettext_lazy("Verifying"),
    "completed": gettext_lazy("Completed"),
}

IMPACTS = {
    "none": gettext_lazy("No impact"),
    "minor": gettext_lazy("Minor impact"),
    "major": gettext_lazy("Major impact"),
    "critical": gettext_lazy("Critical impact"),
    "maintenance": gettext_lazy("Maintenance"),
}

# A component looks like the page does when that status is the worst on it: one set of colours and shapes for both.
TONES = {  # the worst first
    "major_outage": "critical",
    "partial_outage": "major",
    "degraded_performance": "minor",
    "under_maintenance": "maintenance",
    "operational": "none",
}

# Statuspage's sentences for a whole page; snapshots carry them in English.
DESCRIPTIONS = (
    gettext_noop("All Systems Operational"),
    gettext_noop("Degraded System Service"),
    gettext_noop("Partially Degraded Service"),
    gettext_noop("Minor Service Outage"),
    gettext_noop("Partial System Outage"),
    gettext_noop("Major System Outage"),
    gettext_noop("Service Under Maintenance"),
)


def title(incident: Incident, update: IncidentUpdate) -> str:
    """The word of the update's status; "Update" where it repeats the one before, "Cancelled" of what called it off."""
    if incident.is_cancelled and update.status == "completed":
        return _("Cancelled")
    place = incident.updates.index(update)
    before = incident.updates[place + 1 : place + 2]
    return _("Update") if before and before[0].status == update.status else str(STATUSES[update.status])


def names(components: Iterable[tuple[str, str]]) -> str:
    """ "Commerce API, EU (Search, API) and Dashboard", of each one's group ("" for none) and name."""
    together: dict[tuple[str, str], list[str]] = {}
    for group, name in components:
        together.setdefault((group, "" if group else name), []).append(name)
    texts = [f"{group} ({', '.join(members)})" if group else name for (group, name), members in together.items()]
    return get_text_list(texts, _("and"))


def names_of(incident: Incident) -> str:
    """The components that it affects, as `names` has them."""
    return names((each.group_name, each.name) for each in incident.components)


def instant(at: datetime, zone: tzinfo) -> str:
    """ "Jan 17, 2023 - 17:02 CET", with the zone's abbreviation on that date."""
    return dateformat.format(localtime(at, zone), "M j, Y - H:i T")


def duration(span: timedelta) -> str:
    """ "43 min", "2 h 5 min", "3 d 4 h": the two largest units, in whole minutes and at least one."""
    minutes = max(1, round(span.total_seconds() / 60))
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return _("%(days)d d %(hours)d h") % {"days": days, "hours": hours} if hours else _("%d d") % days
    if hours:
        return _("%(hours)d h %(minutes)d min") % {"hours": hours, "minutes": minutes} if minutes else _("%d h") % hours
    return _("%d min") % minutes
