"""The linter's way to the record: gathers the facts, reads reports and updates, and keeps what was dismissed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

from incidents.authorship import service
from incidents.errors import InvalidInput
from incidents.lifecycle import ENDED, IncidentStatus, Kind, Visibility
from incidents.linter import (
    LEVELS,
    Facts,
    Finding,
    Instant,
    Level,
    Person,
    Section,
    blocking,
    lint_report,
    lint_update,
)
from incidents.models import Component, FindingDismissal, Incident, IncidentUpdate, Page, Postmortem, User
from incidents.models.base import save_checked
from incidents.permissions import Verb


def check_report(postmortem: Postmortem) -> list[Finding]:
    """All that the linter says of a report's public text; a finding's `section` is the public id of a section."""
    items = postmortem.action_items.live().values_list("text", "public_wording")
    facts = facts_of(
        postmortem.page,
        postmortem.incidents.filter(deleted_at=None),
        zone=postmortem.zone,
        measures=tuple(wording for item in items for wording in item if wording),
    )
    sections = [Section(row.public_id, row.public, about=row.key) for row in postmortem.live_sections() if row.public]
    return lint_report(sections, facts)


def check_update(update: IncidentUpdate) -> list[Finding]:
    """What the linter says of an update, which need not be saved yet."""
    incident = update.incident
    facts = facts_of(incident.page, [incident], promised_at=update.next_update_due_at)
    return lint_update(
        update.body,
        facts,
        is_over=update.status in ENDED,
        promises_update=update.next_update_due_at is not None or incident.kind == Kind.MAINTENANCE,
    )


def leaks(page: Page, text: str) -> list[Finding]:
    """What must be taken out of a text before the public reads it on `page`."""
    return blocking(lint_update(text, facts_of(page, []), is_over=True, promises_update=False))


def dismissed(postmortem: Postmortem) -> set[str]:
    """Digests of the findings that may stand."""
    return set(postmortem.dismissals.values_list("digest", flat=True))


@service(Verb.APPROVE_POSTMORTEM, locks=Postmortem)
def dismiss_finding(postmortem: Postmortem, *, digest: str, reason: str, author: User) -> FindingDismissal:
    """Let a finding stand, with the reason why. It speaks up again when its sentence, or the fact, is changed."""
    postmortem.lock_live()
    found = next((finding for finding in check_report(postmortem) if finding.digest == digest), None)
    if found is None:
        raise InvalidInput(_("The text, or the record, was changed meanwhile. Read what is found now."))
    if LEVELS[found.rule] is Level.BLOCK:
        raise InvalidInput(_("This cannot be dismissed, because it must not become public. Take it out of the text."))
    reason = " ".join(reason.split())
    if not reason:
        raise InvalidInput(_("Say why it may stand. It stays on record."), field="reason")
    known = postmortem.dismissals.filter(digest=digest).first()
    if known:
        return known
    dismissal = FindingDismissal(
        postmortem=postmortem,
        digest=digest,
        rule=found.rule,
        quote=found.quote,
        said=found.reason,
        reason=reason,
        author=author,
    )
    save_checked(dismissal)
    return dismissal


# --- Facts ------------------------------------------------------------------------------------------------------------


def facts_of(
    page: Page,
    incidents: Iterable[Incident],
    *,
    zone: ZoneInfo | None = None,
    measures: tuple[str, ...] = (),
    promised_at: datetime | None = None,
) -> Facts:
    """What the record knows that a text on `page` about `incidents` may contradict or give away."""
    public = Component.objects.public().on(page)
    internal = Component.objects.live().filter(visibility=Visibility.INTERNAL)
    components = {component.name: tuple(component.known_as) for component in public}
    times: dict[Instant, list[datetime]] = {}
    for instant, at in _instants(list(incidents)):
        times.setdefault(instant, []).append(at)
    if promised_at:
        times[Instant.NEXT_UPDATE] = [promised_at]
    return Facts(
        zone=zone or page.zone,
        page_name=page.name,
        hosts=frozenset(Page.objects.live().values_list("host", flat=True)),
        contacts=frozenset({page.support_email.lower()}),
        components=components,
        internal_names=frozenset(name for row in internal for name in (row.name, *row.known_as)) - components.keys(),
        people=tuple(
            Person(user.username, user.get_full_name())
            for user in User.objects.filter(is_service=False).only("username", "first_name", "last_name")
        ),
        times={instant: tuple(known) for instant, known in times.items()},
        measures=measures,
    )


def _instants(incidents: list[Incident]) -> Iterator[tuple[Instant, datetime]]:
    for incident in incidents:
        for instant, at in (
            (Instant.IMPACT_BEGAN, incident.impact_began_at),
            (Instant.DETECTED, incident.detected_at),
            (Instant.ACKNOWLEDGED, incident.acknowledged_at),
            (Instant.IMPACT_ENDED, incident.impact_ended_at),
        ):
            if at:
                yield instant, at
    stated = {IncidentStatus.IDENTIFIED: Instant.IDENTIFIED, IncidentStatus.RESOLVED: Instant.RESOLVED}
    updates = IncidentUpdate.objects.published().filter(incident__in=incidents, status__in=stated)
    for status, at in updates.order_by("display_at", "id").values_list("status", "display_at"):
        yield stated[IncidentStatus(status)], at
