"""Choosing components, and saying how they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from incidents.catalogue import set_component_status
from incidents.forms.verb import MomentField, VerbForm, one_line
from incidents.lifecycle import ComponentStatus
from incidents.models import Component, Page, User
from incidents.permissions import Verb

if TYPE_CHECKING:
    from incidents.forms.verb import Data

    Rows = forms.BaseFormSet["ComponentRow"]


class ComponentRow(forms.Form):
    """One component that an update names, with its new status."""

    component = forms.ChoiceField(label=_("Component"), required=False)
    status = forms.TypedChoiceField(
        label=_("Status"),
        required=False,
        empty_value=None,
        coerce=ComponentStatus,
        choices=[("", _("No change")), *ComponentStatus.choices],
    )

    def __init__(self, *args: Any, components: Mapping[str, Component], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.components = components
        for field in self.fields.values():  # in a table: its head is not each field's label
            field.widget.attrs["aria-label"] = field.label
        component = self.fields["component"]
        assert isinstance(component, forms.ChoiceField)
        component.choices = [("", "---------"), *grouped(components.values())]

    def clean_component(self) -> Component | None:
        return self.components.get(self.cleaned_data["component"])

    def clean_status(self) -> ComponentStatus | None:
        status: ComponentStatus | None = self.cleaned_data["status"]
        if status and not self.cleaned_data.get("component"):
            raise ValidationError(_("Choose the component that has this status."))
        return status


def component_rows(data: Data, components: Mapping[str, Component], named: Iterable[Component] = ()) -> Rows:
    """Rows for the components `named` and empty ones for more."""
    initial = [{"component": str(component.pk)} for component in named]
    factory = forms.formset_factory(ComponentRow, extra=1 if initial else 3, max_num=100)
    return factory(data, prefix="components", initial=initial, form_kwargs={"components": components})


def affected(rows: Rows) -> list[tuple[Component, ComponentStatus | None]]:
    """What valid rows say, as services take it."""
    chosen = [row.cleaned_data for row in rows if row.cleaned_data.get("component")]
    return [(row["component"], row["status"]) for row in chosen]


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
        headings = [component.page.name if has_pages else "", component.group.name if component.group else ""]
        label = component.name
        if component.shown != ComponentStatus.OPERATIONAL:
            label = f"{label} ({component.shown.label})"
        groups.setdefault(" - ".join(filter(None, headings)), []).append((component.pk, label))
    return [*groups.pop(""), *groups.items()]


class StatusForm(VerbForm):
    """A component's status by hand."""

    verb = Verb.SET_COMPONENT_STATUS
    heading = _("Set status")

    status = forms.TypedChoiceField(label=_("Status"), choices=ComponentStatus.choices, coerce=ComponentStatus)
    reason = one_line(_("Reason"), required=False, most=200, help_text=_("Internal."))
    effective_at = MomentField(
        label=_("Since"), required=False, help_text=_("Empty for now. An earlier time corrects the uptime.")
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
