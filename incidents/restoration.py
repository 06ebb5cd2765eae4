"""What was deleted comes back: it is what it was, and where it was. One verb for each thing that can be deleted.

What the public read of it once is checked again: staff may have given something internal that name since. Of a page
that is what stands on it by name; the texts of its incidents stay as they are, as when a component becomes internal.
What was recorded from elsewhere is not checked, for it is public there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from incidents import outbox, windows
from incidents.authorship import service
from incidents.catalogue import WORDS, check_is_further, in_order
from incidents.checking import check_restored
from incidents.deletion import reason_of
from incidents.errors import InvalidTransition
from incidents.incidents import WORDS as INCIDENT_WORDS
from incidents.lifecycle import Visibility
from incidents.metrics import WORDS as METRIC_WORDS
from incidents.models import (
    ActionItem,
    Component,
    ComponentGroup,
    ComponentListing,
    Incident,
    IncidentTemplate,
    IncidentUpdate,
    Metric,
    Page,
    Postmortem,
    PostmortemSection,
    User,
)
from incidents.models.base import Tracked
from incidents.permissions import Verb
from incidents.postmortems.writing import DRAFT, mark_edited


@service(Verb.EDIT_CATALOGUE, locks=(Page, Incident))
def restore_page(page: Page, *, author: User, reason: str = "") -> None:
    """Publish a page again at its address, with all that was on it.

    What the clock would have done with maintenances meanwhile is left to staff, as when one of these is restored.
    """
    _restore(page, reason)
    for incident in Incident.objects.live().unresolved().filter(windows.missed(), page=page).locked():
        windows.leave_to_staff(incident.plan)
    _publish(outbox.sharing(page))


@service(Verb.EDIT_CATALOGUE, locks=(Page, Component))
def restore_component(component: Component, *, author: User, reason: str = "") -> None:
    """Show a component again where it was, with its history. Who follows it hears of it again."""
    _restore(component, reason, within=[component.page])
    if component.visibility == Visibility.PUBLIC:
        _publish(outbox.pages_of(component))


@service(Verb.EDIT_CATALOGUE, locks=(Page, ComponentGroup, Component))
def restore_group(group: ComponentGroup, *, author: User, reason: str = "") -> None:
    """Show a group again, with those of its components that have no other since."""
    deletion = _restore(group, reason, within=[group.page])
    pages = {group.page}
    left = Component.history.filter(history_change_reason=deletion).values("id")
    for component in Component.objects.filter(pk__in=left, group=None, page=group.page).locked():
        component.change(group=group)
        pages |= outbox.pages_of(component) if component.visibility == Visibility.PUBLIC else set()
    _publish(pages)


@service(Verb.EDIT_CATALOGUE, locks=(Page, Component, ComponentListing))
def restore_listing(listing: ComponentListing, *, author: User, reason: str = "") -> None:
    """Show a component on that further page again."""
    pages = in_order(listing.page, listing.component.page)
    _restore(listing, reason, within=[*pages, listing.component])
    check_is_further(listing)
    if listing.component.visibility == Visibility.PUBLIC:
        _publish([listing.page])


@service(Verb.EDIT_CATALOGUE, locks=(Page, Metric))
def restore_metric(metric: Metric, *, author: User, reason: str = "") -> None:
    """Show a metric again, with the points that were kept."""
    _restore(metric, reason, within=[metric.page])
    _publish([metric.page])


@service(Verb.EDIT_CATALOGUE, locks=(Page, IncidentTemplate))
def restore_template(template: IncidentTemplate, *, author: User, reason: str = "") -> None:
    """Offer a template again."""
    _restore(template, reason, within=[template.page] if template.page else [])


@service(Verb.POST_UPDATE, locks=(Page, Incident, Component))
def restore_incident(incident: Incident, *, author: User, reason: str = "") -> None:
    """Show an incident again as it was; it counts for its components again. Nobody is notified.

    What the clock would have done with a maintenance meanwhile is left to staff: it is neither done nor said late.
    """
    _restore(incident, reason, within=[incident.page])
    moved = incident.components().public().exclude(pk__in=Component.objects.on(incident.page)).first()
    if moved and not incident.is_ended:
        raise InvalidTransition(
            _("“%(name)s”, which it names, is not on this page any more. List it here first.") % {"name": moved}
        )
    if plan := getattr(incident, "plan", None):
        windows.leave_to_staff(plan)
    outbox.record_incident(outbox.Kind.INCIDENT_EDITED, incident)
    outbox.record_statuses(incident)


@service(Verb.EDIT_POSTMORTEM, locks=(Page, Postmortem, Incident))
def restore_postmortem(postmortem: Postmortem, *, author: User, reason: str = "") -> None:
    """Go on with a report that was given up; it is about those of its incidents that have begun no other one.

    If these are fewer, its approval was of another report.
    """
    deletion = _restore(postmortem, reason, within=[postmortem.page])
    left = Incident.history.filter(history_change_reason=deletion).values("id")
    for incident in Incident.objects.filter(pk__in=left, postmortem=None).locked():
        incident.change(postmortem=postmortem)
    if not postmortem.incidents.exists():
        raise InvalidTransition(_("Each of its incidents has another postmortem by now. Go on with that one."))
    if postmortem.state == Postmortem.State.APPROVED and postmortem.fingerprint() != postmortem.approved_hash:
        postmortem.change(**DRAFT)


@service(Verb.EDIT_POSTMORTEM, locks=(Postmortem, PostmortemSection))
def restore_section(section: PostmortemSection, *, author: User, reason: str = "") -> None:
    """Have a section of a report again, where it was."""
    section.postmortem.lock_live()
    _restore(section, reason)
    mark_edited(section.postmortem, author)


@service(Verb.EDIT_POSTMORTEM, locks=(Postmortem, ActionItem))
def restore_action_item(item: ActionItem, *, author: User, reason: str = "") -> None:
    """Have a measure again."""
    item.postmortem.lock_live()
    _restore(item, reason)
    if item.is_commitment:
        mark_edited(item.postmortem, author)


RESTORES: dict[type[Tracked], Callable[..., None]] = {
    Page: restore_page,
    Component: restore_component,
    ComponentGroup: restore_group,
    ComponentListing: restore_listing,
    Metric: restore_metric,
    IncidentTemplate: restore_template,
    Incident: restore_incident,
    Postmortem: restore_postmortem,
    PostmortemSection: restore_section,
    ActionItem: restore_action_item,
}
"""The verbs of this module, by what they restore."""


def _restore(row: Tracked, reason: str, within: Iterable[Tracked] = ()) -> str:
    """Returns the reason in the history of what this very deletion took along."""
    for parent in within:
        parent.lock().check_live()
    row.lock()
    deletion = reason_of(row)
    if row.deleted_at:
        for page, read in _read_on(row):
            check_restored(page, **{name: "\n\n".join(texts) for name, *texts in read})
    row.mark_restored(reason)
    return deletion


def _publish(pages: Iterable[Page]) -> None:
    outbox.record_pages(outbox.Kind.PAGE_CHANGED, pages)


def _read_on(row: Tracked) -> Iterator[tuple[Page, Iterable[tuple[str, ...]]]]:
    """Each page where the public reads words of a row, with these."""
    if isinstance(row, Component):
        for page in sorted(outbox.pages_of(row), key=lambda page: page.pk):
            yield page, _words(row)
    elif isinstance(row, Page):
        yield row, _words(row)
        for page in sorted(outbox.sharing(row) - {row}, key=lambda page: page.pk):
            lent = row.components.filter(deleted_at=None, listings__page=page, listings__deleted_at=None)
            yield page, _words_of_parts(lent)
    elif words := [*_words(row)]:  # what has words has a page
        yield row.page, words  # type: ignore[attr-defined]


def _words(row: Tracked) -> Iterator[tuple[str, ...]]:
    """What the public reads of a row: what it is called, and the texts."""
    if isinstance(row, Page):
        yield from ((name, getattr(row, name)) for name in WORDS[Page])
        listed = Component.objects.live().filter(listings__page=row, listings__deleted_at=None)
        for parts in (row.components, row.groups, row.metrics):
            yield from _words_of_parts(parts.filter(deleted_at=None))
        yield from _words_of_parts(listed)
    elif isinstance(row, ComponentListing):
        yield from _words(row.component)
    elif isinstance(row, Component) and row.visibility == Visibility.PUBLIC:
        yield from ((name, getattr(row, name)) for name in WORDS[Component])
    elif isinstance(row, ComponentGroup):
        yield from ((name, getattr(row, name)) for name in WORDS[ComponentGroup])
    elif isinstance(row, Metric):
        yield from ((name, getattr(row, name)) for name in METRIC_WORDS)
    elif isinstance(row, Incident):
        yield from _words_of_incidents(Incident.objects.filter(pk=row.pk, visibility=Visibility.PUBLIC))


def _words_of_parts(rows: Iterable[Tracked]) -> Iterator[tuple[str, ...]]:
    for row in rows:
        yield from ((f"{row.public_id}_{name}", *texts) for name, *texts in _words(row))


def _words_of_incidents(rows: QuerySet[Incident]) -> Iterator[tuple[str, ...]]:
    rows = rows.filter(origin=None).order_by()
    yield from ((name, *rows.values_list(name, flat=True)) for name in INCIDENT_WORDS)
    updates = IncidentUpdate.objects.published().filter(incident__in=rows)
    yield "updates", *updates.order_by("pk").values_list("body", flat=True)
    for report in Postmortem.objects.public().filter(incidents__in=rows):
        if revision := report.revision:
            content = revision.content
            sections = [text for each in content["sections"] for text in (each["heading"], each["text"])]
            yield report.public_id, content["title"], *sections, *(each["text"] for each in content["commitments"])
