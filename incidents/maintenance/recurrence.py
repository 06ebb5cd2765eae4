"""Recurrence rules (RFC 5545): when a maintenance repeats, in the local time of a zone.

Occurrences keep their local time, whatever clocks do. One that falls into the hour that clocks leave out is as long
after midnight as on other days (RFC 5545, 3.3.5); one that falls into the hour that comes twice is the first of both.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

from dateutil.rrule import DAILY, rrule, rrulestr
from django.utils.translation import gettext as _

from incidents.errors import InvalidInput

KEY = "%Y%m%dT%H%M%S"  # an occurrence's local start by its rule, as in RFC 5545
HORIZON = timedelta(days=366 * 9)  # a rule that names no day in so long a time names none; leap years skip eight


def parse(rule: str, starts_at: datetime, zone: ZoneInfo) -> rrule:
    """The rule, beginning at the local time of `starts_at`; raises `InvalidInput` for one that makes no sense."""
    first = local(starts_at, zone)
    text = _UNTIL.sub(lambda match: _local_until(match[1], zone), " ".join(rule.split()).upper().removeprefix("RRULE:"))
    try:
        found = rrulestr(text, dtstart=first)
        # One of many sets of dates, or one that names no day for so long that looking for it takes for ever.
        if not isinstance(found, rrule) or "DTSTART" in text or found._interval < 1:
            raise ValueError
        if found._freq > DAILY:
            raise _refused(_("A maintenance repeats by days, weeks, months or years, not by hours."))
        if next(iter(found.replace(count=None, until=first + HORIZON)), None) is None:
            raise _refused(_("This rule names no day at all. Choose another one."))
    except (ValueError, TypeError, KeyError, AttributeError, IndexError, OverflowError) as error:
        raise _refused(_("This is not a rule as in RFC 5545. Write one like FREQ=WEEKLY;BYDAY=SU")) from error
    return found


def check_start(rule: rrule, first: datetime) -> None:
    """Refuse a rule that does not name the day of its own first start."""
    named = rule.xafter(first, count=1, inc=True)
    begins = next(iter(named), None)
    if begins != first:
        raise _refused(
            _("The rule does not name the start of the window. Its first day after it is %(day)s.")
            % {"day": f"{begins:%Y-%m-%d %H:%M}"}
            if begins
            else _("The rule is over before the window starts.")
        )


def check_length(rule: rrule, duration: timedelta) -> None:
    """Refuse a rule whose occurrences would overlap."""
    starts = islice(rule.replace(count=None, until=rule._dtstart + HORIZON), 50)
    if any(later - sooner < duration for sooner, later in pairwise(starts)):
        raise _refused(_("The next one would begin before this one ends. Choose a shorter window or a rarer rule."))


def after(rule: rrule, wall: datetime) -> Iterator[datetime]:
    """The occurrences after a local time, local too."""
    yield from rule.xafter(wall)


def local(at: datetime, zone: ZoneInfo) -> datetime:
    """The wall clock's time in `zone`, to the second, without a zone."""
    return at.astimezone(zone).replace(tzinfo=None, fold=0, microsecond=0)


def instant(wall: datetime, zone: ZoneInfo) -> datetime:
    return wall.replace(tzinfo=zone).astimezone(UTC)


def window(wall: datetime, duration: timedelta, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Start and end of an occurrence: both keep their local time, but for an end that clocks would put before it."""
    start, end = instant(wall, zone), instant(wall + duration, zone)
    return start, end if end > start else start + duration


_UNTIL = re.compile(r"(?<=UNTIL=)(\d{8}T\d{6})Z")


def _local_until(utc: str, zone: ZoneInfo) -> str:
    return local(datetime.strptime(utc, KEY).replace(tzinfo=UTC), zone).strftime(KEY)


def _refused(sentence: str) -> InvalidInput:
    return InvalidInput(sentence, field="rule")
