"""Instants in a report's prose: `{{t 2023-01-17T16:02Z}}` becomes "16:02 UTC (17:02 CET)", with a date where it is new.

What is no instant stays as it was typed. Nothing like it is published: `incidents.postmortems.instants` finds it first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from django.utils.dateformat import format as format_date
from django.utils.html import format_html
from django.utils.safestring import SafeString

_MOMENT = r"(\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d)?(?:Z|[+-]\d\d:\d\d))"
_TOKEN = re.compile(rf"\{{\{{\s*t\s+{_MOMENT}(?:\s*\.\.\s*{_MOMENT})?\s*\}}\}}")


@dataclass(frozen=True, slots=True)
class Zones:
    """In which a report tells times, and the page's own, which stands beside it."""

    report: ZoneInfo
    page: ZoneInfo

    @classmethod
    def named(cls, report: str, page: str) -> Zones:
        return cls(ZoneInfo(report), ZoneInfo(page))


@dataclass(slots=True)
class Teller:
    """Tells the instants of one text in their order."""

    zones: Zones
    _day: date | None = None  # the last one that was named

    def text(self, source: str) -> str:
        return "".join(part if isinstance(part, str) else self._plain(*part) for part in _parts(source))

    def html(self, source: str) -> Iterator[str | SafeString]:
        """The text in pieces, those that are HTML marked as safe."""
        for part in _parts(source):
            yield part if isinstance(part, str) else self._marked(*part)

    def _plain(self, at: datetime, until: datetime | None) -> str:
        begin, end = self._own(at, until)
        return (f"{begin}–{end}" if end else begin) + self._beside(at, until)

    def _marked(self, at: datetime, until: datetime | None) -> SafeString:
        begin, end = self._own(at, until)
        told = format_html('<time datetime="{}">{}</time>', _iso(at), begin)
        if until:
            told += format_html('–<time datetime="{}">{}</time>', _iso(until), end)
        return told + format_html("{}", self._beside(at, until))

    def _own(self, at: datetime, until: datetime | None) -> tuple[str, str]:
        moments = [moment.astimezone(self.zones.report) for moment in (at, until) if moment]
        words = []
        for moment in moments:
            words.append(format_date(moment, "H:i" if moment.date() == self._day else "M j, Y, H:i"))
            self._day = moment.date()
        words[-1] += f" {_abbreviation(moments[-1])}"
        return words[0], words[1] if until else ""

    def _beside(self, at: datetime, until: datetime | None) -> str:
        own = [moment.astimezone(self.zones.report) for moment in (at, until) if moment]
        there = [moment.astimezone(self.zones.page) for moment in own]
        if all(a.utcoffset() == b.utcoffset() for a, b in zip(own, there, strict=True)):
            return ""
        words = [
            format_date(moment, "H:i" if moment.date() == same.date() else "M j, H:i")
            for moment, same in zip(there, own, strict=True)
        ]
        return f" ({'–'.join(words)} {_abbreviation(there[-1])})"


def _parts(source: str) -> Iterator[str | tuple[datetime, datetime | None]]:
    end = 0
    for match in _TOKEN.finditer(source):
        try:
            moments = [datetime.fromisoformat(each).astimezone(UTC) for each in match.groups() if each]
        except (ValueError, OverflowError):
            continue
        yield source[end : match.start()]
        yield moments[0], moments[1] if moments[1:] else None
        end = match.end()
    yield source[end:]


def _iso(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _abbreviation(at: datetime) -> str:
    return format_date(at, "T")
