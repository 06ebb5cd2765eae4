"""The only door from rows to a snapshot, of which all documents and the messages about events are made.

What is internal (components, incidents, updates never published, notes, people) is filtered here.
Every function uses a fixed number of queries, whatever the number of rows; the points of charts take one for each.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from datetime import date, datetime, timedelta

from django.db import connection, models, transaction
from django.db.models import Q
from django.utils import translation

from incidents.lifecycle import Impact, IncidentStatus, cascade, page_status
from incidents.metrics import newest_points
from incidents.models import EmbedConfig, Incident, Metric, OutboxEvent, Page
from incidents.record_time import record_time
from status.projection.components import Components, components, group, groups, uptimes
from status.projection.incidents import Incidents
from status.rendering import snapshot
from status.rendering.uptime import intervals

__all__ = ["components", "group", "groups", "uptimes"]  # of its modules, beside what is defined here

BAR_DAYS = 90
PAST_DAYS = 15
NEWEST = 50  # Statuspage's cap


@contextmanager
def consistent() -> Iterator[None]:
    """Everything read inside is of one instant, and no writer waits for it."""
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
    return record_time().astimezone(page.zone).date()


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
        self._components = Components(page)
        self._incidents = Incidents(page, self._components)
        self._public = self._incidents.public

    def site(self) -> snapshot.Site:
        days = [self.today - timedelta(days=back) for back in range(PAST_DAYS)]
        bars = self.today - timedelta(days=BAR_DAYS - 1), self.today
        showing = [row for row in self._components.live if row.showcase]
        unresolved = self._keys(self._public.unresolved().order_by())  # SQLite reads all history for an order
        realtime = self._keys(self._public.realtime()[:NEWEST])
        planned = self._keys(self._public.maintenances()[:NEWEST])
        past = self._keys(self._public.filter(first_posted_at__gte=self.midnight(days[-1])))
        found = self._incidents.read(self._public.filter(pk__in={*unresolved, *realtime, *planned, *past}))
        open_incidents = tuple(each for each in found.values() if each.is_open and not each.is_maintenance)
        maintenances = [each for each in found.values() if each.is_open and each.is_maintenance]
        upcoming = [each for each in maintenances if each.status == IncidentStatus.SCHEDULED]
        ended: dict[date, list[snapshot.Incident]] = defaultdict(list)
        for each in (found[key] for key in past if not found[key].is_open):
            ended[each.posted_at.astimezone(self._zone).date()].append(each)
        here = {row.public_id for row in self._components.live}
        alone = [each for each in open_incidents if here.isdisjoint(its.id for its in each.components)]
        statuses = [row.shown for row in self._components.live]
        with translation.override("en"):  # Statuspage's words, which programs compare; pages translate them
            indicator, description = page_status(statuses, [Impact(each.impact) for each in alone])
        is_named = indicator != cascade(statuses)[0]
        return snapshot.Site(
            page=self.page,
            today=self.today,
            indicator=indicator,
            description=description,
            named_incidents=tuple(each.id for each in alone if is_named and each.impact == indicator),
            groups=self._components.groups(),
            components=self._components.all(),
            uptimes=self._components.uptimes(self._components.logs(showing, *bars), *bars, self.page.updated_at),
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
        return tuple(self._incidents.read(self._public.filter(pk__in=list(keys)), as_left=True).values())

    def incidents_of(self, month: str, *, after: int = 0, most: int | None = None) -> dict[int, snapshot.Incident]:
        """The next `most` of those first posted in `month` ("2023-01"), by primary key, for their own documents too."""
        start, end = map(self.midnight, _days(month))
        posted = self._public.filter(first_posted_at__gte=start, first_posted_at__lt=end)
        return self._incidents.read(posted.filter(pk__gt=after).order_by("pk")[:most], as_left=True)

    def month(self, month: str) -> snapshot.Month:
        """What was first posted in `month`, and its nearest neighbours that have something."""
        start, end = map(self.midnight, _days(month))
        posted = self._public.filter(first_posted_at__gte=start, first_posted_at__lt=end)
        incidents = tuple(self._incidents.read(posted).values())
        return snapshot.Month(
            page=replace(self.page, updated_at=max((each.updated_at for each in incidents), default=start)),
            month=month,
            incidents=incidents,
            previous=self._month_of(self._public.filter(first_posted_at__lt=start).first()),
            next=self._month_of(self._public.filter(first_posted_at__gte=end).last()),
        )

    def record(self, month: snapshot.Month) -> snapshot.MonthRecord:
        """A month as open data: with how the components were, up to its end or to the newest public fact."""
        first, after = _days(month.month)
        is_running = self.today < after
        last = min(after - timedelta(days=1), self.today)
        rows = [row for row in self._components.live if row.showcase]
        logs = self._components.logs(rows, first, last)
        end = self.midnight(after)
        return snapshot.MonthRecord(
            month=month,
            components=tuple(self._components.shown(row) for row in rows),
            intervals=tuple(
                snapshot.Interval(row.public_id, self._components.full_name(row), status, begin, until)
                for row in rows
                for begin, until, status in intervals(logs[row.pk], None if is_running else end)
            ),
            uptimes=self._components.uptimes(logs, first, last, self.page.updated_at if is_running else end),
        )

    def calendar_months(self, since: datetime | None = None) -> list[str]:
        """Every month from this instant on, or else from the first public incident on, oldest first."""
        oldest = since or self._public.values_list("first_posted_at", flat=True).last()
        first = min(oldest.astimezone(self._zone).date(), self.today) if oldest else self.today
        count = (self.today.year - first.year) * 12 + self.today.month - first.month
        indexes = range(first.year * 12 + first.month - 1, first.year * 12 + first.month + count)
        return [f"{index // 12:04}-{index % 12 + 1:02}" for index in indexes]

    def months_with_incidents(self) -> list[str]:
        """Oldest first."""
        posted = self._public.values_list("first_posted_at", flat=True)
        return sorted({f"{at.astimezone(self._zone):%Y-%m}" for at in posted if at})

    def _month_of(self, row: Incident | None) -> str | None:
        return self.month_name(row.first_posted_at) if row and row.first_posted_at else None

    def month_name(self, instant: datetime) -> str:
        return f"{instant.astimezone(self._zone):%Y-%m}"

    def midnight(self, day: date) -> datetime:
        return self._components.midnight(day)


def _days(month: str) -> tuple[date, date]:
    """The first day of "2023-01", and the one after its last."""
    first = date.fromisoformat(f"{month}-01")
    return first, (first + timedelta(days=32)).replace(day=1)


def public_incidents(page: Page) -> models.QuerySet[Incident]:
    """Of a page, the oldest first."""
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
