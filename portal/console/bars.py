"""A component's uptime as the public page draws it, for those who look after it."""

from __future__ import annotations

from datetime import date, timedelta

from django.urls import reverse
from django.utils.timezone import localtime

from incidents.models import Component
from status.projection import BAR_DAYS, today, uptimes
from status.rendering import bars


def uptime_bars(component: Component) -> bars.Bars | None:
    """The bars, each leading to the room of what began on that day; None of what the public does not see.

    Whoever renders them has set the zone of the component's page.
    """
    last = today(component.page)
    first = last - timedelta(days=BAR_DAYS - 1)
    found = uptimes(component.page, [component.public_id], first, last)
    changes = component.status_changes.standing().exclude(update=None).filter(effective_at__date__gte=first)
    caused = changes.order_by("effective_at", "pk").select_related("update__incident")
    rooms = {
        localtime(change.effective_at).date(): reverse("room", args=[change.update.incident.public_id])
        for change in caused
        if change.update
    }

    def cause_on(day: date) -> str | None:
        return rooms.get(day)

    return bars.uptime_bars(component.name, found[0], cause_on) if found else None
