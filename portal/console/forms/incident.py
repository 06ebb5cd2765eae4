"""The verbs on incidents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from django import forms
from django.utils.translation import gettext_lazy as _

from incidents.errors import Conflict, DomainError, InvalidTransition
from incidents.incidents import (
    correct_update,
    declare_incident,
    delete_incident,
    edit_incident,
    is_held,
    post_update,
    publish_incident,
    withdraw_update,
)
from incidents.lifecycle import (
    STATUSES,
    IncidentStatus,
    Kind,
    Severity,
    Visibility,
    allowed_statuses,
    proposed_severity,
)
from incidents.maintenance.plans import usual_sentence
from incidents.models import Incident, IncidentTemplate, IncidentUpdate, Page, User
from incidents.permissions import Verb, allows
from portal.console.forms.components import ComponentChips, choosable
from portal.console.forms.edit_conflict import MeanwhileForm
from portal.console.forms.promise import PromiseForm
from portal.console.forms.template import TemplateForm
from portal.console.forms.verb import (
    REASON_LENGTH,
    MomentField,
    VerbForm,
    column,
    many_lines,
    one_line,
)

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise

    from portal.console.forms.verb import Data


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
        return incident.deleted_at is None


class MessageForm(IncidentForm, PromiseForm, TemplateForm):
    """What is said about an incident: where it stands, in words, and its components."""

    verb = Verb.POST_UPDATE
    field_order = ("status", "body", "next_update", "next_update_due_at")
    tells = True

    # Any status may be sent: the service has a sentence for one that is not allowed, or not any more.
    status = forms.TypedChoiceField(label=_("Status"), choices=IncidentStatus.choices, coerce=IncidentStatus)
    body = many_lines(_("Message"), help_text=_("Customers read it. Markdown."))

    def __init__(self, author: User, incident: Incident, data: Data = None) -> None:
        super().__init__(author, incident, data)
        components = choosable([incident.page])
        named = set(incident.components().values_list("pk", flat=True))
        self.components: ComponentChips = ComponentChips(data, components, named)
        self.offer_statuses()
        if self.promises():
            self.offer_promises(Severity(incident.severity), Kind(incident.kind))
        else:
            del self.fields["next_update"], self.fields["next_update_due_at"]

    def template_page(self) -> Page:
        return self.incident.page

    def template_incident(self) -> Incident:
        return self.incident

    def templates(self) -> list[IncidentTemplate]:
        statuses = {"", *STATUSES[Kind(self.incident.kind)]}
        return [template for template in super().templates() if template.update_status in statuses]

    def promises(self) -> bool:
        """Whether what is said here is public, and so may promise more."""
        return self.incident.visibility == Visibility.PUBLIC

    def propose(self, status: IncidentStatus) -> None:
        """Begin with this status; of a maintenance with its usual sentence, too."""
        self.fields["status"].initial = status
        if self.incident.kind == Kind.MAINTENANCE:
            self.fields["body"].initial = usual_sentence(self.incident.page, status)

    def offer_statuses(self) -> None:
        """Only what is allowed now, with the next one chosen; a maintenance moves on only when that is asked for."""
        kind, current = Kind(self.incident.kind), IncidentStatus(self.incident.status)
        latest = self.incident.latest_update()
        allowed = allowed_statuses(kind, current if latest else None)
        order = STATUSES[kind]
        is_moving = latest is not None and kind is Kind.REALTIME
        later = [status for status in allowed if is_moving and order.index(status) > order.index(current)]
        field = self.fields["status"]
        field.widget = forms.Select(choices=[(status.value, status.label) for status in allowed])
        field.initial = next(iter([*later, *allowed]), None)


class UpdateForm(MessageForm):
    heading = _("Post update")

    display_at = MomentField(
        label=_("Time shown"), required=False, help_text=_("Empty for now. An earlier time back-dates what is shown.")
    )
    notify = forms.BooleanField(label=_("Notify subscribers"), required=False, initial=True)
    seen = forms.CharField(required=False, widget=forms.HiddenInput)

    theirs: IncidentUpdate | None = None  # what somebody posted while this was typed

    def __init__(self, author: User, incident: Incident, data: Data = None) -> None:
        super().__init__(author, incident, data)
        latest = incident.latest_update()
        self.fields["seen"].initial = latest.public_id if latest else ""

    @classmethod
    def fits(cls, incident: Incident) -> bool:
        return super().fits(incident) and incident.status != IncidentStatus.COMPLETED

    def act(self) -> None:
        facts = self.cleaned_data
        post_update(
            self.incident,
            status=facts["status"],
            body=facts["body"],
            author=self.author,
            components=self.components.affected(),
            display_at=facts.get("display_at"),
            next_update_due_at=self.promised(Severity(self.incident.severity), facts["status"]),
            seen=facts["seen"],
            notify=facts["notify"],
        )

    def refuse(self, refusal: DomainError) -> None:
        if isinstance(refusal, Conflict) and isinstance(refusal.theirs, IncidentUpdate):
            self.theirs = refusal.theirs
            self.data = {**dict(self.data.items()), "seen": self.theirs.public_id}
            self.offer_statuses()
        else:
            super().refuse(refusal)


class WithdrawalForm(IncidentForm):
    """Takes back the newest update; `seen` keeps a newer one, posted meanwhile, from being taken instead."""

    verb = Verb.POST_UPDATE
    heading = _("Take back update")

    seen = forms.CharField(widget=forms.HiddenInput)

    def __init__(self, author: User, incident: Incident, data: Data = None) -> None:
        super().__init__(author, incident, data)
        latest = incident.latest_update()
        self.fields["seen"].initial = latest.public_id if latest else ""

    @classmethod
    def fits(cls, incident: Incident) -> bool:
        latest = incident.latest_update()
        return super().fits(incident) and latest is not None and is_held(latest)

    def act(self) -> None:
        update = self.incident.updates.filter(public_id=self.cleaned_data["seen"]).first()
        if update is None:
            raise InvalidTransition(str(_("There is no such update.")))
        withdraw_update(update, author=self.author)


class PublishForm(MessageForm):
    heading = _("Publish incident")

    @classmethod
    def fits(cls, incident: Incident) -> bool:
        return super().fits(incident) and incident.visibility == Visibility.INTERNAL

    def act(self) -> None:
        if not self.fits(self.incident):
            raise InvalidTransition(_("This incident is public already. Post an update to say more."))
        facts = self.cleaned_data
        publish_incident(
            self.incident,
            status=facts["status"],
            body=facts["body"],
            author=self.author,
            components=self.components.affected(),
            next_update_due_at=self.promised(Severity(self.incident.severity), facts["status"]),
        )

    def promises(self) -> bool:
        return True


class CorrectionForm(MeanwhileForm, IncidentForm):
    verb = Verb.CORRECT_UPDATE
    heading = _("Correct update")
    tells = True

    body = many_lines(
        _("Message"), help_text=_("The public reads that it was edited; the old text stays in the history.")
    )
    display_at = MomentField(
        label=_("Time shown"), required=False, help_text=_("Updates keep their order; components keep their times.")
    )
    reason = one_line(_("Reason"), required=False, most=REASON_LENGTH, help_text=_("Internal."))
    notify = forms.BooleanField(
        label=_("Notify subscribers"), required=False, help_text=_("Nobody is told of a correction otherwise.")
    )

    def __init__(self, author: User, update: IncidentUpdate, data: Data = None) -> None:
        super().__init__(author, update.incident, data)
        self.update = update
        self.fields["body"].initial = update.body
        self.fields["display_at"].initial = self.shown_at = update.display_at.replace(second=0, microsecond=0)

    def act(self) -> None:
        facts = dict(self.cleaned_data)
        if facts["display_at"] == self.shown_at:  # nobody types its seconds
            del facts["display_at"]
        correct_update(self.update, author=self.author, **facts)


class DeletionForm(IncidentForm):
    verb = Verb.POST_UPDATE
    heading = _("Delete incident")

    reason = one_line(
        _("Reason"),
        most=REASON_LENGTH,
        help_text=_("The incident leaves every public page. The record keeps it, with your name and this reason."),
    )

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


class DeclareForm(PageForm, PromiseForm, TemplateForm):
    """An incident with its first update; without a message it is not public yet."""

    verb = Verb.DECLARE_INCIDENT
    heading = _("Declare incident")
    tells = True
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
    display_at = MomentField(label=_("Time shown"), required=False, help_text=_("On the first update; empty for now."))
    impact_began_at = MomentField(label=_("Impact began"), required=False)
    impact_ended_at = MomentField(label=_("Impact ended"), required=False)
    detected_at = MomentField(label=_("Detected"), required=False)
    acknowledged_at = MomentField(label=_("Acknowledged"), required=False)

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
                next_update_due_at=self.promised(severity, facts["status"]) if is_public else None,
                notify=facts["notify"],
            )
