"""Names that readers know, written almost as they know them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from django.utils.translation import gettext as _

from incidents.linter.findings import Facts, Finding, Rule
from incidents.linter.phrases import Phrases
from incidents.linter.prose import Section

WORD = re.compile(r"[^\W_][\w&+.-]*[\w&+]|[^\W_]")


def find(sections: Iterable[Section], facts: Facts) -> Iterator[Finding]:
    meant = {alias: name for name, aliases in facts.components.items() for alias in aliases}
    aliases = Phrases((alias, rf"(?<![\w-]){re.escape(alias)}(?![\w-])") for alias in meant)
    known = _Known(name for name in (facts.page_name, *facts.components) if name)
    for section in sections:
        taken: set[int] = set()
        for finding in _aliases(section, aliases, meant):
            taken |= set(range(finding.start, finding.end))
            yield finding
        for finding in _near(section, known):
            if not taken & set(range(finding.start, finding.end)):
                yield finding


def _aliases(section: Section, aliases: Phrases, meant: Mapping[str, str]) -> Iterator[Finding]:
    for sentence in section.sentences:
        for match in aliases.find(section.prose(sentence)):
            name = meant[match.group()]
            yield section.finding(
                Rule.ALIAS,
                sentence.start + match.start(),
                sentence.start + match.end(),
                _("Customers know “%(alias)s” as “%(name)s”.") % {"alias": match.group(), "name": name},
                fix=name,
                against=name,
            )


def _near(section: Section, known: _Known) -> Iterator[Finding]:
    for sentence in section.sentences:
        text = section.prose(sentence)
        words = [match.span() for match in WORD.finditer(text)]
        end = 0
        for index, (start, _stop) in enumerate(words):
            if start < end or not text[start].isupper():
                continue
            for size in known.sizes:
                if index + size > len(words):
                    continue
                stop = words[index + size - 1][1]
                said = re.sub(r"['’]s$", "", text[start:stop])
                name = known.meant_by(said)
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
                if said in known.names:
                    end = stop
                    break


class _Known:
    """The names that readers know, in order, made ready once to be compared with many words."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = dict.fromkeys(names)
        self.sizes = sorted({size for name in self.names for size in range(1, len(name.split()) + 2)}, reverse=True)
        self._right = {form for name in self.names for form in (name, f"{name}s", f"{name}es")}
        self._right |= {name[:-1] for name in self.names if name.endswith("s") and " " not in name}
        self._squeezed = {form for name in self.names for form in (_squeezed(name), f"{_squeezed(name)}s")}
        self._alike: dict[tuple[str, int], list[str]] = {}  # by first letter and number of words
        self._apart: dict[tuple[str, str], list[str]] = {}  # by first letter and what they are but for their spaces
        for name in self.names:
            self._alike.setdefault((name[0], len(name.split())), []).append(name)
            self._apart.setdefault((name[0], _squeezed(name)), []).append(name)

    def meant_by(self, said: str) -> str | None:
        """The name that `said` misspells; a name itself, a plural and a word of its own are none."""
        if said in self._right:
            return None
        squeezed = _squeezed(said)
        for name in self._apart.get((said[0], squeezed), ()):
            if said.lower() != name.lower() or (" " in name and said != said.lower()):
                return name
        if squeezed in self._squeezed:
            return None
        for name in self._alike.get((said[0], len(said.split())), ()):
            if _is_misspelled(squeezed, _squeezed(name)):
                return name
        return None


def _is_misspelled(said: str, name: str) -> bool:
    allowed = 0 if len(name) < 6 else 1 if len(name) < 12 else 2
    return (
        abs(len(said) - len(name)) <= allowed
        # so many letters stand in the one alone: quickly counted, and hardly ever few
        and (Counter(said) - Counter(name)).total() <= allowed
        and _distance(said, name) <= allowed
    )


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
