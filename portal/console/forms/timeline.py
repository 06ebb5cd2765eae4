"""The verbs on an incident's internal timeline."""

from __future__ import annotations

import zoneinfo
from typing import TYPE_CHECKING

from django import forms
from django.utils.translation import gettext_lazy as _

from incidents.errors import InvalidInput
from incidents.models import Incident, TimelineEntry, User
from incidents.models.page import time_zones
from incidents.permissions import Verb
from incidents.record_time import record_time
from incidents.timeline import conclude_attempt, note
from portal.console.forms import typed_times
from portal.console.forms.fields import InstantField, column, many_lines, one_line
from portal.console.forms.incident import IncidentForm

if TYPE_CHECKING:
    from portal.console.forms.verb import Data


class NoteForm(IncidentForm):
    verb = Verb.NOTE_TIMELINE
    heading = _("Note on timeline")
    done = _("Noted.")
    fieldsets = (
        (None, {"fields": ["text", "occurred_at", "kind"]}),
        (_("More"), {"fields": ["outcome", "precision", "ended_at", "is_public"], "classes": ["collapse"]}),
    )

    text = many_lines(
        _("What happened"), rows=3, help_text=_("Internal. It cannot be changed, only followed by another.")
    )
    occurred_at = InstantField(label=_("When"))
    kind = column(TimelineEntry, "kind")
    outcome = column(TimelineEntry, "outcome", help_text=_("Of a mitigation attempt."))
    precision = column(TimelineEntry, "precision")
    ended_at = InstantField(label=_("Until"), required=False, help_text=_("The end of a range."))
    is_public = column(TimelineEntry, "is_public")

    def __init__(self, author: User, incident: Incident, data: Data = None) -> None:
        super().__init__(author, incident, data)
        self.fields["occurred_at"].initial = record_time

    def act(self) -> None:
        note(self.incident, author=self.author, **self.cleaned_data)


class QuickNoteForm(IncidentForm):
    """One line with a time as it comes to mind, in the zone of who types it."""

    verb = Verb.NOTE_TIMELINE
    heading = _("Add to timeline")
    done = _("Noted.")

    when = one_line(_("When"), required=False, most=60)
    text = many_lines(_("What happened"), rows=2)
    kind = column(TimelineEntry, "kind")
    outcome = column(TimelineEntry, "outcome")
    done_by = column(TimelineEntry, "done_by")
    typed_in = forms.CharField(required=False, widget=forms.HiddenInput)  # a time zone, by the browser

    def __init__(self, author: User, incident: Incident, data: Data = None) -> None:
        super().__init__(author, incident, data)
        self.fields["when"].widget.attrs["placeholder"] = _("now")
        self.fields["typed_in"].initial = incident.page.time_zone

    def act(self) -> None:
        facts = self.cleaned_data
        typed_in = facts["typed_in"]
        is_zone = typed_in in time_zones()
        time = typed_times.parse(facts["when"], record_time(), zoneinfo.ZoneInfo(typed_in) if is_zone else self.zone)
        precision = TimelineEntry.Precision.EXACT
        if time.end:
            precision = TimelineEntry.Precision.RANGE
        elif time.is_approximate:
            precision = TimelineEntry.Precision.APPROXIMATE
        note(
            self.incident,
            text=facts["text"],
            occurred_at=time.start,
            ended_at=time.end,
            precision=precision,
            kind=facts["kind"],
            outcome=facts["outcome"],
            done_by=facts["done_by"],
            author=self.author,
        )


class OutcomeForm(IncidentForm):
    """How a mitigation attempt ended."""

    verb = Verb.NOTE_TIMELINE
    heading = _("Outcome")
    done = _("Noted.")

    attempt = forms.IntegerField(widget=forms.HiddenInput)
    outcome = forms.TypedChoiceField(choices=TimelineEntry.Outcome.choices, coerce=TimelineEntry.Outcome)

    def act(self) -> None:
        attempt = self.incident.timeline.filter(pk=self.cleaned_data["attempt"]).first()
        if attempt is None:
            raise InvalidInput(str(_("There is no such attempt.")))
        conclude_attempt(attempt, outcome=self.cleaned_data["outcome"], author=self.author)
