"""The headings that a postmortem begins with. They may be changed, moved and removed afterwards."""

from __future__ import annotations

import re

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _

from incidents.models import PostmortemSection

Key = PostmortemSection.Key


class Template(TextChoices):
    PUBLIC_REPORT = "public_report", _("Public report")
    INTERNAL_REVIEW = "internal_review", _("Full internal review")
    LIGHTWEIGHT = "lightweight", _("Lightweight")


KEYS: dict[Template, tuple[Key, ...]] = {
    Template.PUBLIC_REPORT: (
        *(Key.SUMMARY, Key.LEADUP, Key.FAULT, Key.DETECTION, Key.ROOT_CAUSE, Key.MITIGATION, Key.MEASURES),
    ),
    Template.INTERNAL_REVIEW: tuple(key for key in Key if key is not Key.OTHER),
    Template.LIGHTWEIGHT: (Key.SUMMARY, Key.IMPACT, Key.ROOT_CAUSE, Key.MEASURES),
}


def key_of(heading: str) -> Key:
    """What a section with this heading is about, going by the usual headings."""
    wanted = heading.strip().casefold()
    return next((key for key in Key if str(key.label).casefold() == wanted), Key.OTHER)


def split(body: str) -> list[tuple[str, str]]:
    """A whole report in Markdown as (heading, text) pairs. What stands before the first heading has none: ""."""
    level = min((len(mark) for mark in re.findall(r"(?m)^(#{1,6})[ \t]+\S", body)), default=1)
    parts = re.split(rf"(?m)^#{{{level}}}[ \t]+(.+?)[ \t#]*$", body)
    preamble = [("", parts[0])] if parts[0].strip() else []
    pairs = [*preamble, *zip(parts[1::2], parts[2::2], strict=True)]
    return [(heading.strip(), text.strip()) for heading, text in pairs]
