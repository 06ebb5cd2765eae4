"""The linter's way to the record: gathers the facts, reads what becomes public, and keeps what was let stand.

`check_words` is the one check that every word passes before the public reads it, whatever the door: each service calls
it. The same without refusing is `leaks`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from datetime import datetime
from types import MappingProxyType
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

from incidents.authorship import current_author, remark, service
from incidents.errors import InvalidInput, LeakFound
from incidents.lifecycle import ENDED, IncidentStatus, Kind, Visibility
from incidents.linter import (
    Facts,
    Finding,
    Instant,
    Person,
    Rule,
    Section,
    lint_leaks,
    lint_report,
    lint_update,
)
from incidents.models import Component, FindingDismissal, Incident, IncidentUpdate, Page, Postmortem, User
from incidents.models.base import save_checked
from incidents.permissions import Verb


def check_report(postmortem: Postmortem) -> list[Finding]:
    """All that the linter says of what the public reads of a report.

    A finding's `section` is the public id of a section; "title", "headings" or "promises" of all else, of which it only
    says what must not leak.
    """
    items, rows = list(postmortem.action_items.live()), list(postmortem.live_sections())
    facts = facts_of(
        postmortem.page,
        postmortem.incidents.filter(deleted_at=None),
        zone=postmortem.zone,
        measures=tuple(words for item in items for words in (item.text, item.public_wording) if words),
    )
    sections = [Section(row.public_id, row.public, about=row.key) for row in rows if row.public]
    rest = {
        "title": [postmortem.title],
        "headings": [row.heading for row in rows],
        "promises": [item.public_wording for item in items if item.is_promised],
    }
    return lint_report(sections, facts) + lint_leaks(
        [Section(name, "\n\n".join(texts)) for name, texts in rest.items()], facts
    )


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


# --- Every word -------------------------------------------------------------------------------------------------------

_let_stand: ContextVar[Mapping[str, str]] = ContextVar("let_stand", default=MappingProxyType({}))


def leaks(page: Page, **texts: str) -> list[Finding]:
    """Secrets, and names that only staff know; a finding's `section` is the name of its text. Refuses nothing."""
    if not any(texts.values()):
        return []
    return lint_leaks([Section(name, text) for name, text in texts.items()], facts_of(page, []))


def check_words(page: Page, *, besides: Collection[str] = (), **texts: str) -> dict[str, str]:
    """Raises `LeakFound` for what must not become public on `page`.

    `besides` are names that are public by now, or become so by this very change. What `letting_stand` names is not
    refused, nor what a program says where the page lets programs publish unchecked; the history of what the running
    service writes then says so. Returns what was let stand, for who must keep it: reasons by digest.
    """
    own = {(Rule.INTERNAL_COMPONENT, name) for name in besides}
    found = [finding for finding in leaks(page, **texts) if (finding.rule, finding.quote) not in own]
    return _check(page, found, may_stand={finding.digest for finding in found if finding.rule is not Rule.SECRET})


def check_restored(page: Page, **texts: str) -> None:
    """`check_words` of what comes back: nobody can reword what is deleted, so a secret may stand too for a reason."""
    found = leaks(page, **texts)
    _check(page, found, may_stand={finding.digest for finding in found})


def _check(page: Page, found: Collection[Finding], may_stand: Collection[str]) -> dict[str, str]:
    given = _let_stand.get()
    if goes_unchecked(page, found):
        return {}
    if refused := [finding for finding in found if finding.digest not in given or finding.digest not in may_stand]:
        raise LeakFound(refused, may_stand)
    stand = {finding.digest: given[finding.digest] for finding in found}
    for reason in dict.fromkeys(stand.values()):
        quotes = _quoted(finding for finding in found if stand[finding.digest] == reason)
        remark(_("Let stand: %(quotes)s. %(reason)s") % {"quotes": quotes, "reason": reason})
    return stand


def goes_unchecked(page: Page, found: Collection[Finding]) -> bool:
    """Whether a program says this on a page that lets programs publish unchecked; the history then says so."""
    author = current_author()
    if not found or not author or not author.is_service or not page.programs_may_publish_unchecked:
        return False
    remark(_("Published unchecked: %(quotes)s.") % {"quotes": _quoted(found)})
    return True


@contextmanager
def letting_stand(reasons: Mapping[str, str]) -> Iterator[None]:
    """Inside, `check_words` refuses none of these findings: why each may stand, by its digest.

    A secret never may, save in what is restored.
    """
    if any(not reason.strip() for reason in reasons.values()):
        raise InvalidInput(_("Say why it may stand. It stays on record."), field="let_stand")
    token = _let_stand.set({**_let_stand.get(), **reasons})
    try:
        yield
    finally:
        _let_stand.reset(token)


def repeating(page: Page, **texts: str) -> AbstractContextManager[None]:
    """Inside, `check_words` refuses no name in these texts: the public has read them before."""
    return letting_stand(dict.fromkeys((found.digest for found in leaks(page, **texts)), _("It was public before.")))


def names_given_away(page: Page, text: str) -> set[str]:
    """Names that only staff know, in a text that the public has read."""
    return {found.quote for found in leaks(page, text=text) if found.rule is Rule.INTERNAL_COMPONENT}


def _quoted(findings: Iterable[Finding]) -> str:
    return ", ".join(dict.fromkeys(f"“{finding.quote}”" for finding in findings))


# --- Reports ----------------------------------------------------------------------------------------------------------


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
    if found.rule is Rule.SECRET:
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
    known = Component.objects.filter(deleted_at=None)  # also on a page that was deleted: it may come back
    public = known.filter(visibility=Visibility.PUBLIC).on(page) if page.pk else ()  # a new page has none
    internal = known.filter(visibility=Visibility.INTERNAL)
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
        people=tuple(  # of closed accounts too: who has left is still nobody's business
            Person(username, f"{first} {last}".strip())
            for username, first, last in User.objects.filter(is_service=False).values_list(
                "username", "first_name", "last_name"
            )
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
