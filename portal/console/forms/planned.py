"""An update for later."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django import forms
from django.utils.translation import gettext_lazy as _

from incidents.models import Incident, PlannedUpdate, User
from incidents.models.planned import LATEST
from incidents.permissions import Verb
from incidents.planned import PlannedFacts, cancel_planned, change_planned, plan_update
from portal.console.forms.components import UNCHANGED
from portal.console.forms.edit_conflict import EditConflictForm
from portal.console.forms.fields import InstantField
from portal.console.forms.incident import IncidentForm
from portal.console.forms.update import UpdateForm

if TYPE_CHECKING:
    from portal.console.forms.verb import Data


class ComposeForm(UpdateForm):
    """An update, now or at a time to come."""

    due_at = InstantField(
        label=_("Post it at"),
        required=False,
        help_text=_(
            "By itself, in your name, unless somebody posts before: then it is held back, and you are notified."
        ),
    )

    latest_minutes = forms.IntegerField(
        label=_("At the latest, minutes later"),
        required=False,
        initial=LATEST,
        min_value=1,
        max_value=1440,
        help_text=_("If it cannot be posted by then, it is held back, and you are notified."),
    )

    def planned_facts(self) -> PlannedFacts:
        facts = self.cleaned_data
        return {
            "due_at": facts["due_at"],
            "latest_minutes": facts["latest_minutes"] or LATEST,
            "status": facts["status"],
            "body": facts["body"],
            "components": self.components.affected(),
            "next_update": facts.get("next_update"),
            "notify": facts["notify"],
        }

    def plan(self) -> None:
        plan_update(self.incident, author=self.author, seen=self.cleaned_data["seen"], **self.planned_facts())

    def act(self) -> None:
        if self.cleaned_data["due_at"]:
            self.plan()
            self.done = _("The update is planned. It stands beside the timeline until its time.")
        else:
            self.post()


class PlanUpdateForm(ComposeForm):
    heading = _("Plan update")
    done = _("The update is planned.")
    has_preview = False  # customers read nothing of it before its time
    field_order = ("status", "body", "due_at", "latest_minutes", "next_update")

    def __init__(self, author: User, incident: Incident, data: Data = None) -> None:
        super().__init__(author, incident, data)
        self.fields["due_at"].required = True
        for name in ("display_at", "next_update_due_at"):
            self.fields.pop(name, None)

    def act(self) -> None:
        self.plan()


class PlannedForm(EditConflictForm, PlanUpdateForm):
    """A planned update, to be changed."""

    heading = _("Change planned update")
    done = _("The planned update is changed.")

    def __init__(self, author: User, planned: PlannedUpdate, data: Data = None) -> None:
        super().__init__(author, planned.incident, data)
        self.planned = planned
        for name in ("status", "body", "due_at", "latest_minutes", "notify"):
            self.fields[name].initial = getattr(planned, name)
        if planned.next_update is not None and "next_update" in self.fields:
            self.fields["next_update"].initial = planned.next_update
        mentioned = {str(row.component_id): row.status for row in planned.mentions.filter(deleted_at=None)}
        for key, field in self.components.fields.items():
            assert isinstance(field, forms.ChoiceField)
            wanted = mentioned.get(key, "") or (UNCHANGED if key in mentioned else "")
            has_it_by_now = wanted and not field.valid_value(wanted)
            field.initial = UNCHANGED if has_it_by_now else wanted

    def act(self) -> None:
        change_planned(self.planned, author=self.author, seen=self.cleaned_data["seen"], **self.planned_facts())


class PlanCancellationForm(IncidentForm):
    verb = Verb.POST_UPDATE
    heading = _("Cancel planned update")
    done = _("The planned update is cancelled.")

    def __init__(self, author: User, planned: PlannedUpdate, data: Data = None) -> None:
        super().__init__(author, planned.incident, data)
        self.planned = planned

    def act(self) -> None:
        cancel_planned(self.planned, author=self.author)
