"""Who has which role in an incident."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django import forms
from django.utils.translation import gettext_lazy as _

from incidents.models import Incident, IncidentRole, User
from incidents.permissions import Verb
from incidents.roles import hand_over, take_role
from portal.console.forms.fields import many_lines
from portal.console.forms.incident import IncidentForm

if TYPE_CHECKING:
    from portal.console.forms.verb import Data

Role = IncidentRole.Role


class RoleForm(IncidentForm):
    """Take a role, the one that nobody has first, or hand it over."""

    verb = Verb.DECLARE_INCIDENT
    heading = _("Take or hand over a role")
    done = _("The roles are as you said.")

    role = forms.TypedChoiceField(label=_("Role"), choices=Role.choices, coerce=Role)
    to = forms.ModelChoiceField(
        label=_("Who has it from now on"),
        queryset=User.objects.filter(is_active=True, is_service=False, is_staff=True).order_by("username"),
        required=False,
        empty_label=_("Nobody"),
    )
    note = many_lines(
        _("Handover note"),
        rows=3,
        max_length=2000,
        required=False,
        help_text=_("From whoever had it: how things stand. Internal."),
    )

    def __init__(self, author: User, incident: Incident, data: Data = None) -> None:
        super().__init__(author, incident, data)
        holders = {row.role: row.user for row in incident.roles.active().select_related("user")}
        named = [(role, f"{role.label} ({holders.get(role) or _('nobody')})") for role in Role]
        self.fields["role"].widget = forms.Select(choices=named)
        self.fields["role"].initial = next((role for role in Role if role not in holders), None)
        self.fields["to"].initial = author.pk

    @classmethod
    def fits(cls, incident: Incident) -> bool:
        return super().fits(incident) and not incident.is_ended

    def act(self) -> None:
        role, to, note = (self.cleaned_data[name] for name in ("role", "to", "note"))
        if to == self.author:
            take_role(self.incident, role=role, author=self.author, note=note)
        else:
            hand_over(self.incident, role=role, to=to, author=self.author, note=note)
