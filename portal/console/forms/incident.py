"""The verbs on incidents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from django import forms
from django.utils.translation import gettext_lazy as _

from incidents.deletion import taken_along
from incidents.incidents import declare_incident, delete_incident, edit_incident, post_update
from incidents.lifecycle import STATUSES, IncidentStatus, Kind, Severity, Visibility, proposed_severity
from incidents.models import Incident, Page, User
from incidents.permissions import Verb, allows
from portal.console.forms.components import ComponentChips, choosable
from portal.console.forms.fields import InstantField, column, many_lines, one_line
from portal.console.forms.message import MessageFields
from portal.console.forms.verb import REASON_LENGTH, VerbForm

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise

    from portal.console.forms.verb import Data


ONLY_STAFF = _("Only staff read it. Markdown.")


class IncidentForm(VerbForm):
    """A verb on one incident."""

    def __init__(self, author: User, incident: Incident, data: Data = None) -> None:
        super().__init__(author, data)
        self.incident = incident

    @property
    def zone(self) -> ZoneInfo:
        return self.incident.page.zone

    @classmethod
    def fits(cls, incident: Incident) -> bool:
        """Whether it makes sense to offer this now."""
        return incident.is_in_use


class DeletionForm(IncidentForm):
    verb = Verb.POST_UPDATE
    heading = _("Delete incident")

    reason = one_line(
        _("Reason"),
        most=REASON_LENGTH,
        help_text=_("The incident leaves every public page. The record keeps it, with your name and this reason."),
    )

    def __init__(self, author: User, incident: Incident, data: Data = None) -> None:
        super().__init__(author, incident, data)
        self.along = taken_along(incident)

    def act(self) -> None:
        delete_incident(self.incident, author=self.author, **self.cleaned_data)


def question(words: StrPromise, severity: Severity) -> forms.BooleanField:
    """To be answered by yes or no; a yes proposes `severity`."""
    return forms.BooleanField(
        label=words, required=False, widget=forms.CheckboxInput({"data-severity": severity.label})
    )


class PageForm(VerbForm):
    """A verb that begins something on a page; with one page there is nothing to choose."""

    page = forms.ModelChoiceField(label=_("Page"), queryset=Page.objects.live(), empty_label=None)

    def __init__(self, author: User, data: Data = None) -> None:
        super().__init__(author, data)
        self.pages = list(Page.objects.live())
        field = self.fields["page"]
        if not self.pages:
            field.help_text = _("There is none yet. An administrator adds one first.")
        else:
            field.initial = self.pages[0].pk
        if len(self.pages) == 1:
            field.widget = forms.HiddenInput()

    @property
    def zone(self) -> ZoneInfo | None:
        """That of the chosen page."""
        chosen = str(self["page"].value())
        return next((page.zone for page in self.pages if str(page.pk) == chosen), None)


class DeclareForm(PageForm, MessageFields):
    """An incident with its first update; without a message it is not public yet."""

    verb = Verb.DECLARE_INCIDENT
    heading = _("Declare incident")
    has_preview = True
    fieldsets = (
        (None, {"fields": ["page", "title", "body", "status", "next_update", "next_update_due_at", "notify"]}),
        (_("How bad is it?"), {"fields": ["is_core_down", "is_core_degraded", "is_unnoticed", "severity"]}),
        (_("Who sees it"), {"fields": ["visibility", "impact_override"], "classes": ["collapse"]}),
        (
            _("Times, when it began earlier"),
            {
                "fields": ["display_at", "impact_began_at", "impact_ended_at", "detected_at", "acknowledged_at"],
                "classes": ["collapse"],
            },
        ),
    )
    MESSAGE = ("body", "status", "display_at", "notify", "next_update", "next_update_due_at")
    QUESTIONS = ("is_core_down", "is_core_degraded", "is_unnoticed")
    TIMES = ("impact_began_at", "impact_ended_at", "detected_at", "acknowledged_at")

    title = one_line(_("Title"))
    body = many_lines(
        _("Message"),
        required=False,
        help_text=_("The first update; customers read it. Markdown. Without it the incident is not public yet."),
    )
    status = forms.TypedChoiceField(
        label=_("Status"),
        choices=[(status.value, status.label) for status in STATUSES[Kind.REALTIME]],
        coerce=IncidentStatus,
    )
    visibility = column(Incident, "visibility")
    is_core_down = question(_("A core function is down for most customers, or data is lost or exposed"), Severity.SEV1)
    is_core_degraded = question(
        _("A core function is broken or slow for many, and there is no workaround"), Severity.SEV2
    )
    is_unnoticed = question(_("Customers do not notice"), Severity.SEV4)
    severity = forms.TypedChoiceField(
        label=_("Severity"),
        required=False,
        empty_value=None,
        coerce=Severity,
        choices=[("", _("As the answers say (none ticked: SEV 3)")), *Severity.choices],
        help_text=_("Internal. Unsure between two? Take the higher one."),
    )
    impact_override = column(Incident, "impact_override", help_text=_("Empty: computed from the components."))
    notify = forms.BooleanField(label=_("Notify subscribers"), required=False, initial=True)
    display_at = InstantField(label=_("Time shown"), required=False, help_text=_("On the first update; empty for now."))
    impact_began_at = InstantField(label=_("Impact began"), required=False)
    impact_ended_at = InstantField(label=_("Impact ended"), required=False)
    detected_at = InstantField(label=_("Detected"), required=False)
    acknowledged_at = InstantField(label=_("Acknowledged"), required=False)

    def __init__(self, author: User, data: Data = None) -> None:
        super().__init__(author, data)
        self.fields["title"].widget.attrs["autofocus"] = True
        if allows(author, Verb.POST_UPDATE):
            self.components = ComponentChips(data, choosable(self.pages))
            self.offer_promises()
        else:
            for name in self.MESSAGE:
                del self.fields[name]

    def template_page(self) -> Page | None:
        chosen = str(self["page"].value())
        return next((page for page in self.pages if str(page.pk) == chosen), None)

    def clean(self) -> dict[str, Any]:
        facts = self.cleaned_data
        says_more = facts.get("status", IncidentStatus.INVESTIGATING) != IncidentStatus.INVESTIGATING
        if self.components is not None and self.components.is_valid():
            says_more = says_more or bool(self.components.affected())
        if says_more and not facts.get("body"):
            self.add_error("body", _("Write a message: it carries the status and the components."))
        return facts

    def act(self) -> None:
        facts = self.cleaned_data
        severity = facts["severity"] or proposed_severity(**{name: facts[name] for name in self.QUESTIONS})
        self.incident = declare_incident(
            facts["page"],
            title=facts["title"],
            author=self.author,
            visibility=facts["visibility"],
            severity=severity,
            impact_override=facts["impact_override"],
        )
        times: Any = {name: facts[name] for name in self.TIMES if facts[name]}
        if times:
            edit_incident(self.incident, author=self.author, **times)
        if self.components is not None and facts["body"]:
            is_public = facts["visibility"] == Visibility.PUBLIC
            post_update(
                self.incident,
                status=facts["status"],
                body=facts["body"],
                author=self.author,
                components=self.components.affected(),
                display_at=facts["display_at"],
                next_update_due_at=self.next_update_due(severity, facts["status"]) if is_public else None,
                notify=facts["notify"],
            )
