"""How a page and each of its components are, as small drawings for other sites: a site in, SVG documents out."""

from __future__ import annotations

from typing import TYPE_CHECKING
from unicodedata import east_asian_width

from django.template.loader import render_to_string
from django.utils import translation
from django.utils.text import Truncator
from django.utils.translation import gettext as _

from status.rendering import labels

if TYPE_CHECKING:
    from status.rendering.snapshot import Site

PAGE = "badge.svg"
PAD = 8
LONGEST = 40  # characters; the rest of a name is cut
# Ground and ink of each tone, as on the page (status.css); at least 4.5 to 1.
COLOURS = {
    "none": ("#157a3c", "#fff"),
    "minor": ("#fbcf2b", "#241a00"),
    "major": ("#ff8a33", "#2a1000"),
    "critical": ("#bd1a1a", "#fff"),
    "maintenance": ("#1f56d0", "#fff"),
}


def documents(site: Site) -> dict[str, bytes]:
    """One of the page and one of each component, by their paths."""
    with translation.override(site.page.language):
        found = {PAGE: _badge(site.page.name, _(site.description), site.indicator)}
        for each in site.components:
            found[path_of(each.id)] = _badge(each.name, str(labels.STATUSES[each.status]), labels.TONES[each.status])
    return found


def path_of(component_id: str) -> str:
    return f"badges/{component_id}.svg"


def _badge(name: str, status: str, tone: str) -> bytes:
    name = Truncator(name).chars(LONGEST)
    split, status_width = (_length(text) + 2 * PAD for text in (name, status))
    ground, ink = COLOURS[tone]
    context = {
        "name": name,
        "status": status,
        "name_length": _length(name),
        "status_length": _length(status),
        "split": split,
        "status_width": status_width,
        "width": split + status_width,
        "pad": PAD,
        "ground": ground,
        "ink": ink,
    }
    return render_to_string("status/badge.svg", context).encode()


def _length(text: str) -> int:
    """About how long it is in a font of 12 units; the drawing makes it just so long, whatever font the reader has."""
    return sum(_width(letter) for letter in text)


def _width(letter: str) -> int:
    if east_asian_width(letter) in "WF":
        return 12
    if letter in "ijlftrI .,:;'!|()[]":
        return 5
    return 11 if letter in "mwMW@%" else 8 if letter.isupper() else 7
