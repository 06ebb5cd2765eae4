"""Pages, components and groups, and setting a component's status without an incident."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from urllib.parse import urlsplit

from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from incidents import outbox
from incidents.authorship import service
from incidents.deletion import group_reason
from incidents.errors import InvalidInput, InvalidTransition
from incidents.lifecycle import ComponentStatus, Visibility
from incidents.models import Component, ComponentGroup, ComponentListing, ComponentStatusChange, EmbedConfig, Page, User
from incidents.models.base import save_checked
from incidents.permissions import Verb

CatalogueRow = Page | Component | ComponentGroup | ComponentListing | EmbedConfig


@service(Verb.EDIT_CATALOGUE)
def save(row: CatalogueRow, *, author: User) -> None:
    """Create or change a row of the catalogue, and republish every page it shows on, before or after."""
    before = _pages(type(row).objects.get(pk=row.pk)) if row.pk else set()
    if isinstance(row, Page):
        row.url = row.url.rstrip("/")
        row.host = (urlsplit(row.url).hostname or "").lower()
    if isinstance(row, Component) and row.group and row.group.page_id != row.page_id:
        raise InvalidInput(_("The group belongs to another page."), field="group")
    save_checked(row)
    outbox.record_pages(outbox.Kind.PAGE_CHANGED, before | _pages(row))


@service(Verb.EDIT_CATALOGUE)
def save_group(group: ComponentGroup, *, components: Sequence[Component], author: User) -> None:
    """Create or change a group that has just these components, in this order; others that it had stay without one."""
    if any(component.page_id != group.page_id or component.deleted_at for component in components):
        raise InvalidInput(_("A component is not at home on this page. Choose from the list."), field="components")
    save(group, author=author)
    wanted = {component.pk: position for position, component in enumerate(components, start=1)}
    for component in Component.objects.live().filter(Q(pk__in=wanted) | Q(group=group)).order_by("pk"):
        position = wanted.get(component.pk, component.position)
        belongs = group if component.pk in wanted else None
        if (component.group_id, component.position) != (belongs and belongs.pk, position):
            component.group, component.position = belongs, position
            save(component, author=author)


@service(Verb.EDIT_CATALOGUE)
def delete(row: CatalogueRow, *, author: User) -> None:
    """Take it off every page; it stays in the record. The components of a group stay, without a group."""
    pages = _pages(row)
    if isinstance(row, ComponentGroup):
        for component in row.components.order_by("pk"):
            pages |= _pages(component)
            component.group = None
            component._change_reason = group_reason(row)
            component.save()
    row.mark_deleted()
    outbox.record_pages(outbox.Kind.PAGE_CHANGED, pages)


@service(Verb.SET_COMPONENT_STATUS, locks=Component)
def set_component_status(
    component: Component,
    *,
    status: ComponentStatus,
    author: User,
    reason: str = "",
    effective_at: datetime | None = None,
    ended_at: datetime | None = None,
) -> ComponentStatusChange | None:
    """Say how a component is, without an incident; None when that is so already.

    A back-dated change corrects the past: uptime is computed anew from it. With `ended_at` it corrects an interval,
    whatever was recorded within; from its end on the component is again what was recorded for that time.
    """
    component.lock()
    if component.deleted_at:
        raise InvalidTransition(_("This component was deleted. The record keeps it as it was."))
    instant = effective_at or timezone.now()
    if instant > timezone.now():
        raise InvalidInput(_("A status cannot begin in the future."), field="effective_at")
    if ended_at is not None and not instant < ended_at <= timezone.now():
        raise InvalidInput(
            _("The end of a corrected interval lies after its start and not in the future."), field="ended_at"
        )
    old = component.status_at(instant)
    within = component.status_changes.standing().filter(effective_at__gt=instant, effective_at__lte=ended_at or instant)
    later = [(at, status) for at in within.order_by("effective_at", "id").values_list("effective_at", flat=True)]
    if ended_at is not None:
        later.append((ended_at, component.status_at(ended_at)))
    if old is status and not later:
        return None
    changes = []
    for at, new in [(instant, status), *later]:
        change = ComponentStatusChange(
            component=component,
            old_status=component.status_at(at),
            status=new,
            effective_at=at,
            author=author,
            reason=reason,
        )
        save_checked(change)
        changes.append(change)
    if component.visibility == Visibility.PUBLIC:
        is_now = ended_at is None and component.status is status  # else it corrects the past alone
        outbox.record_component(changes[0], is_now=is_now)
    return changes[0]


def _pages(row: CatalogueRow) -> set[Page]:
    """Where the public sees it: a page must not show that something internal changed."""
    component = row.component if isinstance(row, ComponentListing) else row
    if isinstance(component, Component) and component.visibility == Visibility.INTERNAL:
        return set()
    if isinstance(row, Page):
        return {row}
    if isinstance(row, Component):
        return outbox.pages_of(row)
    return {row.page}
