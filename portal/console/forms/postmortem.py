"""The verbs on postmortems."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from django import forms
from django.utils.translation import gettext_lazy as _

from incidents import checking
from incidents.errors import Conflict, DomainError, InvalidInput
from incidents.models import ActionItem, Incident, Postmortem, PostmortemSection, User
from incidents.permissions import Verb
from incidents.postmortems import instants, measures, publishing, reviewing, writing
from incidents.postmortems.headings import Template
from portal.console.forms.edit_conflict import MeanwhileForm
from portal.console.forms.incident import IncidentForm
from portal.console.forms.verb import (
    REASON_LENGTH,
    MomentField,
    VerbForm,
    column,
    many_lines,
    one_line,
)

if TYPE_CHECKING:
    from portal.console.forms.verb import Data

State = Postmortem.State


class StartPostmortemForm(IncidentForm):
    verb = Verb.EDIT_POSTMORTEM
    heading = _("Start postmortem")

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
        return postmortem.deleted_at is None


class FactsForm(MeanwhileForm, PostmortemForm):
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

    @classmethod
    def fits(cls, postmortem: Postmortem) -> bool:
        return super().fits(postmortem) and postmortem.state == State.DRAFT

    def act(self) -> None:
        reviewing.submit_postmortem(self.postmortem, author=self.author)


class ReturnForm(PostmortemForm):
    verb = Verb.EDIT_POSTMORTEM
    heading = _("Return to draft")

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


class PublishForm(PostmortemForm):
    verb = Verb.PUBLISH_POSTMORTEM
    heading = _("Publish postmortem")
    tells = True

    what_changed = one_line(
        _("What changed"), most=REASON_LENGTH, help_text=_("Customers read it beside “Updated on”.")
    )
    display_at = MomentField(label=_("Time shown"), required=False, help_text=_("Empty for now."))
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
    tells = True

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

    reason = one_line(
        _("Reason"), most=REASON_LENGTH, help_text=_("Nothing was published. The record keeps the draft.")
    )

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


class AddSectionForm(PostmortemForm):
    verb = Verb.EDIT_POSTMORTEM
    heading = _("Add section")

    title = one_line(_("Heading"), most=200)

    def act(self) -> None:
        writing.add_section(self.postmortem, heading=self.cleaned_data["title"], author=self.author)


class SectionForm(PostmortemForm):
    """The texts of a section; `seen` is the version that they began with, `over` the one they may replace.

    `use` adds what the record offers to one of them.
    """

    verb = Verb.EDIT_POSTMORTEM
    heading = _("Save")

    title = one_line(_("Heading"))
    internal = many_lines(_("Internal"), rows=10, required=False, help_text=_("Only staff read it. Markdown."))
    public = many_lines(_("Public"), rows=10, required=False, help_text=_("Customers read it. Markdown."))
    withheld = one_line(_("Withheld because"), required=False, help_text=_("Why there is no public text. Internal."))
    seen = forms.CharField(widget=forms.HiddenInput)
    over = forms.CharField(widget=forms.HiddenInput, required=False)
    use = forms.ChoiceField(choices=[("internal", "internal"), ("public", "public")], required=False)

    theirs: PostmortemSection | None = None  # what somebody wrote while this was typed

    def __init__(self, author: User, section: PostmortemSection, data: Data = None, *, offered: str = "") -> None:
        super().__init__(author, section.postmortem, data)
        self.section, self.offered = section, offered
        self.auto_id = f"id_{section.pk}_%s"
        self.initial = {
            "title": section.heading,
            "internal": section.internal,
            "public": section.public,
            "withheld": section.withheld,
            "seen": section.version,
        }

    def act(self) -> None:
        facts = self.cleaned_data
        if facts["use"]:
            facts[facts["use"]] = f"{facts[facts['use']]}\n\n{self.offered}".strip()
        writing.edit_section(
            self.section,
            heading=facts["title"],
            internal=facts["internal"],
            public=facts["public"],
            withheld=facts["withheld"],
            author=self.author,
            seen=facts["over"] or facts["seen"],
        )
        self.data = {**dict(self.data.items()), "seen": self.section.version}

    @property
    def doubts(self) -> list[str]:
        """What is wrong with the public text as it was typed, although it is saved."""
        return instants.wrong(self["public"].value() or "")

    def refuse(self, refusal: DomainError) -> None:
        if isinstance(refusal, Conflict) and isinstance(refusal.theirs, PostmortemSection):
            self.theirs = refusal.theirs
        elif isinstance(refusal, InvalidInput) and refusal.field == "heading":
            self.add_error("title", str(refusal))
        else:
            super().refuse(refusal)


class ActionItemForm(MeanwhileForm, PostmortemForm):
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
            measures.edit_action_item(self.item, author=self.author, **self.cleaned_data)
        else:
            measures.add_action_item(self.postmortem, author=self.author, **self.cleaned_data)


class MoveActionItemForm(MeanwhileForm, PostmortemForm):
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
        measures.move_action_item(self.item, author=self.author, **self.cleaned_data)


class CommentForm(PostmortemForm):
    verb = Verb.EDIT_POSTMORTEM
    heading = _("Comment")

    text = many_lines(_("Comment"), rows=3)

    def __init__(self, author: User, section: PostmortemSection, data: Data = None) -> None:
        super().__init__(author, section.postmortem, data)
        self.section = section
        self.auto_id = f"id_comment_{section.pk}_%s"

    def act(self) -> None:
        reviewing.comment_section(self.section, text=self.cleaned_data["text"], author=self.author)
