"""Which facts of the record a sentence states: that the impact began at 09:14, that it lasted 48 minutes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise

from incidents.linter.clock import ClockSpan, ClockTime
from incidents.linter.findings import Instant

HARM = (
    r"(?:errors?|fail(?:ed|ing|ures?|s)?|unavailable|inaccessible|unreachable|unable|could(?:n['’]t| not)"
    r"|can(?:not|['’]t)|outages?|downtime|degrad\w+|down|declined|disrupt\w*|interrupt\w*|tim(?:ed|ing)[ -]?out"
    r"|timeouts?|slow\w*|delay\w*|elevated|impacted|affected|dropped|rejected|refused)"
)
EVENT = r"(?:incident|outage|disruption|interruption|degradation|impact|downtime|event|problems?|issues?)"
BEGIN = r"(?:beg[ai]ns?|begun|start(?:s|ed)?|commence[sd]?)"

# How a text states an instant, one way on each line.
WAYS = {
    Instant.IMPACT_BEGAN: (
        rf"\b(?:{EVENT}|errors?|error rates?|failures?|latency|timeouts?)\b[^.]{{0,50}}?\b{BEGIN}\b",
        rf"\b{BEGIN} to (?:fail|see|experience|receive|return|climb|rise|time out|appear|error|degrade)\b",
        rf"\b{BEGIN} (?:failing|seeing|experiencing|returning|timing out|receiving errors)\b",
        rf"\b(?:experienced|suffered|had) an? (?:[\w-]+ ){{0,3}}{EVENT}\b",
        r"\bfirst (?:error|failure|failed|symptom)\w*",
        r"\berrors? (?:was|were) first\b",
    ),
    Instant.DETECTED: (
        r"\b(?:detected|alerted|alarm(?:ed|s)?|paged|pages)\b",
        r"\b(?:alerts?|alarms?|monitor\w*)\b[^.]{0,30}\b(?:fired?|triggered|raised|notified|began|started)\b",
        r"\b(?:we|engineers?|team|staff|monitor\w*)\b[^.]{0,30}\bnoticed\b",
    ),
    Instant.ACKNOWLEDGED: (
        r"\backnowledged\b",
        rf"\b{BEGIN} (?:to investigate|investigating)\b",
        r"\b(?:already|were) investigating\b",
    ),
    Instant.IDENTIFIED: (
        r"\b(?:identified|determined|found|pinpointed|diagnosed)\b[^.]{0,40}\b(?:cause|source|culprit)\b",
        r"\b(?:cause|source|culprit)\b[^.]{0,30}\b(?:identified|determined|found|pinpointed)\b",
    ),
    Instant.IMPACT_ENDED: (
        r"\b(?:stopped|ceased)\b[^.]{0,30}\b(?:errors?|fail\w*)\b",
        r"\berrors?\b[^.]{0,20}\b(?:stopped|ceased|subsided)\b",
        r"\brecovered\b|\brecovery (?:was|is) complete",
        r"\b(?:back|return(?:ed|ing)?) to (?:\w+ )?(?:normal|usual|baseline)\b",
        r"\bsucceed(?:ed|ing)? again\b",
        r"\b(?:service|access|functionality|availability|operations?|systems?)\b[^.]{0,20}\brestored\b",
        r"\bfully mitigated\b",
    ),
    Instant.RESOLVED: (
        rf"\b{EVENT}\b[^.]{{0,40}}\b(?:resolved|closed|over)\b",
        rf"\bresolved\b[^.]{{0,20}}\b{EVENT}\b",
    ),
    Instant.NEXT_UPDATE: (
        r"\b(?:next|another|further) update\b",
        r"\b(?:share more|update (?:you|this)|(?:post|provide|follow)\w* an update)\b",
    ),
}
STATED = {instant: re.compile("|".join(ways), re.IGNORECASE) for instant, ways in WAYS.items()}
PARTLY = re.compile(r"(?i)\b(?:partial\w*|partly|most|some|begin\w*|began|start\w*|signs of|seeing|until|gradual\w*)\b")
UNHARMED = re.compile(
    r"(?i)\b(?:no|not|without|none|never|nothing)\b[^.]{0,25}\b(?:effect|affected|impact\w*|errors?|fail\w*)\b"
)
LASTING = re.compile(r"(?i)\b(?:lasted|continued|persisted|went on)\b")
HABIT = re.compile(r"(?i)\b(?:every|each|usually|normally|daily|nightly at|typically|always|would have)\b")
STAFF_ACTS = re.compile(
    r"(?i)\b(?:we|teams?|engineers?|administrators?|operators?)\s+(?!experienced|saw|see|served|had|were|are|have|stopped)\w+"
)
IS_HARM = re.compile(rf"(?i)\b{HARM}\b")
DIVIDER = re.compile(r"(?i);|:(?!\d)|,(?!\d)|\s[-–—]\s|\b(?:and|but|while|when|until|which|because|after which)\b")
ONLY_TIME = re.compile(
    r"(?i)^(?:\W|\b(?:as|on|in|at|by|from|between|since|around|about|approximately|roughly|the|morning|afternoon|evening|of"
    r"|night|local|time|shortly|just|after|before|until|that|day|same|next)\b)*$"
)
NUMBERS: dict[str, float] = {"a": 1, "an": 1, "half an": 0.5, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5}
NUMBERS |= {"six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10, "eleven": 11, "twelve": 12, "fifteen": 15}
NUMBERS |= {"twenty": 20, "thirty": 30, "forty": 40, "forty-five": 45, "fifty": 50, "ninety": 90}
_NUMBER = rf"(?:\d+(?:\.\d+)?|{'|'.join(sorted(NUMBERS, key=len, reverse=True))})"
DURATION = re.compile(
    rf"(?i)\b(?:(?P<hours>{_NUMBER})[ -]hours?(?P<half> and a half)?"
    rf"(?:,?\s+(?:and\s+)?(?P<rest>{_NUMBER})[ -]minutes?)?|(?P<minutes>{_NUMBER})[ -]minutes?)\b"
)
APPROXIMATE = re.compile(
    r"(?i)\b(?:around|about|approximately|roughly|nearly|almost|under|over|more than|less than|up to)\s*$|~\s*$"
)
LASTED = re.compile(
    rf"(?i)\b(?:{EVENT}|which)\b[^.]{{0,30}}\b(?:lasted|took)\b[^.\d]{{0,25}}$|\bfor\s(?:a total of\s)?(?:\w+\s)?$"
    r"|\b(?:duration of|lasting)\s(?:\w+\s)?$"
)
EVENT_AFTER = re.compile(rf"(?i)(?<!\s)\s+of\s+(?:\w+\s+)?(?:{EVENT}|errors|failures)\b")
NEAR = 120  # characters before a duration that say what lasted so long


@dataclass(frozen=True, slots=True)
class Claim:
    """`instant` is said to be at `clock`; with `is_part` only some component's own share of the impact is meant."""

    instant: Instant
    clock: ClockTime
    is_part: bool


@dataclass(frozen=True, slots=True)
class LengthClaim:
    start: int
    end: int
    length: timedelta
    is_exact: bool
    is_part: bool


def claims_of(
    text: str, times: list[ClockTime | ClockSpan], masks: list[tuple[int, int]], *, is_part: bool
) -> Iterator[Claim]:
    """What a sentence says of its times. `masks` are the places of dates, which are no words."""
    if HABIT.search(text):
        return
    bare = text
    for start, end in [*masks, *((when.start, when.end) for when in times)]:
        bare = bare[:start] + "\x00" * (end - start) + bare[end:]
    clauses = _clauses(bare)
    for when in times:
        clause = _clause(clauses, when.start)
        if isinstance(when, ClockSpan):
            if IS_HARM.search(clause) and not UNHARMED.search(clause) and not STAFF_ACTS.search(clause):
                yield Claim(Instant.IMPACT_BEGAN, when.first, is_part)
                yield Claim(Instant.IMPACT_ENDED, when.last, is_part)
        else:
            for instant in _instants(clause, when):
                yield Claim(instant, when, is_part)


def _instants(clause: str, clock: ClockTime) -> set[Instant]:
    found = {instant for instant, pattern in STATED.items() if pattern.search(clause)}
    if Instant.IMPACT_ENDED in found and PARTLY.search(clause):
        found.remove(Instant.IMPACT_ENDED)
    if Instant.IMPACT_BEGAN in found and STAFF_ACTS.search(clause):
        found.remove(Instant.IMPACT_BEGAN)
    is_harm = IS_HARM.search(clause) and not UNHARMED.search(clause)
    if not found and is_harm and clock.lead in ("since", "from"):
        found.add(Instant.IMPACT_BEGAN)
    if not found and clock.lead in ("until", "till") and (is_harm or LASTING.search(clause)):
        found.add(Instant.IMPACT_ENDED)
    return found


def _clauses(bare: str) -> list[tuple[int, str, bool]]:
    """The end of each, its text, and whether it is nothing but a time."""
    edges = [0, *(match.end() for match in DIVIDER.finditer(bare)), len(bare)]
    return [(end, bare[start:end], _is_only_time(bare[start:end])) for start, end in pairwise(edges)]


def _clause(clauses: list[tuple[int, str, bool]], place: int) -> str:
    """The clause in which `place` stands; a time that stands alone belongs to what follows it, else precedes it."""
    index = next((number for number, (end, _said, _is_time) in enumerate(clauses) if place < end), len(clauses) - 1)
    after = index
    while after + 1 < len(clauses) and clauses[after][2]:
        after += 1
    said = "".join(text for _end, text, _is_time in clauses[index : after + 1])
    return said if index == 0 or not clauses[after][2] else clauses[index - 1][1] + said


def _is_only_time(clause: str) -> bool:
    return bool(ONLY_TIME.match(DIVIDER.sub(" ", clause)))


def lengths_of(text: str, *, is_part: bool) -> Iterator[LengthClaim]:
    """How long the impact is said to have lasted."""
    if STAFF_ACTS.search(text) or UNHARMED.search(text):
        return
    is_harm = bool(IS_HARM.search(text))
    for match in DURATION.finditer(text):
        before = text[max(0, match.start() - NEAR) : match.start()]
        lasted = LASTED.search(before)
        names_event = EVENT_AFTER.match(text, match.end())
        if not names_event and (not lasted or (lasted[0].lower().startswith("for") and not is_harm)):
            continue
        hours, minutes = match["hours"], match["minutes"] or match["rest"]
        length = timedelta(hours=_number(hours), minutes=_number(minutes))
        if match["half"]:
            length += timedelta(minutes=30)
        yield LengthClaim(*match.span(), length, not APPROXIMATE.search(before), is_part)


def _number(text: str | None) -> float:
    if text is None:
        return 0
    return NUMBERS[text.lower()] if text.lower() in NUMBERS else float(text)
