"""The verbs on a postmortem's sections."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django import forms
from django.utils.translation import gettext_lazy as _

from incidents.errors import Conflict, DomainError, InvalidInput
from incidents.models import PostmortemSection, User
from incidents.permissions import Verb
from incidents.postmortems import instants, reviewing, writing
from portal.console.forms.fields import many_lines, one_line
from portal.console.forms.postmortem import PostmortemForm

if TYPE_CHECKING:
    from portal.console.forms.verb import Data


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
