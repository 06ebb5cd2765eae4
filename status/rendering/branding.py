"""A page's own colour and logo, as published files beside the assets that all pages share."""

from __future__ import annotations

from base64 import b64decode
from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from status.rendering.snapshot import Page

SUFFIXES = {"image/png": "png", "image/svg+xml": "svg"}


def documents(page: Page) -> dict[str, bytes]:
    """The style and the logo, by their paths; what is not set is not there."""
    found = {}
    if page.brand_colour:
        found[_path("look", "css", _style(page.brand_colour))] = _style(page.brand_colour)
    if page.logo:
        suffix, content = _logo(page.logo)
        found[_path("logo", suffix, content)] = content
    return found


def style_url(page: Page) -> str:
    """ "" for a page without a colour of its own."""
    return f"/{_path('look', 'css', _style(page.brand_colour))}" if page.brand_colour else ""


def logo_url(page: Page) -> str:
    """ "" for a page without a logo."""
    return f"/{_path('logo', *_logo(page.logo))}" if page.logo else ""


def _style(colour: str) -> bytes:
    """The ink is black or white, whichever stands out more: at least 4.5 to 1 on any ground."""
    ink = "#000" if _luminance(colour) > 0.179 else "#fff"
    return f":root{{--brand:{colour};--brand-ink:{ink}}}".encode()


def _luminance(colour: str) -> float:
    """Relative luminance, 0 to 1 (WCAG 2.2)."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _logo(data_url: str) -> tuple[str, bytes]:
    kind, _comma, content = data_url.removeprefix("data:").partition(";base64,")
    return SUFFIXES[kind], b64decode(content)


def _path(stem: str, suffix: str, content: bytes) -> str:
    return f"assets/{stem}.{sha256(content).hexdigest()[:10]}.{suffix}"
