"""A chain over the history, so that a change behind the portal's back is found.

The clock seals rows of the history once they have settled: each batch carries a mark for every row and a code over all
of it and the code before it, made with `settings.AUDIT_KEY`, which is not in the database. Whoever can write to the
database, but has no key, cannot change, remove or slip in a sealed row without `verify` naming it.

What has no history of its own is not left out: who was notified is sealed message by message when it has finished, how
many messages were owed has a mark from the first moment, and the history of an account or a subscriber has a mark of
what it does not say itself (`incidents.marks`). Which tables and columns are not watched, and why, is said in
`coverage`.

Whoever removes the newest rows together with the newest seals leaves a chain that is whole, and shorter: so keep its
head (`incident-portal audit`) elsewhere and verify against it. The log has it too, at every seal.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import count
from typing import Any

from django.apps import apps
from django.contrib.auth.models import Group
from django.db import IntegrityError, models, transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from incidents import permissions
from incidents.isolation import each, loop
from incidents.marks import code, is_same, mark, mark_of
from incidents.models import Page, Seal
from incidents.models.base import AppendOnly
from incidents.record_time import record_time

logger = logging.getLogger(__name__)

SENT = "sent"  # the state of a row that is final
DELETED = "-"  # simple-history's type of a row's last history row
SETTLED = timedelta(minutes=10)  # longer than any transaction: no row with a smaller key can still appear
BATCH = 500
AT_ONCE = 20  # full batches of one call, so that a tick stays short
# Whoever signs people in stands in the settings, and no token of theirs is kept.
EMPTY = ("socialaccount.SocialApp", "socialaccount.SocialToken")

Model = type[models.Model]


@dataclass(frozen=True, slots=True)
class Sealed:
    """A table whose rows are sealed in the order of their keys; `columns` are those that never change."""

    model: Model
    written_at: str  # the column that says when a row was written
    columns: list[str]

    @property
    def table(self) -> str:
        return self.model._meta.label_lower


def every_model() -> list[Model]:
    """Every table; the rows of a proxy are another model's."""
    return [model for model in apps.get_models(include_auto_created=True) if not model._meta.proxy]


def tracked_models() -> list[Any]:
    """Every table whose rows have a history."""
    return [model for model in every_model() if hasattr(model, "history")]


def history_models() -> list[tuple[Model, str]]:
    """Every model that is history, each with the field that says when a row was written."""
    own = [model for model in every_model() if issubclass(model, AppendOnly) and model is not Seal]
    found = [
        *((model.history.model, "history_date") for model in tracked_models()),
        *((model, "created_at") for model in own),
    ]
    return sorted(found, key=lambda pair: pair[0]._meta.label_lower)


def sealed_models() -> list[Sealed]:
    """The history, and what other models name SEALED."""
    partly: list[Any] = [model for model in every_model() if hasattr(model, "SEALED")]
    return [
        *(Sealed(model, written_at, _columns(model)) for model, written_at in history_models()),
        *(Sealed(model, "created_at", list(model.SEALED)) for model in partly),
    ]


def _columns(model: Model) -> list[str]:
    return sorted(field.attname for field in model._meta.concrete_fields)


@loop("seal")
def seal() -> int:
    """Seal what has settled; returns how many rows. For the clock: of two at once, one does it."""
    left = iter(range(AT_ONCE))
    steps = [(sealed.table, partial(_seal_next, sealed)) for sealed in sealed_models()]
    steps += [(f"{model._meta.label_lower} finished", partial(_seal_finished, model)) for model in finished_models()]
    # Every table has its turn: what bounds a tick is AT_ONCE.
    sealed = each("seal", steps, lambda step: _in_batches(step[1], left), key=lambda step: step[0], seconds=math.inf)
    if sealed:
        logger.info("sealed %d rows of the history; the chain's head is %s", sealed, head())
    return sealed


def head() -> Seal | None:
    """The newest seal, whose text is to be kept elsewhere."""
    return Seal.objects.order_by("-number").first()


def _in_batches(seal_next: Callable[[], int], left: Iterator[int]) -> int:
    """Until nothing is left to seal, or none of the full batches of this call."""
    sealed = 0
    try:
        while done := seal_next():
            sealed += done
            if done < BATCH or next(left, None) is None:
                break
    except IntegrityError:
        logger.info("another clock is sealing")
    return sealed


@transaction.atomic
def _seal_next(sealed: Sealed) -> int:
    newest = Seal.objects.filter(table=sealed.table).order_by("-number").first()
    columns = sorted({*sealed.columns, sealed.written_at})
    rows = _rows(sealed.model, columns, after=newest.marks[-1][0] if newest else 0, limit=BATCH)
    settled_before = record_time() - SETTLED
    marks = []
    for key, values in rows:
        if values[columns.index(sealed.written_at)] > settled_before:
            break
        marks.append([key, mark(sealed.table, key, values)])
    return _add(Seal(table=sealed.table, columns=columns, marks=marks))


def _add(row: Seal) -> int:
    """Append it to the chain, if it seals anything; returns how many rows."""
    if row.marks:
        _append(row)
    return len(row.marks)


def _append(row: Seal) -> None:
    last = head()
    row.sealed_at, row.number = record_time(), last.number + 1 if last else 1
    row.mac = _mac(row, last.mac if last else "")
    row.save()


# --- What is sealed when it has finished ------------------------------------------------------------------------------


def finished_models() -> list[Any]:
    """Those whose rows change until `finished_at` says that they are done, like messages that are sent.

    What they name SEALED_WHEN_FINISHED never changes. The rest (SEALED_UNTIL_RETRIED) stays as long as it has not been
    tried again, and what was sent is not.
    """
    return [model for model in every_model() if hasattr(model, "SEALED_WHEN_FINISHED")]


@transaction.atomic
def _seal_finished(model: Any) -> int:
    table = model._meta.label_lower
    newest = Seal.objects.filter(table=table).order_by("-number").first()
    rows = _finished(model, _end_of(newest)).filter(finished_at__lte=record_time() - SETTLED)[:BATCH]
    columns = [*model.SEALED_WHEN_FINISHED, *model.SEALED_UNTIL_RETRIED]
    found = list(rows.values_list("pk", "finished_at", "state", *columns))
    marks = [
        [key, _mark_finished(model, key, state, dict(zip(columns, values, strict=True)))]
        for key, _at, state, *values in found
    ]
    return _add(Seal(table=table, columns=columns, marks=marks, until=found[-1][1] if found else None))


End = tuple[datetime, int]  # when the last row of a seal finished, and its key


def _end_of(row: Seal | None) -> End | None:
    return (row.until, row.marks[-1][0]) if row and row.until else None


def _finished(model: Any, after: End | None, to: End | None = None) -> models.QuerySet[Any]:
    """Rows in the order in which they finished."""
    rows: models.QuerySet[Any] = model._base_manager.filter(finished_at__isnull=False).order_by("finished_at", "pk")
    if after:  # the first condition for the index, the second for those that finished together
        rows = rows.filter(Q(finished_at__gt=after[0]) | Q(pk__gt=after[1]), finished_at__gte=after[0])
    if to:
        rows = rows.filter(Q(finished_at__lt=to[0]) | Q(pk__lte=to[1]), finished_at__lte=to[0])
    return rows


def let_go(model: Any, *, before: datetime) -> datetime | None:
    """Until when rows of it may have finished that are deleted for their age: nothing that is not sealed.

    It is said in the chain, so `verify` misses none of them, whatever is asked for later. None while there are none.
    """
    until = _let_go_until(model)
    if until is None or until < before:
        newest = Seal.objects.filter(table=model._meta.label_lower, until__lt=before).order_by("-number").first()
        if newest and newest.until and (until is None or newest.until > until):
            until = newest.until
            with transaction.atomic():
                _append(Seal(table=_gone_for_age(model), columns=[], marks=[], until=until))
    return until


def _let_go_until(model: Any) -> datetime | None:
    rows = Seal.objects.filter(table=_gone_for_age(model)).order_by("-number")
    return rows.values_list("until", flat=True).first()


def _gone_for_age(model: Any) -> str:
    return f"{model._meta.label_lower} gone"


def _mark_finished(model: Any, key: int, state: str, facts: dict[str, Any]) -> str:
    """Of one that was not sent it begins with the mark of what stays when it is tried again."""
    whole = mark(model._meta.label_lower, key, state, [*facts.values()])
    return whole if state == SENT else _mark_unsent(model, key, facts) + whole


def _mark_unsent(model: Any, key: int, facts: dict[str, Any]) -> str:
    return mark(model._meta.label_lower, key, [facts[name] for name in model.SEALED_WHEN_FINISHED])


def _compare_finished(model: Any, row: Seal, *, after: End | None) -> Iterator[str]:
    marks = dict(row.marks)
    words = {"table": model._meta.verbose_name, "seal": row.number}
    columns = ("pk", "state", *row.columns)
    in_place = list(_finished(model, after, _end_of(row)).values_list(*columns))
    placed = {values[0] for values in in_place}
    moved = list(model._base_manager.filter(pk__in=marks.keys() - placed).order_by("pk").values_list(*columns))
    for key, state, *values in [*in_place, *moved]:
        sealed = marks.pop(key, None)
        facts = dict(zip(row.columns, values, strict=True))
        if sealed is None:
            yield _("%(table)s, row %(key)d was slipped in after seal %(seal)d.") % (words | {"key": key})
            continue
        if key in placed:
            is_as_sealed = is_same(sealed, _mark_finished(model, key, state, facts))
        else:  # one that was not sent may have been tried again since
            unsent = _mark_unsent(model, key, facts)
            is_as_sealed = is_same(sealed[: len(unsent)], unsent)
        if not is_as_sealed:
            yield _("%(table)s, row %(key)d was changed after seal %(seal)d.") % (words | {"key": key})
    let_go_until = _let_go_until(model)
    if not (row.until and let_go_until and row.until <= let_go_until):
        for key in marks:
            yield _("%(table)s, row %(key)d was removed after seal %(seal)d.") % (words | {"key": key})


# --- Verifying --------------------------------------------------------------------------------------------------------


def verify(kept: str = "") -> Iterator[str]:
    """A sentence for everything that is not as it was sealed; `kept` is a head that was written down earlier."""
    known = {one.table: one.model for one in sealed_models()}
    finished = {model._meta.label_lower: model for model in finished_models()}
    ends: dict[str, int] = {}
    finished_ends: dict[str, End | None] = {}
    before, has_kept = "", not kept
    expected = count(1)
    for key in Seal.objects.order_by("number").values_list("pk", flat=True):
        row = Seal.objects.get(pk=key)  # one at a time, because each names many rows
        is_whole = False
        if row.number != (number := next(expected)):
            yield _("Seals %(first)d to %(last)d are gone.") % {"first": number, "last": row.number - 1}
            expected = count(row.number + 1)
        elif not is_same(row.mac, _mac(row, before)):
            yield _("Seal %(number)d is not the one that was made, or the key is another one.") % {"number": row.number}
        else:
            is_whole = True
        before = row.mac
        has_kept = has_kept or str(row) == kept
        if not is_whole:
            continue  # what it says of rows is anybody's word
        if model := known.get(row.table):
            yield from _compare(model, row, after=ends.get(row.table, 0))
            ends[row.table] = row.marks[-1][0]
        elif model := finished.get(row.table):
            yield from _compare_finished(model, row, after=finished_ends.get(row.table))
            finished_ends[row.table] = _end_of(row)
    if not has_kept:
        yield _("The chain does not contain %(kept)s: its end was cut off, or it was made anew.") % {"kept": kept}
    if not before and Page.history.filter(history_date__lte=record_time() - SETTLED).exists():
        yield _("Nothing is sealed, though there is a history: all seals were removed, or the clock has never run.")
    for model in tracked_models():
        yield from _unrecorded(model)
        yield from _gone(model)
    yield from _strange_groups()
    yield from _miscounted()
    yield from _never_there()


def _compare(model: Model, row: Seal, *, after: int) -> Iterator[str]:
    """What was changed, removed or slipped in among the rows of one seal."""
    marks = dict(row.marks)
    present = {field.attname for field in model._meta.concrete_fields}
    is_comparable = present.issuperset(row.columns)  # an upgrade may have dropped a column
    columns = row.columns if is_comparable else [model._meta.pk.attname]
    words = {"table": model._meta.verbose_name, "seal": row.number}
    for key, values in _rows(model, columns, after=after, to=row.marks[-1][0]):
        sealed = marks.pop(key, None)
        facts = words | {"key": key}
        if sealed is None:
            yield _("%(table)s, row %(key)d was slipped in after seal %(seal)d.") % facts
        elif is_comparable and not is_same(sealed, mark(row.table, key, values)):
            yield _("%(table)s, row %(key)d was changed after seal %(seal)d.") % facts
    for key in marks:
        yield _("%(table)s, row %(key)d was removed after seal %(seal)d.") % (words | {"key": key})


def _unrecorded(model: Any) -> Iterator[str]:
    """Rows that are not as their newest history row says: changed past the services, or with a history cut short."""
    history = model.history.model
    newest = history.objects.filter(id=models.OuterRef("pk")).order_by("-history_id")
    rows = model._base_manager.annotate(newest_history=models.Subquery(newest.values("history_id")[:1])).order_by("pk")
    rows = rows.prefetch_related(*getattr(model, "BESIDE_HISTORY", ()))
    columns = [field.attname for field in history.tracked_fields]
    last = 0
    while found := list(rows.filter(pk__gt=last)[:BATCH]):
        last = found[-1].pk
        # What somebody changed while this was read is read once more.
        suspects = [row.pk for row in _wrong(found, history, columns)]
        for row in _wrong(list(rows.filter(pk__in=suspects)), history, columns):
            words = {"noun": model._meta.verbose_name, "key": row.pk}
            yield _("%(noun)s, row %(key)d is not what its history says.") % words


def _wrong(rows: list[Any], history: Any, columns: list[str]) -> Iterator[Any]:
    recorded = history.objects.in_bulk([row.newest_history for row in rows if row.newest_history])
    for row in rows:
        record = recorded.get(row.newest_history)
        if (
            record is None
            or any(getattr(record, name) != getattr(row, name) for name in columns)
            or not is_same(record.mark, mark_of(row))
        ):
            yield row


def _gone(model: Any) -> Iterator[str]:
    """Rows whose history does not end with their deletion, and which are there no more."""
    present = model._base_manager.filter(pk=models.OuterRef("id"))
    left = model.history.model.objects.filter(~models.Exists(present)).order_by("history_id")
    for key, kind in dict(left.values_list("id", "history_type")).items():
        if kind != DELETED:
            yield _("%(noun)s, row %(key)d was removed.") % {"noun": model._meta.verbose_name, "key": key}


def _miscounted() -> Iterator[str]:
    """Rows that say how many messages are owed of them, of which there are more or fewer."""
    for model in every_model():
        for key in getattr(model, "miscounted", tuple)():
            words = {"noun": model._meta.verbose_name, "key": key}
            yield _("%(noun)s, row %(key)d does not have the messages that were owed.") % words


def _never_there() -> Iterator[str]:
    for model in map(apps.get_model, EMPTY):
        for key in model._base_manager.order_by("pk").values_list("pk", flat=True):
            yield _("%(noun)s, row %(key)d was slipped in.") % {"noun": model._meta.verbose_name, "key": key}


def _strange_groups() -> Iterator[str]:
    """Groups give the rights that `permissions` says, and no others."""
    table = permissions.rights_of_groups()
    for group in Group.objects.prefetch_related("permissions__content_type").order_by("name"):
        held = {f"{right.content_type.app_label}.{right.codename}" for right in group.permissions.all()}
        if held != table.get(group.name):
            yield _("The group “%(group)s” gives other rights than it should.") % {"group": group}


# --- Rows and codes ---------------------------------------------------------------------------------------------------


def _rows(
    model: Model, columns: list[str], *, after: int, to: int | None = None, limit: int | None = None
) -> Iterator[tuple[int, tuple[Any, ...]]]:
    """Each row's key and the values of `columns`, in the order of the keys."""
    rows = model._base_manager.filter(pk__gt=after).order_by("pk")
    if to is not None:
        rows = rows.filter(pk__lte=to)
    for key, *values in rows.values_list("pk", *columns)[:limit]:
        yield key, tuple(values)


def _mac(row: Seal, before: str) -> str:
    return code(before, row.number, row.table, row.columns, row.marks, row.until, row.sealed_at)
