"""When the public will hear more."""

from __future__ import annotations

from datetime import datetime

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from incidents import promises
from incidents.lifecycle import IncidentStatus, Kind, Severity
from portal.console.forms.verb import MomentField

MINUTES = [5, 10, 15, 20, 30, 60, 120]  # an update every two hours is the least that a long incident owes


class PromiseForm(forms.Form):
    """Fields for a form that posts an update. The usual time depends on the status that is chosen there."""

    next_update = forms.TypedChoiceField(
        label=gettext_lazy("Next update"), coerce=int, empty_value=None, required=False, choices=[]
    )
    next_update_due_at = MomentField(
        label=gettext_lazy("Next update by"), required=False, help_text=gettext_lazy("Instead, at an exact time.")
    )

    def offer_promises(self, severity: Severity | None = None, kind: Kind = Kind.REALTIME) -> None:
        """Say in the form what is usual; without a severity, that it depends on it. Of a maintenance nothing is."""
        usual = promises.usual(severity) if severity else {}
        words = [f"{IncidentStatus(status).label} {minutes} min" for status, minutes in usual.items() if status]
        as_usual = _("As usual (%(words)s)") % {"words": ", ".join(words)} if words else _("As usual")
        field = self.fields["next_update"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [
            *([("", as_usual)] if kind is Kind.REALTIME else []),
            ("0", _("No promise")),
            *((minutes, ngettext("In %d minute", "In %d minutes", minutes) % minutes) for minutes in MINUTES),
        ]

    def promised(self, severity: Severity, status: IncidentStatus) -> datetime | None:
        """What a valid form promises. Nothing is usual for an end, or where the form does not ask."""
        if "next_update" not in self.fields:
            return None
        exact: datetime | None = self.cleaned_data["next_update_due_at"]
        return exact or promises.due_at(severity, status, self.cleaned_data["next_update"])
