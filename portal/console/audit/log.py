"""The audit log: every change to everything, from all tables of the history, newest first.

Its cost does not grow with the history: each table is asked for one page of rows, and for the versions before them.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.core.exceptions import FieldDoesNotExist
from django.db.models import Model, OuterRef, Q, QuerySet, Subquery
from django.template.defaultfilters import truncatechars
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from incidents.history import changes as history
from incidents.history.seals import history_models
from incidents.models import Incident, Postmortem, User

if TYPE_CHECKING:
    from incidents.history.changes import Change

SHOWN = 50
AT_ONCE = 500  # rows of each table that an export reads together


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where an entry stands: later ones are greater."""

    at: datetime
    table: str
    key: int

    def __str__(self) -> str:
        return f"{self.at.isoformat()} {self.table} {self.key}"

    @classmethod
    def read(cls, text: str) -> Place:
        """Raises ValueError."""
        at, table, key = text.split(" ")
        instant = datetime.fromisoformat(at)
        if instant.tzinfo is None:
            raise ValueError(at)
        return cls(instant, table, int(key))


@dataclass(frozen=True, slots=True)
class AuditEntry:
    place: Place
    author: User | None
    noun: str  # "Incident update"
    row: str  # how the row calls itself
    verb: str  # "created", "changed", "deleted"
    changes: tuple[Change, ...]
    reason: str


Names = dict[tuple[type[Model], Any], str]


@dataclass(frozen=True, slots=True)
class Filter:
    """Which entries: all where nothing is set."""

    author: User | None = None
    table: str = ""
    since: datetime | None = None
    until: datetime | None = None
    incident: Incident | None = None

    def tables(self) -> Iterator[Table]:
        for model, written_at in history_models():
            table = Table(model, written_at)
            if self.table in ("", table.name) and (self.incident is None or table.paths):
                yield table


def page(wanted: Filter, before: Place | None = None, limit: int = SHOWN) -> list[AuditEntry]:
    """The newest `limit` entries, or those right before a place."""
    found = heapq.nlargest(
        limit,
        (pair for table in wanted.tables() for pair in table.newest(wanted, before, limit)),
        key=lambda pair: pair[0],
    )
    entries = []
    for table in wanted.tables():
        entries += table.entries([pair for pair in found if pair[0].table == table.name])
    return sorted(entries, key=lambda entry: entry.place, reverse=True)


def every(wanted: Filter) -> Iterator[AuditEntry]:
    """All of them, newest first, read in parts."""
    before = None
    while found := page(wanted, before, AT_ONCE):
        yield from found
        before = found[-1].place


def choices() -> list[tuple[str, str]]:
    """(table, its noun) of each table of the history."""
    tables = (Table(model, written_at) for model, written_at in history_models())
    return sorted(((table.name, table.noun) for table in tables), key=lambda pair: pair[1])


class Table:
    """One table: the history of a tracked model, or rows that are their own history."""

    def __init__(self, model: type[Model], written_at: str) -> None:
        self.model, self._written_at = model, written_at
        self.name = model._meta.label_lower
        self.is_history = written_at == "history_date"
        self.author = "history_user" if self.is_history else "author"
        self._subject: Any = getattr(model, "instance_type", model)
        self.noun = capfirst(str(self._subject._meta.verbose_name))
        self.paths = list(paths_to_incident(self._subject))

    def newest(self, wanted: Filter, before: Place | None, limit: int) -> list[tuple[Place, Any]]:
        rows = self.rows(wanted)
        if before:
            earlier = Q(**{f"{self._written_at}__lt": before.at})
            same = Q(**{self._written_at: before.at})
            if self.name == before.table:
                earlier |= same & Q(pk__lt=before.key)
            elif self.name < before.table:
                earlier |= same
            rows = rows.filter(earlier)
        ordered = rows.order_by(f"-{self._written_at}", "-pk")[:limit]
        return [(Place(getattr(row, self._written_at), self.name, row.pk), row) for row in ordered]

    def rows(self, wanted: Filter) -> QuerySet[Any]:
        facts = {
            self.author: wanted.author,
            f"{self._written_at}__gte": wanted.since,
            f"{self._written_at}__lt": wanted.until,
        }
        condition = Q(**{name: value for name, value in facts.items() if value is not None})
        if wanted.incident:
            about = Q()
            for path in self.paths:
                about |= Q(**{path: self._key(wanted.incident)})
            condition &= about
        return self.model._default_manager.filter(condition).select_related(self.author)

    def _key(self, incident: Incident) -> int | None:
        return incident.postmortem_id if self._subject is Postmortem else incident.pk

    def entries(self, rows: list[tuple[Place, Any]]) -> list[AuditEntry]:
        if not rows:
            return []
        if not self.is_history:
            names = self._names([row for _place, row in rows])
            return [self._entry(place, row, None, names) for place, row in rows]
        older = self.model._default_manager.filter(id=OuterRef("id"), history_id__lt=OuterRef("history_id"))
        numbered = self.model._default_manager.filter(pk__in=[row.pk for _place, row in rows]).annotate(
            previous=Subquery(older.order_by("-history_id").values("history_id")[:1])
        )
        previous = dict(numbered.values_list("pk", "previous"))
        versions = self.model._default_manager.in_bulk([key for key in previous.values() if key])
        names = self._names([row for _place, row in rows] + list(versions.values()))
        return [self._entry(place, row, versions.get(previous[row.pk]), names) for place, row in rows]

    def _entry(self, place: Place, row: Any, old: Any, names: Names) -> AuditEntry:
        is_deleted = bool(getattr(row, "deleted_at", None) and not (old and old.deleted_at))
        verb = _("deleted") if is_deleted else _("changed") if old else _("created")
        changes = history.changes(old, row, {"author"}, lambda field, record: _related(names, field, record))
        reason = row.history_change_reason if self.is_history else getattr(row, "reason", "")
        return AuditEntry(place, getattr(row, self.author), self.noun, name_of(row), verb, changes, reason or "")

    def _names(self, records: list[Any]) -> Names:
        """What the rows are called that these records name; one query for each model."""
        wanted: dict[Any, set[Any]] = defaultdict(set)
        for field in self.model._meta.concrete_fields:
            if field.is_relation:
                wanted[field.related_model] |= {getattr(record, field.attname) for record in records} - {None}
        return {
            (model, key): name_of(row)
            for model, keys in wanted.items()
            for key, row in model._base_manager.in_bulk(keys).items()
        }


def name_of(row: Any) -> str:
    """What people know a row by, from its own columns: a name that takes a query for each row would be dear."""
    if isinstance(row, User):
        return str(row)
    for field in ("title", "name", "heading", "text", "body", "username"):
        if value := getattr(row, field, ""):
            return truncatechars(str(value), 60)
    return f"#{getattr(row, 'id', row.pk)}"


def _related(names: Names, field: Any, record: Any) -> str:
    key = getattr(record, field.attname)
    return names.get((field.related_model, key), f"#{key}")


def paths_to_incident(model: type[Model]) -> Iterator[str]:
    """The look-ups that lead from a row of `model`, or of its history, to the incident that it is about."""
    if model in (Incident, Postmortem):
        yield "id"
        return
    for name in ("incident", "update__incident", "postmortem__incidents", "section__postmortem__incidents"):
        try:
            _follow(model, name)
        except FieldDoesNotExist:
            continue
        yield name


def _follow(model: type[Model], path: str) -> None:
    for name in path.split("__"):
        relation: Any = model._meta.get_field(name)
        model = relation.related_model
