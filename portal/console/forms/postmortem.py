"""The verbs on postmortems."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from django import forms
from django.utils.translation import gettext_lazy as _

from incidents import checking
from incidents.deletion import taken_along
from incidents.models import Incident, Postmortem, User
from incidents.permissions import Verb
from incidents.postmortems import publishing, reviewing, writing
from incidents.postmortems.headings import Template
from portal.console.forms.edit_conflict import EditConflictForm
from portal.console.forms.fields import InstantField, column, one_line
from portal.console.forms.incident import IncidentForm
from portal.console.forms.verb import REASON_LENGTH, VerbForm

if TYPE_CHECKING:
    from portal.console.forms.verb import Data

State = Postmortem.State


class StartPostmortemForm(IncidentForm):
    verb = Verb.EDIT_POSTMORTEM
    heading = _("Start postmortem")
    done = _("The postmortem is begun.")

    template = forms.TypedChoiceField(label=_("Headings"), choices=Template.choices, coerce=Template)

    postmortem: Postmortem

    @classmethod
    def fits(cls, incident: Incident) -> bool:
        return super().fits(incident) and incident.postmortem_id is None

    def act(self) -> None:
        self.postmortem = writing.start_postmortem(self.incident, author=self.author, **self.cleaned_data)


class PostmortemForm(VerbForm):
    """A verb on one postmortem."""

    def __init__(self, author: User, postmortem: Postmortem, data: Data = None) -> None:
        super().__init__(author, data)
        self.postmortem = postmortem

    @property
    def zone(self) -> ZoneInfo:
        return self.postmortem.page.zone

    @classmethod
    def fits(cls, postmortem: Postmortem) -> bool:
        """Whether it makes sense to offer this now."""
        return postmortem.is_in_use


class FactsForm(EditConflictForm, PostmortemForm):
    verb = Verb.EDIT_POSTMORTEM
    heading = _("Change title, owner and dates")

    title = column(Postmortem, "title")
    owner = forms.ModelChoiceField(
        label=_("Owner"), queryset=User.objects.filter(is_active=True, is_service=False), required=False
    )
    due_on = column(Postmortem, "due_on", widget=forms.DateInput({"type": "date"}, format="%Y-%m-%d"))
    time_zone = column(Postmortem, "time_zone")

    def __init__(self, author: User, postmortem: Postmortem, data: Data = None) -> None:
        super().__init__(author, postmortem, data)
        for name in ("title", "owner", "due_on", "time_zone"):
            self.fields[name].initial = getattr(postmortem, name)

    def act(self) -> None:
        writing.edit_postmortem(self.postmortem, author=self.author, **self.cleaned_data)


class SubmitForm(PostmortemForm):
    verb = Verb.EDIT_POSTMORTEM
    heading = _("Submit for review")
    done = _("It is submitted for review.")

    @classmethod
    def fits(cls, postmortem: Postmortem) -> bool:
        return super().fits(postmortem) and postmortem.state == State.DRAFT

    def act(self) -> None:
        reviewing.submit_postmortem(self.postmortem, author=self.author)


class ReturnForm(PostmortemForm):
    verb = Verb.EDIT_POSTMORTEM
    heading = _("Return to draft")
    done = _("It is a draft again.")

    reason = one_line(_("Reason"), required=False, most=REASON_LENGTH, help_text=_("Internal."))

    @classmethod
    def fits(cls, postmortem: Postmortem) -> bool:
        return super().fits(postmortem) and postmortem.state in (State.IN_REVIEW, State.APPROVED)

    def act(self) -> None:
        reviewing.return_postmortem(self.postmortem, author=self.author, **self.cleaned_data)


class ApproveForm(PostmortemForm):
    """`fingerprint` is of the text that was read."""

    verb = Verb.APPROVE_POSTMORTEM
    heading = _("Approve")
    done = _("It is approved.")

    fingerprint = forms.CharField(widget=forms.HiddenInput)
    break_glass = one_line(
        _("Approve alone because"),
        required=False,
        most=REASON_LENGTH,
        help_text=_(
            "You edited this text last. Only if nobody else can approve it: the reason stays on record for good."
        ),
    )

    def __init__(self, author: User, postmortem: Postmortem, data: Data = None) -> None:
        super().__init__(author, postmortem, data)
        self.fields["fingerprint"].initial = postmortem.fingerprint()
        if postmortem.edited_by_id != author.pk and not data:
            self.fields["break_glass"].widget = forms.HiddenInput()

    @classmethod
    def fits(cls, postmortem: Postmortem) -> bool:
        return super().fits(postmortem) and postmortem.state == State.IN_REVIEW

    def act(self) -> None:
        reviewing.approve_postmortem(self.postmortem, author=self.author, **self.cleaned_data)


class DismissForm(PostmortemForm):
    """Lets one thing that the linter found stand."""

    verb = Verb.APPROVE_POSTMORTEM
    heading = _("Let it stand")

    reason = one_line(_("Reason"), most=REASON_LENGTH, help_text=_("Internal. It stays on record, with your name."))

    def __init__(self, author: User, postmortem: Postmortem, digest: str, data: Data = None) -> None:
        super().__init__(author, postmortem, data)
        self.digest = digest

    def act(self) -> None:
        checking.dismiss_finding(self.postmortem, digest=self.digest, author=self.author, **self.cleaned_data)


class PublishPostmortemForm(PostmortemForm):
    verb = Verb.PUBLISH_POSTMORTEM
    heading = _("Publish postmortem")
    done = _("It is published.")
    has_preview = True

    what_changed = one_line(
        _("What changed"), most=REASON_LENGTH, help_text=_("Customers read it beside “Updated on”.")
    )
    display_at = InstantField(label=_("Time shown"), required=False, help_text=_("Empty for now."))
    notify = forms.BooleanField(label=_("Notify subscribers"), required=False, initial=True)

    def __init__(self, author: User, postmortem: Postmortem, data: Data = None) -> None:
        super().__init__(author, postmortem, data)
        if postmortem.revision:
            del self.fields["display_at"]
            self.fields["notify"].initial = False
        else:
            del self.fields["what_changed"]

    @classmethod
    def fits(cls, postmortem: Postmortem) -> bool:
        return super().fits(postmortem) and postmortem.state == State.APPROVED

    def act(self) -> None:
        publishing.publish_postmortem(self.postmortem, author=self.author, **self.cleaned_data)


class UnpublishForm(PostmortemForm):
    verb = Verb.PUBLISH_POSTMORTEM
    heading = _("Take back")
    done = _("It is taken back.")
    has_preview = True

    reason = one_line(
        _("Reason"),
        most=REASON_LENGTH,
        help_text=_("Internal. The public reads that there was a report and that it was taken back."),
    )

    @classmethod
    def fits(cls, postmortem: Postmortem) -> bool:
        return super().fits(postmortem) and postmortem.is_public

    def act(self) -> None:
        publishing.unpublish_postmortem(self.postmortem, author=self.author, **self.cleaned_data)


class GiveUpForm(PostmortemForm):
    verb = Verb.EDIT_POSTMORTEM
    heading = _("Give up postmortem")
    done = _("The postmortem is given up.")

    reason = one_line(
        _("Reason"), most=REASON_LENGTH, help_text=_("Nothing was published. The record keeps the draft.")
    )

    def __init__(self, author: User, postmortem: Postmortem, data: Data = None) -> None:
        super().__init__(author, postmortem, data)
        self.along = taken_along(postmortem)

    @classmethod
    def fits(cls, postmortem: Postmortem) -> bool:
        return super().fits(postmortem) and postmortem.revision is None

    def act(self) -> None:
        writing.delete_postmortem(self.postmortem, author=self.author, **self.cleaned_data)


class CoverForm(PostmortemForm):
    verb = Verb.EDIT_POSTMORTEM
    heading = _("Add another incident")

    incident = forms.ModelChoiceField(label=_("Incident"), queryset=Incident.objects.none())

    def __init__(self, author: User, postmortem: Postmortem, data: Data = None) -> None:
        super().__init__(author, postmortem, data)
        free = Incident.objects.live().realtime().filter(page=postmortem.page, postmortem=None)
        field = self.fields["incident"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = free

    @classmethod
    def fits(cls, postmortem: Postmortem) -> bool:
        return super().fits(postmortem) and postmortem.revision is None

    def act(self) -> None:
        writing.cover_incident(self.postmortem, self.cleaned_data["incident"], author=self.author)
