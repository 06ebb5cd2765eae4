"""The verbs on an incident's updates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django import forms
from django.utils import translation
from django.utils.dateformat import format as format_date
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from incidents.checking import leaks
from incidents.errors import Conflict, DomainError, InvalidTransition
from incidents.incidents import correct_update, is_held, post_update, publish_incident, withdraw_update
from incidents.lifecycle import OPEN, STATUSES, IncidentStatus, Kind, Severity, Visibility, allowed_statuses
from incidents.maintenance.plans import usual_sentence
from incidents.models import Incident, IncidentTemplate, IncidentUpdate, Page, User
from incidents.models.incident import TITLE_LENGTH
from incidents.permissions import Verb
from portal.console.forms.components import ComponentChips, choosable
from portal.console.forms.edit_conflict import EditConflictForm
from portal.console.forms.fields import InstantField, many_lines, one_line
from portal.console.forms.incident import ONLY_STAFF, IncidentForm
from portal.console.forms.message import MessageFields
from portal.console.forms.verb import REASON_LENGTH

if TYPE_CHECKING:
    from collections.abc import Sequence

    from portal.console.forms.verb import Data

WORKING = set(OPEN) - {IncidentStatus.SCHEDULED}


class MessageForm(IncidentForm, MessageFields):
    """A message about an incident: its status, the words, and its components."""

    verb = Verb.POST_UPDATE
    field_order: Sequence[str] = ("status", "body", "next_update", "next_update_due_at")
    has_preview = True

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
            self.fields["body"].help_text = ONLY_STAFF

    def template_page(self) -> Page:
        return self.incident.page

    def template_incident(self) -> Incident:
        return self.incident

    def templates(self) -> list[IncidentTemplate]:
        statuses = {"", *STATUSES[Kind(self.incident.kind)]}
        return [template for template in super().templates() if template.update_status in statuses]

    def promises(self) -> bool:
        """Whether the message is public, so that it may promise the next one."""
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
    done = _("The update is posted.")

    display_at = InstantField(
        label=_("Time shown"), required=False, help_text=_("Empty for now. An earlier time back-dates what is shown.")
    )
    notify = forms.BooleanField(label=_("Notify subscribers"), required=False, initial=True)
    seen = forms.CharField(required=False, widget=forms.HiddenInput)

    posted: IncidentUpdate | None = None
    theirs: IncidentUpdate | None = None  # what somebody posted while this was typed

    def __init__(self, author: User, incident: Incident, data: Data = None) -> None:
        super().__init__(author, incident, data)
        latest = incident.latest_update()
        self.fields["seen"].initial = latest.public_id if latest else ""

    @classmethod
    def fits(cls, incident: Incident) -> bool:
        return super().fits(incident) and incident.status != IncidentStatus.COMPLETED

    def act(self) -> None:
        self.post()

    def post(self) -> None:
        facts = self.cleaned_data
        self.posted = post_update(
            self.incident,
            status=facts["status"],
            body=facts["body"],
            author=self.author,
            components=self.components.affected(),
            display_at=facts.get("display_at"),
            next_update_due_at=self.next_update_due(Severity(self.incident.severity), facts["status"]),
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


class NoChangeForm(UpdateForm):
    """The status stays, the words are there, and another update is promised."""

    heading = _("Still working on it")

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
                words = gettext("We are still working on this. There is no change since %(time)s.")
                self.fields["body"].initial = words % {"time": at}

    def templates(self) -> list[IncidentTemplate]:
        return []  # the words are there

    @classmethod
    def fits(cls, incident: Incident) -> bool:
        return super().fits(incident) and incident.is_public and incident.status in WORKING


class WithdrawalForm(IncidentForm):
    """Takes back the newest update; `seen` keeps a newer one, posted in the meantime, from being taken back instead."""

    verb = Verb.POST_UPDATE
    heading = _("Take back update")
    done = _("The update is taken back. Nobody was notified.")

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


class PublishIncidentForm(MessageForm):
    """Offers the internal title as the public one, unless the check finds something in it."""

    heading = _("Publish incident")
    done = _("The incident is public.")
    field_order = ("public_title", "status", "body", "next_update", "next_update_due_at")

    public_title = one_line(
        _("Public title"), most=TITLE_LENGTH, help_text=_("Customers read it. Your own title stays internal.")
    )

    def __init__(self, author: User, incident: Incident, data: Data = None) -> None:
        super().__init__(author, incident, data)
        if not leaks(incident.page, title=incident.title):
            self.fields["public_title"].initial = incident.title

    @classmethod
    def fits(cls, incident: Incident) -> bool:
        return super().fits(incident) and incident.visibility == Visibility.INTERNAL

    def act(self) -> None:
        if not self.fits(self.incident):
            raise InvalidTransition(_("This incident is public already. Post an update to say more."))
        facts = self.cleaned_data
        publish_incident(
            self.incident,
            public_title=facts["public_title"],
            status=facts["status"],
            body=facts["body"],
            author=self.author,
            components=self.components.affected(),
            next_update_due_at=self.next_update_due(Severity(self.incident.severity), facts["status"]),
        )

    def promises(self) -> bool:
        return True


class CorrectionForm(EditConflictForm, IncidentForm):
    verb = Verb.CORRECT_UPDATE
    heading = _("Correct update")
    done = _("The update is corrected.")
    has_preview = True

    body = many_lines(
        _("Message"), help_text=_("The public reads that it was edited; the old text stays in the history.")
    )
    display_at = InstantField(
        label=_("Time shown"), required=False, help_text=_("Updates keep their order; components keep their times.")
    )
    reason = one_line(_("Reason"), required=False, most=REASON_LENGTH, help_text=_("Internal."))
    notify = forms.BooleanField(
        label=_("Notify subscribers"), required=False, help_text=_("Nobody is notified of a correction otherwise.")
    )

    def __init__(self, author: User, update: IncidentUpdate, data: Data = None) -> None:
        super().__init__(author, update.incident, data)
        self.update = update
        self.fields["body"].initial = update.body
        self.fields["display_at"].initial = self.shown_at = update.display_at.replace(second=0, microsecond=0)
        if not update.published_at:
            self.fields["body"].help_text = ONLY_STAFF
            del self.fields["notify"]

    def act(self) -> None:
        facts = dict(self.cleaned_data)
        if facts["display_at"] == self.shown_at:  # nobody types its seconds
            del facts["display_at"]
        correct_update(self.update, author=self.author, **facts)
