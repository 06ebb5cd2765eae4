"""The form in which subscribers choose what they are notified of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from incidents.lifecycle import Impact
from incidents.models import Component, Incident
from status.models import Subscriber
from status.subscriptions.choices import Choices

if TYPE_CHECKING:
    from collections.abc import Mapping

    Data = Mapping[str, Any] | None
    Incidents = forms.ModelMultipleChoiceField[Incident]
else:
    Incidents = forms.ModelMultipleChoiceField  # generic in its stubs alone


class IncidentsField(Incidents):
    def label_from_instance(self, incident: Incident) -> str:
        return incident.public_title  # what stands in its other title is for staff


class ChoicesForm(forms.Form):
    """What a recipient is notified of, from what the public can see of its page."""

    everything = forms.TypedChoiceField(
        label=_("Incidents and maintenance of"),
        choices=[("all", _("everything on the page")), ("chosen", _("only what is chosen below"))],
        coerce=lambda value: value == "all",
        widget=forms.RadioSelect,
    )
    components = forms.ModelMultipleChoiceField(
        label=_("Components"),
        queryset=Component.objects.none(),
        to_field_name="public_id",
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    incidents = IncidentsField(
        label=_("Only until this is over"),
        queryset=Incident.objects.none(),
        to_field_name="public_id",
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    minimum_impact = forms.TypedChoiceField(
        label=_("Incidents of"),
        coerce=Impact,
        choices=[
            (Impact.NONE, _("any impact")),
            (Impact.MINOR, _("minor impact or worse")),
            (Impact.MAJOR, _("major impact or worse")),
            (Impact.CRITICAL, _("critical impact")),
        ],
    )
    postmortems_only = forms.BooleanField(label=_("Only postmortems, once they are published"), required=False)

    def __init__(self, recipient: Subscriber, data: Data = None) -> None:
        components = [row.component.public_id for row in recipient.follows.all() if row.component]
        incidents = [row.incident.public_id for row in recipient.follows.all() if row.incident]
        super().__init__(
            data,
            initial={
                "everything": "all" if recipient.everything else "chosen",
                "components": components,
                "incidents": incidents,
                "minimum_impact": recipient.minimum_impact,
                "postmortems_only": recipient.postmortems_only,
            },
        )
        page = recipient.page
        offered = Incident.objects.public().on(page)
        chosen = Q(pk__in=recipient.follows.exclude(incident=None).values("incident"))
        self._offer("components", Component.objects.public().on(page).select_related("group"))
        self._offer("incidents", offered.filter(Q(pk__in=offered.unresolved()) | chosen))

    def _offer(self, name: str, rows: Any) -> None:
        field = self.fields[name]
        assert isinstance(field, forms.ModelMultipleChoiceField)
        field.queryset = rows

    @property
    def choices(self) -> Choices:
        """What a valid form says."""
        return Choices(**self.cleaned_data)
