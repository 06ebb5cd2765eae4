"""Writing a postmortem: its facts, its sections, and which incidents it is about."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any, TypedDict, Unpack

from django.utils import translation
from django.utils.translation import gettext as _

from incidents.authorship import service
from incidents.deletion import reason_of, taken_along
from incidents.errors import Conflict, InvalidInput, InvalidTransition
from incidents.lifecycle import Severity
from incidents.models import Incident, Postmortem, PostmortemSection, User
from incidents.models.base import save_checked
from incidents.models.postmortem import SECTION_LENGTH
from incidents.permissions import Verb
from incidents.postmortems.headings import KEYS, Template, key_of, split
from incidents.record_time import record_time, written_at

# Working days from the end of an incident to its report
DUE: dict[Severity, int] = {Severity.SEV1: 5, Severity.SEV2: 5, Severity.SEV3: 10}

State = Postmortem.State
DRAFT: dict[str, Any] = {
    "state": State.DRAFT,
    "approved_by": None,
    "approved_at": None,
    "approved_hash": "",
    "break_glass": "",
}


class PostmortemFacts(TypedDict, total=False):
    title: str
    owner: User | None
    due_on: date | None
    time_zone: str


@service(Verb.EDIT_POSTMORTEM, locks=Incident)
def start_postmortem(
    incident: Incident, *, author: User, template: Template = Template.PUBLIC_REPORT, owner: User | None = None
) -> Postmortem:
    """Begin the report on an incident with the headings of `template`, owned by who begins it or by `owner`."""
    incident.lock_live()
    check_uncovered(incident)
    postmortem = Postmortem(
        page=incident.page,
        title=incident.public_title or incident.title,
        owner=owner or author,
        due_on=due_on(incident),
        edited_by=author,
    )
    save_checked(postmortem)
    with translation.override(incident.page.language):
        for position, key in enumerate(KEYS[template], start=1):
            save_checked(PostmortemSection(postmortem=postmortem, key=key, heading=str(key.label), position=position))
    incident.change(postmortem=postmortem)
    return postmortem


@service(Verb.EDIT_POSTMORTEM, locks=Postmortem)
def edit_postmortem(postmortem: Postmortem, *, author: User, **facts: Unpack[PostmortemFacts]) -> Postmortem:
    """Change facts of a report; those not named keep their values. A new owner or due date is no edit of the text."""
    postmortem.lock_live()
    if "title" in facts:
        facts["title"] = " ".join(facts["title"].split())
    text = (postmortem.title, postmortem.time_zone)
    save_checked(postmortem, **facts)
    if text != (postmortem.title, postmortem.time_zone):
        mark_edited(postmortem, author)
    return postmortem


@service(Verb.EDIT_POSTMORTEM, locks=(Postmortem, Incident))
def delete_postmortem(postmortem: Postmortem, *, reason: str, author: User) -> dict[str, int]:
    """Give up a report of which nothing was ever published: its incidents may begin another one."""
    postmortem.lock_live()
    check_never_published(postmortem)
    along = taken_along(postmortem)
    postmortem.mark_deleted(reason)
    for incident in postmortem.incidents.locked():
        incident._change_reason = reason_of(postmortem)
        incident.change(postmortem=None)
    return along


# --- Incidents --------------------------------------------------------------------------------------------------------


@service(Verb.EDIT_POSTMORTEM, locks=(Postmortem, Incident))
def cover_incident(postmortem: Postmortem, incident: Incident, *, author: User) -> None:
    """Let the report be about this incident too."""
    postmortem.lock_live()
    incident.lock_live()
    check_never_published(postmortem)
    check_uncovered(incident)
    if incident.page_id != postmortem.page_id:
        raise InvalidInput(_("The incident belongs to another page. Start a report there."), field="incident")
    incident.change(postmortem=postmortem)
    mark_edited(postmortem, author)


@service(Verb.EDIT_POSTMORTEM, locks=(Postmortem, Incident))
def uncover_incident(postmortem: Postmortem, incident: Incident, *, author: User) -> None:
    """Let the report be about its other incidents only."""
    postmortem.lock_live()
    incident.lock()
    check_never_published(postmortem)
    if incident.postmortem_id != postmortem.pk or postmortem.incidents.count() == 1:
        raise InvalidInput(_("A report is about at least one incident. Add another one first."), field="incident")
    incident.change(postmortem=None)
    mark_edited(postmortem, author)


# --- Sections ---------------------------------------------------------------------------------------------------------


@service(Verb.EDIT_POSTMORTEM, locks=(Postmortem, PostmortemSection))
def edit_section(
    section: PostmortemSection,
    *,
    heading: str,
    internal: str,
    public: str,
    withheld: str,
    author: User,
    seen: str | None = None,
) -> PostmortemSection:
    """Write a section. `seen` is the `version` that the author began with: `Conflict` when another one is there now."""
    section.postmortem.lock_live()
    section.lock()
    if section.deleted_at:
        raise InvalidTransition(_("This section was removed while you typed. Copy your text to another one."))
    texts = {
        "heading": " ".join(heading.split()),
        "internal": check_text(internal, "internal"),
        "public": check_text(public, "public"),
        "withheld": " ".join(withheld.split()),
    }
    if all(getattr(section, name) == text for name, text in texts.items()):
        return section  # it was saved before, perhaps by a request whose answer was lost
    if seen is not None and seen != section.version:
        who = section.history.latest().history_user
        raise Conflict(
            _("%(who)s changed this section while you typed. Read it, then save yours over it if it still holds.")
            % {"who": who},
            theirs=section,
        )
    save_checked(section, **texts)
    mark_edited(section.postmortem, author)
    return section


@service(Verb.EDIT_POSTMORTEM, locks=Postmortem)
def add_section(postmortem: Postmortem, *, heading: str, author: User) -> PostmortemSection:
    """A further section, the last one. What it is about is read from the heading, if it is a usual one."""
    postmortem.lock_live()
    present = list(postmortem.live_sections())
    key = key_of(heading)
    if any(section.key == key for section in present):
        key = PostmortemSection.Key.OTHER
    position = max((section.position for section in present), default=0) + 1
    section = PostmortemSection(postmortem=postmortem, key=key, heading=" ".join(heading.split()), position=position)
    save_checked(section)
    mark_edited(postmortem, author)
    return section


@service(Verb.EDIT_POSTMORTEM, locks=(Postmortem, PostmortemSection))
def delete_section(section: PostmortemSection, *, author: User) -> dict[str, int]:
    """The record keeps what was in it."""
    section.postmortem.lock_live()
    section.lock()
    along = taken_along(section)
    section.mark_deleted()
    mark_edited(section.postmortem, author)
    return along


@service(Verb.EDIT_POSTMORTEM, locks=(Postmortem, PostmortemSection))
def arrange_sections(postmortem: Postmortem, sections: Sequence[PostmortemSection], *, author: User) -> None:
    """Put all sections into this order."""
    postmortem.lock_live()
    if {section.pk for section in sections} != set(postmortem.live_sections().values_list("pk", flat=True)):
        raise InvalidInput(_("Sections were added or removed meanwhile. Look again, then move them."))
    for section in sorted(sections, key=lambda section: section.pk):
        section.lock()
    for position, section in enumerate(sections, start=1):
        if section.position != position:
            section.change(position=position)
    mark_edited(postmortem, author)


@service(Verb.EDIT_POSTMORTEM, locks=(Postmortem, PostmortemSection))
def write_report(postmortem: Postmortem, *, body: str, author: User) -> None:
    """Replace the public text by a whole report in Markdown: each of its headings becomes, or stays, a section.

    What stands before the first one is the summary. Sections that it does not name lose their public text and keep the
    internal one.
    """
    postmortem.lock_live()
    present = {section.heading.casefold(): section for section in postmortem.live_sections()}
    usual = str(PostmortemSection.Key.SUMMARY.label)
    written = [(heading or usual, text) for heading, text in split(check_text(body, "body"))]
    if not any(text for _heading, text in written):
        raise InvalidInput(_("Write the report first."), field="body")
    order = []
    for heading, text in written:
        section = present.pop(heading.casefold(), None) or add_section(postmortem, heading=heading, author=author)
        save_checked(section, public=text)
        order.append(section)
    for section in present.values():
        save_checked(section, public="")
    arrange_sections(postmortem, [*order, *present.values()], author=author)


# --- What they have in common -----------------------------------------------------------------------------------------


def mark_edited(postmortem: Postmortem, author: User) -> None:
    """Say who edited the text last. What was approved is not this text any more: it is a draft again."""
    back_to_draft = DRAFT if postmortem.state in (State.APPROVED, State.PUBLISHED) else {}
    postmortem.change(edited_by=author, edited_at=written_at(), **back_to_draft)


def approval(postmortem: Postmortem, author: User, *, break_glass: str) -> dict[str, Any]:
    """The facts of an approved text; those of `DRAFT` take the approval away again."""
    return {
        "state": State.APPROVED,
        "approved_by": author,
        "approved_at": written_at(),
        "approved_hash": postmortem.fingerprint(),
        "break_glass": break_glass,
    }


def check_text(text: str, field: str) -> str:
    """The text as it will be kept; raises `InvalidInput` when it is too long."""
    text = text.replace("\r\n", "\n").strip()
    if len(text) > SECTION_LENGTH:
        raise InvalidInput(
            _("The text has %(length)d characters; %(most)d are allowed.")
            % {"length": len(text), "most": SECTION_LENGTH},
            field=field,
        )
    return text


def check_uncovered(incident: Incident) -> None:
    if incident.postmortem_id:
        raise InvalidTransition(_("This incident has a postmortem already. Go on with that one."))


def check_never_published(postmortem: Postmortem) -> None:
    if postmortem.revision:
        raise InvalidTransition(_("A revision of this postmortem was published: it stays about these incidents."))


def due_on(incident: Incident) -> date | None:
    """Until when customers may expect the report, by the severity; None when none is owed."""
    days = DUE.get(Severity(incident.severity))
    latest = incident.latest_update()
    ended_at = latest.display_at if latest and incident.is_ended else record_time()
    return _working_day(ended_at.astimezone(incident.page.zone), days) if days else None


def _working_day(start: datetime, days: int) -> date:
    day = start.date()
    while days:
        day += timedelta(days=1)
        days -= day.weekday() < 5
    return day
