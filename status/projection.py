"""The only door from the record to what the public may see: rows in, frozen snapshots out.

What is internal (components, incidents, updates never published, notes, people) is filtered here.
Every function uses a fixed number of queries, whatever the number of rows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from datetime import UTC, date, datetime, time, timedelta

from django.db import connection, models, transaction
from django.db.models import Max, Prefetch, Q
from django.utils import timezone, translation

from incidents.lifecycle import (
    RUNNING,
    ComponentStatus,
    Impact,
    IncidentStatus,
    Kind,
    Visibility,
    page_status,
    worst_status,
)
from incidents.metrics import newest_points
from incidents.models import (
    Component,
    ComponentGroup,
    ComponentListing,
    ComponentStatusChange,
    EmbedConfig,
    Incident,
    IncidentUpdate,
    MaintenancePlan,
    Metric,
    OutboxEvent,
    Page,
)
from status import reports, snapshot
from status.uptime import Change, Span, intervals, overlaid, uptime

BAR_DAYS = 90
PAST_DAYS = 15
NEWEST = 50  # Statuspage's cap


@contextmanager
def consistent() -> Iterator[None]:
    """Everything read inside is of one moment, and no writer waits for it."""
    if connection.in_atomic_block:  # the caller's transaction decides what is seen
        yield
    elif connection.vendor == "sqlite":
        # Not `atomic`: that would be BEGIN IMMEDIATE and keep writers out; a deferred one only reads.
        with connection.cursor() as cursor:
            cursor.execute("BEGIN DEFERRED")
            try:
                yield
            finally:
                cursor.execute("COMMIT")
    else:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            yield


def today(page: Page) -> date:
    return timezone.now().astimezone(page.zone).date()


class Reader:
    """Reads one page; what all its documents share (page, components) is read once."""

    def __init__(self, page: Page, day: date) -> None:
        self._row = page
        self._zone = page.zone
        self.today = day
        newest = OutboxEvent.objects.news().filter(page=page).order_by("-id").first()
        self.page = snapshot.Page(
            id=page.public_id,
            name=page.name,
            url=page.url,
            time_zone=page.time_zone,
            language=page.language,
            support_url=page.support_url,
            support_email=page.support_email,
            intro=page.intro,
            brand_colour=page.brand_colour,
            logo=page.logo,
            updated_at=newest.created_at if newest else page.created_at,
        )
        self._public = Incident.objects.public().on(page).order_by("-first_posted_at", "-id")
        self._groups = list(ComponentGroup.objects.filter(page=page, deleted_at=None))
        self._components = self._read_components()

    def _read_components(self) -> dict[int, Component]:
        """This page's public components by primary key, in page order; also deleted ones, which history names."""
        listings = ComponentListing.objects.filter(page=self._row, deleted_at=None)
        positions = dict(listings.values_list("component", "position"))
        rows = Component.objects.filter(visibility=Visibility.PUBLIC).on(self._row).with_status().with_maintenance()
        groups = {group.pk: group for group in self._groups}
        for row in rows:
            if row.page_id != self._row.pk:
                row.position = positions[row.pk]
                row.group_id = None

        def order(row: Component) -> tuple[int, int, int, int]:
            group = groups.get(row.group_id or 0)
            return (group.position, group.pk, row.position, row.pk) if group else (row.position, 0, 0, row.pk)

        return {row.pk: row for row in sorted(rows, key=order)}

    def site(self) -> snapshot.Site:
        live = [row for row in self._components.values() if row.deleted_at is None]
        days = [self.today - timedelta(days=back) for back in range(PAST_DAYS)]
        unresolved = self._keys(self._public.unresolved().order_by())  # SQLite reads all history for an order
        realtime = self._keys(self._public.realtime()[:NEWEST])
        planned = self._keys(self._public.maintenances()[:NEWEST])
        past = self._keys(self._public.filter(first_posted_at__gte=self.midnight(days[-1])))
        found = self._read(self._public.filter(pk__in={*unresolved, *realtime, *planned, *past}))
        open_incidents = tuple(each for each in found.values() if each.is_open and not each.is_maintenance)
        maintenances = [each for each in found.values() if each.is_open and each.is_maintenance]
        upcoming = [each for each in maintenances if each.status == IncidentStatus.SCHEDULED]
        ended: dict[date, list[snapshot.Incident]] = defaultdict(list)
        for each in (found[key] for key in past if not found[key].is_open):
            ended[each.posted_at.astimezone(self._zone).date()].append(each)
        with translation.override("en"):  # Statuspage's words, which programs compare; pages translate them
            indicator, description = page_status(
                (row.shown for row in live),
                (Impact(incident.impact) for incident in open_incidents if not incident.components),
            )
        return snapshot.Site(
            page=self.page,
            today=self.today,
            indicator=indicator,
            description=description,
            groups=self.groups(),
            components=self.components(),
            uptimes=self._uptimes(
                [row for row in live if row.showcase],
                self.today - timedelta(days=BAR_DAYS - 1),
                self.today,
                as_of=self.page.updated_at,
            ),
            open_incidents=open_incidents,
            active_maintenances=tuple(each for each in maintenances if each not in upcoming),
            upcoming_maintenances=tuple(
                sorted(upcoming, key=lambda each: (each.scheduled_for or each.posted_at, each.id))
            ),
            recent_incidents=tuple(found[key] for key in realtime),
            recent_maintenances=tuple(found[key] for key in planned),
            past_days=tuple(snapshot.PastDay(day, tuple(ended[day])) for day in days),
            last_month=self._month_of(self._public.first()),
            metrics=self.metrics(),
            embed=self._embed(),
        )

    def _embed(self) -> snapshot.Embed:
        names = [field.name for field in fields(snapshot.Embed)]
        chosen = EmbedConfig.objects.filter(page=self._row, deleted_at=None).values(*names).first()
        return snapshot.Embed(**chosen or {})

    def groups(self) -> tuple[snapshot.Group, ...]:
        live = [row for row in self._components.values() if row.deleted_at is None]
        return tuple(self._group(group, live) for group in self._groups)

    def components(self) -> tuple[snapshot.Component, ...]:
        """This page's, in its order, with their status now."""
        return tuple(self._component(row) for row in self._components.values() if row.deleted_at is None)

    def metrics(self, span: timedelta | None = None) -> tuple[snapshot.Metric, ...]:
        """Those that the page shows, with the points of `span` before their newest one."""
        rows = list(Metric.objects.live().filter(page=self._row, is_shown=True).order_by("id"))
        points = newest_points(rows, span) if span else {}
        return tuple(
            snapshot.Metric(
                id=row.public_id,
                name=row.name,
                description=row.description,
                suffix=row.suffix,
                decimal_places=row.decimal_places,
                y_min=row.y_min,
                y_max=row.y_max,
                is_axis_hidden=row.is_axis_hidden,
                points=tuple(points.get(row.pk, ())),
            )
            for row in rows
        )

    @staticmethod
    def _keys(rows: models.QuerySet[Incident]) -> list[int]:
        return list(rows.values_list("pk", flat=True))

    def incidents(self, keys: Iterable[int]) -> tuple[snapshot.Incident, ...]:
        """Those of `keys` (primary keys) that are public here, for their own documents.

        The components of an ended one have the status that it left them with instead of today's, so that its
        documents do not change when a component does (decision 0003).
        """
        return tuple(self._read(self._public.filter(pk__in=list(keys)), as_left=True).values())

    def _read(self, rows: models.QuerySet[Incident], *, as_left: bool = False) -> dict[int, snapshot.Incident]:
        """Snapshots by primary key, in the order of `rows`."""
        changes = ComponentStatusChange.objects.filter(component__in=self._components).order_by("id")
        updates = IncidentUpdate.objects.published().newest_first()
        settled = OutboxEvent.objects.filter(tally__people__gt=0).select_related("tally")
        found = list(
            rows.select_related("plan", "postmortem").prefetch_related(
                Prefetch("updates", updates.prefetch_related(Prefetch("component_changes", changes))),
                "postmortem__revisions",
                "postmortem__action_items",
                "plan__reminders",
                *([Prefetch("updates__events", settled, to_attr="settled")] if self._row.shows_totals else ()),
            )
        )
        # Grouped by page, not filtered: SQLite would choose the index of the page and read all of its history.
        events = OutboxEvent.objects.news().filter(incident__in=found).values_list("page", "incident")
        told = {(page, incident): newest for page, incident, newest in events.annotate(Max("created_at")).order_by()}
        causes = self._causes(found)
        covered = self._covered(found)
        return {
            row.pk: self._incident(
                row,
                told.get((self._row.pk, row.pk)),
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
        # Deleted or not: what happens to an internal one is told to no page, so it must not change any.
        internal = Incident.objects.filter(visibility=Visibility.INTERNAL, kind=Kind.MAINTENANCE, pk__in=wanted)
        unnamed = {pk: snapshot.Cause("", "", is_maintenance=True) for pk in internal.values_list("pk", flat=True)}
        return unnamed | {
            row.pk: snapshot.Cause(row.public_id, row.title, row.kind == Kind.MAINTENANCE)
            for row in self._public.filter(pk__in=wanted)
        }

    def _covered(self, rows: list[Incident]) -> dict[int, tuple[snapshot.Covered, ...]]:
        """What each of their postmortems is about, by its primary key."""
        covered: dict[int, tuple[snapshot.Covered, ...]] = defaultdict(tuple)
        if wanted := {row.postmortem_id for row in rows if row.postmortem_id}:
            for row in self._public.filter(postmortem__in=wanted).order_by("first_posted_at", "id"):
                covered[row.postmortem_id or 0] += (snapshot.Covered(row.public_id, row.title),)
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
        plan = getattr(row, "plan", None)
        watching = [u for u in updates if u.status in (IncidentStatus.MONITORING, IncidentStatus.VERIFYING)]
        running = [u for u in updates if u.status in RUNNING]
        shown_while = set(RUNNING) if plan and plan.shows_components else set()
        is_maintenance = row.kind == Kind.MAINTENANCE
        return snapshot.Incident(
            id=row.public_id,
            page_id=self.page.id,
            name=row.title,
            status="postmortem" if postmortem and row.is_ended else row.status,
            impact="maintenance" if is_maintenance else (row.impact_override or row.impact),
            impact_override=row.impact_override,
            created_at=row.created_at,
            updated_at=max(filter(None, [touched, newest.updated_at])),
            started_at=row.impact_began_at or oldest.display_at,
            monitoring_at=watching[-1].display_at if watching else None,
            resolved_at=ended_at,
            updates=tuple(
                self._update(row, update, before in shown_while, update.status in shown_while)
                for update, before in zip(updates, [*(u.status for u in updates[1:]), ""], strict=True)
            ),
            components=tuple(
                self._component(component, left[pk] if as_left and row.is_ended else None)
                for pk, component in self._components.items()
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
        )

    def _update(
        self, incident: Incident, row: IncidentUpdate, was_shown: bool, is_shown: bool
    ) -> snapshot.IncidentUpdate:
        """`was_shown`, `is_shown`: its maintenance was, or is, laid over the components before and after it."""
        changes = {change.component_id: change for change in row.component_changes.all()}
        assert row.published_at is not None, "the prefetch reads published updates only"
        tally = next((event.tally for event in getattr(row, "settled", ()) if event.page_id == self._row.pk), None)
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
                    self._full_name(component),
                    _overlaid(changes[pk].old_status, was_shown),
                    _overlaid(changes[pk].status, is_shown),
                )
                for pk, component in self._components.items()
                if pk in changes
            ),
            told=snapshot.Told(tally.people, tally.took) if tally else None,
        )

    def month(self, month: str) -> snapshot.Month:
        """What was first posted in `month` ("2023-01"), and its nearest neighbours that have something."""
        first = date.fromisoformat(f"{month}-01")
        start, end = self.midnight(first), self.midnight((first + timedelta(days=32)).replace(day=1))
        incidents = tuple(self._read(self._public.filter(first_posted_at__gte=start, first_posted_at__lt=end)).values())
        return snapshot.Month(
            page=replace(self.page, updated_at=max((each.updated_at for each in incidents), default=start)),
            month=month,
            incidents=incidents,
            previous=self._month_of(self._public.filter(first_posted_at__lt=start).first()),
            next=self._month_of(self._public.filter(first_posted_at__gte=end).last()),
        )

    def record(self, month: str) -> snapshot.MonthRecord:
        """`month` as open data: with how the components were, up to its end or to the newest public fact."""
        first = date.fromisoformat(f"{month}-01")
        after = (first + timedelta(days=32)).replace(day=1)
        is_running = self.today < after
        last = min(after - timedelta(days=1), self.today)
        rows = [row for row in self._components.values() if row.deleted_at is None and row.showcase]
        logs = self._logs(rows, first, last)
        end = self.midnight(after)
        return snapshot.MonthRecord(
            month=self.month(month),
            components=tuple(self._component(row) for row in rows),
            intervals=tuple(
                snapshot.Interval(row.public_id, row.name, status, begin, until)
                for row in rows
                for begin, until, status in intervals(logs[row.pk], None if is_running else end)
            ),
            uptimes=self._uptimes(rows, first, last, as_of=self.page.updated_at if is_running else end, logs=logs),
        )

    def span(self, since: datetime | None = None) -> list[str]:
        """Every month from this instant on, or else from the first public incident on, oldest first."""
        oldest = since or self._public.values_list("first_posted_at", flat=True).last()
        first = min(oldest.astimezone(self._zone).date(), self.today) if oldest else self.today
        count = (self.today.year - first.year) * 12 + self.today.month - first.month
        indexes = range(first.year * 12 + first.month - 1, first.year * 12 + first.month + count)
        return [f"{index // 12:04}-{index % 12 + 1:02}" for index in indexes]

    def months(self) -> list[str]:
        """Every month that has something, oldest first."""
        posted = self._public.values_list("first_posted_at", flat=True)
        return sorted({f"{at.astimezone(self._zone):%Y-%m}" for at in posted if at})

    def _month_of(self, row: Incident | None) -> str | None:
        return self.month_name(row.first_posted_at) if row and row.first_posted_at else None

    def month_name(self, instant: datetime) -> str:
        return f"{instant.astimezone(self._zone):%Y-%m}"

    def midnight(self, day: date) -> datetime:
        return datetime.combine(day, time.min, self._zone).astimezone(UTC)

    def _full_name(self, row: Component) -> str:
        group = next((group for group in self._groups if group.pk == row.group_id), None)
        return f"{group.name} - {row.name}" if group else row.name

    def _component(self, row: Component, left: ComponentStatusChange | None = None) -> snapshot.Component:
        group = next((group for group in self._groups if group.pk == row.group_id), None)
        changed_at = left.created_at if left else row.changed_at
        return snapshot.Component(
            id=row.public_id,
            page_id=self.page.id,
            group_id=group.public_id if group else None,
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

    def _group(self, group: ComponentGroup, live: list[Component]) -> snapshot.Group:
        members = [row for row in live if row.group_id == group.pk]
        return snapshot.Group(
            id=group.public_id,
            page_id=self.page.id,
            name=group.name,
            description=group.description or None,
            status=worst_status(row.shown for row in members),
            position=group.position,
            component_ids=tuple(row.public_id for row in members),
            created_at=group.created_at,
            updated_at=group.updated_at,
        )

    def uptimes(self, public_ids: Collection[str], first: date, last: date) -> tuple[snapshot.Uptime, ...]:
        """How these components of the page were from one day to another, up to this moment."""
        rows = [row for row in self._components.values() if row.deleted_at is None and row.public_id in public_ids]
        return self._uptimes(rows, first, last, as_of=timezone.now())

    def _logs(self, rows: list[Component], first: date, last: date) -> dict[int, list[Change]]:
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
        spans = self._spans(keys, since)
        told = {key: overlaid(log, spans.get(key, [])) for key, log in logs.items()}
        return {key: [change for change in log if change.at < end] for key, log in told.items()}

    def _uptimes(
        self,
        rows: list[Component],
        first: date,
        last: date,
        *,
        as_of: datetime,
        logs: dict[int, list[Change]] | None = None,
    ) -> tuple[snapshot.Uptime, ...]:
        logs = logs or self._logs(rows, first, last)
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
            for row in rows
        )

    @staticmethod
    def _spans(components: list[int], since: datetime) -> dict[int, list[Span]]:
        """When maintenances that show their components ran, by component, but for those over before `since`."""
        ran = {key: Span(*times) for key, times in MaintenancePlan.objects.shown().times(since).items()}
        told = IncidentUpdate.objects.published().filter(incident__in=ran)
        named = ComponentStatusChange.objects.filter(component__in=components, update__in=told)
        spans: dict[int, list[Span]] = defaultdict(list)
        for component, incident in named.values_list("component", "update__incident").order_by().distinct():
            spans[component].append(ran[incident])
        return spans


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


def showing(page: Page) -> models.QuerySet[Incident]:
    """All public incidents of a page, for a rebuild."""
    return Incident.objects.public().on(page).order_by("id")


def touched_by(page: Page, events: Iterable[OutboxEvent]) -> list[Incident]:
    """The incidents whose own documents `events` make out of date: theirs, those they caused, those that share a
    postmortem with them, and all open ones.

    Open ones show the status that their components have now.
    """
    named = {event.incident_id for event in events if event.incident_id}
    unresolved = Incident.objects.public().on(page).unresolved().order_by().values_list("pk", flat=True)
    # As keys: with a subquery PostgreSQL would read every incident.
    shared = Incident.objects.filter(pk__in=named, postmortem__isnull=False).values_list("postmortem", flat=True)
    touched = Q(pk__in=named.union(unresolved)) | Q(caused_by__in=named) | Q(postmortem__in=list(shared))
    return list(Incident.objects.filter(touched).select_related("postmortem"))
