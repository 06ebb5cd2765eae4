"""What was deleted comes back: it is what it was, and where it was. One verb for each thing that can be deleted.

Those for reports and what is in them are in `postmortems`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from django.utils.translation import gettext as _

from incidents import outbox
from incidents.authorship import service
from incidents.errors import InvalidTransition
from incidents.lifecycle import Visibility
from incidents.models import (
    Component,
    ComponentGroup,
    ComponentListing,
    Incident,
    IncidentTemplate,
    Metric,
    Page,
    User,
)
from incidents.models.base import Tracked
from incidents.permissions import Verb


def taken_along(row: Tracked) -> dict[str, int]:
    """What leaves the pages with a row that is deleted, or changes there: how many, by what they are called.

    To be asked before it is done. All of it stays in the record, and comes back when the row is restored.
    """
    if isinstance(row, Page):
        found = {
            _("components"): row.components.live().count(),
            _("incidents and maintenances"): Incident.objects.public().filter(page=row).count(),
            _("metrics"): row.metrics.live().count(),
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
    elif isinstance(row, Incident):
        found = {
            _("updates"): row.updates.standing().count(),
            _("components that read as without it"): row.components().live().count(),
        }
    else:
        found = {}
    return {what: count for what, count in found.items() if count}


@service(Verb.EDIT_CATALOGUE, locks=Page)
def restore_page(page: Page, *, author: User, reason: str = "") -> None:
    """Publish a page again at its address, with all that was on it."""
    _restore(page, reason)
    _publish([page])


@service(Verb.EDIT_CATALOGUE, locks=Component)
def restore_component(component: Component, *, author: User, reason: str = "") -> None:
    """Show a component again where it was, with its history. Who follows it hears of it again."""
    _restore(component, reason, within=[component.page])
    if component.visibility == Visibility.PUBLIC:
        _publish(outbox.pages_of(component))


@service(Verb.EDIT_CATALOGUE, locks=ComponentGroup)
def restore_group(group: ComponentGroup, *, author: User, reason: str = "") -> None:
    """Show a group again, with those of its components that have no other since."""
    _restore(group, reason, within=[group.page])
    pages = {group.page}
    left = Component.history.filter(history_change_reason=group_reason(group)).values("id")
    for component in Component.objects.live().filter(pk__in=left, group=None, page=group.page).order_by("pk"):
        component.lock().change(group=group)
        pages |= outbox.pages_of(component) if component.visibility == Visibility.PUBLIC else set()
    _publish(pages)


@service(Verb.EDIT_CATALOGUE, locks=ComponentListing)
def restore_listing(listing: ComponentListing, *, author: User, reason: str = "") -> None:
    """Show a component on that further page again."""
    _restore(listing, reason, within=[listing.page, listing.component])
    if listing.component.visibility == Visibility.PUBLIC:
        _publish([listing.page])


@service(Verb.EDIT_CATALOGUE, locks=Metric)
def restore_metric(metric: Metric, *, author: User, reason: str = "") -> None:
    """Show a metric again, with the points that were kept."""
    _restore(metric, reason, within=[metric.page])
    _publish([metric.page])


@service(Verb.EDIT_CATALOGUE, locks=IncidentTemplate)
def restore_template(template: IncidentTemplate, *, author: User, reason: str = "") -> None:
    """Offer a template again."""
    _restore(template, reason, within=[template.page] if template.page else [])


@service(Verb.POST_UPDATE, locks=Incident)
def restore_incident(incident: Incident, *, author: User, reason: str = "") -> None:
    """Show an incident again as it was; it counts for its components again. Nobody is notified."""
    _restore(incident, reason, within=[incident.page])
    outbox.record_incident(outbox.Kind.INCIDENT_EDITED, incident)
    outbox.record_statuses(incident)


RESTORES: dict[type[Tracked], Callable[..., None]] = {
    Page: restore_page,
    Component: restore_component,
    ComponentGroup: restore_group,
    ComponentListing: restore_listing,
    Metric: restore_metric,
    IncidentTemplate: restore_template,
    Incident: restore_incident,
}
"""The verbs of this module, by what they restore."""


def group_reason(group: ComponentGroup) -> str:
    """Why a component that was in a group which was deleted has none: by this it is found again."""
    return f"The group {group.public_id} was deleted."


def _restore(row: Tracked, reason: str, within: Iterable[Tracked] = ()) -> None:
    row.lock()
    for parent in within:
        if parent.deleted_at:
            raise InvalidTransition(
                _("“%(name)s”, where it belongs, is deleted. Restore that first.") % {"name": parent}
            )
    row.mark_restored(reason)


def _publish(pages: Iterable[Page]) -> None:
    outbox.record_pages(outbox.Kind.PAGE_CHANGED, pages)
