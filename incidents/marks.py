"""Keyed hashes, made with `settings.AUDIT_KEY`: without the key nobody makes one, or learns what it is of.

A history row has no password, no address and no role: the one may leak, the next has to be forgotten some day, the
last is a row of another table. It has a mark of all of it instead, so that `history.seals` finds what was changed
behind the portal's back. Whoever changes such a thing saves the row that it belongs to afterwards; and who changes
what a mark is made of saves all these rows in a migration.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, date, datetime
from typing import Any

from django.conf import settings


def code(*facts: Any) -> str:
    """64 hexadecimal digits, the same on every database."""
    text = json.dumps(facts, default=_text, ensure_ascii=False, separators=(",", ":"))
    return hmac.new(settings.AUDIT_KEY.encode(), text.encode(), hashlib.sha256).hexdigest()


def mark(*facts: Any) -> str:
    """The first half of it, for what is kept of many rows."""
    return code(*facts)[:32]


def is_same(one: str, other: str) -> bool:
    return hmac.compare_digest(one, other)


def mark_of(row: Any) -> str:
    """Of what counts of a row and stands in no history row; "" where everything does."""
    facts = row.beside_history()
    return mark(row._meta.concrete_model._meta.label_lower, row.pk, facts) if facts else ""


def mark_history(instance: Any, history_instance: Any, **_signal: Any) -> None:
    """simple-history's way to fill a further column, before a history row is written."""
    history_instance.mark = mark_of(instance)


def _text(value: Any) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    return str(value)
