"""Keyed hashes in the history, of what counts of a row and is kept in no history row itself.

A history row has no password, no address and no role: the one may leak, the next has to be forgotten some day, the
last is a row of another table. It has a hash of all of it instead, so that `seals.verify` finds what was changed
behind the portal's back. Whoever changes such a thing saves the row that it belongs to afterwards.
"""

from __future__ import annotations

from typing import Any

from simple_history.models import HistoricalChanges

from incidents.codes import mark


def mark_history(instance: Any, history_instance: HistoricalChanges, **_signal: Any) -> None:
    """simple-history's way to fill a further column, before a history row is written."""
    history_instance.mark = mark_of(instance)


def mark_of(row: Any) -> str:
    """ "" of a row of which everything stands in its history."""
    facts = row.beside_history()
    return mark(row._meta.label_lower, row.pk, facts) if facts else ""
