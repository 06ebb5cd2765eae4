"""Scheduled maintenance, from its announcement to its end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from incidents.errors import InvalidInput, InvalidTransition
from incidents.incidents import post_update
from incidents.lifecycle import ComponentStatus, Impact, IncidentStatus, Kind
from incidents.maintenance.plans import schedule_maintenance
from incidents.models import Component, Incident, OutboxEvent, Page, User
from tests.rows import everything, refused

pytestmark = pytest.mark.long

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
START, END = NOON + timedelta(days=2), NOON + timedelta(days=2, hours=3)
SCHEDULED, IN_PROGRESS, VERIFYING, COMPLETED = (
    IncidentStatus.SCHEDULED,
    IncidentStatus.IN_PROGRESS,
    IncidentStatus.VERIFYING,
    IncidentStatus.COMPLETED,
)


@pytest.fixture
def maintenance(page: Page, component: Component, author: User) -> Incident:
    with time_machine.travel(NOON, tick=False):
        return schedule_maintenance(
            page,
            title="New disks",
            body="We replace disks.",
            scheduled_for=START,
            scheduled_until=END,
            author=author,
            components=(component,),
        )


def test_an_announcement_names_components_and_leaves_them_as_they_are(
    maintenance: Incident, component: Component
) -> None:
    maintenance.refresh_from_db()
    assert (maintenance.kind, maintenance.status, maintenance.first_posted_at) == (Kind.MAINTENANCE, SCHEDULED, NOON)
    assert (maintenance.plan.scheduled_for, maintenance.plan.scheduled_until) == (START, END)
    (update,) = maintenance.updates.all()
    assert (update.status, update.body) == (SCHEDULED, "We replace disks.")
    assert list(maintenance.components()) == [component]
    assert component.status is ComponentStatus.OPERATIONAL
    assert OutboxEvent.objects.get(incident=maintenance).kind == OutboxEvent.Kind.UPDATE_POSTED


def test_a_maintenance_moves_forward_to_its_end_and_has_no_impact(
    maintenance: Incident, component: Component, author: User
) -> None:
    under = ComponentStatus.UNDER_MAINTENANCE
    for status, of_component in [
        (SCHEDULED, None),
        (IN_PROGRESS, under),
        (VERIFYING, under),
        (COMPLETED, ComponentStatus.OPERATIONAL),
    ]:
        affected = [(component, of_component)]
        post_update(maintenance, status=status, body=f"Now {status}.", author=author, components=affected)
        maintenance.refresh_from_db()
        assert (maintenance.status, maintenance.impact) == (status, Impact.NONE)
        assert component.status is (of_component or ComponentStatus.OPERATIONAL)
    assert maintenance.is_ended
    with refused(InvalidTransition, "completed and stays so"):
        post_update(maintenance, status=COMPLETED, body="Again.", author=author)


def test_a_maintenance_does_not_go_back(maintenance: Incident, author: User) -> None:
    post_update(maintenance, status=VERIFYING, body="Checking.", author=author)
    with refused(InvalidTransition, "cannot go back to “In progress”"):
        post_update(maintenance, status=IN_PROGRESS, body="Once more.", author=author)
    with refused(InvalidTransition, "not a status of this kind"):
        post_update(maintenance, status=IncidentStatus.RESOLVED, body="Done.", author=author)


@pytest.mark.slow
@time_machine.travel(NOON, tick=False)
def test_what_is_wrong_with_an_announcement_is_said_and_nothing_is_written(
    page: Page, other_page: Page, component: Component, author: User
) -> None:
    def schedule(
        title: str = "New disks", body: str = "We replace disks.", until: datetime = END, where: Page = page
    ) -> Incident:
        return schedule_maintenance(
            where,
            title=title,
            body=body,
            scheduled_for=START,
            scheduled_until=until,
            author=author,
            components=(component,),
        )

    before = everything()
    for until in (START, START - timedelta(hours=1)):
        with refused(InvalidInput, "must end after it starts"):
            schedule(until=until)
    with refused(InvalidInput, "blank"):
        schedule(title=" ")
    with refused(InvalidInput, "Write a message"):
        schedule(body=" ")
    with refused(InvalidInput, "not one of this page's"):
        schedule(where=other_page)
    assert everything() == before
    schedule()
