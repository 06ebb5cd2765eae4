"""What is promised and what is left out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from django.utils.translation import gettext as _

from incidents.linter.findings import Facts, Finding, Rule
from incidents.linter.prose import Section

_RECUR = r"(?:happen|occur|recur|repeat|reoccur|fail|go down)\w*"
ABSOLUTE = re.compile(
    r"(?i)"
    rf"\bnever (?:again\b|{_RECUR})"
    r"|\b(?:cannot|can not|can['’]t|could not|will not|won['’]t|would not|do(?:es)? not|do(?:es)?n['’]t|no longer)"
    rf"\s+(?:ever\s+)?{_RECUR}(?=[^.]{{0,200}}\bagain\b|[^.]{{0,200}}\bfuture\b|\W{{0,20}}$)"
    r"|(?<!not )(?<!no )\bguarantee[sd]?\b(?! (?:period|fund))"
    r"|\b(?:avoid|prevent|eliminate|stop|rule out|exclude)s?\s+(?:any|all|every|such)\b"
    r"|\b(?:assure|ensure|promise|make sure|certain)\w*\b[^.]{0,60}?\b(?:never|always|cannot|impossible)\b"
    r"|\b(?:will|are going to|shall)\s+(?:\w+\s+)?(?:always|never)\b"
    r"|\b(?:is|are|be|becomes?|makes?[^.]{0,40})\s+(?:now\s+)?impossible\b(?!\s+(?:to|for))"
    r"|\bno longer (?:be )?possible\b(?!\s+(?:to|for))"
    r"|\b(?:completely|entirely|fully|totally)\s+(?:eliminat|prevent|exclud|rul|remov)\w*"
    r"|\bpermanent(?:ly)?\s+(?:fix|solv|solution|resol|eliminat|prevent)\w*"
    r"|\beliminat\w+\s+(?:the\s+)?(?:risk|possibility|chance)\b"
    r"|\b100\s?%\s+(?:safe|secure|reliable|certain|sure|fixed|uptime)\b|\bonce and for all\b|\bno (?:risk|chance) of\b"
)

_TALK = (
    r"(?:share|provide|post|publish|update|continue|keep|like|apologi[sz]e|inform|notify|contact|let|be|work with|need"
    r"|see|look|follow|report|communicate|reach|send|never|always|not|also (?:share|provide|post|publish))"
)
_IMPROVE = (
    r"(?:add|introduc|implement|deploy|chang|improv|increas|decreas|migrat|mov|replac|rewrit|review|automat|extend"
    r"|tighten|upgrad|harden|enforc|build|limit|remov|test|rehears|reduc|revis|redesign|establish|strengthen|expand"
    r"|enhanc|creat|develop|updat|roll|work|split|isolat|separat|audit|document|train|invest)"
)
_WE = r"\b(?:we|our team|the team|our engineers|engineering)\b"
PROMISED = re.compile(
    r"(?i)"
    rf"(?:{_WE}\s+will|\bwe['’]ll)\s+(?:also\s+)?(?!{_TALK}\b)\w+"
    rf"|{_WE}\s+(?:also\s+)?(?:plan|intend|aim)s?\s+to\s+(?!{_TALK}\b)\w+"
    rf"|{_WE}\s+(?:are|is|have)\s+(?:also\s+)?committed to\s+\w+"
    rf"|{_WE}\s+(?:are|is)\s+(?:also\s+|now\s+|currently\s+)*(?:going to\s+)?{_IMPROVE}\w*\b"
    rf"|\b(?:are|is) going to be\s+\w+|\bwill be {_IMPROVE}\w*(?:ed|ing)\b|\bgoing forward\b"
    rf"|{_WE}\s+(?:have|has)\b[^.]{{0,20}}\bin place\b"
)
DONE = re.compile(rf"(?i)(?:{_WE}\s+(?:have|has)|\bwe['’]ve)\s+(?:now\s+|also\s+|since\s+|already\s+)*{_IMPROVE}\w*\b")
PURPOSE = re.compile(r"(?i)\b(?:prevent|avoid|so that|recurrence|again|in (?:the )?future|from now on|ensure|now)\w*\b")

_WHO = (
    r"(?:users?|customers?|merchants?|clients?|accounts?|organi[sz]ations?|teams?|requests?|calls?|payments?|transactions?|orders?"
    r"|messages?|e-?mails?|notifications?|deliver(?:y|ies)|jobs?|builds?|sessions?|tenants?|subscribers?|people|visitors?"
    r"|queries|transfers?|workflows?|sign-?ins?|logins?)"
)
_SHARE = r"(?:number|portion|percentage|subset|fraction|majority|minority|share|group|handful)"
VAGUE = re.compile(
    r"(?i)(?<!how )\b(?:some|many|several|a few|few|various|numerous|most"
    rf"|(?:a|the) (?:(?:small|large|limited|certain|significant|vast|tiny|considerable)\s+)?{_SHARE}(?: of)?)"
    rf"\s+(?:of\s+)?(?:our\s+|the\s+)?(?:[\w-]+\s+){{0,2}}?{_WHO}\b"
)
_COUNT = (
    r"(?:\d[\d.,]{0,15}\s?(?:k|million|thousand|hundred)?|(?:one|two|three|four|five|six|seven|eight|nine|ten|twenty|thirty|forty"
    r"|fifty|hundred|half|a dozen|dozens)(?:[ -](?:hundred|thousand|million))?)"
)
NUMBER = re.compile(
    rf"(?i)\d\s?(?:%|percent\b|per ?cent\b)|\b(?:one|two|three|\d+) (?:in|out of) (?:\w+)\b"
    rf"|(?<!HTTP )(?<!error )\b{_COUNT}\s+(?:(?!errors?\b|minutes?\b|hours?\b|of\b)[\w-]+\s+){{0,2}}{_WHO}\b"
    rf"|(?:about|some|roughly|around|approximately|nearly|over|more than|up to)\s+\d[\d.,]{{1,15}}\s+in (?:all|total)\b"
)
TELLS_IMPACT = ("impact", "fault", "summary")  # the usual keys of the sections that say how bad it was


def absolute_promises(section: Section) -> Iterator[Finding]:
    for match in ABSOLUTE.finditer(section.text):
        yield section.finding(
            Rule.ABSOLUTE_PROMISE,
            *match.span(),
            _("Nobody can promise this. Say what you changed, and what it makes less likely."),
        )


def hidden_measures(section: Section, facts: Facts) -> Iterator[Finding]:
    listed = [_stems(measure) for measure in facts.measures]
    for sentence in section.sentences:
        text = section.prose(sentence)
        match = PROMISED.search(text) or (DONE.search(text) if PURPOSE.search(text) else None)
        said = _stems(text)
        if match is None or any(len(said & measure) >= 0.6 * len(measure) for measure in listed if measure):
            continue
        yield section.finding(
            Rule.HIDDEN_MEASURE,
            sentence.start + match.start(),
            sentence.start + match.end(),
            _("This reads like a measure, but the list of action items has none like it. Add it there, with an owner."),
        )


def no_impact_numbers(sections: Sequence[Section]) -> Iterator[Finding]:
    if any(NUMBER.search(section.text) for section in sections):
        return
    reason = _("No number says how many were affected. Add one, even a rough one: requests, customers, a percentage.")
    for section in sections:
        match = VAGUE.search(section.text)
        if match:
            yield section.finding(Rule.NO_IMPACT_NUMBERS, *match.span(), reason)
            return
    for key in TELLS_IMPACT:
        for section in sections:
            if key in (section.key, section.about) and section.sentences:
                first = section.sentences[0]
                yield section.finding(Rule.NO_IMPACT_NUMBERS, first.start, first.end, reason)
                return


NEXT = re.compile(
    r"(?i)\b(?:update|more|again|back|news|information|details)\b[^.]{0,40}\b(?:by|at|in|within|before|every|around)\s+"
    r"(?:the next\s+)?(?:about\s+|approximately\s+)?(?:\d|\{\{|an?\b|half|one|two|three|ten|fifteen|twenty|thirty|noon)"
)


def no_next_update(section: Section) -> Iterator[Finding]:
    if section.sentences and not NEXT.search(section.text):
        last = section.sentences[-1]
        yield section.finding(
            Rule.NO_NEXT_UPDATE,
            last.start,
            last.end,
            _("Say when the next update follows, even if there is nothing new by then."),
        )


def _stems(text: str) -> frozenset[str]:
    """Its words, without their endings and without the small ones."""
    words = re.findall(r"[a-z]{4,}", text.lower())
    return frozenset(re.sub(r"(?:ing|ed|es|e|s|d)$", "", word) for word in words) - {
        "will",
        "that",
        "with",
        "from",
        "hav",
    }
