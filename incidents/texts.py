"""Texts as they will be kept: on one line or on many, not too long, nothing left to fill in, nothing that leaks."""

from __future__ import annotations

import json
from typing import Any

from django.utils.translation import gettext as _

from incidents import templates
from incidents.checking import check_words
from incidents.errors import InvalidInput
from incidents.models import Page
from incidents.models.incident import BODY_LENGTH


def one_line(text: str) -> str:
    return " ".join(text.split())


def _check_filled(text: str, field: str) -> None:
    if places := templates.unfilled(text):
        words = ", ".join(f"{{{name}}}" for name in places)
        raise InvalidInput(
            _("Fill in %(places)s, or take it out: customers read this.") % {"places": words}, field=field
        )


def check_title(page: Page, title: str, field: str = "public_title") -> str:
    """A title as the public will read it; raises `InvalidInput`, `LeakFound`."""
    title = one_line(title)
    _check_filled(title, field)
    check_words(page, **{field: title})
    return title


def check_body(body: str) -> str:
    """The text as it will be kept; raises `InvalidInput` when there is none or too much."""
    body = body.replace("\r\n", "\n").strip()
    if not body:
        raise InvalidInput(_("Write a message: customers read it."), field="body")
    if len(body) > BODY_LENGTH:
        raise InvalidInput(
            _("The message has %(length)d characters; %(most)d are allowed.")
            % {"length": len(body), "most": BODY_LENGTH},
            field="body",
        )
    _check_filled(body, "body")
    return body


def check_metadata(metadata: dict[str, Any]) -> None:
    """Statuspage's rule, and what a database can keep; raises `InvalidInput`."""
    text = json.dumps(metadata)
    if any(not isinstance(value, dict) for value in metadata.values()):
        raise InvalidInput(_('Each value of the metadata is an object: {"ticket": {"id": 1}}.'), field="metadata")
    if len(text) > BODY_LENGTH or "\\u0000" in text:
        raise InvalidInput(
            _("The metadata has more than %(most)d characters, or a NUL.") % {"most": BODY_LENGTH}, field="metadata"
        )
