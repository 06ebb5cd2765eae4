"""A page's components: as they are now, and how they were."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from datetime import UTC, date, datetime, time, timedelta

from django.db.models import Q

from incidents.lifecycle import Visibility, worst_status
from incidents.models import (
    Component,
    ComponentGroup,
    ComponentListing,
    ComponentStatusChange,
    IncidentUpdate,
    MaintenancePlan,
    Page,
)
from incidents.record_time import record_time
from status.rendering import snapshot
from status.rendering.uptime import Change, Span, overlaid, uptime


class Components:
    """This page's public components, or `only` some, read once; also deleted ones, which history names."""

    def __init__(self, page: Page, only: Q | None = None) -> None:
        self._page = page
        self._only = only or Q()
        self._zone = page.zone
        self._groups = {group.pk: group for group in ComponentGroup.objects.filter(page=page, deleted_at=None)}
        self.rows = self._read()  # by primary key, in page order
        self.live = [row for row in self.rows.values() if row.deleted_at is None]

    def _read(self) -> dict[int, Component]:
        listings = ComponentListing.objects.filter(page=self._page, deleted_at=None)
        positions = dict(listings.values_list("component", "position"))
        public = Component.objects.filter(self._only, visibility=Visibility.PUBLIC).on(self._page)
        rows = public.with_status().with_maintenance()
        for row in rows:
            if row.page_id != self._page.pk:
                row.position = positions[row.pk]
                row.group_id = None

        def order(row: Component) -> tuple[int, int, int, int]:
            group = self._group_of(row)
            return (group.position, group.pk, row.position, row.pk) if group else (row.position, 0, 0, row.pk)

        return {row.pk: row for row in sorted(rows, key=order)}

    def _group_of(self, row: Component) -> ComponentGroup | None:
        return self._groups.get(row.group_id or 0)

    def full_name(self, row: Component) -> str:
        group = self._group_of(row)
        return f"{group.name} - {row.name}" if group else row.name

    def shown(self, row: Component, left: ComponentStatusChange | None = None) -> snapshot.Component:
        """With its status now, or as an incident `left` it."""
        group = self._group_of(row)
        changed_at = left.created_at if left else row.changed_at
        return snapshot.Component(
            id=row.public_id,
            page_id=self._page.public_id,
            group_id=group.public_id if group else None,
            group_name=group.name if group else "",
            name=row.name,
            description=row.description or None,
            status=left.status if left else row.shown,
            position=row.position,
            showcase=row.showcase,
            only_show_if_degraded=row.only_show_if_degraded,
            start_date=row.start_date,
            created_at=row.created_at,
            updated_at=max(row.updated_at, changed_at) if changed_at else row.updated_at,
        )

    def all(self) -> tuple[snapshot.Component, ...]:
        """Those that were not deleted, in page order, with their status now."""
        return tuple(self.shown(row) for row in self.live)

    def groups(self) -> tuple[snapshot.Group, ...]:
        return tuple(self._shown_group(group) for group in self._groups.values())

    def _shown_group(self, group: ComponentGroup) -> snapshot.Group:
        members = [row for row in self.live if row.group_id == group.pk]
        return snapshot.Group(
            id=group.public_id,
            page_id=self._page.public_id,
            name=group.name,
            description=group.description or None,
            status=worst_status(row.shown for row in members),
            position=group.position,
            component_ids=tuple(row.public_id for row in members),
            created_at=group.created_at,
            updated_at=group.updated_at,
        )

    # --- How they were ------------------------------------------------------------------------------------------------

    def midnight(self, day: date) -> datetime:
        return datetime.combine(day, time.min, self._zone).astimezone(UTC)

    def logs(self, rows: Collection[Component], first: date, last: date) -> dict[int, list[Change]]:
        """What the public saw of each, by primary key, from `first`'s midnight to `last`'s end."""
        since, end = self.midnight(first), self.midnight(last + timedelta(days=1))
        keys = [row.pk for row in rows]
        current = Component.objects.filter(pk__in=keys).with_status(since)
        logs = {row.pk: [Change(since, row.current)] for row in current}
        within = ComponentStatusChange.objects.standing().filter(
            component__in=keys, effective_at__gt=since, effective_at__lt=end
        )
        for change in within.order_by("effective_at", "id"):
            log = logs[change.component_id]
            if change.status != log[-1].status:  # else it was only named, perhaps by an internal incident
                log.append(Change(change.effective_at, change.status))
        spans = _spans(keys, since)
        shown = {key: overlaid(log, spans.get(key, [])) for key, log in logs.items()}
        return {key: [change for change in log if change.at < end] for key, log in shown.items()}

    def uptimes(
        self, logs: dict[int, list[Change]], first: date, last: date, as_of: datetime
    ) -> tuple[snapshot.Uptime, ...]:
        """From their `logs` of these days; what is not over counts up to `as_of`."""
        return tuple(
            uptime(
                row.public_id,
                logs[row.pk],
                counts_from=row.start_date or row.created_at.astimezone(self._zone).date(),
                first=first,
                today=last,
                as_of=as_of,
                zone=self._zone,
            )
            for row in self.live
            if row.pk in logs
        )


def components(page: Page, public_ids: Collection[str] | None = None) -> tuple[snapshot.Component, ...]:
    """A page's in its order, with their status now; no others are read than those of `public_ids`."""
    return Components(page, None if public_ids is None else Q(public_id__in=public_ids)).all()


def groups(page: Page) -> tuple[snapshot.Group, ...]:
    return Components(page).groups()


def group(page: Page, public_id: str) -> snapshot.Group | None:
    """One, for which only its own components are read."""
    found = Components(page, Q(group__public_id=public_id)).groups()
    return next((each for each in found if each.id == public_id), None)


def uptimes(page: Page, public_ids: Collection[str], first: date, last: date) -> tuple[snapshot.Uptime, ...]:
    """How these components of the page were from one day to another, up to now."""
    found = Components(page, Q(public_id__in=public_ids))
    return found.uptimes(found.logs(found.live, first, last), first, last, record_time())


def _spans(components: list[int], since: datetime) -> dict[int, list[Span]]:
    """When maintenances that show their components ran, by component, but for those over before `since`."""
    ran = {key: Span(*times) for key, times in MaintenancePlan.objects.shown().times(since).items()}
    updates = IncidentUpdate.objects.published().filter(incident__in=ran)
    named = ComponentStatusChange.objects.filter(component__in=components, update__in=updates)
    spans: dict[int, list[Span]] = defaultdict(list)
    for component, incident in named.values_list("component", "update__incident").order_by().distinct():
        spans[component].append(ran[incident])
    return spans
