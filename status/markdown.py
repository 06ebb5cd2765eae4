"""Markdown as staff write it, made safe for the public page and for programs."""

from __future__ import annotations

from functools import lru_cache

import nh3
from django.utils.safestring import SafeString
from markdown_it import MarkdownIt

# Images would be requests to other hosts; HTML in the source is shown as text.
_MARKDOWN = (
    MarkdownIt("commonmark", {"html": False, "breaks": True}).enable(["table", "strikethrough"]).disable(["image"])
)
_TAGS = {
    *("p", "br", "hr", "em", "strong", "s", "code", "pre", "blockquote", "ul", "ol", "li", "a"),
    *("table", "thead", "tbody", "tr", "th", "td", "h2", "h3", "h4", "h5", "h6"),
}


@lru_cache(maxsize=1024)  # most texts of a publication were rendered for the one before
def to_html(source: str, top: int = 3) -> SafeString:
    """HTML of allowed tags only, without images, scripts or styles; its highest heading becomes `h<top>`."""
    tokens = _MARKDOWN.parse(source)
    headings = [token for token in tokens if token.type in ("heading_open", "heading_close")]
    levels = sorted({token.tag for token in headings})
    for token in headings:
        token.tag = f"h{min(top + levels.index(token.tag), 6)}"
    html = _MARKDOWN.renderer.render(tokens, _MARKDOWN.options, {})
    clean = nh3.clean(
        html,
        tags=_TAGS,
        attributes={"a": {"href", "title"}, "ol": {"start"}},
        url_schemes={"http", "https", "mailto"},
        link_rel="nofollow noopener",
    )
    return SafeString(clean)


def to_v2(source: str) -> str:
    """The body for Statuspage's JSON, whose readers put it into their pages: verbatim, unless it could open a tag."""
    return source.replace("&", "&amp;").replace("<", "&lt;") if "<" in source else source
