"""Publishing a postmortem, amending it, and taking it back."""

from __future__ import annotations

from datetime import datetime

from django.utils.translation import gettext as _

from incidents import outbox
from incidents.authorship import service
from incidents.checking import check_words
from incidents.errors import InvalidInput, InvalidTransition
from incidents.incidents import check_display_at
from incidents.models import Incident, IncidentUpdate, Postmortem, PostmortemRevision, User
from incidents.models.base import save_checked
from incidents.permissions import Verb
from incidents.postmortems.checks import check_ready
from incidents.postmortems.writing import DRAFT, approval
from incidents.record_time import record_time, written_at

State = Postmortem.State


@service(Verb.PUBLISH_POSTMORTEM, locks=(Postmortem, Incident), public=["what_changed"])
def publish_postmortem(
    postmortem: Postmortem,
    *,
    author: User,
    what_changed: str = "",
    display_at: datetime | None = None,
    notify: bool = True,
) -> PostmortemRevision:
    """Publish the approved text as a revision that stays as it is.

    The first one is posted as of `display_at`, or now. Every further one says in public `what_changed`.
    """
    postmortem.lock_live()
    if postmortem.page.waives_approval and postmortem.state in (State.DRAFT, State.IN_REVIEW):
        postmortem.change(**approval(postmortem, author, break_glass=_("This page waives approval.")))
    if postmortem.state != State.APPROVED:
        raise InvalidTransition(
            _("Only an approved postmortem is published; this is “%(state)s”.")
            % {"state": postmortem.get_state_display()}
        )
    if postmortem.fingerprint() != postmortem.approved_hash:
        raise InvalidTransition(_("The text is not the one that was approved. Have it approved again."))
    former, latest = postmortem.revision, list[IncidentUpdate]()
    for incident in postmortem.incidents.order_by("pk"):
        incident.lock_live()
        if not incident.is_ended:
            raise InvalidTransition(_("A postmortem is published once the incident is resolved. Resolve it first."))
        latest += filter(None, [incident.latest_update()])
    now = record_time()
    if display_at and not former:
        for update in latest:
            check_display_at(display_at, now, update)
    shown_at = display_at or max([now, *(update.display_at for update in latest)])
    check_ready(postmortem, author)
    what_changed = " ".join(what_changed.split())
    if former and not what_changed:
        raise InvalidInput(_("Say what changed: the public reads it."), field="what_changed")
    if former:
        check_words(postmortem.page, what_changed=what_changed)
    revision = PostmortemRevision(
        postmortem=postmortem,
        number=former.number + 1 if former else 1,
        content=postmortem.content(),
        content_hash=postmortem.approved_hash,
        what_changed=what_changed if former else "",
        edited_by=postmortem.edited_by,
        approved_by=postmortem.approved_by,
        break_glass=postmortem.break_glass,
        author=author,
        display_at=former.display_at if former else shown_at,
        deliver_notifications=notify,
    )
    save_checked(revision)
    postmortem.change(state=State.PUBLISHED, withdrawn_at=None)
    kind = outbox.Kind.POSTMORTEM_AMENDED if former else outbox.Kind.POSTMORTEM_PUBLISHED
    outbox.record_postmortem(kind, postmortem, notify=notify)
    return revision


@service(Verb.PUBLISH_POSTMORTEM, locks=Postmortem)
def unpublish_postmortem(postmortem: Postmortem, *, reason: str, author: User) -> None:
    """Take a published report back: the public reads that there was one. What was published stays in the record."""
    postmortem.lock_live()
    if not postmortem.is_public:
        raise InvalidTransition(_("No revision of this postmortem is public."))
    if not reason.strip():
        raise InvalidInput(_("Say why. It stays in the record."), field="reason")
    back_to_draft = DRAFT if postmortem.state in (State.APPROVED, State.PUBLISHED) else {}
    postmortem._change_reason = reason.strip()
    postmortem.change(withdrawn_at=written_at(), **back_to_draft)
    outbox.record_postmortem(outbox.Kind.INCIDENT_EDITED, postmortem)
