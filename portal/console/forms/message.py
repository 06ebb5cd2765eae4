"""What every message to customers has: components, words that a template can begin, and when they hear more."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING

from django import forms
from django.forms.utils import ErrorDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from incidents import promises, templates
from incidents.lifecycle import IncidentStatus, Kind, Severity
from incidents.models import Incident, IncidentTemplate, Page
from portal.console.forms.components import UNCHANGED, ComponentChips
from portal.console.forms.fields import InstantField

if TYPE_CHECKING:
    from django.http import QueryDict

MINUTES = [5, 10, 15, 20, 30, 60, 120]  # an update every two hours is the least that a long incident owes


class MessageFields(forms.Form):
    """The part of a form that is a message. What is typed already stays below a template's words.

    The usual time of the next update depends on the status that is chosen.
    """

    next_update = forms.TypedChoiceField(
        label=gettext_lazy("Next update"), coerce=int, empty_value=None, required=False, choices=[]
    )
    next_update_due_at = InstantField(
        label=gettext_lazy("Next update by"), required=False, help_text=gettext_lazy("Instead, at an exact time.")
    )

    components: ComponentChips | None = None

    def is_valid(self) -> bool:
        components_are_valid = self.components is None or self.components.is_valid()
        return super().is_valid() and components_are_valid

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

    def next_update_due(self, severity: Severity, status: IncidentStatus) -> datetime | None:
        """What a valid form promises. Nothing is usual for an end, or where the form does not ask."""
        if "next_update" not in self.fields:
            return None
        exact: datetime | None = self.cleaned_data["next_update_due_at"]
        return exact or promises.due_at(severity, status, self.cleaned_data["next_update"])

    def template_page(self) -> Page | None:
        """Whose templates are offered; None for those of every page only."""
        return None

    def template_incident(self) -> Incident | None:
        """Whose record fills in the places."""
        return None

    def templates(self) -> list[IncidentTemplate]:
        """Those that fit the chosen status first; none for a status that the form does not offer."""
        page, rows = self.template_page(), IncidentTemplate.objects.live()
        found = rows.for_page(page) if page else rows.filter(page=None)
        if "status" not in self.fields:
            return list(found)
        shown = self.fields["status"].widget
        offered = {"", *(value for value, _words in shown.choices)}
        chosen = self["status"].value()
        return sorted(
            (row for row in found if row.update_status in offered), key=lambda row: row.update_status != chosen
        )

    def use_template(self, data: QueryDict) -> None:
        """Fill in the template that was chosen, and show the form without validating it."""
        template = next((row for row in self.templates() if str(row.pk) == data.get("template")), None)
        self.data = sent = data.copy()
        self._errors: ErrorDict | None = ErrorDict()
        if self.components is not None:
            self.components.data = sent
        if template is None:
            return
        if template.update_status:
            sent["status"] = template.update_status
        typed = sent.get("body", "").strip()
        facts = templates.facts(self.template_incident()) | self._typed_facts(sent)
        is_begun = any(templates.began(row.body, typed) for row in self.templates())
        words = templates.fill(template.body, facts)
        sent["body"] = words if not typed or is_begun else f"{words}\n\n{typed}"
        if "title" in self.fields and template.title and not sent.get("title", "").strip():
            sent["title"] = template.title
        if self.components is not None:
            for key in template.components().values_list("pk", flat=True):
                if not sent.get(f"components-{key}"):
                    sent[f"components-{key}"] = UNCHANGED
        if not template.deliver_notifications:
            sent.pop("notify", None)

    def _typed_facts(self, sent: QueryDict) -> dict[str, str]:
        """What the form itself says of the places in a template."""
        found: dict[str, str] = {}
        if self.components is not None:
            named = [str(field.label) for field in self.components if sent.get(field.html_name)]
            found |= {"components": templates.listed(named)} if named else {}
        status, minutes = str(sent.get("status")), str(sent.get("next_update", ""))
        incident = self.template_incident()
        if incident and "next_update" in self.fields and status in IncidentStatus.values:
            chosen = int(minutes) if re.fullmatch(r"[0-9]{1,5}", minutes) else None
            due_at = promises.due_at(Severity(incident.severity), IncidentStatus(status), chosen)
            found |= {"next_update": templates.clock(due_at)} if due_at else {}
        return found
