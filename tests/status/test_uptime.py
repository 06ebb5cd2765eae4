"""Uptime by Statuspage's formula, from the log of a component's statuses."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import time_machine
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from incidents import catalogue
from incidents.lifecycle import ComponentStatus
from incidents.models import Page, User
from status.projection import BAR_DAYS, Reader
from status.rendering import snapshot
from status.rendering.uptime import Change, uptime

ROME = ZoneInfo("Europe/Rome")
DAY = date(2026, 6, 10)
HOUR, MINUTE = 3600, 60
WEIGHTS = {"major_outage": 1.0, "partial_outage": 0.3, "degraded_performance": 0.0, "under_maintenance": 0.0}


def rome(day: date, hour: int = 0, minute: int = 0) -> datetime:
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=ROME).astimezone(UTC)


def reckon(
    changes: Sequence[tuple[datetime, str]],
    *,
    first: date = DAY,
    today: date = DAY,
    counts_from: date = DAY,
    as_of: datetime | None = None,
) -> snapshot.Uptime:
    log = [Change(rome(first), "operational"), *(Change(at, status) for at, status in changes)]
    end = as_of or rome(today + timedelta(days=1))
    return uptime("c", log, counts_from=counts_from, first=first, today=today, as_of=end, zone=ROME)


def test_the_worked_example_28_minutes_of_partial_outage() -> None:
    """0.3 x 28 min = 504 s of 86,400 s are lost: 99.4167 % on that day, 99.9935 % over 90 days."""
    first = DAY - timedelta(days=89)
    found = reckon(
        [(rome(DAY, 17, 2), "partial_outage"), (rome(DAY, 17, 30), "operational")],
        first=first,
        counts_from=first,
    )
    day = found.days[-1]
    assert (day.date, day.partial_outage, day.major_outage) == (DAY, 28 * MINUTE, 0)
    assert day.uptime == pytest.approx(1 - 504 / 86_400)
    hours = 90 * 24 - 1  # clocks went forward in that spring
    assert found.ratio == pytest.approx(1 - 504 / (hours * HOUR))
    assert [d.uptime for d in found.days[:-1]] == [1.0] * 89


@pytest.mark.parametrize(("status", "weight"), WEIGHTS.items())
def test_each_status_weighs_what_statuspage_says(status: str, weight: float) -> None:
    found = reckon([(rome(DAY, 6), status), (rome(DAY, 12), "operational")])
    assert getattr(found.days[0], status) == 6 * HOUR
    assert found.days[0].uptime == found.ratio == pytest.approx(1 - weight * 6 / 24)


def test_what_changes_within_an_outage_is_weighed_piece_by_piece() -> None:
    found = reckon(
        [
            (rome(DAY, 10), "degraded_performance"),
            (rome(DAY, 11), "major_outage"),
            (rome(DAY, 12, 30), "partial_outage"),
            (rome(DAY, 14), "under_maintenance"),
            (rome(DAY, 15), "operational"),
        ]
    )
    day = found.days[0]
    assert (day.degraded_performance, day.major_outage) == (HOUR, 1.5 * HOUR)
    assert (day.partial_outage, day.under_maintenance) == (1.5 * HOUR, HOUR)
    assert day.uptime == pytest.approx(1 - (1.5 + 0.3 * 1.5) / 24)


def test_an_outage_over_midnight_counts_on_both_days() -> None:
    tomorrow = DAY + timedelta(days=1)
    found = reckon([(rome(DAY, 23), "major_outage"), (rome(tomorrow, 2), "operational")], today=tomorrow)
    assert [day.major_outage for day in found.days] == [HOUR, 2 * HOUR]
    assert found.ratio == pytest.approx(1 - 3 / 48)


@pytest.mark.parametrize(("day", "hours"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (DAY, 24)])
def test_a_day_is_as_long_as_the_clocks_make_it(day: date, hours: int) -> None:
    whole = reckon([(rome(day), "major_outage")], first=day, today=day, counts_from=day)
    assert whole.days[0].major_outage == hours * HOUR
    assert whole.ratio == 0
    hour = [(rome(day, 12), "major_outage"), (rome(day, 13), "operational")]
    assert reckon(hour, first=day, today=day, counts_from=day).ratio == pytest.approx(1 - 1 / hours)


def test_days_before_the_component_counts_have_no_uptime_and_do_not_weigh() -> None:
    first = DAY - timedelta(days=3)
    found = reckon(
        [(rome(first), "major_outage"), (rome(DAY, 6), "operational")],
        first=first,
        counts_from=DAY - timedelta(days=1),
    )
    assert [day.uptime for day in found.days] == [None, None, 0.0, pytest.approx(0.75)]
    assert found.ratio == pytest.approx(1 - 30 / 48)
    assert reckon([], counts_from=DAY + timedelta(days=1)).ratio is None


def test_an_outage_that_goes_on_counts_up_to_the_newest_fact() -> None:
    found = reckon([(rome(DAY, 10), "major_outage")], as_of=rome(DAY, 10, 45))
    assert found.days[0].major_outage == 45 * MINUTE


def test_an_outage_just_said_shows_for_a_minute() -> None:
    found = reckon([(rome(DAY, 10), "major_outage")], as_of=rome(DAY, 10))
    assert found.days[0].major_outage == MINUTE
    late = reckon([(rome(DAY, 23, 59) + timedelta(seconds=30), "major_outage")], as_of=rome(DAY, 10))
    assert late.days[0].major_outage == 30


def test_an_old_outage_that_goes_on_fills_every_whole_day_without_a_new_fact() -> None:
    first = DAY - timedelta(days=3)
    began = rome(first, 12)
    found = reckon([(began, "major_outage")], first=first, counts_from=first, as_of=began)
    assert [day.major_outage / HOUR for day in found.days] == [12, 24, 24, 0]


# --- Against a model that looks at every minute -----------------------------------------------------------------------


def by_the_minute(changes: Sequence[tuple[datetime, str]], day: date, until: datetime) -> dict[str, float]:
    """Seconds in each status on `day`: the slow and obvious way."""
    spent = dict.fromkeys(WEIGHTS, 0.0)
    instant, end = rome(day), min(rome(day + timedelta(days=1)), until)
    while instant < end:
        status = next((s for at, s in reversed(changes) if at <= instant), "operational")
        if status in spent:
            spent[status] += MINUTE
        instant += timedelta(minutes=1)
    return spent


FIRST, TODAY = date(2026, 3, 28), date(2026, 3, 30)  # with the night in which Rome's clocks go forward
NOW = rome(TODAY, 12)
Said = list[tuple[int, ComponentStatus]]
said_in_any_order = st.lists(st.tuples(st.integers(0, 59 * 60 - 1), st.sampled_from(ComponentStatus)), max_size=8)


@pytest.fixture
def old_page(admin: User) -> Page:
    """Made in the past: an outage counts up to the page's newest fact."""
    with time_machine.travel(rome(FIRST), tick=False):
        return catalogue.create_page(
            name="Acme", url="https://status.acme.example", time_zone="Europe/Rome", author=admin
        )


@pytest.mark.slow
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(said=said_in_any_order)
@example(said=[(0, ComponentStatus.MAJOR_OUTAGE)])
@example(said=[(90, ComponentStatus.MAJOR_OUTAGE), (60, ComponentStatus.PARTIAL_OUTAGE)])
@time_machine.travel(NOW, tick=False)
def test_the_page_says_what_a_clerk_counting_minutes_would(old_page: Page, admin: User, said: Said) -> None:
    """Whatever is said of a component, in whatever order: back-dated, corrected, over the change of clocks."""
    component = catalogue.create_component(old_page, name="API", start_date=FIRST, author=admin)
    log: list[tuple[datetime, str]] = []
    for minute, status in said:
        at = rome(FIRST) + timedelta(minutes=minute)
        if catalogue.set_component_status(component, status=status, author=admin, effective_at=at):
            log.append((at, status.value))
            log.sort(key=lambda entry: entry[0])  # stable: of two for one instant the later said comes last

    site = Reader(old_page, TODAY).site()
    shown = next(found for found in site.uptimes if found.component_id == component.public_id)
    assert len(shown.days) == BAR_DAYS
    lost = total = 0.0
    for day in shown.days[-3:]:
        expected = by_the_minute(log, day.date, NOW)
        assert {status: getattr(day, status) for status in WEIGHTS} == expected
        length = (rome(day.date + timedelta(days=1)) - rome(day.date)).total_seconds()
        down = sum(WEIGHTS[status] * seconds for status, seconds in expected.items())
        assert day.uptime == pytest.approx(1 - down / length)
        lost, total = lost + down, total + length
    assert shown.ratio == pytest.approx(1 - lost / total)
    assert [day.uptime for day in shown.days[:-3]] == [None] * (BAR_DAYS - 3)


@time_machine.travel(NOW, tick=False)
def test_an_outage_that_began_before_the_bars_is_known_on_the_first_of_them(old_page: Page, admin: User) -> None:
    component = catalogue.create_component(old_page, name="API", start_date=date(2020, 1, 1), author=admin)
    first = TODAY - timedelta(days=BAR_DAYS - 1)
    for at, status in [
        (rome(first) - timedelta(days=30), ComponentStatus.MAJOR_OUTAGE),
        (rome(first, 6), ComponentStatus.OPERATIONAL),
    ]:
        catalogue.set_component_status(component, status=status, author=admin, effective_at=at)
    (shown,) = Reader(old_page, TODAY).site().uptimes
    assert (shown.days[0].date, shown.days[0].major_outage) == (first, 6 * HOUR)
    assert [day.major_outage for day in shown.days[1:]] == [0.0] * (BAR_DAYS - 1)
