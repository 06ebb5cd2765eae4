"""What happened to a row, as one list that people read: when, who, what, and each fact's old and new value."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from typing import Any

from django.db import models
from django.utils import dateformat
from django.utils.text import capfirst
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from incidents.lifecycle import IncidentStatus
from incidents.models import (
    Component,
    ComponentStatusChange,
    Incident,
    IncidentRole,
    IncidentUpdate,
    PlannedUpdate,
    Postmortem,
    PostmortemRevision,
    TimelineEntry,
    User,
)
from incidents.models.base import Tracked

# Which row it is, and what follows from the other facts
LEFT_OUT = frozenset({"id", "public_id", "created_at", "updated_at", "deleted_at", "host", "sequence", "occurrence"})
# Facts of an incident that its updates say
SAID_BY_UPDATES = frozenset({"status", "first_posted_at", "next_update_due_at"})


@dataclass(frozen=True, slots=True)
class Change:
    """A fact with its two values in words; "" for one that is not set."""

    name: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Entry:
    at: datetime  # the server's clock
    author: User | None
    what: str
    changes: tuple[Change, ...] = ()
    text: str = ""
    reason: str = ""


def format_time(at: datetime) -> str:
    """ "Jan 17, 2023 - 17:02 CET" in the current time zone."""
    return dateformat.format(localtime(at), "M j, Y - H:i T")


def of_row(row: Tracked | User) -> list[Entry]:
    """The history of one row, newest first."""
    return _newest_first(_entries(row))


def facts_of(incident: Incident) -> list[Entry]:
    """How the facts, plan and roles of an incident changed, newest first; its updates tell what they changed."""
    first, *later = _entries(incident, leave_out={*SAID_BY_UPDATES, "impact"})
    later += _role_entries(incident)
    if plan := getattr(incident, "plan", None):
        later += _entries(plan, leave_out={"incident"})[1:]
    return [*_newest_first(later), replace(first, changes=())]  # what it began with is no change


def of_component(component: Component) -> list[Entry]:
    """The history of a component with every status it had."""
    changes = component.status_changes.select_related("author", "update__incident")
    return _newest_first([*of_row(component), *(_status_entry(change) for change in changes)])


def of_incident(incident: Incident) -> list[Entry]:
    """Everything that was posted and done about an incident, corrections with the text that they replaced."""
    components: dict[int | None, list[ComponentStatusChange]] = defaultdict(list)
    changes = ComponentStatusChange.objects.filter(update__incident=incident).order_by("pk")
    for change in changes.select_related("component__group"):
        components[change.update_id].append(change)
    entries = []
    for old, new in _versions(IncidentUpdate.history.filter(incident_id=incident.pk)):
        entries.append(_update_entry(old, new, components[new.id]))
    entries += [_note_entry(note) for note in incident.timeline.select_related("author")]
    planned = PlannedUpdate.history.filter(incident_id=incident.pk).select_related("author")
    entries += _created_or_changed(PlannedUpdate._meta.verbose_name, planned, leave_out={"incident", "seen", "update"})
    entries += _role_entries(incident)
    if plan := getattr(incident, "plan", None):
        entries += _entries(plan, leave_out={"incident"})
    if incident.postmortem:
        entries += [_revision_entry(revision) for revision in _revisions(incident.postmortem)]
    return _newest_first([*entries, *_entries(incident, leave_out=SAID_BY_UPDATES)])


def of_postmortem(postmortem: Postmortem) -> list[Entry]:
    """Everything that was written, approved and published of a report, with its measures."""
    rows = [*postmortem.sections.all(), *postmortem.action_items.all()]
    entries = [entry for row in rows for entry in _entries(row, leave_out={"postmortem", "position"}, about=str(row))]
    entries += [_revision_entry(revision) for revision in _revisions(postmortem)]
    return _newest_first([*entries, *_entries(postmortem, leave_out={"edited_by", "edited_at", "approved_hash"})])


def _revisions(postmortem: Postmortem) -> Iterable[PostmortemRevision]:
    return postmortem.revisions.select_related("author", "approved_by")


def _revision_entry(revision: PostmortemRevision) -> Entry:
    what = _("Postmortem: revision %(number)d published, approved by %(who)s")
    return Entry(
        revision.created_at,
        revision.author,
        what % {"number": revision.number, "who": revision.approved_by},
        text=revision.what_changed,
        reason=revision.break_glass,
    )


def _newest_first(entries: Iterable[Entry]) -> list[Entry]:
    """Those that one service wrote, all at one time, as they came here: so what it writes last comes here last."""
    return sorted(entries, key=lambda entry: entry.at)[::-1]


def _versions(records: Any) -> list[tuple[Any, Any]]:
    """Each history row with the one before it of the same row, None for the first."""
    by_row: dict[int, list[Any]] = defaultdict(lambda: [None])
    for record in records.select_related("history_user").order_by("history_id"):
        by_row[record.id].append(record)
    return [pair for versions in by_row.values() for pair in pairwise(versions)]


def _entries(row: Tracked | User, leave_out: Collection[str] = (), about: str = "") -> list[Entry]:
    noun = f"{row._meta.verbose_name} “{about}”" if about else row._meta.verbose_name
    return _created_or_changed(noun, row.history.all(), leave_out)


def _created_or_changed(noun: object, records: Any, leave_out: Collection[str]) -> list[Entry]:
    entries = []
    for old, new in _versions(records):
        is_deleted = getattr(new, "deleted_at", None) and not (old and old.deleted_at)
        differs = () if is_deleted else changes(old, new, leave_out)
        if not (old is None or is_deleted or differs or new.history_change_reason):
            continue  # touched without a new fact
        verb = _("deleted") if is_deleted else (_("changed") if old else _("created"))
        what = f"{capfirst(str(noun))}: {verb}"
        entries.append(_entry(new, what, changes=differs))
    return entries


def _entry(record: Any, what: str, **more: Any) -> Entry:
    return Entry(record.history_date, record.history_user, what, reason=record.history_change_reason or "", **more)


def _named(field: models.Field[Any, Any], record: Any) -> str:
    return str(getattr(record, field.name))


def changes(
    old: Any, new: Any, leave_out: Collection[str] = (), name_of: Callable[[Any, Any], str] = _named
) -> tuple[Change, ...]:
    """What differs between two history rows; of the first, all that is set. `name_of` says whom a relation names."""
    found = []
    # A row that is its own history is as it was created.
    for field in getattr(new, "tracked_fields", new._meta.concrete_fields):
        if field.name in LEFT_OUT or field.name in leave_out:
            continue
        before = getattr(old, field.attname) if old else None
        after = getattr(new, field.attname)
        if before != after and not (old is None and after == ""):
            words = [_words(field, record, name_of) if record else "" for record in (old, new)]
            found.append(Change(capfirst(field.verbose_name), *words))
    return tuple(found)


def _words(field: models.Field[Any, Any], record: Any, name_of: Callable[[Any, Any], str]) -> str:
    value = getattr(record, field.attname)
    if value is None:
        return ""
    if field.is_relation:
        return name_of(field, record)
    if field.choices:
        return str(dict(field.flatchoices).get(value, value))
    if isinstance(value, datetime):
        return format_time(value)
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    return str(value)


def _update_entry(old: Any, new: Any, components: list[ComponentStatusChange]) -> Entry:
    status = IncidentStatus(new.status).label
    if old is not None:
        return _entry(new, _("Update “%(status)s”: changed") % {"status": status}, changes=changes(old, new))
    what = _("Update “%(status)s”: posted, shown as of %(time)s")
    facts = [_status_change(str(change.component), change) for change in components]
    if new.next_update_due_at:
        facts.append(Change(_("Next update by"), "", format_time(new.next_update_due_at)))
    return _entry(
        new, what % {"status": status, "time": format_time(new.display_at)}, text=new.body, changes=tuple(facts)
    )


def _status_change(name: str, change: ComponentStatusChange) -> Change:
    old = change.get_old_status_display() if change.old_status != change.status else ""
    return Change(name, old, change.get_status_display())


def _status_entry(change: ComponentStatusChange) -> Entry:
    what = _("Status as of %(time)s") % {"time": format_time(change.effective_at)}
    if change.update:
        what = f"{what} - {change.update.incident}"
    reason = change.reason
    if change.update and change.update.withdrawn_at:
        reason = _("It does not count: the update was taken back.")
    elif change.update and change.update.incident.deleted_at:
        reason = _("It does not count: the incident was deleted.")
    return Entry(change.created_at, change.author, what, changes=(_status_change(_("Status"), change),), reason=reason)


def _role_entries(incident: Incident) -> list[Entry]:
    records = IncidentRole.history.filter(incident_id=incident.pk).select_related("user")
    return [
        _entry(
            new,
            (_("%(role)s: given up by %(who)s") if old else _("%(role)s: taken by %(who)s"))
            % {"role": new.get_role_display(), "who": new.user},
            text=new.handover_note,
        )
        for old, new in _versions(records)
    ]


def _note_entry(note: TimelineEntry) -> Entry:
    what = f"{note.get_kind_display()}, {format_time(note.occurred_at)}"
    if note.ended_at:
        what = f"{what} - {format_time(note.ended_at)}"
    if note.outcome:
        what = f"{what}: {note.get_outcome_display()}"
    return Entry(note.created_at, note.author, what, text=note.text)
