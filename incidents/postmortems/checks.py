"""What stands between a postmortem and its publication: all of it at once, each in a sentence."""

from __future__ import annotations

from django.utils.translation import gettext as _

from incidents import instants
from incidents.models import Postmortem


def missing(postmortem: Postmortem) -> list[str]:
    """Why this text cannot be approved or published yet."""
    found = []
    sections = list(postmortem.live_sections())
    if not any(section.public for section in sections):
        found.append(_("There is no public text yet."))
    for section in sections:
        if section.internal and not section.public and not section.withheld:
            found.append(
                _("“%(heading)s” has no public text: write it, or say why it is withheld.")
                % {"heading": section.heading}
            )
        found += [f"{section.heading}: {sentence}" for sentence in instants.wrong(section.public)]
    return found
