"""90 days of a component as a drawing: what is worse than operational stands out, with what happened."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby
from typing import TYPE_CHECKING

from django.utils.dateformat import format as format_date
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from status.rendering import labels

if TYPE_CHECKING:
    from status.rendering.snapshot import Day, Uptime

PITCH = 9  # from one day's bar to the next, in the drawing's units; a bar is 6 wide


@dataclass(frozen=True, slots=True)
class Mark:
    """A day that was not all good: one bar, with what happened."""

    tone: str
    x: int
    text: str
    address: str | None  # of what happened


@dataclass(frozen=True, slots=True)
class Bars:
    """90 days of a component: runs of quiet days as one path each, the others one by one."""

    runs: list[tuple[str, str]]
    marks: list[Mark]
    percent: str  # "99.98", or "" while there is no data
    sentence: str


def uptime_bars(name: str, uptime: Uptime, cause_on: Callable[[date], str | None]) -> Bars:
    """The bars of a component; `cause_on` a day names the address of what happened then."""
    runs, marks = [], []
    place = 0
    for tone, days in groupby(uptime.days, key=_tone):
        run = list(days)
        if tone in ("none", "empty"):
            runs.append((tone, _strokes(place, len(run))))
        else:
            for offset, day in enumerate(run):
                x = (place + offset) * PITCH
                marks.append(Mark(tone, x, _sentence(day), cause_on(day.date)))
        place += len(run)
    sentence = ngettext(
        "%(name)s, the last 90 days: %(count)d day with trouble",
        "%(name)s, the last 90 days: %(count)d days with trouble",
        len(marks),
    ) % {"name": name, "count": len(marks)}
    return Bars(runs, marks, percent_of(uptime.ratio), sentence)


def _strokes(place: int, count: int) -> str:
    """So many quiet days from the given one on as one path, each a stroke with round ends."""
    return f"M{place * PITCH + 3} 8v18" + f"m{PITCH}-18v18" * (count - 1)


def _tone(day: Day) -> str:
    if day.uptime is None:
        return "empty"
    troubles = _troubles(day)
    return labels.TONES[troubles[0][0]] if troubles else "none"


def _troubles(day: Day) -> list[tuple[str, float]]:
    """Each status that is not operational with its seconds on that day, the worst first."""
    seconds = [(status, getattr(day, status)) for status in labels.TONES if status != "operational"]
    return [(status, lasted) for status, lasted in seconds if lasted]


def _sentence(day: Day) -> str:
    """ "Nov 3, 2026: Partial outage 14 min, 99.70% uptime"."""
    parts = [f"{labels.STATUSES[status]} {labels.duration(timedelta(seconds=s))}" for status, s in _troubles(day)]
    uptime = _("%(percent)s%% uptime") % {"percent": percent_of(day.uptime)}
    return f"{format_date(day.date, 'M j, Y')}: {', '.join([*parts, uptime])}"


def percent_of(ratio: float | None) -> str:
    """ "99.98", rounded down: what was not perfect never reads as 100."""
    if ratio is None:
        return ""
    hundredths = math.floor(round(ratio * 10000, 6))
    return number_format(hundredths / 100, 0 if hundredths == 10000 else 2)
