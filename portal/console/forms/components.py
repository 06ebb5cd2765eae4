"""Choosing components, and saying how they are."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from incidents.catalogue import set_component_status
from incidents.lifecycle import ComponentStatus
from incidents.models import Component, Page, User
from incidents.permissions import Verb
from portal.console.forms.edit_conflict import EditConflictForm
from portal.console.forms.fields import InstantField, one_line
from portal.console.forms.verb import VerbForm

if TYPE_CHECKING:
    from portal.console.forms.verb import Data

SHOWN = 24  # components of a group that are shown at once
UNCHANGED = "unchanged"


class ComponentChips(forms.Form):
    """What an update says of each component: nothing, that it is affected as it is, or a new status."""

    def __init__(
        self, data: Data, components: Mapping[str, Component], named: Collection[int] = (), initial: str = UNCHANGED
    ) -> None:
        """`initial` is what is chosen for those `named` already."""
        super().__init__(data, prefix="components")
        self.components = components
        for key, component in components.items():
            current = ComponentStatus(component.current)
            others = [(status.value, status.label) for status in ComponentStatus if status is not current]
            staying = _("Named, stays %(status)s") % {"status": current.label}
            self.fields[key] = forms.ChoiceField(
                label=component.name,
                required=False,
                choices=[("", _("Not named")), (UNCHANGED, staying), *others],
                initial=_differing(initial, current) if component.pk in named else "",
            )

    def clean(self) -> dict[str, Any]:
        sent = {name.removeprefix("components-") for name, value in self.data.items() if _is_choice(name, value)}
        if sent - self.fields.keys():
            raise ValidationError(
                _("A component that you chose is not on this page any more. Look through them again.")
            )
        return self.cleaned_data

    def affected(self) -> list[tuple[Component, ComponentStatus | None]]:
        """What was chosen, as services take it."""
        return [
            (self.components[key], None if choice == UNCHANGED else ComponentStatus(choice))
            for key, choice in self.cleaned_data.items()
            if choice
        ]

    def groups(self) -> list[Group]:
        """The fields under their headings, in page order."""
        groups: dict[str, Group] = {}
        has_pages = len({component.page_id for component in self.components.values()}) > 1
        for key, component in self.components.items():
            heading = _heading(component, has_pages=has_pages)
            group = groups.setdefault(heading, Group(heading, []))
            field = self[key]
            group.chips.append(Chip(field, component, is_named=bool(field.value())))
        return list(groups.values())


@dataclass(frozen=True, slots=True)
class Chip:
    field: forms.BoundField
    component: Component
    is_named: bool

    @property
    def shown(self) -> ComponentStatus:
        return self.component.shown


@dataclass(frozen=True, slots=True)
class Group:
    heading: str
    chips: list[Chip]

    @property
    def is_open(self) -> bool:
        """A long list is folded away until one of it is named."""
        return len(self.chips) <= SHOWN or any(chip.is_named for chip in self.chips)


def _is_choice(name: str, value: object) -> bool:
    return name.startswith("components-") and bool(value)


def _differing(wanted: str, current: ComponentStatus) -> str:
    return UNCHANGED if wanted == current else wanted


def _heading(component: Component, *, has_pages: bool) -> str:
    names = [component.page.name if has_pages else "", component.group.name if component.group else ""]
    return " - ".join(filter(None, names))


def choosable(pages: Iterable[Page]) -> dict[str, Component]:
    """The components of these pages, with what is `shown` of them, by the value that a form sends."""
    found: dict[str, Component] = {}
    for page in pages:
        rows = Component.objects.live().on(page).with_status().with_maintenance().select_related("page", "group")
        found |= {str(component.pk): component for component in rows}
    return found


def grouped(components: Iterable[Component]) -> list[tuple[Any, Any]]:
    """Choices by group, and by page where there are several; a component that is not operational says so."""
    components = list(components)
    has_pages = len({component.page_id for component in components}) > 1
    groups: dict[str, list[tuple[int, str]]] = {"": []}
    for component in components:
        label = component.name
        if component.shown != ComponentStatus.OPERATIONAL:
            label = f"{label} ({component.shown.label})"
        groups.setdefault(_heading(component, has_pages=has_pages), []).append((component.pk, label))
    return [*groups.pop(""), *groups.items()]


class StatusForm(EditConflictForm, VerbForm):
    """A component's status by hand."""

    verb = Verb.SET_COMPONENT_STATUS
    heading = gettext_lazy("Set status")

    status = forms.TypedChoiceField(
        label=gettext_lazy("Status"), choices=ComponentStatus.choices, coerce=ComponentStatus
    )
    reason = one_line(gettext_lazy("Reason"), most=200, help_text=gettext_lazy("Internal."))
    effective_at = InstantField(
        label=gettext_lazy("Since"),
        required=False,
        help_text=gettext_lazy("Empty for now. An earlier time corrects the uptime."),
    )
    ended_at = InstantField(
        label=gettext_lazy("Until"),
        required=False,
        help_text=gettext_lazy("Only to correct the past: from then on it is again what was recorded."),
    )

    def __init__(self, author: User, component: Component, data: Data = None) -> None:
        super().__init__(author, data)
        self.component = component
        self.fields["status"].initial = component.status

    @property
    def zone(self) -> ZoneInfo:
        return self.component.page.zone

    def act(self) -> None:
        set_component_status(self.component, author=self.author, **self.cleaned_data)
