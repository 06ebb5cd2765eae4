"""Markdown as staff write it, made safe for the public page and for programs."""

from __future__ import annotations

import re
from functools import lru_cache

import nh3
from django.utils.safestring import SafeString
from markdown_it import MarkdownIt
from markdown_it.token import Token

from status.rendering.instants import InstantFormatter, Zones


def _parser(*, html: bool) -> MarkdownIt:
    """Images would be requests to other hosts."""
    parser = MarkdownIt("commonmark", {"html": html, "breaks": True})
    return parser.enable(["table", "strikethrough"]).disable(["image"])


_MARKDOWN, _WITH_TAGS = _parser(html=False), _parser(html=True)
# What opens a tag, and those of the tags that are let through, as status pages elsewhere write them
_OPENS = re.compile(r"<(?=[A-Za-z/!?])")
_HARMLESS = re.compile(
    r"</?(?:p|br|ul|ol|li|strong|em|b|i|code|pre|blockquote)\s*/?>"
    r"|<a\s+href=\"(?:https?://|mailto:)[^\"<>\s]*\"\s*>|</a>",
    re.IGNORECASE,
)
_TAGS = {
    *("p", "br", "hr", "em", "strong", "b", "i", "s", "code", "pre", "blockquote", "ul", "ol", "li", "a"),
    *("table", "thead", "tbody", "tr", "th", "td", "h2", "h3", "h4", "h5", "h6", "time"),
}


@lru_cache(maxsize=1024)  # most texts of a publication were rendered for the one before
def to_html(source: str, top: int = 3, zones: Zones | None = None) -> SafeString:
    """HTML of allowed tags only, without images, scripts or styles; its highest heading becomes `h<top>`.

    Tags in the source are shown as text, all of them, unless all of them are harmless. With `zones`, its instants are
    written in them.
    """
    parser = _WITH_TAGS if _is_harmless(source) else _MARKDOWN
    tokens = parser.parse(source)
    headings = [token for token in tokens if token.type in ("heading_open", "heading_close")]
    levels = sorted({token.tag for token in headings})
    for token in headings:
        token.tag = f"h{min(top + levels.index(token.tag), 6)}"
    if zones:
        _format_instants(tokens, InstantFormatter(zones))
    html = parser.renderer.render(tokens, parser.options, {})
    clean = nh3.clean(
        html,
        tags=_TAGS,
        attributes={"a": {"href", "title"}, "ol": {"start"}, "time": {"datetime"}},
        url_schemes={"http", "https", "mailto"},
        link_rel="nofollow noopener",
    )
    return SafeString(clean)


def _format_instants(tokens: list[Token], formatter: InstantFormatter) -> None:
    """In running text; what stands in code stays as it is."""
    for token in tokens:
        pieces: list[Token] = []
        for child in token.children or ():
            if child.type != "text":
                pieces.append(child)
                continue
            for piece in formatter.html(child.content):
                kind = "html_inline" if isinstance(piece, SafeString) else "text"
                pieces.append(Token(kind, "", 0, content=str(piece)))
        if token.children:
            token.children = pieces


def _is_harmless(source: str) -> bool:
    """Whether every tag in it, if there is any, is one that a status page may show, without attributes of its own."""
    return all(_HARMLESS.match(source, opens.start()) for opens in _OPENS.finditer(source))


def to_v2(source: str) -> str:
    """The body for Statuspage's JSON, whose readers put it into their pages: verbatim, unless it could open a tag.

    Harmless tags are meant.
    """
    return source if _is_harmless(source) else source.replace("&", "&amp;").replace("<", "&lt;")
