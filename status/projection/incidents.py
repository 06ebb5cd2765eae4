"""The public incidents and maintenances of a page, each with all of its updates."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime

from django.db import models
from django.db.models import Max, Prefetch

from incidents.lifecycle import RUNNING, ComponentStatus, IncidentStatus, Kind, Visibility, worst_status
from incidents.models import ComponentStatusChange, Incident, IncidentUpdate, MaintenancePlan, OutboxEvent, Page
from status.projection import reports
from status.projection.components import Components
from status.rendering import snapshot


class Incidents:
    """Reads those that are public on a page, with its `components`."""

    def __init__(self, page: Page, components: Components) -> None:
        self._page = page
        self._components = components
        self.public = Incident.objects.public().on(page).order_by("-first_posted_at", "-id")

    def read(self, rows: models.QuerySet[Incident], *, as_left: bool = False) -> dict[int, snapshot.Incident]:
        """Snapshots by primary key, in the order of `rows`."""
        changes = ComponentStatusChange.objects.filter(component__in=self._components.rows).order_by("id")
        updates = IncidentUpdate.objects.published().newest_first()
        settled = OutboxEvent.objects.filter(tally__people__gt=0).select_related("tally")
        found = list(
            rows.select_related("plan", "postmortem", "origin").prefetch_related(
                Prefetch("updates", updates.prefetch_related(Prefetch("component_changes", changes))),
                "postmortem__revisions",
                "postmortem__action_items",
                "plan__reminders",
                *([Prefetch("updates__events", settled, to_attr="settled")] if self._page.shows_totals else ()),
            )
        )
        # Grouped by page, not filtered: SQLite would choose the index of the page and read all of its history.
        # What was only recorded afterwards changed when it did where it was said first.
        told_here = OutboxEvent.objects.news().exclude(kind=OutboxEvent.Kind.RECORDED_AFTERWARDS)
        events = told_here.filter(incident__in=found).values_list("page", "incident")
        last = {(page, incident): newest for page, incident, newest in events.annotate(Max("created_at")).order_by()}
        causes = self._causes(found)
        covered = self._covered(found)
        return {
            row.pk: self._incident(
                row,
                last.get((self._page.pk, row.pk)),
                causes.get(row.caused_by_id or 0),
                covered[row.postmortem_id or 0],
                as_left,
            )
            for row in found
        }

    def _causes(self, rows: list[Incident]) -> dict[int, snapshot.Cause]:
        wanted = {row.caused_by_id for row in rows if row.caused_by_id}
        if not wanted:
            return {}
        # Deleted or not: what happens to an internal one shows on no page, so it must not change any.
        internal = Incident.objects.filter(visibility=Visibility.INTERNAL, kind=Kind.MAINTENANCE, pk__in=wanted)
        unnamed = {pk: snapshot.Cause("", "", is_maintenance=True) for pk in internal.values_list("pk", flat=True)}
        return unnamed | {
            row.pk: snapshot.Cause(row.public_id, row.public_title, row.kind == Kind.MAINTENANCE)
            for row in self.public.filter(pk__in=wanted)
        }

    def _covered(self, rows: list[Incident]) -> dict[int, tuple[snapshot.Covered, ...]]:
        """What each of their postmortems is about, by its primary key."""
        covered: dict[int, tuple[snapshot.Covered, ...]] = defaultdict(tuple)
        if wanted := {row.postmortem_id for row in rows if row.postmortem_id}:
            for row in self.public.filter(postmortem__in=wanted).order_by("first_posted_at", "id"):
                covered[row.postmortem_id or 0] += (snapshot.Covered(row.public_id, row.public_title),)
        return covered

    def _incident(
        self,
        row: Incident,
        touched: datetime | None,
        cause: snapshot.Cause | None,
        about: tuple[snapshot.Covered, ...],
        as_left: bool,
    ) -> snapshot.Incident:
        updates = list(row.updates.all())
        newest, oldest = updates[0], updates[-1]
        ended_at = newest.display_at if row.is_ended else None
        left: dict[int, ComponentStatusChange] = {}
        for update in reversed(updates):
            for change in update.component_changes.all():
                left[change.component_id] = change
        postmortem = reports.published(row.postmortem, about)
        plan, origin = getattr(row, "plan", None), getattr(row, "origin", None)
        watching = [u for u in updates if u.status in (IncidentStatus.MONITORING, IncidentStatus.VERIFYING)]
        running = [u for u in updates if u.status in RUNNING]
        shown_while = set(RUNNING) if plan and plan.shows_components else set()
        is_maintenance = row.kind == Kind.MAINTENANCE
        return snapshot.Incident(
            id=row.public_id,
            page_id=self._page.public_id,
            name=row.public_title,
            status="postmortem" if postmortem and row.is_ended else row.status,
            impact="maintenance" if is_maintenance else (row.impact_override or row.impact),
            impact_override=row.impact_override,
            created_at=row.created_at,
            updated_at=max(filter(None, [touched, newest.updated_at, origin and origin.changed_at])),
            started_at=row.impact_began_at or oldest.display_at,
            monitoring_at=watching[-1].display_at if watching else None,
            resolved_at=ended_at,
            updates=tuple(
                self._update(row, update, before in shown_while, update.status in shown_while)
                for update, before in zip(updates, [*(u.status for u in updates[1:]), ""], strict=True)
            ),
            components=tuple(
                self._components.shown(component, left[pk] if as_left and row.is_ended else None)
                for pk, component in self._components.rows.items()
                if pk in left
            ),
            postmortem=postmortem,
            withdrawn=reports.withdrawn(row.postmortem, about),
            caused_by=cause,
            scheduled_for=plan.scheduled_for if plan else None,
            scheduled_until=plan.scheduled_until if plan else None,
            plan=_plan(plan) if plan else None,
            expected_until=plan.expected_until if plan else None,
            began_at=running[-1].display_at if is_maintenance and running else None,
            is_overrunning=bool(plan and plan.overran_at and not row.is_ended),
            is_cancelled=bool(plan and plan.cancelled_at),
            sequence=plan.sequence if plan else 0,
            recorded_at=origin.created_at if origin else None,
        )

    def _update(
        self, incident: Incident, row: IncidentUpdate, was_shown: bool, is_shown: bool
    ) -> snapshot.IncidentUpdate:
        """`was_shown`, `is_shown`: its maintenance was, or is, laid over the components before and after it."""
        changes = {change.component_id: change for change in row.component_changes.all()}
        assert row.published_at is not None, "the prefetch reads published updates only"
        tally = next((event.tally for event in getattr(row, "settled", ()) if event.page_id == self._page.pk), None)
        return snapshot.IncidentUpdate(
            id=row.public_id,
            incident_id=incident.public_id,
            status=row.status,
            body=row.body,
            display_at=row.display_at,
            published_at=row.published_at,
            created_at=row.created_at,
            updated_at=row.updated_at,
            edited_at=row.edited_at,
            next_update_due_at=row.next_update_due_at,
            deliver_notifications=row.deliver_notifications,
            affected_components=tuple(
                snapshot.AffectedComponent(
                    component.public_id,
                    changes[pk].called or self._components.full_name(component),
                    _overlaid(changes[pk].old_status, was_shown),
                    _overlaid(changes[pk].status, is_shown),
                )
                for pk, component in self._components.rows.items()
                if pk in changes
            ),
            reach=snapshot.Reach(tally.people, tally.took) if tally else None,
        )


def _plan(row: MaintenancePlan) -> snapshot.Plan:
    reminders = [each for each in row.reminders.all() if each.deleted_at is None]
    sent = [each.settled_at for each in reminders if each.settled_at and not each.note]
    return snapshot.Plan(
        starts_by_itself=row.starts_by_itself,
        ends_by_itself=row.ends_by_itself,
        shows_components=row.shows_components,
        tells_at_start=row.tells_at_start,
        tells_at_end=row.tells_at_end,
        reminders=tuple(sorted(each.minutes for each in reminders)),
        reminded_at=max(sent, default=None),
    )


def _overlaid(status: str, is_running: bool) -> str:
    return worst_status([ComponentStatus(status), ComponentStatus.UNDER_MAINTENANCE]) if is_running else status
