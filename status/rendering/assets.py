"""What the pages load besides themselves: content-hashed, so that browsers may keep it for ever."""

from __future__ import annotations

import re
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from django.utils.safestring import SafeString

if TYPE_CHECKING:
    from collections.abc import Mapping

TONES = ("none", "notice", "minor", "major", "critical", "maintenance")

_SOURCES = Path(__file__).parents[1] / "static" / "status"
_COMMENTS_AND_INDENTS = re.compile(rb"/\*.*?\*/|^\s*//[^\n]*|^\s+", re.DOTALL | re.MULTILINE)


def _read() -> dict[str, bytes]:
    own = {path.name: _COMMENTS_AND_INDENTS.sub(b"", path.read_bytes()) for path in sorted(_SOURCES.iterdir())}
    return own | {"htmx.js": files("django_htmx").joinpath("static/django_htmx/htmx-2.min.js").read_bytes()}


def _hashed(name: str, content: bytes) -> str:
    stem, suffix = name.rsplit(".", 1)
    return f"assets/{stem}.{sha256(content).hexdigest()[:10]}.{suffix}"


_CONTENTS = _read()
_PATHS = {name: _hashed(name, content) for name, content in _CONTENTS.items()}

ASSETS: Mapping[str, bytes] = {_PATHS[name]: content for name, content in _CONTENTS.items()}

# The icons once more, as symbols that a page draws in the colour of its text: <use href="#none">.
SYMBOLS = SafeString(
    "".join(
        re.sub("<svg[^>]*>", f'<symbol id="{tone}" viewBox="0 0 24 24">', _CONTENTS[f"{tone}.svg"].decode()).replace(
            "</svg>", "</symbol>"
        )
        for tone in TONES
    )
)


def url(name: str) -> str:
    """The address of an asset by its plain name: `url("status.css")` is "/assets/status.<hash>.css"."""
    return f"/{_PATHS[name]}"
