"""A chain over the history, so that a change behind the portal's back is found.

The clock seals rows of the history once they have settled: each batch carries a mark for every row and a code over all
of it and the code before it, made with `settings.AUDIT_KEY`, which is not in the database. Whoever can write to the
database, but has no key, cannot change, remove or slip in a sealed row without `verify` naming it.

Whoever removes the newest rows together with the newest seals leaves a chain that is whole, and shorter: so keep its
head (`manage.py audit`) elsewhere and verify against it. The log has it too, at every seal.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db import IntegrityError, models, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from incidents.isolation import each, loop
from incidents.models import Seal
from incidents.models.base import AppendOnly

logger = logging.getLogger(__name__)

SETTLED = timedelta(minutes=10)  # longer than any transaction: no row with a smaller key can still appear
BATCH = 500
AT_ONCE = 20  # batches of one call, so that a tick stays short

Model = type[models.Model]


def sealed_models() -> list[tuple[Model, str]]:
    """Every model that is history, each with the field that says when a row was written."""
    every = [model for model in apps.get_models() if not model._meta.proxy]  # whose rows are another one's
    tracked = [model for model in every if hasattr(model, "history")]
    own = [model for model in every if issubclass(model, AppendOnly) and model is not Seal]
    found: list[tuple[Model, str]] = [(model.history.model, "history_date") for model in tracked]
    return sorted([*found, *((model, "created_at") for model in own)], key=lambda pair: pair[0]._meta.label_lower)


@loop("seal")
def seal() -> int:
    """Seal what has settled; returns how many rows. For the clock: of two at once, one does it."""
    sealed = 0
    for _batch in range(AT_ONCE):
        done = each("seal", sealed_models(), _seal_if_first, key=lambda pair: pair[0]._meta.label_lower)
        if not done:
            break
        sealed += done
    if sealed:
        logger.info("sealed %d rows of the history; the chain's head is %s", sealed, head())
    return sealed


def head() -> Seal | None:
    """The newest seal, whose text is to be kept elsewhere."""
    return Seal.objects.order_by("-number").first()


def _seal_if_first(pair: tuple[Model, str]) -> int:
    try:
        return _seal_next(*pair)
    except IntegrityError:
        logger.info("another clock is sealing")
        return 0


@transaction.atomic
def _seal_next(model: Model, written_at: str) -> int:
    table = model._meta.label_lower
    newest = Seal.objects.filter(table=table).order_by("-number").first()
    columns = sorted(field.attname for field in model._meta.concrete_fields)
    rows = _rows(model, columns, after=newest.marks[-1][0] if newest else 0, limit=BATCH)
    settled_before = timezone.now() - SETTLED
    marks = []
    for key, values in rows:
        if values[columns.index(written_at)] > settled_before:
            break
        marks.append([key, _mark(table, key, values)])
    if marks:
        last = head()
        row = Seal(number=last.number + 1 if last else 1, table=table, columns=columns, marks=marks)
        row.mac = _mac(row, last.mac if last else "")
        row.save()
    return len(marks)


# --- Verifying --------------------------------------------------------------------------------------------------------


def verify(kept: str = "") -> Iterator[str]:
    """A sentence for everything that is not as it was sealed; `kept` is a head that was written down earlier."""
    known = {model._meta.label_lower: model for model, _field in sealed_models()}
    ends: dict[str, int] = {}
    before, has_kept = "", not kept
    expected = count(1)
    for row in Seal.objects.order_by("number").iterator(chunk_size=20):
        if row.number != (number := next(expected)):
            yield _("Seals %(first)d to %(last)d are gone.") % {"first": number, "last": row.number - 1}
            expected = count(row.number + 1)
        elif not hmac.compare_digest(row.mac, _mac(row, before)):
            yield _("Seal %(number)d is not the one that was made, or the key is another one.") % {"number": row.number}
        before = row.mac
        has_kept = has_kept or str(row) == kept
        if model := known.get(row.table):
            yield from _compare(model, row, after=ends.get(row.table, 0))
        ends[row.table] = row.marks[-1][0]
    if not has_kept:
        yield _("The chain does not contain %(kept)s: its end was cut off, or it was made anew.") % {"kept": kept}
    for model in apps.get_models():
        if hasattr(model, "history") and not model._meta.proxy:
            yield from _unrecorded(model)


def _compare(model: Model, row: Seal, *, after: int) -> Iterator[str]:
    """What was changed, removed or slipped in among the rows of one seal."""
    marks = dict(row.marks)
    present = {field.attname for field in model._meta.concrete_fields}
    is_comparable = present.issuperset(row.columns)  # an upgrade may have dropped a column
    columns = row.columns if is_comparable else [model._meta.pk.attname]
    words = {"table": model._meta.verbose_name, "seal": row.number}
    for key, values in _rows(model, columns, after=after, to=row.marks[-1][0]):
        mark = marks.pop(key, None)
        facts = words | {"key": key}
        if mark is None:
            yield _("%(table)s, row %(key)d was slipped in after seal %(seal)d.") % facts
        elif is_comparable and not hmac.compare_digest(mark, _mark(row.table, key, values)):
            yield _("%(table)s, row %(key)d was changed after seal %(seal)d.") % facts
    for key in marks:
        yield _("%(table)s, row %(key)d was removed after seal %(seal)d.") % (words | {"key": key})


def _unrecorded(model: Any) -> Iterator[str]:
    """Rows that are not as their newest history row says: changed past the services, or with a history cut short."""
    history = model.history.model
    newest = history.objects.filter(id=models.OuterRef("pk")).order_by("-history_id")
    rows = model._base_manager.annotate(newest_history=models.Subquery(newest.values("history_id")[:1])).order_by("pk")
    columns = [field.attname for field in history.tracked_fields]
    last = 0
    while found := list(rows.filter(pk__gt=last).values("pk", "newest_history", *columns)[:BATCH]):
        recorded = history.objects.in_bulk([row["newest_history"] for row in found if row["newest_history"]])
        for row in found:
            record = recorded.get(row["newest_history"])
            if record is None or any(getattr(record, name) != row[name] for name in columns):
                words = {"noun": model._meta.verbose_name, "key": row["pk"]}
                yield _("%(noun)s, row %(key)d is not what its history says.") % words
        last = found[-1]["pk"]


# --- Codes ------------------------------------------------------------------------------------------------------------


def _rows(
    model: Model, columns: list[str], *, after: int, to: int | None = None, limit: int | None = None
) -> Iterator[tuple[int, tuple[Any, ...]]]:
    """Each row's key and the values of `columns`, in the order of the keys."""
    rows = model._base_manager.filter(pk__gt=after).order_by("pk")
    if to is not None:
        rows = rows.filter(pk__lte=to)
    for key, *values in rows.values_list("pk", *columns)[:limit]:
        yield key, tuple(values)


def _mark(table: str, key: int, values: tuple[Any, ...]) -> str:
    return _code(table, key, values)[:32]


def _mac(row: Seal, before: str) -> str:
    return _code(before, row.number, row.table, row.columns, row.marks, row.sealed_at)


def _code(*facts: Any) -> str:
    text = json.dumps(facts, default=_text, ensure_ascii=False, separators=(",", ":"))
    return hmac.new(settings.AUDIT_KEY.encode(), text.encode(), hashlib.sha256).hexdigest()


def _text(value: Any) -> str:
    """The same on every database."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    return str(value)
