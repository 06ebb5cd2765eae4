"""What goes with something that is deleted: asked beforehand, and returned by every verb that deletes."""

from __future__ import annotations

from django.utils.translation import gettext as _

from incidents.models import (
    Component,
    ComponentGroup,
    ComponentListing,
    Incident,
    Metric,
    Page,
    Postmortem,
    PostmortemSection,
)
from incidents.models.base import Tracked


def taken_along(row: Tracked) -> dict[str, int]:
    """What leaves the pages with a row that is deleted, or changes there: how many, by what they are called.

    All of it stays in the record, and comes back when the row is restored.
    """
    if isinstance(row, Page):
        found = {
            _("components"): row.components.live().count(),
            _("component groups"): row.groups.filter(deleted_at=None).count(),
            _("incidents and maintenances"): Incident.objects.public().filter(page=row).count(),
            _("postmortems"): Postmortem.objects.public().filter(page=row).count(),
            _("metrics"): row.metrics.live().count(),
            _("listings on further pages"): ComponentListing.objects.live()
            .filter(component__in=row.components.live(), page__deleted_at=None)
            .count(),
        }
    elif isinstance(row, Component):
        found = {
            _("listings on further pages"): row.listings.filter(deleted_at=None).count(),
            _("open incidents and maintenances that name it"): Incident.objects.public()
            .unresolved()
            .filter(pk__in=row.status_changes.standing().values("update__incident"))
            .count(),
        }
    elif isinstance(row, ComponentGroup):
        found = {_("components that stay, without a group"): row.components.live().count()}
    elif isinstance(row, Metric):
        found = {_("data points"): row.points.count()}
    elif isinstance(row, Incident):
        found = {
            _("updates"): row.updates.standing().count(),
            _("components that read as without it"): row.components().live().count(),
            _("planned updates that wait, and are held back"): row.planned.open().count(),
            _("published postmortems"): Postmortem.objects.public()
            .filter(incidents=row)
            .exclude(incidents__in=Incident.objects.public().exclude(pk=row.pk))
            .count(),
        }
    elif isinstance(row, Postmortem):
        found = {
            _("sections"): row.live_sections().count(),
            _("action items"): row.action_items.filter(deleted_at=None).count(),
            _("incidents that stay, without a postmortem"): row.incidents.count(),
        }
    elif isinstance(row, PostmortemSection):
        found = {_("comments"): row.comments.count()}
    else:
        found = {}
    return {what: count for what, count in found.items() if count}


def reason_of(deleted: Tracked) -> str:
    """Why what belonged to a deleted row does so no more: by this it is found again, and by no other deletion."""
    return f"{deleted.public_id}, where it belonged, was deleted at {deleted.deleted_at}."
