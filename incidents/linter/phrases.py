"""Finds any of many names in a text at the cost of reading it once, however many there are."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

_WORD = re.compile(r"\w+|[^\w\s]")


def spelled(name: str) -> str:
    """A pattern for its words, whatever space or line end stands between them."""
    return r"\s+".join(map(re.escape, name.split()))


class Phrases:
    """Given names, each with its pattern, which is tried only where the first word of the name stands.

    Where several names begin at one place, the one given first is found.
    """

    def __init__(self, patterns: Iterable[tuple[str, str]]) -> None:
        self._waiting: dict[str, list[str]] = {}
        self._compiled: dict[str, re.Pattern[str]] = {}
        for name, pattern in patterns:
            if first := _WORD.search(name):
                self._waiting.setdefault(first[0].lower(), []).append(pattern)

    def find(self, text: str) -> Iterator[re.Match[str]]:
        """Where they stand, none within another."""
        end = 0
        for word in _WORD.finditer(text) if self._waiting else ():
            pattern = self._beginning_with(word[0].lower()) if word.start() >= end else None
            if pattern and (match := pattern.match(text, word.start())):
                end = match.end()
                yield match

    def _beginning_with(self, word: str) -> re.Pattern[str] | None:
        if word in self._waiting and word not in self._compiled:
            self._compiled[word] = re.compile("|".join(self._waiting[word]))
        return self._compiled.get(word)
