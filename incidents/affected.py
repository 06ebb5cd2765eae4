"""The components that an update names: what it says of them, and the impact that follows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from django.db.models import Max
from django.utils.translation import gettext as _

from incidents.errors import InvalidInput
from incidents.lifecycle import ComponentStatus, Impact, Visibility, component_impact, worst_impact
from incidents.models import Component, ComponentStatusChange, Incident, IncidentUpdate, Origin

Affected = Sequence[tuple[Component, ComponentStatus | None]]
"""Components that an update names, each with its new status, or None to name it as it is."""


def lock_components(incident: Incident, components: Affected) -> None:
    """Lock what an update names, in the order of the keys; raises `InvalidInput` for what it may not name."""
    keys = {component.pk for component, _status in components}
    if len(keys) < len(components):
        raise InvalidInput(_("A component is named twice. Name each once."), field="components")
    here = set(Component.objects.live().on(incident.page).filter(pk__in=keys).locked())
    for component, _status in components:
        if component not in here:
            sentence = _("“%(name)s” is not one of this page's components. Choose from the list.")
            raise InvalidInput(sentence % {"name": component.name}, field="components")


def newest_change(components: Iterable[Component]) -> datetime | None:
    """Since when what was said last of one of them is effective."""
    changes = ComponentStatusChange.objects.standing().filter(component__in=components)
    newest: datetime | None = changes.aggregate(newest=Max("effective_at"))["newest"]
    return newest


def change_components(update: IncidentUpdate, components: Affected) -> None:
    """Record what an update says of components, which are locked."""
    wanted = {component.pk: status for component, status in components}
    # Read in a statement after the lock: what another incident said meanwhile is seen only then.
    for component in Component.objects.filter(pk__in=wanted).order_by("pk").with_status(update.display_at):
        status = wanted[component.pk]
        old = ComponentStatus(component.current)
        if status not in (None, old) and not update.published_at and component.visibility == Visibility.PUBLIC:
            raise InvalidInput(
                _("This incident is internal and cannot change the public component “%(name)s”. Publish it first.")
                % {"name": component.name},
                field="components",
            )
        ComponentStatusChange.objects.create(
            component=component,
            update=update,
            old_status=old,
            status=status or old,
            effective_at=update.display_at,
            author=update.author,
        )


def peak_impact(incident: Incident, updates: Sequence[IncidentUpdate]) -> Impact:
    """The worst impact that it had with these updates; of those recorded from elsewhere it is what was said there."""
    origin: Origin | None = getattr(incident, "origin", None)
    posted = [row for row in updates if origin is None or row.public_id not in origin.updates]
    said = [Impact(origin.content["impact"])] if origin else []
    return worst_impact([*said, *(impact_at(incident, row.display_at) for row in posted)])


def impact_at(incident: Incident, instant: datetime) -> Impact:
    """The cascade over the public components that this incident names, as they were at `instant`."""
    named = Component.objects.public().filter(pk__in=incident.components().order_by().values("pk"))
    return component_impact(ComponentStatus(component.current) for component in named.with_status(instant))
