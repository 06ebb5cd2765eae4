"""What is said where no page is: at every address of one that was deleted, and under names that are nobody's."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from django.template.loader import render_to_string
from django.utils import translation
from django.utils.translation import gettext as _

if TYPE_CHECKING:
    from status.rendering.snapshot import Page


def sentence(name: str) -> str:
    return _("%(name)s published its status here. This page has been removed.") % {"name": name}


def documents(page: Page) -> dict[str, bytes]:
    """For people and for programs; served with the status 410."""
    with translation.override(page.language):
        words = sentence(page.name)
        html = _html(_("This status page is gone"), words, page)
    return {".gone.html": html, ".gone.json": json.dumps({"error": words}, ensure_ascii=False).encode()}


def nobody() -> bytes:
    """`404.html` of a host name that is no page's."""
    words = _("No status page is published under this name. The address may be mistyped.")
    return _html(_("There is no status page here"), words)


def _html(heading: str, words: str, page: Page | None = None) -> bytes:
    language = page.language if page else "en"
    context = {"heading": heading, "sentence": words, "page": page, "language": language}
    return render_to_string("status/gone.html", context).encode()
