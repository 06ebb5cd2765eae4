"""A whole page as it is projected: its lists, its months, and what reading it costs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext

from incidents import catalogue
from incidents.incidents import (
    post_update,
)
from incidents.lifecycle import ComponentStatus, Impact, IncidentStatus, Visibility
from incidents.maintenance.plans import schedule_maintenance
from incidents.models import (
    Component,
    Incident,
    OutboxEvent,
    Page,
    User,
)
from status.projection import public_incidents, touched_by
from status.publication import publishing
from status.rendering import pages
from tests.old_incidents import make_history
from tests.status.reading import everything, incident_of, read

pytestmark = [pytest.mark.long, pytest.mark.both]
MakeComponent = Callable[..., Component]
UP, SLOW, PARTIAL, MAJOR = (
    ComponentStatus.OPERATIONAL,
    ComponentStatus.DEGRADED_PERFORMANCE,
    ComponentStatus.PARTIAL_OUTAGE,
    ComponentStatus.MAJOR_OUTAGE,
)
IDENTIFIED, RESOLVED = IncidentStatus.IDENTIFIED, IncidentStatus.RESOLVED
NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
Declare = Callable[..., Incident]


@pytest.mark.slow
def test_lists_are_in_their_order_and_capped(page: Page, declare: Declare, author: User) -> None:
    with time_machine.travel(NOW, tick=False):
        for number in range(52):
            declare(f"Old {number}", status=RESOLVED, display_at=NOW - timedelta(days=60 - number))
        new, older = declare("New"), declare("Older", display_at=NOW - timedelta(days=80))
        planned = [
            schedule_maintenance(
                page, title=f"In {days} days", body="Disks.", author=author,
                scheduled_for=NOW + timedelta(days=days), scheduled_until=NOW + timedelta(days=days, hours=1),
            )
            for days in (5, 2, 9)
        ]  # fmt: skip
        post_update(planned[2], status=IncidentStatus.IN_PROGRESS, body="Begun.", author=author)
        site = read(page).site()
    assert [i.id for i in site.open_incidents] == [new.public_id, older.public_id]
    assert len(site.recent_incidents) == 50
    assert [i.name for i in site.recent_incidents[:3]] == ["New", "Old 51", "Old 50"]
    assert [i.name for i in site.upcoming_maintenances] == ["In 2 days", "In 5 days"]
    assert [i.name for i in site.active_maintenances] == ["In 9 days"]
    assert [i.impact for i in site.active_maintenances] == ["maintenance"]
    assert {i.name for i in site.recent_maintenances} == {"In 2 days", "In 5 days", "In 9 days"}
    assert [day.date.isoformat() for day in site.past_days][::14] == ["2026-03-10", "2026-02-24"]
    assert next([i.name for i in day.incidents] for day in site.past_days if day.incidents) == ["Old 51"]


def test_an_open_incident_that_names_no_component_colours_the_page(
    page: Page, component: Component, declare: Declare
) -> None:
    assert read(page).site().description == "All Systems Operational"
    declare("Everything", impact_override=Impact.CRITICAL)
    site = read(page).site()
    assert (site.indicator, site.description) == ("critical", "Major System Outage")


@pytest.mark.parametrize("is_deleted", [True, False])
def test_an_open_incident_counts_when_none_of_its_components_shows_any_more(
    page: Page, make_component: MakeComponent, declare: Declare, admin: User, is_deleted: bool
) -> None:
    """And the banner names it, for the rows below are all green."""
    gone, _left = make_component("API"), make_component("Search")
    row = declare("API down", components=[(gone, MAJOR)])
    site = read(page).site()
    assert (site.description, site.named_incidents) == ("Partial System Outage", ())
    if is_deleted:
        catalogue.delete_component(gone, author=admin)
    else:
        catalogue.edit_component(gone, visibility=Visibility.INTERNAL, author=admin)
    site = read(page).site()
    assert (site.indicator, site.description) == ("critical", "Major System Outage")
    assert site.named_incidents == (row.public_id,)
    assert {each.status for each in site.components} == {"operational"}
    assert f'Ongoing: <a href="/incidents/{row.public_id}">API down</a>' in pages.index(site).decode()


def test_a_group_is_as_its_worst_component_and_names_them_in_order(
    page: Page, make_component: MakeComponent, admin: User, author: User
) -> None:
    group = catalogue.create_group(page, name="Core", position=2, author=admin)
    second = make_component("Second", group=group, position=2)
    first = make_component("First", group=group, position=1)
    make_component("Before", position=1)
    make_component("After", position=3)
    catalogue.set_component_status(second, status=PARTIAL, author=author)
    site = read(page).site()
    assert [c.name for c in site.components] == ["Before", "First", "Second", "After"]
    (found,) = site.groups
    assert (found.status, found.component_ids) == (PARTIAL, (first.public_id, second.public_id))
    catalogue.delete_group(group, author=admin)
    assert not read(page).site().groups
    assert {c.group_id for c in read(page).site().components} == {None}


def test_a_deleted_component_leaves_the_page_and_stays_in_history(
    page: Page, component: Component, declare: Declare, admin: User
) -> None:
    row = declare("Errors", status=RESOLVED, components=[(component, MAJOR)])
    catalogue.delete_component(component, author=admin)
    site = read(page).site()
    assert (site.components, site.uptimes, site.indicator) == ((), (), "none")
    assert [c.name for c in incident_of(page, row).components] == ["API"]


def test_months_are_the_pages_and_know_their_neighbours(page: Page, declare: Declare) -> None:
    declare("January", status=RESOLVED, display_at=datetime(2026, 1, 31, 22, 59, tzinfo=UTC))  # 23:59 in Rome
    declare("February", status=RESOLVED, display_at=datetime(2026, 1, 31, 23, 0, tzinfo=UTC))  # midnight
    declare("June", status=RESOLVED, display_at=datetime(2026, 6, 30, 21, 59, tzinfo=UTC))  # 23:59, summer time
    reader = read(page)
    assert reader.months_with_incidents() == ["2026-01", "2026-02", "2026-06"]
    months = [reader.month(month) for month in ("2026-01", "2026-02", "2026-04", "2026-06")]
    assert [(m.previous, m.next, [i.name for i in m.incidents]) for m in months] == [
        (None, "2026-02", ["January"]),
        ("2026-01", "2026-06", ["February"]),
        ("2026-02", "2026-06", []),
        ("2026-02", None, ["June"]),
    ]
    assert reader.site().last_month == "2026-06"


def test_touched_are_those_named_those_they_caused_and_the_open_ones(page: Page, declare: Declare) -> None:
    cause, other = declare("Cause", status=RESOLVED), declare("Other", status=RESOLVED)
    effect, unresolved = declare("Effect", status=RESOLVED, caused_by=cause), declare("Open")
    events = OutboxEvent.objects.filter(incident=cause)
    assert set(touched_by(page, events)) == {cause, effect, unresolved}
    assert other not in touched_by(page, OutboxEvent.objects.none())


@pytest.mark.slow
@pytest.mark.parametrize("read_it", [lambda page: read(page).site(), everything])
def test_the_number_of_queries_does_not_depend_on_the_number_of_rows(
    page: Page, make_component: MakeComponent, author: User, read_it: Callable[[Page], object]
) -> None:
    components = [make_component(f"Component {number}") for number in range(3)]

    def cost() -> int:
        with CaptureQueriesContext(
            connection,
        ) as queries:
            read_it(page)
        return len(queries)

    def grow(count: int) -> None:
        make_history(page, components, author, count=count, before=NOW, apart=timedelta(minutes=10))

    grow(5)
    few = cost()
    grow(495)
    assert public_incidents(page).count() == 500
    assert cost() == few


@pytest.mark.slow
def test_an_update_costs_the_same_after_a_long_history(
    page: Page, make_component: MakeComponent, declare: Declare, author: User
) -> None:
    """Queries and files; bench/publish measures the time."""
    components = [make_component(f"Component {number}") for number in range(3)]

    def cost(title: str) -> tuple[int, int]:
        row = declare(title)
        publishing.publish(page)
        with CaptureQueriesContext(connection) as queries:
            post_update(row, status=RESOLVED, body="Over.", author=author, components=[(components[0], SLOW)])
            written = publishing.publish(page).written
        # As before, so that the next one changes as much.
        catalogue.set_component_status(components[0], status=UP, author=author)
        return len(queries), len(written)

    with time_machine.travel(NOW, tick=True):
        make_history(page, components, author, count=10, before=NOW - timedelta(days=91), apart=timedelta(hours=3))
        publishing.publish(page)
        few = cost("First")
        make_history(page, components, author, count=300, before=NOW - timedelta(days=95), apart=timedelta(hours=3))
        publishing.publish(page, rebuild=True)
        assert cost("Second") == few
