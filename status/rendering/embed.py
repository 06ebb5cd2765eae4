"""The banner that other sites show while something is wrong: one script, with the page's choices in it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from django.template.loader import render_to_string
from django.utils import translation
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

if TYPE_CHECKING:
    from status.rendering.snapshot import Site

_COMMENTS_AND_INDENTS = re.compile(r"^\s*//[^\n]*\n|^\s+", re.MULTILINE)


def script(site: Site) -> bytes:
    """`/embed.js`; it asks the status page that it was loaded from, and no other host."""
    embed = site.embed
    with translation.override(site.page.language):
        config = {
            "url": site.page.url,
            "position": embed.position,
            "incident": [embed.incident_background, embed.incident_text],
            "maintenance": [embed.maintenance_background, embed.maintenance_text],
            "words": {
                "label": _("Status of %(name)s") % {"name": site.page.name},
                "close": _("Close"),
                "more": _("and %d more"),
            },
        }
    source = render_to_string("status/embed.js", {"config": SafeString(json.dumps(config))})
    return _COMMENTS_AND_INDENTS.sub("", source).encode()
