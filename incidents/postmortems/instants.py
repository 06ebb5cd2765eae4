"""Instants written into prose: `{{t 2023-01-17T16:02Z}}`, or a range `{{t 2023-01-17T16:05Z..2023-01-17T16:20Z}}`.

Readers see them in the report's zone with the page's zone beside it. Here it is said what may stand in a text;
`status.rendering.markdown` shows what is right and leaves the rest as it was typed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from django.utils.translation import gettext as _

TOKEN = re.compile(r"\{\{([^{}]*)\}\}")
INSIDE = re.compile(r"t(?:\s+(.*))?", re.DOTALL)
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d)?(?:Z|[+-]\d\d:\d\d)")


@dataclass(frozen=True, slots=True)
class Token:
    """What stands between `start` and `end`; `until` is the end of a range."""

    start: int
    end: int
    at: datetime
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Wrong:
    start: int
    end: int
    sentence: str


def read(text: str) -> list[Token | Wrong]:
    """What looks like an instant, in order: each as it was meant, or with a sentence that says what is wrong."""
    found: list[Token | Wrong] = []
    for match in TOKEN.finditer(text):
        inside = INSIDE.fullmatch(match[1].strip())
        if inside is None:
            continue  # other programs use double braces too
        try:
            instants = [_instant(word.strip()) for word in (inside[1] or "").split("..")]
            if len(instants) > 2:
                raise ValueError(_("a range has two times."))
            if len(instants) == 2 and instants[1] <= instants[0]:
                raise ValueError(_("the range ends before it begins."))
        except ValueError as error:
            sentence = _("“%(token)s” is not a time: %(why)s Write it like {{t 2023-01-17T16:02Z}}.")
            found.append(Wrong(match.start(), match.end(), sentence % {"token": match[0][:60], "why": error}))
        else:
            found.append(Token(match.start(), match.end(), instants[0], instants[1] if instants[1:] else None))
    return found


def wrong(text: str) -> list[str]:
    """A sentence for each that does not parse."""
    return [found.sentence for found in read(text) if isinstance(found, Wrong)]


def token(at: datetime, until: datetime | None = None) -> str:
    """What to type for an instant or a range, to the minute."""
    instants = [f"{instant.astimezone(UTC):%Y-%m-%dT%H:%MZ}" for instant in (at, until) if instant]
    return "{{t " + "..".join(instants) + "}}"


def _instant(word: str) -> datetime:
    if not INSTANT.fullmatch(word):
        raise ValueError(_("it needs a date, a time and a zone (Z is UTC)."))
    try:
        return datetime.fromisoformat(word).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(_("there is no such date or time.")) from None
