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

_INSTANT = r"(\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d)?(?:Z|[+-]\d\d:\d\d))"
_TOKEN = re.compile(rf"\{{\{{\s*t\s+{_INSTANT}(?:\s*\.\.\s*{_INSTANT})?\s*\}}\}}")


@dataclass(frozen=True, slots=True)
class Zones:
    """The one that a report is written in, and the page's own, which stands beside it."""

    report: ZoneInfo
    page: ZoneInfo

    @classmethod
    def named(cls, report: str, page: str) -> Zones:
        return cls(ZoneInfo(report), ZoneInfo(page))


@dataclass(slots=True)
class InstantFormatter:
    """Formats the instants of one text, in their order."""

    zones: Zones
    _day: date | None = None  # the last one that was named

    def text(self, source: str) -> str:
        return "".join(part if isinstance(part, str) else self._plain(*part) for part in _parts(source))

    def html(self, source: str) -> Iterator[str | SafeString]:
        """The text in pieces, those that are HTML marked as safe."""
        for part in _parts(source):
            yield part if isinstance(part, str) else self._marked(*part)

    def _plain(self, at: datetime, until: datetime | None) -> str:
        begin, end = self._in_report_zone(at, until)
        return (f"{begin}–{end}" if end else begin) + self._in_page_zone(at, until)

    def _marked(self, at: datetime, until: datetime | None) -> SafeString:
        begin, end = self._in_report_zone(at, until)
        html = format_html('<time datetime="{}">{}</time>', _iso(at), begin)
        if until:
            html += format_html('–<time datetime="{}">{}</time>', _iso(until), end)
        return html + format_html("{}", self._in_page_zone(at, until))

    def _in_report_zone(self, at: datetime, until: datetime | None) -> tuple[str, str]:
        instants = [instant.astimezone(self.zones.report) for instant in (at, until) if instant]
        texts = []
        for instant in instants:
            texts.append(format_date(instant, "H:i" if instant.date() == self._day else "M j, Y, H:i"))
            self._day = instant.date()
        texts[-1] += f" {_abbreviation(instants[-1])}"
        return texts[0], texts[1] if until else ""

    def _in_page_zone(self, at: datetime, until: datetime | None) -> str:
        """ " (17:02 CET)", or "" where both zones read the same."""
        own = [instant.astimezone(self.zones.report) for instant in (at, until) if instant]
        there = [instant.astimezone(self.zones.page) for instant in own]
        if all(a.utcoffset() == b.utcoffset() for a, b in zip(own, there, strict=True)):
            return ""
        texts = [
            format_date(instant, "H:i" if instant.date() == same.date() else "M j, H:i")
            for instant, same in zip(there, own, strict=True)
        ]
        return f" ({'–'.join(texts)} {_abbreviation(there[-1])})"


def _parts(source: str) -> Iterator[str | tuple[datetime, datetime | None]]:
    end = 0
    for match in _TOKEN.finditer(source):
        try:
            instants = [datetime.fromisoformat(each).astimezone(UTC) for each in match.groups() if each]
        except (ValueError, OverflowError):
            continue
        yield source[end : match.start()]
        yield instants[0], instants[1] if instants[1:] else None
        end = match.end()
    yield source[end:]


def _iso(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _abbreviation(at: datetime) -> str:
    return format_date(at, "T")
