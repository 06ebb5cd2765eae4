"""Reading a postmortem before it is published: comments, what changed since one last read it, and the approval."""

from __future__ import annotations

from datetime import datetime

from django.utils.translation import gettext as _

from incidents.authorship import service
from incidents.errors import Conflict, InvalidInput, InvalidTransition
from incidents.models import Postmortem, PostmortemComment, PostmortemReading, PostmortemSection, User
from incidents.models.base import save_checked
from incidents.permissions import Verb
from incidents.postmortems.checks import check_ready
from incidents.postmortems.writing import DRAFT, approval
from incidents.record_time import written_at

State = Postmortem.State


@service(Verb.EDIT_POSTMORTEM, locks=Postmortem)
def submit_postmortem(postmortem: Postmortem, *, author: User) -> None:
    """Ask for a review. The text may still be edited."""
    postmortem.lock_live()
    if postmortem.state != State.DRAFT:
        raise InvalidTransition(
            _("Only a draft is submitted for review; this one is “%(state)s”.") % _state(postmortem)
        )
    if not any(section.public for section in postmortem.live_sections()):
        raise InvalidTransition(_("There is no public text yet."))
    postmortem.change(state=State.IN_REVIEW)


@service(Verb.EDIT_POSTMORTEM, locks=Postmortem)
def return_postmortem(postmortem: Postmortem, *, author: User, reason: str = "") -> None:
    """Back to draft, from review or after the approval."""
    postmortem.lock_live()
    if postmortem.state not in (State.IN_REVIEW, State.APPROVED):
        raise InvalidTransition(
            _("Only what is in review or approved goes back; this is “%(state)s”.") % _state(postmortem)
        )
    postmortem._change_reason = reason
    postmortem.change(**DRAFT)


@service(Verb.APPROVE_POSTMORTEM, locks=Postmortem)
def approve_postmortem(postmortem: Postmortem, *, fingerprint: str, author: User, break_glass: str = "") -> None:
    """Approve the text whose `fingerprint` the author has read, and no other.

    Who edited last cannot approve, neither by themselves nor by a key that they made, unless `break_glass` says why
    nobody else can; that stays with what is published.
    """
    postmortem.lock_live()
    if postmortem.state != State.IN_REVIEW:
        raise InvalidTransition(_("Only what is in review is approved; this is “%(state)s”.") % _state(postmortem))
    if fingerprint != postmortem.fingerprint():
        raise Conflict(_("The text was changed since you read it. Read it again, then approve it."))
    break_glass = " ".join(break_glass.split())
    if postmortem.edited_by.person != author.person:
        break_glass = ""
    elif not break_glass:
        raise InvalidInput(
            _("You edited this text last: somebody else approves it. If nobody can, say why; it stays on record."),
            field="break_glass",
        )
    check_ready(postmortem, author)
    save_checked(postmortem, **approval(postmortem, author, break_glass=break_glass))


@service(Verb.EDIT_POSTMORTEM, locks=Postmortem)
def comment_section(section: PostmortemSection, *, text: str, author: User) -> PostmortemComment:
    """Say something about a section to the others. Internal."""
    section.postmortem.lock_live()
    comment = PostmortemComment(section=section, text=text.replace("\r\n", "\n").strip(), author=author)
    if not comment.text:
        raise InvalidInput(_("Write the comment."), field="text")
    save_checked(comment)
    return comment


@service(Verb.EDIT_POSTMORTEM, locks=PostmortemComment)
def settle_comment(comment: PostmortemComment, *, author: User) -> None:
    """It needs no more attention. Harmless when repeated."""
    comment.lock()
    comment.change(settled_by=comment.settled_by or author)


@service(Verb.EDIT_POSTMORTEM, locks=PostmortemReading)
def record_reading(postmortem: Postmortem, *, author: User) -> datetime | None:
    """Note that the author reads the whole of it now; returns when they did so before."""
    row, is_new = PostmortemReading.objects.select_for_update(no_key=True).get_or_create(
        postmortem=postmortem, reader=author
    )
    before = None if is_new else row.at
    row.at = written_at()
    row.save(update_fields=["at"])
    return before


def _state(postmortem: Postmortem) -> dict[str, str]:
    return {"state": postmortem.get_state_display()}
