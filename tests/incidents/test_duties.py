"""What staff must not forget, each found by a query: measures and reports on their day, incidents that went quiet."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext

from incidents import catalogue
from incidents.duties import duties
from incidents.incidents import declare_incident, post_update
from incidents.lifecycle import ComponentStatus, IncidentStatus
from incidents.models import ActionItem, Component, Incident, Page, Postmortem, User
from incidents.planned import plan_update, post_due
from incidents.postmortems.action_items import add_action_item, edit_action_item, move_action_item
from incidents.postmortems.writing import edit_postmortem, start_postmortem
from incidents.record_time import record_time
from status.delivery import nudges
from status.models import Nudge

FRIDAY = date(2026, 3, 13)
IDENTIFIED, MONITORING, RESOLVED = IncidentStatus.IDENTIFIED, IncidentStatus.MONITORING, IncidentStatus.RESOLVED


def say(incident: Incident, author: User, status: IncidentStatus) -> None:
    post_update(incident, status=status, body="News.", author=author, notify=False)


@pytest.fixture
def make_report(author: User) -> Callable[[Page], Postmortem]:
    """A report on an ended incident that is due on the Friday, with a measure that is due then, too."""

    def make(page: Page) -> Postmortem:
        incident = declare_incident(page, title="Errors", author=author)
        say(incident, author, RESOLVED)
        report = start_postmortem(incident, author=author)
        edit_postmortem(report, due_on=FRIDAY, author=author)
        add_action_item(report, text="Rehearse the restore", owner=author, due_on=FRIDAY, author=author)
        return report

    return make


def nudged(at: datetime) -> list[str]:
    with time_machine.travel(at, tick=False):
        nudges.nudge()
    keys = list(Nudge.objects.order_by("key").values_list("key", flat=True))
    Nudge.objects.all().delete()
    return keys


@pytest.mark.parametrize("zone", ["America/Los_Angeles", "Europe/Rome", "Australia/Sydney", "Pacific/Kiritimati"])
def test_what_is_due_on_a_day_is_a_duty_that_morning_where_the_page_is(
    zone: str, page: Page, admin: User, make_report: Callable[[Page], Postmortem]
) -> None:
    catalogue.edit_page(page, time_zone=zone, author=admin)
    make_report(page)
    morning = datetime(FRIDAY.year, FRIDAY.month, FRIDAY.day, 8, tzinfo=page.zone)
    assert nudged(morning - timedelta(minutes=1)) == []
    assert nudged(morning + timedelta(minutes=1)) == ["action_due", "postmortem_due"]


def test_when_the_clocks_are_changed_nothing_is_nudged_again(
    page: Page, author: User, make_report: Callable[[Page], Postmortem]
) -> None:
    report = make_report(page)
    edit_postmortem(report, due_on=None, author=author)
    edit_action_item(report.action_items.get(), due_on=date(2026, 10, 24), author=author)
    for day in (24, 25, 26):  # in the night of the 25th, clocks in Rome are put back
        with time_machine.travel(datetime(2026, 10, day, 9, tzinfo=page.zone), tick=False):
            nudges.nudge()
    assert Nudge.objects.get().due_at == datetime(2026, 10, 24, 8, tzinfo=page.zone)


def test_what_is_done_dropped_or_published_is_nobodys_duty(
    page: Page, author: User, make_report: Callable[[Page], Postmortem]
) -> None:
    report = make_report(page)
    item = report.action_items.get()
    noon = datetime(2026, 3, 13, 12, tzinfo=UTC)
    assert nudged(noon) == ["action_due", "postmortem_due"]
    move_action_item(item, state=ActionItem.State.IN_PROGRESS, author=author)
    assert nudged(noon) == ["action_due", "postmortem_due"]
    move_action_item(item, state=ActionItem.State.DONE, evidence="It took 20 minutes.", author=author)
    assert nudged(noon) == ["postmortem_due"]
    edit_postmortem(report, due_on=FRIDAY + timedelta(days=1), author=author)
    assert nudged(noon) == []
    assert nudged(noon + timedelta(days=1)) == ["postmortem_due"]
    edit_postmortem(report, due_on=None, author=author)
    assert nudged(noon + timedelta(days=1)) == []


def test_nothing_on_a_deleted_page_is_anybodys_duty(
    page: Page, incident: Incident, author: User, admin: User, make_report: Callable[[Page], Postmortem]
) -> None:
    make_report(page)
    at = record_time() + timedelta(hours=1)
    facts: Any = {"components": (), "next_update": None, "notify": True}
    plan_update(incident, due_at=at, status=IDENTIFIED, body="It holds.", author=author, **facts)
    say(incident, author, MONITORING)
    with time_machine.travel(at, tick=False):
        post_due()
    assert {str(duty.key) for duty in duties() if duty.rows.exists()} >= {
        "action_due",
        "planned_held",
        "postmortem_due",
        "watched_long",
    }
    catalogue.delete_page(page, author=admin)
    assert [duty.key for duty in duties() if duty.rows.exists()] == []


def test_what_was_due_weeks_ago_is_nudged_no_more(page: Page, make_report: Callable[[Page], Postmortem]) -> None:
    make_report(page)
    due = datetime(2026, 3, 13, 12, tzinfo=UTC)
    assert nudged(due + timedelta(days=13)) == ["action_due", "postmortem_due"]
    assert nudged(due + timedelta(days=15)) == []


def test_an_incident_is_watched_from_when_it_was_first_said_to_be(incident: Incident, author: User) -> None:
    """However long its cause was known before that."""
    noon = datetime(2026, 3, 10, 12, tzinfo=UTC)
    hour = timedelta(hours=1)

    def watched(at: datetime) -> bool:
        return "watched_long" in nudged(at)

    with time_machine.travel(noon, tick=False) as clock:
        say(incident, author, IDENTIFIED)
        clock.move_to(noon + 3 * hour)
        say(incident, author, MONITORING)
        clock.move_to(noon + 5 * hour)
        say(incident, author, MONITORING)
    assert not watched(noon + 6.5 * hour)
    assert watched(noon + 7.5 * hour)


@pytest.mark.long
def test_all_duties_take_as_many_queries_however_much_there_is(
    page: Page, author: User, make_report: Callable[[Page], Postmortem]
) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            for duty in duties():
                list(duty.rows)
        return len(captured)

    make_report(page)
    few = queries()
    for _ in range(10):
        make_report(page)
        say(declare_incident(page, title="Quiet", author=author), author, MONITORING)
    assert queries() == few


def test_what_is_over_and_left_a_component_down_is_a_duty_while_it_is_so(
    page: Page, make_component: Callable[..., Component], author: User
) -> None:
    api, search = make_component("API"), make_component("Search")
    incident = declare_incident(page, title="Errors", author=author)
    down = [(api, ComponentStatus.MAJOR_OUTAGE), (search, ComponentStatus.PARTIAL_OUTAGE)]
    post_update(incident, status=IDENTIFIED, body="Down.", author=author, components=down, notify=False)
    update = post_update(incident, status=RESOLVED, body="Over.", author=author, notify=False)
    assert [str(each) for each in update.left_down] == ["API", "Search"]
    later = update.created_at + timedelta(minutes=11)
    assert nudged(later) == ["left_down"]
    catalogue.set_component_status(api, status=ComponentStatus.OPERATIONAL, author=author)
    assert nudged(later) == ["left_down"]
    # Another one has the last word about it.
    other = declare_incident(page, title="Slow", author=author)
    slow = [(search, ComponentStatus.DEGRADED_PERFORMANCE)]
    post_update(other, status=IDENTIFIED, body="Slow.", author=author, components=slow, notify=False)
    assert nudged(later) == []
    up = [(search, ComponentStatus.OPERATIONAL)]
    update = post_update(other, status=RESOLVED, body="Over.", author=author, components=up, notify=False)
    assert update.left_down == []
    assert nudged(later) == []
