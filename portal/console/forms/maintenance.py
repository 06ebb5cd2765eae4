"""Scheduling a maintenance, and what is done with one that is planned."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, cast

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import TextChoices
from django.utils import translation
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from incidents.lifecycle import RUNNING, IncidentStatus, Kind, Visibility
from incidents.maintenance.plans import (
    REMIND_BEFORE,
    PlanFacts,
    cancel_maintenance,
    extend_maintenance,
    move_maintenance,
    plan_maintenance,
    schedule_maintenance,
)
from incidents.maintenance.series import cancel_following, move_following, repeat_maintenance, upcoming
from incidents.models import Incident, MaintenancePlan, User
from incidents.permissions import Verb
from portal.console.forms.components import choosable, grouped
from portal.console.forms.edit_conflict import EditConflictForm
from portal.console.forms.fields import InstantField, column, many_lines, one_line
from portal.console.forms.incident import ONLY_STAFF, IncidentForm, PageForm

if TYPE_CHECKING:
    from datetime import datetime

    from django_stubs_ext import StrPromise

    from portal.console.forms.verb import Data

UNITS = {"min": 1, "m": 1, "h": 60, "d": 24 * 60}
SHOWN_AHEAD = 6
REPEATS = [
    ("", _("Does not repeat")),
    ("FREQ=DAILY", _("Every day")),
    ("FREQ=WEEKLY", _("Every week")),
    ("FREQ=WEEKLY;INTERVAL=2", _("Every two weeks")),
    ("FREQ=MONTHLY", _("Every month, on the same day")),
]
BY_ITSELF = ("starts_by_itself", "ends_by_itself", "shows_components", "tells_at_start", "tells_at_end")


class RemindersField(forms.CharField):
    """When to remind, as minutes before the start; written like "24 h, 1 h"."""

    widget = forms.TextInput({"class": "vTextField"})

    def to_python(self, value: Any) -> Any:
        minutes = []
        for word in filter(None, re.split(r"[,;]", super().to_python(value) or "")):
            found = re.fullmatch(r"\s*(\d{1,5})\s*(d|h|m|min)\s*", word.lower())
            if not found or not int(found[1]):
                raise ValidationError(
                    gettext("“%(word)s” is not a time before the start. Write it like 2 d, 24 h or 15 min."),
                    params={"word": word.strip()},
                )
            minutes.append(int(found[1]) * UNITS[found[2]])
        return minutes

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(map(_before, value)) if isinstance(value, list | tuple) else value


def _before(minutes: int) -> str:
    """ "24 h", "15 min"."""
    return f"{minutes // 60} h" if minutes % 60 == 0 else f"{minutes} min"


class PlanFields(forms.Form):
    """What a maintenance does by itself, and when its subscribers are notified."""

    starts_by_itself = column(MaintenancePlan, "starts_by_itself", label=_("Start it at its time"))
    ends_by_itself = column(
        MaintenancePlan,
        "ends_by_itself",
        label=_("Complete it at its end"),
        help_text=_("Otherwise it is shown as overrunning until somebody completes it."),
    )
    shows_components = column(
        MaintenancePlan, "shows_components", label=_("Show its components under maintenance while it runs")
    )
    tells_at_start = column(MaintenancePlan, "tells_at_start", label=_("Notify subscribers when it starts"))
    tells_at_end = column(MaintenancePlan, "tells_at_end", label=_("Notify subscribers when it is completed"))
    reminders = RemindersField(
        label=_("Remind subscribers"),
        required=False,
        initial=REMIND_BEFORE,
        help_text=_("So long before the start, like 24 h, 1 h. Empty for no reminder."),
    )

    def by_itself(self) -> PlanFacts:
        return cast(PlanFacts, {name: self.cleaned_data[name] for name in BY_ITSELF})


class MaintenanceForm(PageForm, PlanFields):
    verb = Verb.POST_UPDATE
    heading = _("Schedule maintenance")
    has_preview = True
    fieldsets = (
        (None, {"fields": ["page", "title", "body", "affects"]}),
        (_("Window"), {"fields": ["scheduled_for", "scheduled_until", "repeats", "rule"]}),
        (_("By itself"), {"fields": ["starts_by_itself", "ends_by_itself", "shows_components"]}),
        (_("Subscribers"), {"fields": ["notify", "reminders", "tells_at_start", "tells_at_end"]}),
        (_("Never announced"), {"fields": ["visibility"], "classes": ["collapse"]}),
    )

    title = one_line(_("Title"))
    body = many_lines(_("Message"), help_text=_("Customers read it. Markdown."))
    affects = forms.MultipleChoiceField(label=_("Components"), required=False, widget=forms.CheckboxSelectMultiple)
    scheduled_for = InstantField(label=_("Starts"))
    scheduled_until = InstantField(label=_("Ends"))
    repeats = forms.ChoiceField(label=_("Repeats"), choices=REPEATS, required=False)
    rule = one_line(
        _("By another rule"),
        required=False,
        most=200,
        help_text=_(
            "As in RFC 5545: FREQ=MONTHLY;BYDAY=2SU is the second Sunday of each month. Preview shows the dates."
        ),
    )
    notify = forms.BooleanField(label=_("Notify subscribers now"), required=False, initial=True)
    visibility = column(
        Incident,
        "visibility",
        help_text=_("An internal one is shown nowhere. An incident can name it as its cause."),
    )

    incident: Incident
    occurrences: list[tuple[datetime, datetime]] = []  # the next ones, once it is known that there are

    def __init__(self, author: User, data: Data = None) -> None:
        super().__init__(author, data)
        self.choosable = choosable(self.pages)
        field = self.fields["affects"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = grouped(self.choosable.values())
        self.fields["starts_by_itself"].initial = self.fields["ends_by_itself"].initial = True

    def act(self) -> None:
        facts = self.cleaned_data
        self.incident = schedule_maintenance(
            facts["page"],
            title=facts["title"],
            body=facts["body"],
            scheduled_for=facts["scheduled_for"],
            scheduled_until=facts["scheduled_until"],
            author=self.author,
            components=[self.choosable[key] for key in facts["affects"]],
            visibility=Visibility(facts["visibility"]),
            reminders=facts["reminders"],
            notify=facts["notify"],
            **self.by_itself(),
        )
        if rule := facts["rule"] or facts["repeats"]:
            series = repeat_maintenance(self.incident, rule=rule, author=self.author)
            self.occurrences = upcoming(series, SHOWN_AHEAD)


class MaintenanceVerbForm(IncidentForm):
    """A verb on a maintenance that has a plan."""

    verb = Verb.POST_UPDATE
    possible_in: tuple[IncidentStatus, ...] = (IncidentStatus.SCHEDULED,)  # while it makes sense

    @classmethod
    def fits(cls, incident: Incident) -> bool:
        is_possible = incident.kind == Kind.MAINTENANCE and incident.status in cls.possible_in
        return super().fits(incident) and is_possible and hasattr(incident, "plan")


class AnnouncedForm(MaintenanceVerbForm):
    """A verb with a message, which begins as the usual sentence in the page's language."""

    has_preview = True
    sentence: StrPromise

    body = many_lines(_("Message"), help_text=_("Customers read it. Markdown."))
    notify = forms.BooleanField(label=_("Notify subscribers"), required=False, initial=True)

    def __init__(self, author: User, incident: Incident, data: Data = None) -> None:
        super().__init__(author, incident, data)
        with translation.override(incident.page.language):
            self.fields["body"].initial = str(self.sentence)
        if incident.visibility == Visibility.INTERNAL:
            self.fields["body"].help_text = ONLY_STAFF
            del self.fields["notify"]


class Which(TextChoices):
    ONE = "one", _("Only this one")
    FOLLOWING = "following", _("This one and all that follow")


class OccurrenceForm(AnnouncedForm):
    """A verb on one occurrence of a series, or on all from it on."""

    which = forms.ChoiceField(label=_("Which"), choices=Which.choices, widget=forms.RadioSelect, initial=Which.ONE)

    def __init__(self, author: User, incident: Incident, data: Data = None) -> None:
        super().__init__(author, incident, data)
        if not (hasattr(incident, "plan") and incident.plan.series_id):
            del self.fields["which"]

    def act(self) -> None:
        facts = dict(self.cleaned_data)
        self.act_on(facts.pop("which", Which.ONE) == Which.FOLLOWING, facts)

    def act_on(self, following: bool, facts: dict[str, Any]) -> None:
        raise NotImplementedError  # each verb on a plan has its own, as in VerbForm


class MoveForm(EditConflictForm, OccurrenceForm):
    heading = _("Move maintenance")
    done = _("The maintenance is moved.")
    sentence = _("This maintenance has been moved to another time.")
    field_order = ("scheduled_for", "scheduled_until", "which", "body", "notify")

    scheduled_for = InstantField(label=_("Starts"))
    scheduled_until = InstantField(label=_("Ends"))

    def __init__(self, author: User, incident: Incident, data: Data = None) -> None:
        super().__init__(author, incident, data)
        if plan := getattr(incident, "plan", None):
            self.fields["scheduled_for"].initial = plan.scheduled_for
            self.fields["scheduled_until"].initial = plan.scheduled_until

    def act_on(self, following: bool, facts: dict[str, Any]) -> None:
        (move_following if following else move_maintenance)(self.incident, author=self.author, **facts)


class CancelForm(OccurrenceForm):
    heading = _("Cancel maintenance")
    done = _("The maintenance is cancelled.")
    sentence = _("This maintenance has been cancelled.")
    field_order = ("which", "body", "notify")

    def act_on(self, following: bool, facts: dict[str, Any]) -> None:
        (cancel_following if following else cancel_maintenance)(self.incident, author=self.author, **facts)


class ExtendForm(AnnouncedForm):
    heading = _("New expected end")
    done = _("The new expected end is on the page.")
    sentence = _("The maintenance is taking longer than planned.")
    possible_in = RUNNING
    field_order = ("expected_until", "body", "notify")

    expected_until = InstantField(label=_("Expected to end"))

    def act(self) -> None:
        extend_maintenance(self.incident, author=self.author, **self.cleaned_data)


class AutomationForm(EditConflictForm, MaintenanceVerbForm, PlanFields):
    heading = _("Automation and reminders")
    done = _("The plan is changed.")
    possible_in = (IncidentStatus.SCHEDULED, *RUNNING)

    def __init__(self, author: User, incident: Incident, data: Data = None) -> None:
        super().__init__(author, incident, data)
        if plan := getattr(incident, "plan", None):
            for name in BY_ITSELF:
                self.fields[name].initial = getattr(plan, name)
            kept = plan.reminders.filter(deleted_at=None)
            self.fields["reminders"].initial = list(kept.values_list("minutes", flat=True))

    def act(self) -> None:
        plan_maintenance(
            self.incident, author=self.author, reminders=self.cleaned_data["reminders"], **self.by_itself()
        )
