"""An update with one click, when there is nothing new to say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django import forms
from django.utils import translation
from django.utils.dateformat import format as format_date
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from incidents.lifecycle import OPEN, IncidentStatus
from incidents.models import Incident, IncidentTemplate, User
from portal.console.forms.components import ComponentChips
from portal.console.forms.incident import UpdateForm

if TYPE_CHECKING:
    from portal.console.forms.verb import Data


WORKING = set(OPEN) - {IncidentStatus.SCHEDULED}


class StillForm(UpdateForm):
    """The status stays, the words are there, and another update is promised."""

    heading = gettext_lazy("Still working on it")

    def __init__(self, author: User, incident: Incident, data: Data = None) -> None:
        super().__init__(author, incident, data)
        self.components = ComponentChips(data, {})
        del self.fields["display_at"]
        self.fields["status"].widget = forms.HiddenInput()
        self.fields["status"].initial = incident.status
        latest = incident.latest_update()
        if latest:
            with translation.override(incident.page.language):  # customers read it
                at = format_date(latest.display_at.astimezone(self.zone), "H:i T")
                self.fields["body"].initial = _("We are still working on this. There is no change since %(time)s.") % {
                    "time": at
                }

    def templates(self) -> list[IncidentTemplate]:
        return []  # the words are there

    @classmethod
    def fits(cls, incident: Incident) -> bool:
        return super().fits(incident) and incident.is_public and incident.status in WORKING
