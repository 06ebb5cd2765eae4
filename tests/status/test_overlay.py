"""A maintenance is laid over its components while it runs: what is worse shows through, and nothing is restored."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
import time_machine
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from incidents import catalogue
from incidents.errors import DomainError
from incidents.incidents import declare_incident, delete_incident, post_update, withdraw_update
from incidents.lifecycle import STATUS_ORDER, ComponentStatus, IncidentStatus, Visibility, worst_status
from incidents.maintenance import clockwork
from incidents.maintenance.plans import cancel_maintenance, extend_maintenance, plan_maintenance, schedule_maintenance
from incidents.models import Component, Incident, Page, User
from status.projection import Reader, components, today
from status.publication import publishing
from status.rendering.uptime import Change, Span, overlaid

pytestmark = [pytest.mark.long, pytest.mark.both]

NOON = datetime(2036, 3, 10, 12, tzinfo=UTC)  # the component was made before
HOUR = timedelta(hours=1)
OPERATIONAL, UNDER = ComponentStatus.OPERATIONAL, ComponentStatus.UNDER_MAINTENANCE
PARTIAL, MAJOR = ComponentStatus.PARTIAL_OUTAGE, ComponentStatus.MAJOR_OUTAGE
Shown = Callable[[], tuple[str, str]]


@pytest.fixture
def schedule_soon(page: Page, component: Component, author: User) -> Callable[..., Incident]:
    """A maintenance in an hour, for two hours."""

    def make(**facts: Any) -> Incident:
        window: dict[str, Any] = {
            "scheduled_for": datetime.now(UTC) + HOUR,
            "scheduled_until": datetime.now(UTC) + 3 * HOUR,
        }
        by_itself = {"starts_by_itself": True, "ends_by_itself": True, "components": [component]}
        return schedule_maintenance(
            page, title="Disks", body="New ones.", author=author, **(window | by_itself | facts)
        )

    return make


@pytest.fixture
def shown(page: Page, published: Callable[[Page, str], str]) -> Shown:
    """What the published JSON says of the only component, and of the page."""

    def read() -> tuple[str, str]:
        publishing.publish(page)
        summary = json.loads(published(page, "api/v2/summary.json"))
        return summary["components"][0]["status"], summary["status"]["indicator"]

    return read


@pytest.mark.slow
def test_an_incident_that_opens_during_a_maintenance_and_outlives_it(
    page: Page, component: Component, author: User, schedule_soon: Callable[..., Incident], shown: Shown
) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        maintenance = schedule_soon()
        seen = [shown()]
        clock.shift(HOUR)  # 13:00, it starts
        clockwork.advance()
        seen.append(shown())
        clock.shift(HOUR)  # 14:00
        incident = declare_incident(page, title="Errors", author=author, caused_by=maintenance)
        text: dict[str, Any] = {"body": "News.", "author": author}
        post_update(incident, status=IncidentStatus.IDENTIFIED, components=[(component, PARTIAL)], **text)
        seen.append(shown())
        clock.shift(HOUR)  # 15:00, it ends
        clockwork.advance()
        seen.append(shown())
        clock.shift(HOUR)  # 16:00
        post_update(incident, status=IncidentStatus.RESOLVED, components=[(component, OPERATIONAL)], **text)
        seen.append(shown())
        assert seen == [
            (OPERATIONAL, "none"),
            (UNDER, "maintenance"),
            (PARTIAL, "major"),
            (PARTIAL, "major"),
            (OPERATIONAL, "none"),
        ]
        (uptime,) = Reader(page, today(page)).site().uptimes
        day = uptime.days[-1]
        assert (day.under_maintenance, day.partial_outage) == (3600, 7200)
        assert day.uptime == pytest.approx(1 - 0.3 * 7200 / 86400)
        assert publishing.differences(page) == []


@pytest.mark.slow
def test_an_incident_that_was_there_before_shows_through_and_gives_way_to_the_maintenance_when_it_is_resolved(
    page: Page, component: Component, author: User, schedule_soon: Callable[..., Incident], shown: Shown
) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        schedule_soon()
        incident = declare_incident(page, title="Errors", author=author)
        text: dict[str, Any] = {"body": "News.", "author": author}
        post_update(incident, status=IncidentStatus.IDENTIFIED, components=[(component, MAJOR)], **text)
        clock.shift(HOUR)
        clockwork.advance()
        assert shown() == (MAJOR, "critical")
        post_update(incident, status=IncidentStatus.RESOLVED, components=[(component, OPERATIONAL)], **text)
        assert shown() == (UNDER, "maintenance")
        clock.shift(2 * HOUR)
        clockwork.advance()
        assert shown() == (OPERATIONAL, "none")


def test_the_start_and_the_end_are_changes_of_its_components(
    page: Page, component: Component, schedule_soon: Callable[..., Incident], published: Callable[[Page, str], str]
) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        maintenance = schedule_soon()
        clock.shift(3 * HOUR)
        clockwork.advance()
    publishing.publish(page)
    document = json.loads(published(page, f"api/v2/incidents/{maintenance.public_id}.json"))["incident"]
    changes = [
        (
            update["status"],
            update["affected_components"][0]["old_status"],
            update["affected_components"][0]["new_status"],
        )
        for update in document["incident_updates"]
    ]
    assert changes == [
        ("completed", "under_maintenance", "operational"),
        ("in_progress", "operational", "under_maintenance"),
        ("scheduled", "operational", "operational"),
    ]
    (row,) = json.loads(published(page, "api/v2/components.json"))["components"]
    assert row["updated_at"].startswith("2036-03-10T16:00")  # when it ended, in the page's zone


@pytest.mark.parametrize("facts", [{"shows_components": False}, {"visibility": Visibility.INTERNAL}])
def test_one_that_does_not_show_or_is_internal_is_laid_over_nothing(
    facts: dict[str, Any], page: Page, schedule_soon: Callable[..., Incident], shown: Shown
) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        maintenance = schedule_soon(**facts)
        clock.shift(HOUR)
        clockwork.advance()
        maintenance.refresh_from_db()
        assert maintenance.status == IncidentStatus.IN_PROGRESS
        assert shown() == (OPERATIONAL, "none")
        (uptime,) = Reader(page, today(page)).site().uptimes
        assert uptime.days[-1].under_maintenance == 0


@pytest.mark.slow
def test_reading_costs_as_much_with_many_maintenances_as_with_few(
    page: Page, schedule_soon: Callable[..., Incident], django_assert_num_queries: Callable[..., Any]
) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            Reader(page, today(page)).site()
        return len(queries)

    with time_machine.travel(NOON, tick=False) as clock:
        schedule_soon()
        clock.shift(HOUR)
        clockwork.advance()
        few = cost()
        for _number in range(8):
            schedule_soon()
        clock.shift(HOUR)
        clockwork.advance()
        assert cost() == few


# --- The log ----------------------------------------------------------------------------------------------------------
INSTANTS = st.integers(0, 40)
STATUSES = st.sampled_from(STATUS_ORDER)


@given(
    st.lists(st.tuples(st.integers(1, 40), STATUSES), max_size=8),
    st.lists(st.tuples(INSTANTS, st.none() | st.integers(0, 10)), max_size=5),
)
def test_at_each_instant_the_overlaid_log_says_the_worse_of_both(
    changes: list[tuple[int, ComponentStatus]], spans: list[tuple[int, int | None]]
) -> None:
    def at(minutes: int) -> datetime:
        return NOON + timedelta(minutes=minutes)

    log = [Change(NOON, "operational")]
    log += [Change(at(minutes), status) for minutes, status in sorted(dict(changes).items())]
    laid = [Span(at(begin), None if lasts is None else at(begin + lasts)) for begin, lasts in spans]
    found = overlaid(log, laid)
    for minutes in range(60):
        moment = at(minutes)
        own = [change.status for change in log if change.at <= moment][-1]
        is_covered = any(span.begin <= moment and (span.end is None or moment < span.end) for span in laid)
        expected = worst_status([ComponentStatus(own), UNDER]) if is_covered else own
        assert [change.status for change in found if change.at <= moment][-1] == expected
    assert all(one.status != other.status for one, other in pairwise(found))


# --- Whatever happens, in whatever order ------------------------------------------------------------------------------
class World:
    """Two components, an incident and two maintenances, and what a reader must see by the plain words of the rule."""

    def __init__(self, page: Page, author: User, components: list[Component], clock: time_machine.Traveller) -> None:
        self.page, self.author, self.components, self.clock = page, author, components, clock
        self.incidents: list[Incident] = []
        self.maintenances: list[Incident] = []

    def declare(self, pick: int) -> None:
        self.incidents.append(declare_incident(self.page, title="Errors", author=self.author))
        self.update(pick)

    def update(self, pick: int) -> None:
        if self.incidents:
            component, status = self.components[pick % 2], STATUS_ORDER[pick % 5]
            status = OPERATIONAL if status is UNDER else status
            post_update(
                self.incidents[-1],
                status=IncidentStatus.IDENTIFIED,
                body="News.",
                author=self.author,
                components=[(component, status)],
            )

    def resolve(self, pick: int) -> None:
        if self.incidents:
            text: dict[str, Any] = {"status": IncidentStatus.RESOLVED, "body": "Over.", "author": self.author}
            post_update(self.incidents[-1], **text, components=[(each, OPERATIONAL) for each in self.components])

    def set_status(self, pick: int) -> None:
        status = STATUS_ORDER[pick % 5]
        if status is not UNDER:
            catalogue.set_component_status(self.components[pick % 2], status=status, author=self.author)

    def plan(self, pick: int) -> None:
        start = datetime.now(UTC) + pick % 3 * HOUR + timedelta(minutes=1)
        self.maintenances.append(
            schedule_maintenance(
                self.page,
                title="Disks",
                body="New ones.",
                scheduled_for=start,
                scheduled_until=start + (1 + pick % 2) * HOUR,
                author=self.author,
                components=self.components[: 1 + pick % 2],
                starts_by_itself=pick % 4 > 0,
                ends_by_itself=pick % 5 > 0,
                reminders=(),
            )
        )

    def any_maintenance(self, pick: int) -> Incident:
        if not self.maintenances:
            raise IndexError
        return self.maintenances[pick % len(self.maintenances)]

    def step(self, pick: int) -> None:
        to = [IncidentStatus.IN_PROGRESS, IncidentStatus.VERIFYING, IncidentStatus.COMPLETED][pick % 3]
        post_update(self.any_maintenance(pick), status=to, body="Next.", author=self.author)

    def cancel(self, pick: int) -> None:
        cancel_maintenance(self.any_maintenance(pick), body="No.", author=self.author)

    def extend(self, pick: int) -> None:
        until = datetime.now(UTC) + (1 + pick % 3) * HOUR
        extend_maintenance(self.any_maintenance(pick), expected_until=until, body="More.", author=self.author)

    def hide(self, pick: int) -> None:
        plan_maintenance(self.any_maintenance(pick), shows_components=pick % 2 > 0, author=self.author)

    def take_back(self, pick: int) -> None:
        latest = self.any_maintenance(pick).latest_update()
        if latest:
            withdraw_update(latest, author=self.author)

    def delete(self, pick: int) -> None:
        delete_incident(self.any_maintenance(pick), reason="No.", author=self.author)

    def wait(self, pick: int) -> None:
        self.clock.shift((1 + pick % 4) * timedelta(minutes=30))

    def tick(self, pick: int) -> None:
        clockwork.advance()

    def expected(self, component: Component) -> ComponentStatus:
        for row in self.maintenances:
            row.refresh_from_db()
        running = [
            row
            for row in self.maintenances
            if row.status in ("in_progress", "verifying") and row.plan.shows_components and not row.deleted_at
        ]
        is_under = any(component in row.components() for row in running)
        return worst_status([component.status, UNDER]) if is_under else component.status


VERBS = [
    name
    for name in vars(World)
    if not name.startswith("_") and name not in ("any_maintenance", "expected", "wait", "tick", "plan")
]


@pytest.mark.slow
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(st.tuples(st.sampled_from([*VERBS, *["wait", "tick", "plan"] * 3]), st.integers(0, 60)), max_size=14)
)
def test_no_component_is_left_in_a_wrong_status(
    page: Page, component: Component, make_component: Callable[..., Component], author: User,
    steps: list[tuple[str, int]],
) -> None:  # fmt: skip
    with transaction.atomic(), time_machine.travel(NOON, tick=False) as clock:
        world = World(page, author, [component, make_component("Dashboard")], clock)
        for verb, pick in steps:
            try:
                with transaction.atomic():
                    getattr(world, verb)(pick)
            except (DomainError, IndexError):
                continue  # it was refused: nothing has changed
            rows = {row.public_id: row for row in Component.objects.with_status().with_maintenance()}
            read = {row.id: row.status for row in components(page)}
            for each in world.components:
                assert rows[each.public_id].shown == read[each.public_id] == world.expected(each), (verb, steps)
        clock.shift(timedelta(days=1))
        clockwork.advance()
        for row in world.maintenances:
            row.refresh_from_db()
            if row.status != IncidentStatus.COMPLETED and not row.deleted_at:
                post_update(row, status=IncidentStatus.COMPLETED, body="Over.", author=author)
        for seen in components(page):
            own = Component.objects.get(public_id=seen.id).status
            assert seen.status == own, "all maintenance is over, so each component has its own status again"
        transaction.set_rollback(True)
