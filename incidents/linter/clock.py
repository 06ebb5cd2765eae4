"""Times as people write them: 4:02PM UTC, 09:14, 2024-03-12T09:14Z, between 9:14 and 10:02 CET on March 12."""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

# Abbreviations by the place where they alternate: (in winter, in summer).
PLACES = {
    "Europe/London": ("GMT", "BST"),
    "Europe/Lisbon": ("WET", "WEST"),
    "Europe/Paris": ("CET", "CEST"),
    "Europe/Helsinki": ("EET", "EEST"),
    "America/New_York": ("EST", "EDT"),
    "America/Chicago": ("CST", "CDT"),
    "America/Denver": ("MST", "MDT"),
    "America/Los_Angeles": ("PST", "PDT"),
    "Australia/Sydney": ("AEST", "AEDT"),
}
PLACE_OF = {name: ZoneInfo(place) for place, names in PLACES.items() for name in names}
FIXED: dict[str, float] = {
    "UTC": 0,
    "Z": 0,
    "GMT": 0,
    "BST": 1,
    "WET": 0,
    "WEST": 1,
    "CET": 1,
    "CEST": 2,
    "EET": 2,
    "EEST": 3,
}
FIXED |= {"EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7}
FIXED |= {"AEST": 10, "AEDT": 11, "JST": 9, "IST": 5.5, "SGT": 8}
FLOATING = {"ET": "EST", "CT": "CST", "MT": "MST", "PT": "PST"}  # whichever of the two is in force

MONTHS = {name.lower(): number for number, name in enumerate(calendar.month_name) if name}
MONTHS |= {name[:3]: number for name, number in MONTHS.items()} | {"sept": 9}
WEEKDAYS = {name.lower(): number for number, name in enumerate(calendar.day_name)}
WEEKDAYS |= {name[:3]: number for name, number in WEEKDAYS.items()} | {"tues": 1, "thur": 3, "thurs": 3}

_MONTH = "|".join(sorted(MONTHS, key=len, reverse=True))
_WEEKDAY = "|".join(sorted(WEEKDAYS, key=len, reverse=True))
DATE = re.compile(
    rf"(?i)\b(?:(?P<weekday>{_WEEKDAY})\b\.?,?\s+(?:the\s+)?)?(?:"
    rf"(?P<month>{_MONTH})\b\.?\s+(?P<day>\d{{1,2}})(?:st|nd|rd|th)?\b(?![:\d])(?:,?\s+(?P<year>\d{{4}})\b)?"
    rf"|(?P<day2>\d{{1,2}})(?:st|nd|rd|th)?\s+(?:of\s+)?(?P<month2>{_MONTH})\b\.?(?:,?\s+(?P<year2>\d{{4}})\b)?"
    r"|(?P<iso>\d{4}-\d{2}-\d{2})(?![\dT:]))"
)
_ZONE = (
    rf"(?:(?:UTC|GMT)[+-]\d{{1,2}}(?::?\d\d)?|{'|'.join(sorted({*FIXED, *FLOATING} - {'Z'}, key=len, reverse=True))})"
)
TOKEN = re.compile(r"\{\{\s*t\s+([^}\s.]+)(?:\.\.([^}\s]+))?\s*\}\}")
BRACES = re.compile(r"\{\{\s*t\s|\}\}")
CLOCK = re.compile(
    r"(?<![\w.:/-])(?:(?P<iso>\d{4}-\d\d-\d\d)[T ](?=\d\d:))?"
    r"(?:(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:\.\d+)?)?(?![\d:/]|\.\d)"
    r"(?:\s?(?P<half>[AaPp]\.?[Mm]\b\.?))?"
    r"|(?P<hour12>\d{1,2})\s?(?P<half12>[AaPp]\.?[Mm]\b\.?)"
    rf"|(?P<four>\d{{4}})(?=\s?(?:{_ZONE}|Z)\b))"
    rf"(?:\s?\(?(?P<zone>{_ZONE}|Z|[+-]\d\d:\d\d)(?![\w])\)?)?"
)
AROUND = re.compile(
    r"(?i)(?:around|about|approximately|approx\.?|roughly|nearly|almost|circa|~|(?:shortly|just) (?:after|before))"
    r"\s*(?:at\s*)?$"
)
LEAD = re.compile(
    r"(?i)\b(between|from|by|as of|before|after|until|till|since)\s+"
    r"(?:(?:around|about|approximately|roughly)\s+)?$"
)


@dataclass(frozen=True, slots=True)
class ClockTime:
    """One time in a text. `day` is None when no date stands with it, `zone` when no zone does."""

    start: int
    end: int
    at: time | None  # None: there is no such time
    written: str
    day: date | None = None
    zone: tzinfo | None = None
    zone_name: str = ""
    is_exact: bool = True
    lead: str = ""  # by, before, after, since ...

    def instant(self, near: datetime, default: tzinfo) -> datetime:
        """The instant that it names; without a date, the one next to `near`."""
        assert self.at is not None, "an impossible time names no instant"
        zone = self.zone or default
        if self.day:
            return datetime.combine(self.day, self.at, zone)
        local = near.astimezone(zone)
        days = (local.date() + timedelta(days=offset) for offset in (-1, 0, 1))
        return min((datetime.combine(day, self.at, zone) for day in days), key=lambda found: abs(found - near))


@dataclass(frozen=True, slots=True)
class ClockSpan:
    """Two times that belong together: between the one and the other."""

    first: ClockTime
    last: ClockTime
    wording: str = ""  # how it should be joined (and, to), when it is not

    @property
    def start(self) -> int:
        return self.first.start

    @property
    def end(self) -> int:
        return self.last.end


@dataclass(frozen=True, slots=True)
class Day:
    """A date in a text; without a year it is the one nearest to the incident."""

    start: int
    end: int
    day: date | None
    weekday: str
    has_year: bool


def days_in(text: str, near: date) -> Iterator[Day]:
    for match in DATE.finditer(text):
        month = match["month"] or match["month2"]
        year = match["year"] or match["year2"]
        found: date | None
        try:
            if match["iso"]:
                found = date.fromisoformat(match["iso"])
            elif year:
                found = date(int(year), MONTHS[month.lower()], int(match["day"] or match["day2"]))
            else:
                number = MONTHS[month.lower()], int(match["day"] or match["day2"])
                found = min(
                    (date(near.year + offset, *number) for offset in (-1, 0, 1)), key=lambda day: abs(day - near)
                )
        except ValueError:  # February 30
            found = None
        yield Day(*match.span(), found, match["weekday"] or "", bool(year or match["iso"]))


def clocks_in(text: str, days: list[Day]) -> list[ClockTime]:
    """The times of one sentence in their order, each with the date that stands nearest to it."""
    found = [
        clock for match in TOKEN.finditer(text) for part in (1, 2) if match[part] and (clock := _token(match, part))
    ]
    bare = TOKEN.sub(lambda match: " " * len(match.group()), text)
    found += [_clock(match) for match in CLOCK.finditer(bare) if _is_time(match)]
    found.sort(key=lambda clock: (clock.start, clock.end))
    return [_placed(clock, bare, days) for clock in found]


def _placed(clock: ClockTime, text: str, days: list[Day]) -> ClockTime:
    before = text[max(0, clock.start - 40) : clock.start]
    lead = LEAD.search(before)
    day = clock.day
    if day is None and days:
        day = min(days, key=lambda other: min(abs(other.start - clock.end), abs(clock.start - other.end))).day
    return replace(clock, day=day, is_exact=not AROUND.search(before), lead=lead[1].lower() if lead else "")


def _token(match: re.Match[str], part: int) -> ClockTime | None:
    """None for one that does not parse: `incidents.postmortems.instants` has a sentence for it."""
    start, end = match.span(part)
    try:
        moment = datetime.fromisoformat(match[part])
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return ClockTime(start, end, moment.time(), match[part], day=moment.date(), zone=moment.tzinfo, zone_name="token")


def _is_time(match: re.Match[str]) -> bool:
    """Whether four digits before a zone are a time of day, and not a year."""
    return not match["four"] or (int(match["four"][2:]) < 60 and int(match["four"]) < 2400)


def _clock(match: re.Match[str]) -> ClockTime:
    if match["four"]:
        hour, minute = divmod(int(match["four"]), 100)
    else:
        hour, minute = int(match["hour"] or match["hour12"]), int(match["minute"] or 0)
    half = (match["half"] or match["half12"] or "").replace(".", "").lower()
    at: time | None = None
    if half and 1 <= hour <= 12 and minute < 60:
        at = time(hour % 12 + (12 if half == "pm" else 0), minute, int(match["second"] or 0))
    elif not half and hour < 24 and minute < 60 and int(match["second"] or 0) < 60:
        at = time(hour, minute, int(match["second"] or 0))
    day = date.fromisoformat(match["iso"]) if match["iso"] and _is_date(match["iso"]) else None
    zone = match["zone"] or ""
    return ClockTime(*match.span(), at, match.group(), day=day, zone=zone_of(zone), zone_name=zone)


def _is_date(text: str) -> bool:
    try:
        return bool(date.fromisoformat(text))
    except ValueError:
        return False


def zone_of(name: str) -> tzinfo | None:
    """The zone that an abbreviation or an offset names."""
    if not name:
        return None
    if name in FIXED:
        return timezone(timedelta(hours=FIXED[name]))
    if name in FLOATING:
        return PLACE_OF[FLOATING[name]]
    match = re.fullmatch(r"(?:UTC|GMT)?([+-])(\d{1,2}):?(\d\d)?", name)
    assert match, "it is what CLOCK matched"
    sign, hours, minutes = match.groups()
    offset = timedelta(hours=int(hours), minutes=int(minutes or 0))
    return timezone(-offset if sign == "-" else offset)


def in_force(clock: ClockTime, instant: datetime) -> str:
    """The abbreviation that its place uses at that instant, or "" when the one written is right."""
    place = PLACE_OF.get(clock.zone_name)
    if place is None or clock.zone_name == "GMT":  # which is used for UTC all year
        return ""
    used = instant.astimezone(place).strftime("%Z")
    return used if used != clock.zone_name else ""


JOINED = re.compile(
    r"(?i)(?<!\s)\s*+(?:,\s*+)?(-|–|—|to|and|until|till|through)\s*+(?:(?:around|about|approximately|roughly|~)\s*+)?"
)


def spans_in(text: str, clocks: list[ClockTime], days: list[Day]) -> list[ClockTime | ClockSpan]:
    """The same times with ranges put together."""
    bare = BRACES.sub(lambda match: " " * len(match.group()), text)
    for day in days:
        bare = bare[: day.start] + " " * (day.end - day.start) + bare[day.end :]
    bare = re.sub(r"(?i)\bon(?=\s{3,})|,(?=\s{3,})", lambda match: " " * len(match.group()), bare)
    found: list[ClockTime | ClockSpan] = []
    rest = list(clocks)
    while rest:
        first = rest.pop(0)
        span = _span(bare, first, rest[0]) if rest else None
        if span:
            rest.pop(0)
        found.append(span or first)
    return found


def _span(text: str, first: ClockTime, last: ClockTime) -> ClockSpan | None:
    gap = text[first.end : last.start]
    if gap == ".." and first.zone_name == "token":
        return ClockSpan(first, last)
    joined = JOINED.fullmatch(gap)
    word = joined[1].lower() if joined else ""
    lead = first.lead
    wording = ""
    if not joined and (gap.strip(" ,") or lead not in ("between", "from")):
        return None
    if word == "and" and lead != "between":
        return None
    if lead == "between" and word not in ("and", "-", "–", "—"):
        wording = "and"
    elif not joined:
        wording = "to"
    if not last.zone and first.zone:
        last = replace(last, zone=first.zone, zone_name=first.zone_name)
    if not first.zone and last.zone:
        first = replace(first, zone=last.zone, zone_name=last.zone_name)
    half = re.search(r"(?i)([ap])\.?m\b", last.written)
    if half and first.at and not re.search(r"(?i)[ap]\.?m\b", first.written) and first.at.hour < 12:
        is_later = half[1].lower() == "p" and last.at is not None and first.at.hour % 12 <= last.at.hour % 12
        first = replace(first, at=first.at.replace(hour=first.at.hour % 12 + (12 if is_later else 0)))
    return ClockSpan(first, last, wording)
