"""Facts to publish and to notify of: written in the caller's transaction, published and sent after its commit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial

from django.db import transaction
from django.db.models import Q

from incidents.lifecycle import Visibility
from incidents.models import (
    ActionItem,
    Component,
    ComponentStatusChange,
    Incident,
    IncidentUpdate,
    OutboxEvent,
    Page,
    Postmortem,
)
from incidents.signals import event_recorded

Kind = OutboxEvent.Kind

_watched: ContextVar[list[OutboxEvent] | None] = ContextVar("watched", default=None)


@contextmanager
def watched() -> Iterator[list[OutboxEvent]]:
    """The events that are recorded inside, as they come: for who asks who would be notified, and may undo it."""
    events: list[OutboxEvent] = []
    around = _watched.get()
    token = _watched.set(events)
    try:
        yield events
    finally:
        _watched.reset(token)
        if around is not None:
            around += events


def record_incident(
    kind: OutboxEvent.Kind, incident: Incident, update: IncidentUpdate | None = None, *, notify: bool = False
) -> None:
    """Record a fact about an incident on every page that shows it; nothing is recorded of an internal one.

    With `notify` the recipients of these pages are notified, else it is only published.
    """
    if incident.is_public:
        _record(incident.pages(), kind, incident, update, notify=notify)


def record_postmortem(
    kind: OutboxEvent.Kind, postmortem: Postmortem, *, notify: bool = False, action_item: ActionItem | None = None
) -> None:
    """Record a fact about a report on every page that shows one of its incidents.

    Of several incidents on a page the first carries it, so that recipients are notified once.
    """
    carried: set[Page] = set()
    for incident in postmortem.incidents.order_by("first_posted_at", "pk"):
        if incident.is_public:
            pages = set(incident.pages())
            _record(pages - carried, kind, incident, None, notify=notify, action_item=action_item)
            _record(pages & carried, Kind.INCIDENT_EDITED, incident, None, notify=False)
            carried |= pages


def record_pages(kind: OutboxEvent.Kind, pages: Iterable[Page]) -> None:
    """Record a fact about pages as a whole, or about their components."""
    _record(pages, kind, None, None, notify=False)


def record_component(change: ComponentStatusChange, *, is_now: bool) -> None:
    """Record that a component was said to have another status; with `is_now` programs that follow it are notified."""
    _record(pages_of(change.component), Kind.COMPONENT_CHANGED, None, None, notify=is_now, component_change=change)


def record_statuses(incident: Incident) -> None:
    """Have the statuses of its components published anew, from when it first named each: it comes to count, or stops.

    Locks the components: whoever says meanwhile how one is, says it after this.
    """
    said = ComponentStatusChange.objects.filter(update__in=incident.updates.published())
    first: dict[int, ComponentStatusChange] = {}
    for change in said.order_by("effective_at", "pk"):
        first.setdefault(change.component_id, change)
    for component in Component.objects.public().filter(pk__in=first).order_by("pk"):
        component.lock()
        record_component(first[component.pk], is_now=False)


def sharing(page: Page) -> set[Page]:
    """A page, and those that share a component with it: what is said on one may show on the others."""
    shared = Component.objects.filter(visibility=Visibility.PUBLIC).on(page)
    home = Q(components__in=shared)
    return {page, *Page.objects.live().filter(home | Q(listings__component__in=shared, listings__deleted_at=None))}


def pages_of(component: Component) -> set[Page]:
    """Where a component shows, whatever its visibility."""
    return {component.page, *Page.objects.live().filter(listings__component=component, listings__deleted_at=None)}


def _record(
    pages: Iterable[Page],
    kind: OutboxEvent.Kind,
    incident: Incident | None,
    update: IncidentUpdate | None,
    *,
    notify: bool,
    action_item: ActionItem | None = None,
    component_change: ComponentStatusChange | None = None,
) -> None:
    for page in sorted(set(pages), key=lambda page: page.pk):
        event = OutboxEvent.objects.create(
            page=page,
            kind=kind,
            incident=incident,
            update=update,
            action_item=action_item,
            component_change=component_change,
            notify=notify,
        )
        if (watched := _watched.get()) is not None:
            watched.append(event)
        # robust: a failure to publish must not turn a committed change into an error
        transaction.on_commit(partial(event_recorded.send_robust, OutboxEvent, page_id=page.pk), robust=True)
