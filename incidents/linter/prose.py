"""A section's text as the rules read it: sentence by sentence, without what is no prose."""

from __future__ import annotations

import html
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from incidents.linter.findings import LEVELS, Finding, Level, Rule

# A sentence ends at its full stop, at an empty line, and before a heading, a list item or a table row.
END = re.compile(
    r"(?<![ap]\.m\.)(?<!\be\.g\.)(?<!\bi\.e\.)(?<=[.!?])[\"”’)*_]*\s+(?=[\"“(*_`\[{]*[A-Z0-9@])|\n\s*\n|\n(?=\s*(?:[-*+#>|]|\d+[.)])\s)"
)
LONGEST = 600  # characters of a sentence
LINK = re.compile(r"https?://[^\s)>\]]+|`[^`\n]*`")


# What a reader does not see of a text's source: entities, escapes, emphasis, links, tags, characters without a width
MARKUP = re.compile(
    r"&(?:#\d{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,30});|\\(?=[!-/:-@[-`{-~])|[*`~]+|\b_+\B|\B_+\b"
    r"|</?[A-Za-z][^<>]{0,500}>|\[|\]\([^()\s]{0,500}\)|\]|[\u00ad\u200b-\u200f\u2060\ufeff\u00a0\u2007\u202f\u2010\u2011]"
)
INLINE = re.compile(r"</?(?:strong|em|b|i|code|a)\b", re.IGNORECASE)  # tags that part no words


def words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def blank(text: str, pattern: re.Pattern[str]) -> str:
    """With every match replaced by as many spaces, so that places stay the same."""
    return pattern.sub(lambda match: " " * len(match.group()), text)


def without(text: str, places: Iterable[tuple[int, int]]) -> str:
    """With these places, which do not overlap, blanked in the same way."""
    kept, end = [], 0
    for start, stop in sorted(places):
        kept += [text[end:start], " " * (stop - start)]
        end = stop
    return "".join([*kept, text[end:]])


def as_read(text: str) -> tuple[str, list[int]]:
    """The text without its markup, and for each of its characters where it comes from."""
    read, places, end = list[str](), list[int](), 0
    for match in MARKUP.finditer(text):
        places += range(end, match.start())
        seen = _seen(match.group())
        read += text[end : match.start()], seen
        places += [match.start()] * len(seen)
        end = match.end()
    places += range(end, len(text))
    return "".join([*read, text[end:]]), places


def _seen(markup: str) -> str:
    character = html.unescape(markup) if markup.startswith("&") else markup
    if character in "\u2010\u2011":  # hyphens
        return "-"
    if character.isspace() or (markup.startswith("<") and not INLINE.match(markup)):
        return " "
    return character if markup.startswith("&") else ""


@dataclass(frozen=True, slots=True)
class Sentence:
    start: int
    text: str

    @property
    def end(self) -> int:
        return self.start + len(self.text)


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a report, or (with the key "body") an update."""

    key: str
    text: str
    about: str = ""  # what it is about, by the usual key (summary, fault ...), where the key says nothing of it
    sentences: tuple[Sentence, ...] = field(init=False)
    breaks: tuple[int, ...] = field(init=False)  # where its lines end

    def __post_init__(self) -> None:
        object.__setattr__(self, "sentences", tuple(_split(self.text)))
        object.__setattr__(self, "breaks", tuple(match.start() for match in re.finditer("\n", self.text)))

    def prose(self, sentence: Sentence) -> str:
        """A sentence without addresses and code."""
        return blank(sentence.text, LINK)

    def finding(
        self,
        rule: Rule,
        start: int,
        end: int,
        reason: str,
        *,
        fix: str | None = None,
        against: str = "",
        level: Level | None = None,
    ) -> Finding:
        number = bisect_right(self.sentences, start, key=lambda sentence: sentence.start)
        return Finding(
            rule=rule,
            level=level or LEVELS[rule],
            section=self.key,
            start=start,
            end=end,
            line=bisect_left(self.breaks, start) + 1,
            quote=self.text[start:end],
            sentence=self.sentences[number - 1].text.strip() if number else "",
            reason=reason,
            fix=fix,
            against=against,
        )


def _split(text: str) -> Iterator[Sentence]:
    start = 0
    for end in END.finditer(text):
        yield from _parts(text, start, end.start())
        start = end.end()
    yield from _parts(text, start, len(text))


def _parts(text: str, start: int, stop: int) -> Iterator[Sentence]:
    """One sentence, or the parts of something that nobody wrote as one: some rules take the square of its length."""
    while stop - start > LONGEST:
        space = text.rfind(" ", start + 1, start + LONGEST)
        cut = space if space > start else start + LONGEST
        yield from _parts(text, start, cut)
        start = cut
    if text[start:stop].strip():
        yield Sentence(start, text[start:stop])
