"""The verb that writes down what happened elsewhere.

Nothing is recomputed and nobody is notified. What was said there is kept beside the incident (`Origin`): so the same
record changes nothing the second time, and another one changes only what has changed there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

from django.utils.translation import gettext as _

from incidents import checking, outbox, windows
from incidents.authorship import service
from incidents.elsewhere import postmortems
from incidents.elsewhere.records import AffectedComponent, Record, Update
from incidents.errors import InvalidInput, InvalidTransition
from incidents.lifecycle import RUNNING, STATUSES, ComponentStatus
from incidents.linter import Finding
from incidents.maintenance.plans import PlanFacts
from incidents.models import (
    Component,
    ComponentStatusChange,
    Incident,
    IncidentUpdate,
    MaintenancePlan,
    Origin,
    Page,
    User,
)
from incidents.models.base import save_checked
from incidents.models.origin import public_id
from incidents.permissions import Verb, require
from incidents.record_time import record_time, written_at

FACTS = {
    "title": "title",
    "public_title": "title",
    "impact": "impact",
    "impact_began_at": "began_at",
    "impact_ended_at": "ended_at",
}


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of a record."""

    incident: Incident
    is_new: bool
    is_changed: bool
    unknown: tuple[str, ...] = ()  # names of components that are none here: what was said of them is left out
    kept: tuple[str, ...] = ()  # what has changed there and stays as it was recorded: sentences
    findings: tuple[Finding, ...] = ()  # what should be in no public text; it is public there, so it is not refused


@service(Verb.CORRECT_UPDATE, locks=Page)
def record_elsewhere(
    page: Page,
    record: Record,
    *,
    source: str,
    author: User,
    components: Mapping[str, Component] | None = None,
    plan: PlanFacts | None = None,
) -> Recorded:
    """Write down what happened elsewhere as it was, or what has changed there since it was written down.

    It is known by `source` and the record's id. Ids that look like ours are kept; others become ours, the same each
    time. `components` says what each code is here; a deleted one is as good. What staff have changed here stays, unless
    it changed there too; a text that was recorded and has changed there says "edited".
    """
    require(author, Verb.DECLARE_INCIDENT)
    page.lock_live()
    _check_instants(record)
    record = replace(
        record,
        title=" ".join(record.title.splitlines()).strip(),
        updates=sorted(record.updates, key=lambda update: update.display_at),
    )
    _check(record)
    known = _known(page, record, components or {})
    unknown = tuple(sorted({each.name for each in record.affected if each.code not in known}))
    content = record.content({code: component.public_id for code, component in known.items()})
    origin = Origin.objects.filter(source=source, source_id=record.id).select_related("incident").first()
    is_new = origin is None
    if origin is None:
        origin = Origin(incident=_begin(page, record, source, plan or {}), source=source, source_id=record.id)
    else:
        _check_place(origin.incident, page, record)
        if origin.content == content:
            return Recorded(origin.incident, is_new=False, is_changed=False, unknown=unknown)
    writing = _Writing(origin.incident, record, source, author, known, origin.content or {}, content)
    updates = writing.write()
    save_checked(origin, changed_at=record.updated_at, content=content)
    touched: list[IncidentUpdate | None] = [*(updates[:1] if is_new else updates)]
    for update in touched or [None]:
        outbox.record_incident(outbox.Kind.RECORDED_AFTERWARDS, origin.incident, update)
    findings = tuple(checking.leaks(page, text=record.text))
    return Recorded(origin.incident, is_new, True, unknown, tuple(writing.kept), findings)


# --- What is asked before ---------------------------------------------------------------------------------------------


def _check_instants(record: Record) -> None:
    now = record_time()
    for name, at in record.instants:
        if at.tzinfo is None:
            raise InvalidInput(_("A time has no time zone."), field=name)
        if at > now and name != "window":
            raise InvalidInput(_("A time lies in the future. What happened elsewhere is past."), field=name)


def _check(record: Record) -> None:
    if not record.updates:
        raise InvalidInput(_("An incident has at least one update."), field="updates")
    if len({update.id for update in record.updates}) < len(record.updates):
        raise InvalidInput(_("Two updates have the same id."), field="updates")
    for update in record.updates:
        if update.status not in STATUSES[record.kind]:
            words = {"status": update.status}
            raise InvalidTransition(_("“%(status)s” is not a status of this kind of entry.") % words)
        if len({each.code for each in update.components}) < len(update.components):
            raise InvalidInput(_("A component is named twice. Name each once."), field="components")


def _known(page: Page, record: Record, components: Mapping[str, Component]) -> dict[str, Component]:
    known = {each.code: components[each.code] for each in record.affected if each.code in components}
    for update in record.updates:
        named = [known[each.code].pk for each in update.components if each.code in known]
        if len(set(named)) < len(named):
            raise InvalidInput(
                _("An update names two components that are one here. Give each a component of its own."),
                field="components",
            )
    keys = {component.pk for component in known.values()}
    if Component.objects.on(page).filter(pk__in=keys).count() < len(keys):
        raise InvalidInput(_("A component is not one of this page's. Choose from the list."), field="components")
    return known


def _check_place(incident: Incident, page: Page, record: Record) -> None:
    incident.lock_live()
    if incident.page_id != page.pk:
        raise InvalidInput(_("This was recorded on the page “%(page)s”.") % {"page": incident.page}, field="page")
    if incident.kind != record.kind:
        raise InvalidInput(_("An incident does not become a maintenance, nor a maintenance one."), field="window")


# --- What is written --------------------------------------------------------------------------------------------------


def _begin(page: Page, record: Record, source: str, plan: PlanFacts) -> Incident:
    key = public_id(source, record.id)
    if Incident.objects.filter(public_id=key).exists():
        raise InvalidInput(_("Another incident has the id “%(id)s” already.") % {"id": key}, field="id")
    last = record.updates[-1]
    incident = Incident(
        page=page,
        public_id=key,
        kind=record.kind,
        title=record.title,
        public_title=record.title,
        status=last.status,
        impact=record.impact,
        impact_began_at=record.began_at,
        impact_ended_at=record.ended_at,
        first_posted_at=record.updates[0].display_at,
        created_at=record.created_at,
    )
    words = {"source": source, "id": record.id}
    incident._change_reason = _("Recorded afterwards from %(source)s, where it is “%(id)s”.") % words
    save_checked(incident)
    if record.window:
        begin, end = record.window
        save_checked(MaintenancePlan(incident=incident, scheduled_for=begin, scheduled_until=end, **plan))
    return incident


@dataclass(frozen=True, slots=True)
class _Writing:
    """Writes what is new or different in `content`; `before` is what was recorded the last time, if it was."""

    incident: Incident
    record: Record
    source: str
    author: User
    known: Mapping[str, Component]
    before: dict[str, Any]
    content: dict[str, Any]
    kept: list[str] = field(default_factory=list)

    def write(self) -> list[IncidentUpdate]:
        """Returns the updates that it wrote, the earliest first."""
        self._take_back()
        updates = list(self._updates())
        self._facts()
        self._report()
        return updates

    def _report(self) -> None:
        report, before = self.record.report, self.before.get("report")
        if report and before != self.content["report"]:
            self.kept.extend(postmortems.publish(self.incident, report, public_id(self.source, report.id), self.author))
        elif before and not report:
            self.kept.append(_("The postmortem is there no more, and stays as it was recorded."))

    def _take_back(self) -> None:
        """Updates that are there no more."""
        gone = [public_id(self.source, key) for key in self.before.get("updates", {}).keys() - self.content["updates"]]
        for row in self.incident.updates.filter(public_id__in=gone).order_by("pk"):
            outbox.record_incident(outbox.Kind.RECORDED_AFTERWARDS, self.incident, row)
            row.change(withdrawn_at=written_at())

    def _updates(self) -> Iterator[IncidentUpdate]:
        keys = {update.id: public_id(self.source, update.id) for update in self.record.updates}
        if IncidentUpdate.objects.filter(public_id__in=keys.values()).exclude(incident=self.incident).exists():
            raise InvalidInput(_("Another incident's update has one of these ids already."), field="id")
        present = {row.public_id: row for row in self.incident.updates.all()}
        for previous, update in pairwise([None, *self.record.updates]):
            assert update is not None, "only what comes before the first is None"
            before = self.before.get("updates", {}).get(update.id, {})
            if before != self.content["updates"][update.id]:
                row = present.get(key := keys[update.id]) or IncidentUpdate(
                    incident=self.incident, public_id=key, author=self.author
                )
                self._update(row, update, before)
                self._components(row, self._own(previous, update))
                yield row
        recorded = self.incident.updates.filter(public_id__in=keys.values()).order_by("display_at", "id")
        if [row.public_id for row in recorded] != list(keys.values()):
            self.kept.append(_("Updates that show the same time stay in the order in which they were recorded."))

    def _update(self, row: IncidentUpdate, update: Update, before: dict[str, Any]) -> None:
        said = self.content["updates"][update.id]
        changed = {name for name in said if before.get(name) != said[name]} - {"id", "components"}
        facts = {name: getattr(update, name) for name in changed}
        if "created_at" in changed:
            facts["published_at"] = update.created_at
        if row.pk and "body" in changed:
            facts["edited_at"] = written_at()
        save_checked(row, **facts, withdrawn_at=None)

    def _components(self, row: IncidentUpdate, affected: list[AffectedComponent]) -> None:
        """They have had these statuses since the time that the update shows; what was said of later times holds."""
        present = {change.component_id: change for change in row.component_changes.select_related("component")}
        kept = list[Component]()
        for each in affected:
            component = self.known.get(each.code)
            if component is None:
                continue
            change = present.pop(component.pk, None)
            if change is None:
                ComponentStatusChange.objects.create(
                    component=component,
                    update=row,
                    old_status=each.old_status,
                    status=each.status,
                    effective_at=row.display_at,
                    author=self.author,
                    called=each.name[:200] if each.name != str(component) else "",
                )
            elif (change.old_status, change.status, change.effective_at) != (
                *(each.old_status, each.status),
                row.display_at,
            ):
                kept.append(component)
        for component in (*kept, *(change.component for change in present.values())):
            words = {"update": row, "component": component}
            self.kept.append(_("“%(update)s”: what it says of %(component)s stays as it was recorded.") % words)

    def _own(self, previous: Update | None, update: Update) -> list[AffectedComponent]:
        """What it says of components, but for the maintenance that is laid over them while it runs (decision 7)."""
        plan = getattr(self.incident, "plan", None)
        running = RUNNING if plan and plan.shows_components else ()

        def own(status: ComponentStatus, step: Update | None) -> ComponentStatus:
            is_laid_over = status is ComponentStatus.UNDER_MAINTENANCE and step is not None and step.status in running
            return ComponentStatus.OPERATIONAL if is_laid_over else status

        return [
            replace(each, old_status=own(each.old_status, previous), status=own(each.status, update))
            for each in update.components
        ]

    def _facts(self) -> None:
        """What has changed of the incident and its window, and how it stands by its updates, also those posted here."""
        standing = list(self.incident.updates.standing().newest_first())
        wanted: dict[str, Any] = {
            "status": standing[0].status if standing else STATUSES[self.record.kind][0],
            "next_update_due_at": standing[0].next_update_due_at if standing else None,
            "first_posted_at": min((row.display_at for row in standing if row.published_at), default=None),
        }
        for column, name in FACTS.items():
            if self.before.get(name) != self.content[name]:
                wanted[column] = getattr(self.record, name)
        save_checked(self.incident, **wanted)
        if self.record.window and self.before and self.before["window"] != self.content["window"]:
            plan, (begin, end) = self.incident.plan, self.record.window
            save_checked(plan, scheduled_for=begin, scheduled_until=end, sequence=plan.sequence + 1)
        if self.record.window and not self.incident.is_ended:
            windows.leave_to_staff(self.incident.plan)
