"""Scheduled maintenance: an incident of kind maintenance with an announced window."""

from __future__ import annotations

from datetime import datetime

from django.utils.translation import gettext as _

from incidents.authorship import service
from incidents.errors import InvalidInput
from incidents.lifecycle import IncidentStatus, Kind
from incidents.models import Component, Incident, MaintenancePlan, Page, User
from incidents.permissions import Verb
from incidents.services import declare_incident, post_update, save_checked


@service(Verb.POST_UPDATE)
def schedule_maintenance(
    page: Page,
    *,
    title: str,
    body: str,
    scheduled_for: datetime,
    scheduled_until: datetime,
    author: User,
    components: tuple[Component, ...] = (),
    display_at: datetime | None = None,
    notify: bool = True,
) -> Incident:
    """Announce a maintenance. It moves on by `services.post_update`."""
    if scheduled_until <= scheduled_for:
        raise InvalidInput(_("The window must end after it starts."), field="scheduled_until")
    incident = declare_incident(page, title=title, author=author, kind=Kind.MAINTENANCE)
    save_checked(MaintenancePlan(incident=incident, scheduled_for=scheduled_for, scheduled_until=scheduled_until))
    post_update(
        incident,
        status=IncidentStatus.SCHEDULED,
        body=body,
        author=author,
        components=[(component, None) for component in components],
        display_at=display_at,
        notify=notify,
    )
    return incident
