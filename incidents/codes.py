"""A code over facts, made with `settings.AUDIT_KEY`: without the key nobody makes one, or learns what it is of."""

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


def _text(value: Any) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    return str(value)
