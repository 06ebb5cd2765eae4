"""What changed in a text, shown word by word."""

from __future__ import annotations

import re
from difflib import SequenceMatcher

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

FEW = 20_000  # characters; longer texts are compared line by line, for it takes the square of the time


def shown(old: str, new: str) -> SafeString:
    """The new text with what was added and taken away marked; both texts are escaped."""
    pieces = r"\s+|\S+" if len(old) + len(new) < FEW else r"[^\n]*\n|[^\n]+"
    before, after = re.findall(pieces, old), re.findall(pieces, new)
    parts: list[SafeString] = []
    for verb, first, last, start, end in SequenceMatcher(a=before, b=after, autojunk=False).get_opcodes():
        gone, added = "".join(before[first:last]), "".join(after[start:end])
        if verb == "equal":
            parts.append(format_html("{}", added))
            continue
        if gone:
            parts.append(format_html("<del>{}</del>", gone))
        if added:
            parts.append(format_html("<ins>{}</ins>", added))
    return format_html_join("", "{}", ((part,) for part in parts))
