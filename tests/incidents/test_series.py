"""Maintenance that repeats: its dates by the rule, in the page's zone, and its occurrences as rows of their own."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st

from incidents.errors import InvalidInput, InvalidTransition
from incidents.incidents import edit_incident, post_update
from incidents.lifecycle import IncidentStatus
from incidents.maintenance import clockwork, recurrence
from incidents.maintenance.plans import cancel_maintenance, move_maintenance, plan_maintenance, schedule_maintenance
from incidents.maintenance.series import (
    AHEAD,
    cancel_following,
    make_ahead,
    move_following,
    repeat_maintenance,
    upcoming,
)
from incidents.models import Component, Incident, MaintenancePlan, MaintenanceSeries, OutboxEvent, Page, User
from tests.rows import refused

pytestmark = pytest.mark.long

ROME = ZoneInfo("Europe/Rome")
Repeat = Callable[..., MaintenanceSeries]


def rome(year: int, month: int, day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(year, month, day, hour, minute, tzinfo=ROME).astimezone(UTC)


@pytest.fixture
def repeat(page: Page, component: Component, author: User) -> Repeat:
    """A series whose first occurrence is from `start` to `end`, announced the day before."""

    def make(start: datetime, end: datetime, rule: str, **facts: Any) -> MaintenanceSeries:
        facts = {"components": [component], "starts_by_itself": True, "ends_by_itself": True, **facts}
        with time_machine.travel(start - timedelta(days=1), tick=False):
            first = schedule_maintenance(
                page, title="Backup", body="We test it.", scheduled_for=start, scheduled_until=end, author=author,
                **facts,
            )  # fmt: skip
            return repeat_maintenance(first, rule=rule, author=author)

    return make


def windows(series: MaintenanceSeries) -> list[str]:
    """The windows of its occurrences as a clock on the wall in Rome shows them."""
    plans = series.plans.order_by("occurrence")
    return [
        f"{plan.scheduled_for.astimezone(ROME):%m-%d %H:%M %Z} - {plan.scheduled_until.astimezone(ROME):%H:%M %Z}"
        for plan in plans
    ]


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        (
            (2026, 10, 18),
            ["10-18 01:00 CEST - 05:00 CEST", "10-25 01:00 CEST - 05:00 CET", "11-01 01:00 CET - 05:00 CET"],
        ),
        (
            (2027, 3, 21),
            ["03-21 01:00 CET - 05:00 CET", "03-28 01:00 CET - 05:00 CEST", "04-04 01:00 CEST - 05:00 CEST"],
        ),
    ],
)
def test_it_keeps_its_local_time_when_clocks_change(
    start: tuple[int, int, int], expected: list[str], repeat: Repeat
) -> None:
    series = repeat(rome(*start, 1), rome(*start, 5), "FREQ=WEEKLY;BYDAY=SU")
    assert windows(series) == expected
    lasts = [plan.scheduled_until - plan.scheduled_for for plan in series.plans.order_by("occurrence")]
    assert lasts[1] - lasts[0] == timedelta(hours=1 if start[1] == 10 else -1)


@pytest.mark.slow
def test_a_time_that_clocks_leave_out_is_an_hour_later_and_one_that_comes_twice_is_the_first(repeat: Repeat) -> None:
    spring = repeat(rome(2027, 3, 27, 2, 30), rome(2027, 3, 27, 2, 50), "FREQ=DAILY")
    assert windows(spring) == [
        "03-27 02:30 CET - 02:50 CET",
        "03-28 03:30 CEST - 03:50 CEST",
        "03-29 02:30 CEST - 02:50 CEST",
    ]
    autumn = repeat(rome(2026, 10, 24, 2, 30), rome(2026, 10, 24, 2, 50), "FREQ=DAILY")
    assert windows(autumn)[1] == "10-25 02:30 CEST - 02:50 CEST"
    assert windows(autumn)[2] == "10-26 02:30 CET - 02:50 CET"


def test_an_end_that_clocks_would_put_before_the_start_is_as_long_after_it_as_on_other_days(repeat: Repeat) -> None:
    series = repeat(rome(2027, 3, 27, 2, 30), rome(2027, 3, 27, 3, 15), "FREQ=DAILY")
    assert windows(series)[1] == "03-28 03:30 CEST - 04:15 CEST"


@pytest.mark.slow
def test_the_clock_makes_the_next_one_when_one_begins_each_like_the_one_before_it(
    repeat: Repeat, component: Component, author: User
) -> None:
    series = repeat(rome(2026, 10, 18, 1), rome(2026, 10, 18, 5), "FREQ=WEEKLY", reminders=[30])
    last = series.plans.order_by("occurrence").last()
    assert last
    with time_machine.travel(rome(2026, 10, 18, 0), tick=False) as clock:
        edit_incident(last.incident, title="Backup test", author=author)
        plan_maintenance(last.incident, tells_at_start=False, author=author)
        clock.move_to(rome(2026, 10, 18, 0, 30))
        assert clockwork.advance() == 1  # the reminder
        clock.move_to(rome(2026, 10, 18, 1))
        assert clockwork.advance() == 2  # the start, and the next one
        assert clockwork.advance() == 0
    made = series.plans.order_by("occurrence").last()
    assert made
    assert (made.occurrence, made.incident.title, made.tells_at_start) == ("20261108T010000", "Backup test", False)
    assert list(made.incident.components()) == [component]
    assert [row.minutes for row in made.reminders.all()] == [30]
    update = made.incident.updates.get()
    assert (update.body, update.author.username, update.deliver_notifications) == ("We test it.", "clock", False)


def test_subscribers_are_notified_of_the_first_one_only(repeat: Repeat) -> None:
    series = repeat(rome(2026, 10, 18, 1), rome(2026, 10, 18, 5), "FREQ=WEEKLY")
    events = OutboxEvent.objects.filter(incident__plan__series=series, notify=True)
    assert [event.incident and event.incident.plan.occurrence for event in events] == ["20261018T010000"]


@pytest.mark.slow
def test_a_clock_that_was_away_for_weeks_makes_none_that_is_past(repeat: Repeat) -> None:
    series = repeat(rome(2026, 10, 18, 1), rome(2026, 10, 18, 5), "FREQ=WEEKLY", reminders=())
    with time_machine.travel(rome(2027, 1, 1, 12), tick=False):
        clockwork.advance()
        assert clockwork.advance() == 0
    made = list(series.plans.order_by("occurrence").values_list("occurrence", flat=True))
    assert made[AHEAD:] == ["20270103T010000", "20270110T010000", "20270117T010000"]
    done = Incident.objects.filter(plan__series=series, status=IncidentStatus.COMPLETED)
    assert done.count() == AHEAD  # those that were known took place


def test_a_series_ends_where_its_rule_does(repeat: Repeat) -> None:
    series = repeat(rome(2026, 10, 18, 1), rome(2026, 10, 18, 5), "FREQ=WEEKLY;COUNT=2")
    assert series.plans.count() == 2
    with time_machine.travel(rome(2026, 11, 1, 1), tick=False):
        clockwork.advance()
        series.refresh_from_db()
        assert (series.plans.count(), series.due_at, upcoming(series, 5)) == (2, None, [])


@pytest.mark.slow
def test_one_is_moved_and_the_others_stay(repeat: Repeat, author: User) -> None:
    series = repeat(rome(2026, 10, 18, 1), rome(2026, 10, 18, 5), "FREQ=WEEKLY")
    second = series.plans.order_by("occurrence")[1].incident
    with time_machine.travel(rome(2026, 10, 18, 0), tick=False):
        later: dict[str, Any] = {"scheduled_for": rome(2026, 10, 26, 1), "scheduled_until": rome(2026, 10, 26, 2)}
        move_maintenance(second, **later, body="A day later.", author=author)
        assert [each[:5] for each in windows(series)] == ["10-18", "10-26", "11-01"]
        series.due_at = datetime.now(UTC)
        assert make_ahead(series, author=author) == 0  # it is not made again at its old time


@pytest.mark.slow
def test_all_that_follow_are_moved_by_as_much_and_announced_once(repeat: Repeat, author: User) -> None:
    series = repeat(rome(2026, 10, 18, 1), rome(2026, 10, 18, 5), "FREQ=WEEKLY;BYDAY=SU", reminders=())
    second = series.plans.order_by("occurrence")[1].incident
    with time_machine.travel(rome(2026, 10, 18, 0), tick=False) as clock:
        later: dict[str, Any] = {"scheduled_for": rome(2026, 10, 26, 3), "scheduled_until": rome(2026, 10, 26, 4)}
        move_following(second, **later, body="Mondays from now on.", author=author)
        expected = [
            "10-18 01:00 CEST - 05:00 CEST",
            "10-26 03:00 CET - 04:00 CET",
            "11-02 03:00 CET - 04:00 CET",
        ]
        assert windows(series) == expected
        events = OutboxEvent.objects.filter(update__body="Mondays from now on.", notify=True)
        assert [event.incident for event in events] == [second]
        clock.move_to(rome(2026, 10, 19, 3))
        clockwork.advance()
    assert windows(series) == [*expected, "11-09 03:00 CET - 04:00 CET"]
    assert set(series.plans.values_list("sequence", flat=True)) == {0, 1}


def test_all_that_follow_are_cancelled_and_announced_once(repeat: Repeat, author: User) -> None:
    series = repeat(rome(2026, 10, 18, 1), rome(2026, 10, 18, 5), "FREQ=WEEKLY", reminders=())
    first, second, third = (plan.incident for plan in series.plans.order_by("occurrence"))
    with time_machine.travel(rome(2026, 10, 18, 0), tick=False) as clock:
        cancel_following(second, body="No more.", author=author)
        assert set(MaintenancePlan.objects.exclude(cancelled_at=None)) == {second.plan, third.plan}
        assert OutboxEvent.objects.filter(update__body="No more.", notify=True).count() == 1
        clock.move_to(rome(2026, 11, 30, 1))
        clockwork.advance()
    first.refresh_from_db()
    assert first.status == IncidentStatus.COMPLETED
    assert series.plans.count() == AHEAD


@pytest.mark.slow
def test_one_that_is_cancelled_is_not_made_again(repeat: Repeat, author: User) -> None:
    series = repeat(rome(2026, 10, 18, 1), rome(2026, 10, 18, 5), "FREQ=WEEKLY", reminders=())
    third = series.plans.order_by("occurrence")[2].incident
    with time_machine.travel(rome(2026, 10, 18, 0), tick=False) as clock:
        cancel_maintenance(third, body="Not that Sunday.", author=author)
        clock.move_to(rome(2026, 10, 26, 0))
        clockwork.advance()
    assert [each[:5] for each in windows(series)] == ["10-18", "10-25", "11-01", "11-08", "11-15"]


@pytest.mark.slow
def test_what_does_not_repeat_or_has_begun_has_none_that_follow(repeat: Repeat, page: Page, author: User) -> None:
    series = repeat(rome(2026, 10, 18, 1), rome(2026, 10, 18, 5), "FREQ=WEEKLY")
    first = series.plans.order_by("occurrence")[0].incident
    with time_machine.travel(rome(2026, 10, 18, 1), tick=False):
        with refused(InvalidTransition, "repeats already"):
            repeat_maintenance(first, rule="FREQ=DAILY", author=author)
        post_update(first, status=IncidentStatus.IN_PROGRESS, body="Now.", author=author)
        with refused(InvalidTransition, "has begun or is over"):
            cancel_following(first, body="No.", author=author)
        start = rome(2026, 12, 1, 1)
        single = schedule_maintenance(
            page, title="Once", body="Once.", scheduled_for=start, scheduled_until=start + timedelta(hours=1),
            author=author,
        )  # fmt: skip
        with refused(InvalidTransition, "does not repeat"):
            cancel_following(single, body="No.", author=author)


# --- The rule itself --------------------------------------------------------------------------------------------------
START = rome(2026, 10, 18, 1)


@pytest.mark.slow
@pytest.mark.parametrize(
    "rule",
    [
        "",
        "every day",
        "FREQ=SECONDLY",
        "FREQ=WEEKLY;BYDAY=XX",
        "FREQ=WEEKLY;INTERVAL=0",
        "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
        "DTSTART:20261018T010000 RRULE:FREQ=DAILY",
        "FREQ=DAILY;UNTIL=soon",
        "FREQ=DAILY\x00",
    ],
)
def test_a_rule_that_makes_no_sense_is_refused_at_its_field(rule: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        recurrence.parse(rule, START, ROME)
    assert refusal.value.field == "rule"


@given(st.text("FREQ=DAILYWKMOTHNBS;,0123456789-UX", max_size=40))
def test_whatever_is_typed_is_a_rule_or_refused(text: str) -> None:
    try:
        rule = recurrence.parse("FREQ=DAILY;" + text, START, ROME)
    except InvalidInput:
        return
    assert next(iter(rule)) >= recurrence.local(START, ROME)


def test_an_end_in_utc_is_one_in_local_time() -> None:
    rule = recurrence.parse("RRULE:FREQ=DAILY;UNTIL=20261019T230000Z", START, ROME)
    assert [f"{wall:%d %H}" for wall in rule] == ["18 01", "19 01", "20 01"]
