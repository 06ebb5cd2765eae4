"""Reads what is about to be published, by fixed rules, and says what a careful reviewer would.

    findings = lint_report([Section("summary", text), ...], facts)
    findings = lint_update(body, facts, is_over=False, promises_update=True)
    open_findings = blocking(findings, dismissed)     # publish only when this is empty

Pure: the same text and facts give the same findings. `incidents.checking` gathers the facts of the record, keeps the
dismissals and is what services and pages call.

A finding's level says what it means. `block` (secrets, internal names): must be taken out; only a name may stand, for
a reason that stays on record. `contradiction`: blocks until the approver dismisses it with a reason. `dismissed` holds
the digests of what may stand. `warn`: shown, no more.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

from incidents.linter import leaks, names, times, wording
from incidents.linter.findings import LEVELS, Facts, Finding, Instant, Level, Person, Rule
from incidents.linter.prose import Section

__all__ = [
    "LEVELS",
    "Facts",
    "Finding",
    "Instant",
    "Level",
    "Person",
    "Rule",
    "Section",
    "blocking",
    "lint_leaks",
    "lint_report",
    "lint_update",
]


def lint_report(sections: Sequence[Section], facts: Facts) -> list[Finding]:
    """What is to be said of a report's public text, section by section in the order of the text."""
    found = [*_each(sections, facts), *wording.no_impact_numbers(sections)]
    for section in sections:
        found += wording.hidden_measures(section, facts)
    return _in_order(found, sections)


def lint_update(body: str, facts: Facts, *, is_over: bool, promises_update: bool) -> list[Finding]:
    """What is to be said of an update.

    `is_over`: it ends the incident. `promises_update`: the page says when the next one comes, whatever the text says.
    """
    section = Section("body", body)
    found = list(_each([section], facts))
    if not is_over and not promises_update:
        found += wording.no_next_update(section)
    return _in_order(found, [section])


def lint_leaks(sections: Iterable[Section], facts: Facts) -> list[Finding]:
    """What must be taken out of any text before the public reads it."""
    return [finding for finding in leaks.find(sections, facts) if finding.level is Level.BLOCK]


def blocking(findings: Iterable[Finding], dismissed: Collection[str] = ()) -> list[Finding]:
    """Those that keep a text from being published; `dismissed` are digests of what may stand. A secret never may."""
    return [
        finding
        for finding in findings
        if finding.level is not Level.WARN and (finding.rule is Rule.SECRET or finding.digest not in dismissed)
    ]


def _each(sections: Sequence[Section], facts: Facts) -> Iterator[Finding]:
    for find in (times.find, leaks.find, names.find):
        yield from find(sections, facts)
    for section in sections:
        yield from wording.absolute_promises(section)


def _in_order(findings: Iterable[Finding], sections: Sequence[Section]) -> list[Finding]:
    place = {section.key: number for number, section in enumerate(sections)}
    return sorted(findings, key=lambda found: (place[found.section], found.start, found.end, found.rule))
