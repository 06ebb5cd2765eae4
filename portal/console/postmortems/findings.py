"""What the linter found in a postmortem, and what was decided about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from incidents import checking
from incidents.linter import Finding, Rule, blocking
from incidents.models import FindingDismissal, Postmortem, PostmortemSection
from incidents.postmortems.checks import PLACES

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise


@dataclass(frozen=True, slots=True)
class ShownFinding:
    """What the linter found, where it stands, and why it may."""

    finding: Finding
    place: StrPromise | str
    section: PostmortemSection | None  # of a place that is one
    dismissal: FindingDismissal | None

    @property
    def stops(self) -> bool:
        return bool(blocking([self.finding], {self.dismissal.digest} if self.dismissal else ()))

    @property
    def is_dismissible(self) -> bool:
        return self.dismissal is None and self.finding.rule is not Rule.SECRET


def findings_of(postmortem: Postmortem) -> list[ShownFinding]:
    """What stops the publication first, each in the order of the text."""
    sections = {section.public_id: section for section in postmortem.live_sections()}
    places = PLACES | {key: section.heading for key, section in sections.items()}
    dismissals = {row.digest: row for row in postmortem.dismissals.select_related("author")}
    found = [
        ShownFinding(finding, places[finding.section], sections.get(finding.section), dismissals.get(finding.digest))
        for finding in checking.check_report(postmortem)
    ]
    return sorted(found, key=lambda one: not one.stops)
