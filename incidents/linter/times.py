"""Times that contradict the record, the calendar or each other, and times that nobody can place."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.translation import gettext as _

from incidents.linter.claims import Claim, LengthClaim, claims_of, lengths_of
from incidents.linter.clock import TOKEN, WEEKDAYS, ClockSpan, ClockTime, Day, clocks_in, days_in, in_force, spans_in
from incidents.linter.findings import Facts, Finding, Instant, Rule
from incidents.linter.phrases import Phrases
from incidents.linter.prose import Section, Sentence

EXACTLY = timedelta(seconds=59)  # the record has seconds, a text has minutes
ROUGHLY = timedelta(minutes=5)
ALL_TIMES = re.compile(
    r"(?i)\ball (?:of the |the )?times? (?:below |here |given |shown )?(?:are )?(?:in )?[A-Z]{3,4}\b"
)


@dataclass(frozen=True, slots=True)
class Said:
    """A claim with its instant and its place in the report."""

    claim: Claim
    at: datetime
    section: Section
    start: int
    end: int


def find(sections: Sequence[Section], facts: Facts) -> Iterator[Finding]:
    said: list[Said] = []
    parts = Phrases((name, rf"(?<!\w){re.escape(name)}(?!\w)") for name in facts.components)
    is_zoned = any(ALL_TIMES.search(section.text) for section in sections)
    for section in sections:
        unzoned: list[ClockTime] = []
        for sentence in section.sentences:
            reading = _Reading(section, sentence, facts, parts)
            yield from reading.impossible()
            yield from reading.calendar()
            yield from reading.wording()
            yield from reading.lengths()
            said += reading.claims()
            unzoned += reading.unzoned()
        if unzoned and not is_zoned:  # once, and not for each of them
            clock = unzoned[0]
            yield section.finding(
                Rule.NO_ZONE,
                clock.start,
                clock.end,
                _("“%(quote)s” names no time zone. Readers are everywhere: add one, UTC for example.")
                % {"quote": clock.written},
            )
    yield from _conflicts(said, facts)


class _Reading:
    """The times of one sentence."""

    def __init__(self, section: Section, sentence: Sentence, facts: Facts, parts: Phrases) -> None:
        self.section, self.sentence, self.facts = section, sentence, facts
        self.text = section.prose(sentence)
        known = [instant for instants in facts.times.values() for instant in instants]
        self.near = min(known, default=None)
        self.days = list(days_in(self.text, (self.near or datetime.now(facts.zone)).date()))
        self.clocks = clocks_in(self.text, self.days)
        possible = [clock for clock in self.clocks if clock.at]
        self.times = spans_in(self.text, possible, self.days)
        self.is_part = any(parts.find(self.text))

    def at(self, start: int, end: int) -> tuple[int, int]:
        return self.sentence.start + start, self.sentence.start + end

    def impossible(self) -> Iterator[Finding]:
        for clock in self.clocks:
            if clock.at is None:
                yield self.section.finding(
                    Rule.IMPOSSIBLE_TIME,
                    *self.at(clock.start, clock.end),
                    _("There is no time “%(quote)s”.") % {"quote": clock.written},
                )
        for span in self.times:
            if isinstance(span, ClockSpan) and _runs_backwards(span, self.facts):
                yield self.section.finding(
                    Rule.IMPOSSIBLE_TIME,
                    *self.at(span.start, span.end),
                    _("This range ends (%(last)s) before it begins (%(first)s).")
                    % {"first": span.first.written, "last": span.last.written},
                )

    def calendar(self) -> Iterator[Finding]:
        for day in self.days:
            if day.day is None:
                text = self.text[day.start : day.end]
                reason = _("There is no day “%(quote)s”.") % {"quote": text}
                yield self.section.finding(Rule.IMPOSSIBLE_TIME, *self.at(day.start, day.end), reason)
            elif day.weekday and WEEKDAYS[day.weekday.lower()] != day.day.weekday():
                right = f"{day.day:%A}"
                yield self.section.finding(
                    Rule.WRONG_WEEKDAY,
                    *self.at(day.start, day.start + len(day.weekday)),
                    _("%(date)s was a %(weekday)s.") % {"date": f"{day.day:%Y-%m-%d}", "weekday": right},
                    fix=right,
                    against=day.day.isoformat(),
                )
        for clock in self._each():
            if clock.at is None or self.near is None:
                continue
            right = in_force(clock, clock.instant(self.near, self.facts.zone))
            if right and clock.zone_name in clock.written:
                start = clock.end - len(clock.written) + clock.written.rindex(clock.zone_name)
                yield self.section.finding(
                    Rule.WRONG_ZONE,
                    *self.at(start, start + len(clock.zone_name)),
                    _("%(right)s was in force on that day, not %(zone)s.") % {"right": right, "zone": clock.zone_name},
                    fix=right,
                    against=right,
                )

    def wording(self) -> Iterator[Finding]:
        for span in self.times:
            if isinstance(span, ClockSpan) and span.wording:
                first, last = (self.text[clock.start : clock.end] for clock in (span.first, span.last))
                yield self.section.finding(
                    Rule.RANGE_WORDING,
                    *self.at(span.start, span.end),
                    _("A range is joined by “%(word)s” here.") % {"word": span.wording},
                    fix=None if TOKEN.search(self.text) else f"{first} {span.wording} {last}",
                )

    def lengths(self) -> Iterator[Finding]:
        began, ended, over = (
            self.facts.times.get(instant, ())
            for instant in (Instant.IMPACT_BEGAN, Instant.IMPACT_ENDED, Instant.RESOLVED)
        )
        if not began or not ended:
            return
        longest = max(ended) - min(began)
        allowed = [end - start for start, end in zip(began, ended, strict=False)] + [longest]
        if re.search(r"(?i)\bincident\b", self.text) and over:
            allowed.append(max(over) - min(began))
        for claim in lengths_of(self.text, is_part=self.is_part):
            if any(_agrees_in_length(claim, length) for length in allowed):
                continue
            if claim.is_part and claim.length < longest:
                continue
            yield self.section.finding(
                Rule.DURATION_CONFLICT,
                *self.at(claim.start, claim.end),
                _("By the record the impact lasted %(minutes)d minutes. Correct the text, or the times of the record.")
                % {"minutes": round(longest.total_seconds() / 60)},
                fix=_("%(minutes)d minutes") % {"minutes": round(longest.total_seconds() / 60)},
                against=str(longest),
            )

    def claims(self) -> Iterator[Said]:
        if self.near is None:
            return
        masks = [(day.start, day.end) for day in self.days]
        masks += [match.span() for match in TOKEN.finditer(self.text)]
        for claim in claims_of(self.text, self.times, masks, is_part=self.is_part):
            facts = self.facts.times.get(claim.instant, ())
            at = claim.clock.instant(facts[0] if facts else self.near, self.facts.zone)
            if not _is_elsewhere(claim.clock, self.days, self.facts):
                yield Said(claim, at, self.section, *self.at(claim.clock.start, claim.clock.end))

    def unzoned(self) -> Iterator[ClockTime]:
        clocks = list(self._each())
        if any(clock.zone for clock in clocks):
            return
        for clock in clocks:
            if clock.at:
                start, end = self.at(clock.start, clock.end)
                yield ClockTime(start, end, clock.at, clock.written)

    def _each(self) -> Iterator[ClockTime]:
        for when in self.times:
            yield from (when.first, when.last) if isinstance(when, ClockSpan) else (when,)


def _runs_backwards(span: ClockSpan, facts: Facts) -> bool:
    first, last = span.first, span.last
    if first.at is None or last.at is None:
        return False
    near = datetime(2000, 1, 3, 12, tzinfo=facts.zone)
    if first.day and last.day and first.day != last.day:
        return first.instant(near, facts.zone) > last.instant(near, facts.zone)
    begin, end = (clock.instant(near, facts.zone) for clock in (first, last))
    night = timedelta(hours=12)  # a range may cross midnight, but is not nearly a day long
    return (end - begin) % timedelta(days=1) > night and end < begin


def _is_elsewhere(clock: ClockTime, days: Iterable[Day], facts: Facts) -> bool:
    """Whether the date beside it is that of something else: another incident, an earlier change."""
    if clock.day is None:
        return False
    known = [instant.astimezone(facts.zone).date() for instants in facts.times.values() for instant in instants]
    day = clock.day
    if any(other.day == day and other.has_year for other in days) and known:
        try:  # the right day of a wrong year is a slip of the pen
            day = day.replace(year=known[0].year)
        except ValueError:
            return True
    return not any(abs(day - other) <= timedelta(days=2) for other in known)


def _agrees_in_length(claim: LengthClaim, length: timedelta) -> bool:
    slack = timedelta(minutes=1) if claim.is_exact else max(ROUGHLY, length / 5)
    return abs(claim.length - length) <= slack


def _conflicts(said: list[Said], facts: Facts) -> Iterator[Finding]:
    first: dict[Instant, Said] = {}
    for one in said:
        instant = one.claim.instant
        recorded = facts.times.get(instant, ())
        if recorded:
            if not _agrees(one, facts):
                yield _against_record(one, recorded, facts)
        elif one.claim.clock.is_exact and not one.claim.is_part and not one.claim.clock.lead:
            other = first.setdefault(instant, one)
            if abs(other.at - one.at) > EXACTLY:
                yield one.section.finding(
                    Rule.TIME_CONFLICT,
                    one.start,
                    one.end,
                    _("Elsewhere it is “%(other)s” when %(instant)s. Only one of them can be right.")
                    % {"other": other.claim.clock.written, "instant": instant.label},
                    against=other.at.isoformat(),
                )


def _agrees(said: Said, facts: Facts) -> bool:
    claim, at = said.claim, said.at
    slack = EXACTLY if claim.clock.is_exact else ROUGHLY
    recorded = list(facts.times.get(claim.instant, ()))
    if claim.instant is Instant.RESOLVED:  # in everyday words that may be when it stopped hurting, too
        recorded += facts.times.get(Instant.IMPACT_ENDED, ())
    if any(abs(fact - at) <= slack for fact in recorded):
        return True
    if claim.instant is Instant.NEXT_UPDATE:
        return False
    if claim.clock.lead in ("by", "as of"):
        return min(recorded) <= at + slack
    if claim.clock.lead == "before":
        return min(recorded) < at
    if claim.clock.lead == "after":
        return max(recorded) > at and claim.instant is not Instant.IMPACT_BEGAN
    began = min(facts.times.get(Instant.IMPACT_BEGAN, ()), default=None)
    if claim.instant is Instant.IDENTIFIED:  # known before it was said
        return at < min(recorded) and (began is None or at >= began - slack)
    if claim.instant is Instant.ACKNOWLEDGED:  # who is "investigating" has acknowledged before
        return at > min(recorded)
    ended = max(facts.times.get(Instant.IMPACT_ENDED, ()), default=None)
    if claim.is_part and claim.instant in (Instant.IMPACT_BEGAN, Instant.IMPACT_ENDED) and began and ended:
        return began - slack <= at <= ended + slack
    return False


def _against_record(said: Said, recorded: Sequence[datetime], facts: Facts) -> Finding:
    clock = said.claim.clock
    fact = min(recorded, key=lambda at: abs(at - said.at))
    local = fact.astimezone(clock.zone or facts.zone)
    right = f"{local:%H:%M}"
    if clock.day and clock.day != local.date():
        right = f"{local:%Y-%m-%d %H:%M}"
    return said.section.finding(
        Rule.TIME_CONFLICT,
        said.start,
        said.end,
        _("By the record %(instant)s at %(right)s %(zone)s. Correct the text, or the record.")
        % {"instant": said.claim.instant.label, "right": right, "zone": clock.zone_name or local.tzname() or ""},
        fix=_rewritten(clock, local) if not clock.day or clock.day == local.date() else None,
        against=f"{said.claim.instant.value}={fact.isoformat()}",
    )


def _rewritten(clock: ClockTime, local: datetime) -> str:
    """The right time in the manner of the one that is written."""
    if clock.zone_name == "token":
        return f"{local:%Y-%m-%dT%H:%MZ}"
    written = clock.written
    half = re.search(r"(?i)([ap])(\.?)m\b", written)
    if half:
        letter = "p" if local.hour >= 12 else "a"
        letter = letter.upper() if half[1].isupper() else letter
        written = written[: half.start(1)] + letter + written[half.end(1) :]
        hour = f"{(local.hour - 1) % 12 + 1}"
    else:
        hour = f"{local.hour:02d}"
    return re.sub(r"\d{1,2}:\d\d(?::\d\d)?|^\d{1,2}(?=\s?[AaPp])", f"{hour}:{local:%M}", written, count=1)
