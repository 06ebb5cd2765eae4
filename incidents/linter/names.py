"""Names that readers know, written almost as they know them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from django.utils.translation import gettext as _

from incidents.linter.findings import Facts, Finding, Rule
from incidents.linter.prose import Section

WORD = re.compile(r"[^\W_][\w&+.-]*[\w&+]|[^\W_]")


def find(section: Section, facts: Facts) -> Iterator[Finding]:
    taken: set[int] = set()
    for finding in _aliases(section, facts):
        taken |= set(range(finding.start, finding.end))
        yield finding
    known = [name for name in (facts.page_name, *facts.components) if name]
    for finding in _near(section, known):
        if not taken & set(range(finding.start, finding.end)):
            yield finding


def _aliases(section: Section, facts: Facts) -> Iterator[Finding]:
    for name, aliases in facts.components.items():
        for alias in aliases:
            for sentence in section.sentences:
                text = section.prose(sentence)
                for match in re.finditer(rf"(?<![\w-]){re.escape(alias)}(?![\w-])", text):
                    yield section.finding(
                        Rule.ALIAS,
                        sentence.start + match.start(),
                        sentence.start + match.end(),
                        _("Customers know “%(alias)s” as “%(name)s”.") % {"alias": alias, "name": name},
                        fix=name,
                        against=name,
                    )


def _near(section: Section, known: list[str]) -> Iterator[Finding]:
    sizes = {count for name in known for count in range(1, len(name.split()) + 2)}
    for sentence in section.sentences:
        text = section.prose(sentence)
        words = [match.span() for match in WORD.finditer(text)]
        end = 0
        for index, (start, _stop) in enumerate(words):
            if start < end or not text[start].isupper():
                continue
            for size in sorted(sizes, reverse=True):
                if index + size > len(words):
                    continue
                stop = words[index + size - 1][1]
                said = re.sub(r"['’]s$", "", text[start:stop])
                name = _meant(said, known)
                if name:
                    end = start + len(said)
                    yield section.finding(
                        Rule.NEAR_NAME,
                        sentence.start + start,
                        sentence.start + end,
                        _("This is nearly “%(name)s”, but not quite.") % {"name": name},
                        fix=name,
                        against=name,
                    )
                    break
                if said in known:
                    end = stop
                    break


def _meant(said: str, known: list[str]) -> str | None:
    """The name that `said` misspells; a name itself, a plural and a word of its own are none."""
    if any(said in (name, f"{name}s", f"{name}es") or (f"{said}s" == name and " " not in name) for name in known):
        return None
    for name in known:
        if said[0] != name[0]:
            continue
        squeezed, wanted = _squeezed(said), _squeezed(name)
        if squeezed == wanted:
            is_spelled_apart = said.lower() != name.lower()
            if is_spelled_apart or (" " in name and said != said.lower()):
                return name
            continue
        if len(said.split()) != len(name.split()):
            continue
        if any(squeezed in (_squeezed(other), f"{_squeezed(other)}s") for other in known):
            continue
        allowed = 0 if len(wanted) < 6 else 1 if len(wanted) < 12 else 2
        if abs(len(squeezed) - len(wanted)) <= allowed and _distance(squeezed, wanted) <= allowed:
            return name
    return None


def _squeezed(name: str) -> str:
    return re.sub(r"[\s-]", "", name).lower()


def _distance(left: str, right: str) -> int:
    """How many letters must be changed, added, left out or swapped with their neighbour."""
    before: list[int] = []
    row = list(range(len(right) + 1))
    for i, a in enumerate(left, start=1):
        older, before, row = before, row, [i]
        for j, b in enumerate(right, start=1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b))
            if i > 1 and j > 1 and a == right[j - 2] and left[i - 2] == b:
                cost = min(cost, older[j - 2] + 1)
            row.append(cost)
    return row[-1]
