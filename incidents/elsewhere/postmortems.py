"""The postmortem of what happened elsewhere: a published revision, without a review of ours."""

from __future__ import annotations

from django.utils.translation import gettext as _

from incidents.elsewhere.records import PostmortemRecord
from incidents.errors import InvalidInput
from incidents.models import Incident, Postmortem, PostmortemRevision, PostmortemSection, User
from incidents.models.base import save_checked
from incidents.postmortems.headings import key_of, split
from incidents.postmortems.writing import approval, check_text

State = Postmortem.State


def publish(incident: Incident, report: PostmortemRecord, public_id: str, author: User) -> list[str]:
    """Publish it, or what has changed of it as a further revision; returns sentences that say why it cannot be.

    The incident is locked, and the caller records the event for its page.
    """
    sections = split(check_text(report.body, "report"))
    if not any(text for _heading, text in sections):
        raise InvalidInput(_("Write the report first."), field="report")
    postmortem = incident.postmortem
    if postmortem is None:
        if Postmortem.objects.filter(public_id=public_id).exists():
            raise InvalidInput(_("Another postmortem has the id “%(id)s” already.") % {"id": public_id}, field="report")
        postmortem = Postmortem(
            public_id=public_id,
            page=incident.page,
            time_zone=incident.page.time_zone,
            created_at=report.published_at,
            edited_by=author,
        )
    else:
        postmortem.lock_live()
        if postmortem.state != State.PUBLISHED or postmortem.withdrawn_at:
            return [_("The postmortem was changed or taken back here, and stays as it is.")]
    save_checked(postmortem, title=" ".join(report.title.split()), edited_by=author)
    _write_sections(postmortem, sections)
    _publish_revision(postmortem, report, sections, author)
    if incident.postmortem_id is None:
        incident.change(postmortem=postmortem)
    return []


def _write_sections(postmortem: Postmortem, sections: list[tuple[str, str]]) -> None:
    for section in postmortem.live_sections():
        section.mark_deleted()
    used: set[str] = set()
    for position, (given, text) in enumerate(sections, start=1):
        heading = given or str(PostmortemSection.Key.SUMMARY.label)  # for staff, who may go on with it
        key = key_of(heading)
        if key in used:
            key = PostmortemSection.Key.OTHER
        used.add(key)
        save_checked(PostmortemSection(postmortem=postmortem, key=key, heading=heading, position=position, public=text))


def _publish_revision(
    postmortem: Postmortem, report: PostmortemRecord, sections: list[tuple[str, str]], author: User
) -> None:
    former = postmortem.revision
    approved = approval(postmortem, author, break_glass=_("It was published elsewhere before it was recorded here."))
    postmortem.change(**approved | {"state": State.PUBLISHED})
    content = postmortem.content()
    if not sections[0][0]:  # it began without a heading there
        content["sections"][0]["heading"] = ""
    revision = PostmortemRevision(
        postmortem=postmortem,
        number=former.number + 1 if former else 1,
        content=content,
        content_hash=postmortem.approved_hash,
        what_changed=_("The text was changed where it was first published.") if former else "",
        edited_by=author,
        approved_by=author,
        break_glass=postmortem.break_glass,
        author=author,
        display_at=former.display_at if former else report.display_at,
        deliver_notifications=report.deliver_notifications,
    )
    if not former:
        revision.published_at = report.published_at
    save_checked(revision)
