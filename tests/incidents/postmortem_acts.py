"""The services of postmortems, as `acts` has all services."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from incidents import checking, restoration
from incidents.incidents import (
    declare_incident,
    post_update,
)
from incidents.lifecycle import IncidentStatus
from incidents.models import (
    ActionItem,
    Incident,
    Page,
    Postmortem,
    User,
)
from incidents.permissions import Verb
from incidents.postmortems import action_items, checks, publishing, reviewing, writing
from tests.reports import approved, publish_report

Acts = dict[Callable[..., object], tuple[Verb, Callable[[Any], object]]]
"""Of each service the right that it asks for, and a call in the name of somebody that would succeed."""


def of_postmortems(page: Page, author: User, admin: User) -> Acts:
    """Each on a report of its own, for most of them move it on."""

    def ended(title: str) -> Incident:
        incident = declare_incident(page, title=title, author=author)
        post_update(incident, status=IncidentStatus.RESOLVED, body="Done.", author=author)
        return incident

    def begun(title: str) -> Postmortem:
        postmortem = writing.start_postmortem(ended(title), author=author)
        writing.write_report(postmortem, body="Why.", author=author)
        return postmortem

    def submitted(title: str) -> Postmortem:
        postmortem = begun(title)
        reviewing.submit_postmortem(postmortem, author=author)
        return postmortem

    new, more, other = ended("New"), ended("More"), ended("Other")
    draft, given_up, read = begun("Draft"), begun("Given up"), submitted("Read")
    returned = submitted("Returned")
    fingerprint = read.fingerprint()
    wrong = begun("Wrong")
    writing.write_report(wrong, body="On Monday, January 17, 2023 it rained.", author=author)
    (finding,) = checks.open_findings(wrong)
    writing.cover_incident(draft, other, author=author)
    ready = approved(ended("Ready"), "Why.", author)
    known = ended("Public")
    public = writing.start_postmortem(known, author=author)
    promised = action_items.add_action_item(
        public, text="Alert earlier", is_commitment=True, public_wording="We alert earlier.", author=author
    )
    known.refresh_from_db()
    publish_report(known, body="Why.", author=author)
    section, removed = draft.live_sections()[:2]
    item = action_items.add_action_item(draft, text="Alert earlier", author=author)
    gone = action_items.add_action_item(draft, text="Nothing", author=author)
    reviewing.record_reading(draft, author=admin)
    comment = reviewing.comment_section(section, text="Really?", author=author)
    texts = {"heading": "Summary", "internal": "", "public": "Because.", "withheld": ""}
    done = ActionItem.State.DONE
    edit, publish = Verb.EDIT_POSTMORTEM, Verb.PUBLISH_POSTMORTEM
    return {
        writing.start_postmortem: (edit, lambda by: writing.start_postmortem(new, author=by)),
        writing.edit_postmortem: (edit, lambda by: writing.edit_postmortem(draft, title="Other", author=by)),
        writing.delete_postmortem: (edit, lambda by: writing.delete_postmortem(given_up, reason="No need", author=by)),
        restoration.restore_postmortem: (edit, lambda by: restoration.restore_postmortem(given_up, author=by)),
        writing.cover_incident: (edit, lambda by: writing.cover_incident(draft, more, author=by)),
        writing.uncover_incident: (edit, lambda by: writing.uncover_incident(draft, other, author=by)),
        writing.edit_section: (edit, lambda by: writing.edit_section(section, **texts, author=by)),
        writing.add_section: (edit, lambda by: writing.add_section(draft, heading="Thanks", author=by)),
        writing.delete_section: (edit, lambda by: writing.delete_section(removed, author=by)),
        restoration.restore_section: (edit, lambda by: restoration.restore_section(removed, author=by)),
        writing.arrange_sections: (
            edit,
            lambda by: writing.arrange_sections(draft, list(draft.live_sections())[::-1], author=by),
        ),
        writing.write_report: (edit, lambda by: writing.write_report(draft, body="Because.", author=by)),
        action_items.add_action_item: (
            edit,
            lambda by: action_items.add_action_item(draft, text="Watch it", author=by),
        ),
        action_items.edit_action_item: (
            edit,
            lambda by: action_items.edit_action_item(item, text="Alert sooner", author=by),
        ),
        action_items.move_action_item: (
            edit,
            lambda by: action_items.move_action_item(promised, state=done, evidence="A test", author=by),
        ),
        action_items.delete_action_item: (edit, lambda by: action_items.delete_action_item(gone, author=by)),
        restoration.restore_action_item: (edit, lambda by: restoration.restore_action_item(gone, author=by)),
        reviewing.comment_section: (edit, lambda by: reviewing.comment_section(section, text="Why?", author=by)),
        reviewing.settle_comment: (edit, lambda by: reviewing.settle_comment(comment, author=by)),
        reviewing.record_reading: (edit, lambda by: reviewing.record_reading(draft, author=by)),
        reviewing.submit_postmortem: (edit, lambda by: reviewing.submit_postmortem(draft, author=by)),
        reviewing.return_postmortem: (edit, lambda by: reviewing.return_postmortem(returned, author=by)),
        reviewing.approve_postmortem: (
            Verb.APPROVE_POSTMORTEM,
            lambda by: reviewing.approve_postmortem(read, fingerprint=fingerprint, author=by),
        ),
        checking.dismiss_finding: (
            Verb.APPROVE_POSTMORTEM,
            lambda by: checking.dismiss_finding(wrong, digest=finding.digest, reason="A quotation.", author=by),
        ),
        publishing.publish_postmortem: (publish, lambda by: publishing.publish_postmortem(ready, author=by)),
        publishing.unpublish_postmortem: (
            publish,
            lambda by: publishing.unpublish_postmortem(public, reason="Wrong", author=by),
        ),
    }
