"""Pages, components and groups, and setting a component's status without an incident.

Whoever creates or changes something locks what it belongs to first: nothing is added to what is being deleted.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, TypedDict, Unpack
from urllib.parse import urlsplit

from django.db.models import Max, Q
from django.utils.translation import gettext as _

from incidents import outbox
from incidents.affected import newest_change
from incidents.authorship import service
from incidents.checking import check_words
from incidents.deletion import reason_of, taken_along
from incidents.errors import InvalidInput, InvalidTransition
from incidents.lifecycle import ComponentStatus, Visibility
from incidents.models import (
    Component,
    ComponentGroup,
    ComponentListing,
    ComponentStatusChange,
    EmbedConfig,
    Incident,
    Page,
    User,
)
from incidents.models.base import save_checked
from incidents.permissions import Verb
from incidents.record_time import record_time

WORDS: dict[type, tuple[str, ...]] = {  # that the public reads of each
    Page: ("name", "intro"),
    Component: ("name", "description"),
    ComponentGroup: ("name", "description"),
}
CatalogueRow = Page | Component | ComponentGroup | ComponentListing | EmbedConfig


class PageFacts(TypedDict, total=False):
    name: str
    url: str
    time_zone: str
    language: str
    support_url: str
    support_email: str
    waives_approval: bool
    programs_may_publish_unchecked: bool
    shows_totals: bool
    intro: str
    brand_colour: str
    logo: str
    is_live: bool


class EmbedFacts(TypedDict, total=False):
    position: str
    incident_background: str
    incident_text: str
    maintenance_background: str
    maintenance_text: str


class ComponentFacts(TypedDict, total=False):
    group: ComponentGroup | None
    name: str
    description: str
    aliases: str
    owner: str
    position: int
    visibility: Visibility
    showcase: bool
    only_show_if_degraded: bool
    start_date: date | None


class ComponentChanges(ComponentFacts, total=False):
    page: Page


class GroupFacts(TypedDict, total=False):
    name: str
    description: str
    position: int
    components: Sequence[Component]


class ListingFacts(TypedDict, total=False):
    page: Page
    position: int


# --- Pages ------------------------------------------------------------------------------------------------------------


@service(Verb.EDIT_CATALOGUE, public=["name", "intro"])
def create_page(*, author: User, **facts: Unpack[PageFacts]) -> Page:
    page = Page()
    _write(page, _with_host(facts))
    return page


@service(Verb.EDIT_CATALOGUE, locks=Page, public=["name", "intro"])
def edit_page(page: Page, *, author: User, **facts: Unpack[PageFacts]) -> Page:
    """Change facts of a page; those not named keep their values."""
    page.lock_live()
    _write(page, _with_host(facts))
    return page


@service(Verb.EDIT_CATALOGUE, locks=Page)
def delete_page(page: Page, *, author: User) -> dict[str, int]:
    """Take a page off the network, and its components off other pages; it stays in the record.

    Returns what goes along, as all that delete do.
    """
    return _delete(page)


@service(Verb.EDIT_CATALOGUE, locks=Page)
def edit_embed(page: Page, *, author: User, **facts: Unpack[EmbedFacts]) -> EmbedConfig:
    """Change how a page's status embed looks; what was never chosen is as usual."""
    page.lock_live()
    config = EmbedConfig.objects.filter(page=page).first() or EmbedConfig(page=page)
    _write(config, facts)
    return config


# --- Components -------------------------------------------------------------------------------------------------------


@service(Verb.EDIT_CATALOGUE, locks=(Page, ComponentGroup), public=["name", "description"])
def create_component(page: Page, *, author: User, **facts: Unpack[ComponentFacts]) -> Component:
    """Without a position it is the last one of its page."""
    lock_parents(page, facts.get("group"))
    facts.setdefault("position", _next_position(page.components))
    component = Component(page=page)
    _write(component, facts)
    return component


@service(Verb.EDIT_CATALOGUE, locks=(Page, ComponentGroup, Component, ComponentListing), public=["name", "description"])
def edit_component(component: Component, *, author: User, **facts: Unpack[ComponentChanges]) -> Component:
    """Change facts of a component; those not named keep their values. At its new home it needs no listing."""
    lock_parents(facts.get("page"), facts.get("group"))
    component.lock_live()
    if facts.get("page", component.page) != component.page:
        _check_no_incident_is_left(component)
    _write(component, facts)
    for listing in component.listings.live().filter(page=component.page).locked():
        listing.mark_deleted(_("The component is at home on this page now."))
    return component


@service(Verb.EDIT_CATALOGUE, locks=Component)
def delete_component(component: Component, *, author: User) -> dict[str, int]:
    """Take a component off every page; it stays in the record."""
    return _delete(component)


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
    component.lock_live()
    now = record_time()
    instant = effective_at or max(filter(None, [now, newest_change([component])]))  # whatever clock that had
    if effective_at and effective_at > now:
        raise InvalidInput(_("A status cannot begin in the future."), field="effective_at")
    if ended_at is not None and not instant < ended_at <= now:
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


# --- Groups -----------------------------------------------------------------------------------------------------------


@service(Verb.EDIT_CATALOGUE, locks=(Page, Component), public=["name", "description"])
def create_group(page: Page, *, author: User, **facts: Unpack[GroupFacts]) -> ComponentGroup:
    """A group of just these components, in their order. Without a position it is the last one of its page."""
    page.lock_live()
    facts.setdefault("position", _next_position(page.groups))
    group = ComponentGroup(page=page)
    _write_group(group, facts)
    return group


@service(Verb.EDIT_CATALOGUE, locks=(ComponentGroup, Component), public=["name", "description"])
def edit_group(group: ComponentGroup, *, author: User, **facts: Unpack[GroupFacts]) -> ComponentGroup:
    """Change facts of a group; those not named keep their values. `components` are all that it has from now on."""
    group.lock_live()
    _write_group(group, facts)
    return group


@service(Verb.EDIT_CATALOGUE, locks=(ComponentGroup, Component))
def delete_group(group: ComponentGroup, *, author: User) -> dict[str, int]:
    """Take a group off its page; it stays in the record, and its components stay, without a group."""
    group.lock()
    pages, along = _pages(group), taken_along(group)
    group.mark_deleted()
    for component in group.components.locked():
        component._change_reason = reason_of(group)
        pages |= _set(component, {"group": None})
    outbox.record_pages(outbox.Kind.PAGE_CHANGED, pages)
    return along


def _write_group(group: ComponentGroup, facts: GroupFacts) -> None:
    components = facts.pop("components", None)
    pages = _set(group, facts)
    if components is not None:
        pages |= _gather(group, components)
    outbox.record_pages(outbox.Kind.PAGE_CHANGED, pages)


def _gather(group: ComponentGroup, components: Sequence[Component]) -> set[Page]:
    """Have just these in a locked group, in this order; others that it had stay without one. The pages that show it."""
    pages: set[Page] = set()
    wanted = {component.pk: position for position, component in enumerate(components, start=1)}
    for component in Component.objects.filter(Q(pk__in=wanted) | Q(group=group)).locked():
        if component.pk not in wanted:
            pages |= _set(component, {"group": None})
        elif component.page_id != group.page_id or component.deleted_at:
            raise InvalidInput(_("A component is not at home on this page. Choose from the list."), field="components")
        else:
            pages |= _set(component, {"group": group, "position": wanted[component.pk]})
    return pages


# --- Listings on further pages ----------------------------------------------------------------------------------------


@service(Verb.EDIT_CATALOGUE, locks=(Page, Component))
def list_component(component: Component, *, page: Page, author: User, position: int = 1) -> ComponentListing:
    """Show a component on a further page."""
    lock_parents(*in_order(page, component.page), component)
    listing = ComponentListing(page=page, component=component, position=position)
    _write(listing, {})
    return listing


@service(Verb.EDIT_CATALOGUE, locks=(Page, Component, ComponentListing))
def edit_listing(listing: ComponentListing, *, author: User, **facts: Unpack[ListingFacts]) -> ComponentListing:
    """Change facts of a listing; those not named keep their values."""
    pages = [facts["page"]] if "page" in facts else []
    lock_parents(*in_order(*pages, listing.component.page), listing.component)
    listing.lock_live()
    _write(listing, facts)
    return listing


@service(Verb.EDIT_CATALOGUE, locks=ComponentListing)
def delete_listing(listing: ComponentListing, *, author: User) -> dict[str, int]:
    """Show the component on that page no more."""
    return _delete(listing)


# --- What they have in common -----------------------------------------------------------------------------------------


def lock_parents(*parents: Page | ComponentGroup | Component | None) -> None:
    """Lock what a row is to belong to, before the row: also whoever locks the row itself, then calls a service."""
    for parent in filter(None, parents):
        parent.lock_live()


def in_order(*pages: Page) -> list[Page]:
    """Each once, as everybody locks several of them."""
    return sorted(set(pages), key=lambda page: page.pk)


def _with_host(facts: PageFacts) -> dict[str, Any]:
    """A page goes by the host name in its address."""
    if "url" not in facts:
        return {**facts}
    url = facts["url"].rstrip("/")
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:  # it is refused when it is checked
        host = ""
    return {**facts, "url": url, "host": host.lower()}


def _next_position(rows: Any) -> int:
    last: int | None = rows.filter(deleted_at=None).aggregate(last=Max("position"))["last"]
    return (last or 0) + 1


def _write(row: CatalogueRow, facts: Any) -> None:
    outbox.record_pages(outbox.Kind.PAGE_CHANGED, _set(row, facts))


def _set(row: CatalogueRow, facts: Any) -> set[Page]:
    """Set facts of a new or a locked row. The pages that show something else now: where it was, and where it is."""
    before = _pages(row) if row.pk else set()
    _check_words(row, facts)
    if not save_checked(row, **facts):
        return set()
    if isinstance(row, Component) and row.group and row.group.page_id != row.page_id:
        raise InvalidInput(_("The group belongs to another page."), field="group")
    if isinstance(row, ComponentListing):
        check_is_further(row)
    return before | _pages(row)


def check_is_further(listing: ComponentListing) -> None:
    if listing.component.page_id == listing.page_id:
        raise InvalidInput(_("The component is at home on this page, and shown there already."), field="page")


def _check_no_incident_is_left(component: Component) -> None:
    """Raises for a locked component that is to move: what its page's incidents say of it, they could not take back."""
    named = component.status_changes.standing().values("update__incident")
    if incident := Incident.objects.live().unresolved().filter(page=component.page, pk__in=named).first():
        raise InvalidTransition(
            _(
                "“%(incident)s” is not over and names this component. "
                "Resolve, complete or cancel it first, or list the component on the other page instead."
            )
            % {"incident": incident}
        )


def _check_words(row: CatalogueRow, facts: Any) -> None:
    """Check what the public of each page will read of a new or a locked row, and has not read there before."""
    named = row.component if isinstance(row, ComponentListing) else row
    before = [*_pages(row)] if row.pk else []
    after, own = [row if isinstance(row, Page) else facts.get("page", row.page)], list[str]()
    if isinstance(named, Component):
        if facts.get("visibility", named.visibility) == Visibility.INTERNAL:
            return
        own = [named.name, *named.known_as] if named.visibility == Visibility.INTERNAL else []
    if isinstance(row, Component) and row.pk:
        after += sorted(outbox.pages_of(row) - {row.page, *after}, key=lambda page: page.pk)
    words = {name: facts.get(name, getattr(named, name)) for name in WORDS.get(type(named), ())}
    for page in after:
        new = {name: text for name, text in words.items() if page not in before or text != getattr(named, name)}
        check_words(page, besides=own, **new)


def _delete(row: CatalogueRow) -> dict[str, int]:
    row.lock()
    along = taken_along(row)
    row.mark_deleted()
    outbox.record_pages(outbox.Kind.PAGE_CHANGED, outbox.sharing(row) if isinstance(row, Page) else _pages(row))
    return along


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
