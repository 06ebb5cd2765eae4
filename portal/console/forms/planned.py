"""An update for later."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django import forms
from django.utils.translation import gettext_lazy as _

from incidents.models import Incident, PlannedUpdate, User
from incidents.permissions import Verb
from incidents.planned import PlannedFacts, cancel_planned, change_planned, plan_update
from portal.console.forms.components import UNCHANGED
from portal.console.forms.edit_conflict import MeanwhileForm
from portal.console.forms.incident import IncidentForm, UpdateForm
from portal.console.forms.verb import MomentField

if TYPE_CHECKING:
    from portal.console.forms.verb import Data


class ComposeForm(UpdateForm):
    """An update, now or at a time to come."""

    due_at = MomentField(
        label=_("Post it at"),
        required=False,
        help_text=_("By itself, in your name, unless somebody posts before: then it is held back, and you are told."),
    )

    def facts(self) -> PlannedFacts:
        said = self.cleaned_data
        return {
            "due_at": said["due_at"],
            "status": said["status"],
            "body": said["body"],
            "components": self.components.affected(),
            "next_update": said.get("next_update"),
            "notify": said["notify"],
        }

    def act(self) -> None:
        if self.cleaned_data["due_at"]:
            plan_update(self.incident, author=self.author, seen=self.cleaned_data["seen"], **self.facts())
        else:
            super().act()


class PlanForm(ComposeForm):
    heading = _("Plan update")
    tells = False  # nothing is told before its time
    field_order = ("status", "body", "due_at", "next_update")

    def __init__(self, author: User, incident: Incident, data: Data = None) -> None:
        super().__init__(author, incident, data)
        self.fields["due_at"].required = True
        for name in ("display_at", "next_update_due_at"):
            self.fields.pop(name, None)


class PlannedForm(MeanwhileForm, PlanForm):
    """A planned update, to be changed."""

    heading = _("Change planned update")

    def __init__(self, author: User, planned: PlannedUpdate, data: Data = None) -> None:
        super().__init__(author, planned.incident, data)
        self.planned = planned
        for name in ("status", "body", "due_at", "notify"):
            self.fields[name].initial = getattr(planned, name)
        if planned.next_update is not None and "next_update" in self.fields:
            self.fields["next_update"].initial = planned.next_update
        said = {str(row.component_id): row.status for row in planned.mentions.filter(deleted_at=None)}
        for key, field in self.components.fields.items():
            assert isinstance(field, forms.ChoiceField)
            wanted = said.get(key, "") or (UNCHANGED if key in said else "")
            field.initial = (
                wanted if not wanted or field.valid_value(wanted) else UNCHANGED
            )  # it has this status by now

    def act(self) -> None:
        change_planned(self.planned, author=self.author, seen=self.cleaned_data["seen"], **self.facts())


class PlanCancellationForm(IncidentForm):
    verb = Verb.POST_UPDATE
    heading = _("Cancel planned update")

    def __init__(self, author: User, planned: PlannedUpdate, data: Data = None) -> None:
        super().__init__(author, planned.incident, data)
        self.planned = planned

    def act(self) -> None:
        cancel_planned(self.planned, author=self.author)
