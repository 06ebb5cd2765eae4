"""Times as people type them while something is on fire: "16:05", "5 min ago", "about 4pm", "16:05-16:20"."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from django.utils.translation import gettext as _

from incidents.errors import InvalidInput

AHEAD = timedelta(minutes=5)  # a clock time this far ahead is today's; beyond it, yesterday's
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}

_RANGE = re.compile(r" ?(?:\.\.|–|—|\bto\b|\buntil\b|(?<=\d)-|(?<=[apm ])-) ?")
_ABOUT = re.compile(r"^(?:~|about\b|around\b|approx\.?\b|ca\.?\b)\s*")
_DAY = re.compile(r"^(?:(\d{4})-(\d\d)-(\d\d)|(today|yesterday))[\s,t]+")
_CLOCK = re.compile(r"^(\d{1,2})(?:[:.h](\d\d))?\s*([ap]\.?m\.?)?$")
_SPAN = re.compile(
    r"(\d{1,9}|an?)\s*(s|sec|secs|seconds?|m|min|mins|minutes?|h|hr|hrs|hours?|d|days?)\b\.?\s*(?:and\s+)?"
)
_UTC = re.compile(r" ?(?:\butc|\bgmt|(?<=\d)z)$")


@dataclass(frozen=True, slots=True)
class TypedTime:
    """An instant, or a range when it has an end; in UTC."""

    start: datetime
    end: datetime | None = None
    is_approximate: bool = False


def parse(typed: str, now: datetime, zone: tzinfo) -> TypedTime:
    """What `typed` means to somebody in `zone` at `now`; nothing typed is now. Raises `InvalidInput`.

    A clock time without a date is the last one that was: shortly after midnight, 23:50 is yesterday's.
    """
    text = " ".join(typed.lower().split())
    about = _ABOUT.match(text)
    if about:
        text = text[about.end() :]
    if text in ("", "now", "just now"):
        return TypedTime(now.astimezone(UTC), is_approximate=bool(about))
    if _UTC.search(text):
        text, zone = _UTC.sub("", text), UTC
    day, text = _day(text, now.astimezone(zone).date())
    ends = _RANGE.split(text)
    if len(ends) > 2:
        raise _unknown(typed)
    if len(ends) == 2 and day is None and ends[0] and ends[1]:
        return _range(typed, ends, now, zone)
    start = _instant(ends[0], typed, day, now, zone)
    if len(ends) == 1:
        return TypedTime(start, is_approximate=bool(about))
    return TypedTime(start, _after(start, _instant(ends[1], typed, day, now, zone)))


def _range(typed: str, ends: list[str], now: datetime, zone: tzinfo) -> TypedTime:
    """The end is the last that was, and the start the last one before it."""
    end = _instant(ends[1], typed, None, now, zone)
    start = _instant(ends[0], typed, None, now, zone)
    return TypedTime(start if start < end else start - timedelta(days=1), end)


def _after(start: datetime, end: datetime) -> datetime:
    return end if end > start else end + timedelta(days=1)


def _day(text: str, today: date) -> tuple[date | None, str]:
    """The date that `text` begins with, if any, and the rest."""
    found = _DAY.match(text)
    if not found:
        return None, text
    year, month, day, word = found.groups()
    rest = text[found.end() :]
    if word:
        return today - timedelta(days=word == "yesterday"), rest
    try:
        return date(int(year), int(month), int(day)), rest
    except ValueError:
        raise InvalidInput(_("There is no such day: %(typed)s.") % {"typed": found[0].strip()}, field="when") from None


def _instant(text: str, typed: str, day: date | None, now: datetime, zone: tzinfo) -> datetime:
    if text == "now":
        return now.astimezone(UTC)
    if text.endswith(" ago") and day is None:
        return (now - _span(text.removesuffix(" ago"), typed)).astimezone(UTC)
    clock = _clock(text, typed)
    if day is not None:
        return _at(day, clock, now, zone)
    today = now.astimezone(zone).date()
    found = _at(today, clock, now, zone)
    return found if found <= now + AHEAD else _at(today - timedelta(days=1), clock, now, zone)


def _span(text: str, typed: str) -> timedelta:
    seconds, at = 0, 0
    while found := _SPAN.match(text, at):
        number, unit = found.groups()
        seconds += (int(number) if number.isdigit() else 1) * UNITS[unit[0]]
        at = found.end()
    if at == 0 or at < len(text) or seconds > 366 * UNITS["d"]:
        raise _unknown(typed)
    return timedelta(seconds=seconds)


def _clock(text: str, typed: str) -> time:
    found = _CLOCK.match(text)
    if not found or not (found[2] or found[3]):  # "16" alone could be anything
        raise _unknown(typed)
    hour, minute, half = int(found[1]), int(found[2] or 0), (found[3] or "")[:1]
    if half and not 1 <= hour <= 12:
        raise _unknown(typed)
    if half:
        hour = hour % 12 + 12 * (half == "p")
    if hour > 23 or minute > 59:
        raise _unknown(typed)
    return time(hour, minute)


def _at(day: date, clock: time, now: datetime, zone: tzinfo) -> datetime:
    """A wall clock's time as an instant; of the two in autumn's doubled hour, the later one that was."""
    local = datetime.combine(day, clock, zone)
    try:
        first, second = local.astimezone(UTC), local.replace(fold=1).astimezone(UTC)
    except OverflowError:  # the first day that there is, or the last
        raise InvalidInput(_("There is no such day: %(typed)s.") % {"typed": day}, field="when") from None
    if first.astimezone(zone).replace(tzinfo=None) != local.replace(tzinfo=None):
        raise InvalidInput(
            _("%(time)s did not exist that day: the clocks were put forward.") % {"time": f"{clock:%H:%M}"},
            field="when",
        )
    return max(first, second) if max(first, second) <= now else min(first, second)


def _unknown(typed: str) -> InvalidInput:
    return InvalidInput(
        _("“%(typed)s” is not a time we know. Write 16:05, 16:05 UTC, 5 min ago, about 16:05, or 16:05-16:20.")
        % {"typed": typed[:60]},
        field="when",
    )
