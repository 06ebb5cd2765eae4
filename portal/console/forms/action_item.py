"""The verbs on a postmortem's action items."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django import forms
from django.utils.translation import gettext_lazy as _

from incidents.models import ActionItem, Postmortem, User
from incidents.permissions import Verb
from incidents.postmortems import action_items
from portal.console.forms.edit_conflict import EditConflictForm
from portal.console.forms.fields import column, one_line
from portal.console.forms.postmortem import PostmortemForm

if TYPE_CHECKING:
    from portal.console.forms.verb import Data


class ActionItemForm(EditConflictForm, PostmortemForm):
    """A measure: a new one, or the one given."""

    verb = Verb.EDIT_POSTMORTEM
    heading = _("Add or change measure")

    text = column(ActionItem, "text", widget=forms.TextInput({"class": "vTextField"}))
    kind = column(ActionItem, "kind")
    owner = forms.ModelChoiceField(
        label=_("Owner"), queryset=User.objects.filter(is_active=True, is_service=False), required=False
    )
    due_on = column(ActionItem, "due_on", widget=forms.DateInput({"type": "date"}, format="%Y-%m-%d"))
    tracker_url = column(ActionItem, "tracker_url", assume_scheme="https")
    is_commitment = column(ActionItem, "is_commitment")
    public_wording = column(ActionItem, "public_wording", widget=forms.TextInput({"class": "vTextField"}))

    def __init__(
        self, author: User, postmortem: Postmortem, data: Data = None, *, item: ActionItem | None = None
    ) -> None:
        super().__init__(author, postmortem, data)
        self.item = item
        if item:
            self.initial = {name: getattr(item, name) for name in self.fields}

    def act(self) -> None:
        if self.item:
            action_items.edit_action_item(self.item, author=self.author, **self.cleaned_data)
        else:
            action_items.add_action_item(self.postmortem, author=self.author, **self.cleaned_data)


class MoveActionItemForm(EditConflictForm, PostmortemForm):
    verb = Verb.EDIT_POSTMORTEM
    heading = _("Change state")

    state = forms.TypedChoiceField(label=_("State"), choices=ActionItem.State.choices, coerce=ActionItem.State)
    evidence = one_line(
        _("Evidence, or reason"),
        required=False,
        most=500,
        help_text=_("What shows that it is done: a link or a sentence; or why it is dropped. Internal."),
    )

    def __init__(self, author: User, item: ActionItem, data: Data = None) -> None:
        super().__init__(author, item.postmortem, data)
        self.item = item
        self.initial = {"state": item.state, "evidence": item.dropped_because or item.evidence}

    def act(self) -> None:
        action_items.move_action_item(self.item, author=self.author, **self.cleaned_data)
