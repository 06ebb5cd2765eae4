"""What stands between a postmortem and its publication: all of it at once, each in a sentence."""

from __future__ import annotations

from collections.abc import Iterable

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from incidents.checking import check_report, dismissed, goes_unchecked
from incidents.errors import InvalidTransition, LeakFound
from incidents.linter import Finding, Level, blocking
from incidents.models import Postmortem, User
from incidents.postmortems import instants

PLACES = {"title": gettext_lazy("Title"), "headings": gettext_lazy("Headings"), "promises": gettext_lazy("Commitments")}
"""What else than its sections the public reads of it, by what findings name it."""


def check_ready(postmortem: Postmortem, author: User) -> None:
    """Raises for what keeps it from being approved or published: for what must not leak `LeakFound` to a program.

    Where the page lets programs publish unchecked, nothing that leaks keeps a program from it.
    """
    found = open_findings(postmortem)
    leaks = [finding for finding in found if finding.level is Level.BLOCK]
    if goes_unchecked(postmortem.page, leaks):
        found = [finding for finding in found if finding not in leaks]
    elif leaks and author.is_service:
        raise LeakFound(leaks)
    if sentences := lacking(postmortem) + _sentences(postmortem, found):
        raise InvalidTransition(" ".join(sentences))


def missing(postmortem: Postmortem) -> list[str]:
    """Why this text cannot be approved or published yet."""
    return lacking(postmortem) + _sentences(postmortem, open_findings(postmortem))


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
    return found


def open_findings(postmortem: Postmortem) -> list[Finding]:
    """What the linter found that keeps the text from being published, and that nobody has dismissed."""
    return blocking(check_report(postmortem), dismissed(postmortem))


def _sentences(postmortem: Postmortem, findings: Iterable[Finding]) -> list[str]:
    places = PLACES | {section.public_id: section.heading for section in postmortem.live_sections()}
    return [
        _("%(place)s, line %(line)d: “%(quote)s”. %(reason)s")
        % {
            "place": places[finding.section],
            "line": finding.line,
            "quote": finding.quote[:80],
            "reason": finding.reason,
        }
        for finding in findings
    ]
