"""What stands between a postmortem and its publication: all of it at once, each in a sentence."""

from __future__ import annotations

from django.utils.translation import gettext as _

from incidents import checking
from incidents.linter import Finding, blocking
from incidents.models import Postmortem
from incidents.postmortems import instants


def missing(postmortem: Postmortem) -> list[str]:
    """Why this text cannot be approved or published yet."""
    headings = {section.public_id: section.heading for section in postmortem.live_sections()}
    return lacking(postmortem) + [
        _sentence(finding, headings[finding.section]) for finding in open_findings(postmortem)
    ]


def lacking(postmortem: Postmortem) -> list[str]:
    """The same without what the linter found in the text, for who is shown that beside it."""
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
    found += [leak.reason for leak in blocking(checking.check_rest(postmortem), checking.dismissed(postmortem))]
    return found


def open_findings(postmortem: Postmortem) -> list[Finding]:
    """What the linter found that keeps the text from being published, and that nobody has dismissed."""
    return blocking(checking.check_report(postmortem), checking.dismissed(postmortem))


def _sentence(finding: Finding, heading: str) -> str:
    return _("%(heading)s, line %(line)d: “%(quote)s”. %(reason)s") % {
        "heading": heading,
        "line": finding.line,
        "quote": finding.quote[:80],
        "reason": finding.reason,
    }
