"""Action items: what a postmortem asks for, who does it until when, and what became of it."""

from __future__ import annotations

from datetime import date
from typing import TypedDict, Unpack

from django.utils.translation import gettext as _

from incidents import outbox
from incidents.authorship import service
from incidents.deletion import taken_along
from incidents.errors import InvalidInput, InvalidTransition
from incidents.models import ActionItem, Postmortem, User
from incidents.models.base import save_checked
from incidents.permissions import Verb, require
from incidents.postmortems.writing import mark_edited
from incidents.record_time import record_time

State = ActionItem.State


class ActionFacts(TypedDict, total=False):
    kind: ActionItem.Kind
    text: str
    owner: User | None
    due_on: date | None
    tracker_url: str
    is_commitment: bool
    public_wording: str


@service(Verb.EDIT_POSTMORTEM, locks=Postmortem)
def add_action_item(postmortem: Postmortem, *, author: User, **facts: Unpack[ActionFacts]) -> ActionItem:
    """Note a measure. As a public commitment it is a part of the report, and published with it."""
    postmortem.lock_live()
    item = ActionItem(postmortem=postmortem, **facts)
    save_checked(item)
    if item.is_commitment:
        mark_edited(postmortem, author)
    return item


@service(Verb.EDIT_POSTMORTEM, locks=(Postmortem, ActionItem))
def edit_action_item(item: ActionItem, *, author: User, **facts: Unpack[ActionFacts]) -> ActionItem:
    """Change facts of a measure; those not named keep their values. New public words need a new approval."""
    _lock(item)
    commitment = (item.is_commitment, item.public_wording)
    save_checked(item, **facts)
    if commitment != (item.is_commitment, item.public_wording):
        mark_edited(item.postmortem, author)
    return item


@service(Verb.EDIT_POSTMORTEM, locks=(Postmortem, ActionItem))
def delete_action_item(item: ActionItem, *, author: User) -> dict[str, int]:
    """Take a measure off the list. One that was promised in public is dropped with a reason instead."""
    _lock(item)
    if _is_promised(item):
        raise InvalidTransition(_("It was promised in public. Drop it, with the reason, or amend the report first."))
    item.mark_deleted()
    if item.is_commitment:
        mark_edited(item.postmortem, author)
    return taken_along(item)


@service(Verb.EDIT_POSTMORTEM, locks=(Postmortem, ActionItem))
def move_action_item(item: ActionItem, *, state: ActionItem.State, author: User, evidence: str = "") -> ActionItem:
    """Say where a measure stands. `evidence` shows that it is done, or is the reason why it is dropped; "" keeps it.

    The public reads the state of what it was promised, and whoever asked is notified when it is done: that is said by
    those who may publish reports.
    """
    _lock(item)
    if is_promised := _is_promised(item):
        require(author, Verb.PUBLISH_POSTMORTEM)
    is_done, is_dropped = state in (State.DONE, State.VERIFIED), state == State.DROPPED
    evidence = evidence.strip() or (item.dropped_because if is_dropped else item.evidence)
    if (is_done or is_dropped) and not evidence:
        words = _("Say what shows it: a link or a sentence.") if is_done else _("Say why it is dropped.")
        raise InvalidInput(words, field="evidence")
    was_done, today = item.done_on is not None, record_time().astimezone(item.postmortem.page.zone).date()
    save_checked(
        item,
        state=state,
        done_on=(item.done_on or today) if is_done else None,
        verified_on=(item.verified_on or today) if state == State.VERIFIED else None,
        dropped_because=evidence if is_dropped else "",
        evidence=item.evidence if is_dropped else evidence,
    )
    if is_promised:
        is_news = is_done and not was_done
        kind = outbox.Kind.COMMITMENT_FULFILLED if is_news else outbox.Kind.INCIDENT_EDITED
        outbox.record_postmortem(kind, item.postmortem, notify=is_news, action_item=item if is_news else None)
    return item


def _lock(item: ActionItem) -> None:
    item.postmortem.lock_live()
    item.lock_live()


def _is_promised(item: ActionItem) -> bool:
    """Whether the public reads of it now."""
    revision = item.postmortem.revision
    if revision is None or not item.postmortem.is_public:
        return False
    return any(each["id"] == item.public_id for each in revision.content["commitments"])
