"""A section's text as the rules read it: sentence by sentence, without what is no prose."""

from __future__ import annotations

import html
import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import unquote

from markdown_it import MarkdownIt
from markdown_it.token import Token

from incidents.linter.findings import LEVELS, Finding, Level, Rule

# A sentence ends at its full stop, at an empty line, and before a heading, a list item or a table row.
END = re.compile(
    r"(?<![ap]\.m\.)(?<!\be\.g\.)(?<!\bi\.e\.)(?<=[.!?])[\"”’)*_]*\s+(?=[\"“(*_`\[{]*[A-Z0-9@])|\n\s*\n|\n(?=\s*(?:[-*+#>|]|\d+[.)])\s)"
)
LONGEST = 600  # characters of a sentence
LINK = re.compile(r"https?://[^\s)>\]]+|`[^`\n]*`")


def _parser(*, html: bool) -> MarkdownIt:
    """As the page's renderer has it (`status.rendering.markdown`), which a test compares."""
    return MarkdownIt("commonmark", {"html": html}).enable(["table", "strikethrough"]).disable(["image"])


# The page shows tags as text, unless all of them are harmless; then they are read through.
_SHOWING_TAGS, _WITH_TAGS = _parser(html=False), _parser(html=True)
TAG = re.compile(r"<[^<>]{0,500}>")
WITHIN_WORDS = re.compile(r"</?(?:strong|em|b|i|code|a)\b", re.IGNORECASE)  # tags that part no words
# What has no width, beside the whole category of formats
IGNORABLE = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0000-\U000e0fff]")


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


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph, heading, cell or address as a reader sees it, and from where to where it stands in the source."""

    text: str
    start: int
    end: int


def as_read(text: str) -> Iterator[Block]:
    """What a reader sees of a text, each once; tags as text and read through.

    Lists and quotations may put a mark before each line of it, links stand around a part of it, and so on. What ends in
    a colon is read together with what it introduces.
    """
    parsers = (_SHOWING_TAGS, _WITH_TAGS) if "<" in text else (_SHOWING_TAGS,)
    yield from dict.fromkeys(block for parser in parsers for block in _blocks(parser, text))


def _blocks(parser: MarkdownIt, text: str) -> Iterator[Block]:
    lines = [0, *(match.end() for match in re.finditer("\n", text)), len(text)]
    before: Block | None = None  # it ends in a colon
    for token in parser.parse(text):
        if token.type not in ("inline", "html_block", "code_block", "fence") or not token.map:
            continue
        start, end = lines[token.map[0]], lines[min(token.map[1], len(lines) - 1)]
        parts = token.children or [token]
        for address in (part.attrs.get(name) for part in parts for name in ("title", "href")):
            if address:
                yield Block(plain(unquote(str(address))), start, end)
        block = Block(plain("".join(map(_seen, parts))), start, end)
        if before:
            block = Block(f"{before.text}\n\n{block.text}", before.start, end)
        before = block if block.text.rstrip().endswith(":") else None
        if not before:
            yield block
    if before:
        yield before


def plain(text: str) -> str:
    """Without what has no width, and with the usual letter, space or hyphen for what looks like it."""
    if text.isascii():
        return text
    return "".join(map(_plain, unicodedata.normalize("NFKC", IGNORABLE.sub("", text))))


@lru_cache(maxsize=1024)
def _plain(letter: str) -> str:
    return {"Cf": "", "Pd": "-", "Zs": " "}.get(unicodedata.category(letter), letter)


def _seen(token: Token) -> str:
    if token.type in ("softbreak", "hardbreak"):
        return "\n"
    if token.type == "html_block":
        return html.unescape(TAG.sub(_between, token.content))
    return _between(token.content) if token.type == "html_inline" else token.content


def _between(tag: str | re.Match[str]) -> str:
    return "" if WITHIN_WORDS.match(tag if isinstance(tag, str) else tag[0]) else " "


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
