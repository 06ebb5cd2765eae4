"""Times as people type them, and what they mean in their zone."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incidents.errors import InvalidInput
from portal.console.forms.typed_times import TypedTime, parse

ROME = ZoneInfo("Europe/Rome")
NOW = datetime(2023, 1, 17, 16, 45, 30, tzinfo=UTC)  # 17:45:30 in Rome
EARLY = datetime(2023, 1, 16, 23, 10, tzinfo=UTC)  # ten past midnight in Rome


def at(hour: int, minute: int, second: int = 0, day: int = 17) -> datetime:
    return datetime(2023, 1, day, hour, minute, second, tzinfo=UTC)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("", TypedTime(NOW)),
        ("now", TypedTime(NOW)),
        ("17:05", TypedTime(at(16, 5))),
        (" 17.05 ", TypedTime(at(16, 5))),
        ("17h05", TypedTime(at(16, 5))),
        ("9:05", TypedTime(at(8, 5))),
        ("5:05pm", TypedTime(at(16, 5))),
        ("5:05 p.m.", TypedTime(at(16, 5))),
        ("5 PM", TypedTime(at(16, 0))),
        ("12:05am", TypedTime(at(23, 5, day=16))),
        ("12pm", TypedTime(at(11, 0))),
        ("16:05 UTC", TypedTime(at(16, 5))),
        ("16:05Z", TypedTime(at(16, 5))),
        ("17:48", TypedTime(at(16, 48))),  # a clock that is a little fast
        ("18:30", TypedTime(at(17, 30, day=16))),  # not yet today, so yesterday
        ("5 min ago", TypedTime(at(16, 40, 30))),
        ("5m ago", TypedTime(at(16, 40, 30))),
        ("90 sec ago", TypedTime(at(16, 44))),
        ("an hour ago", TypedTime(at(15, 45, 30))),
        ("1h 30m ago", TypedTime(at(15, 15, 30))),
        ("1 hour and 5 minutes ago", TypedTime(at(15, 40, 30))),
        ("2 days ago", TypedTime(at(16, 45, 30, day=15))),
        ("about 17:05", TypedTime(at(16, 5), is_approximate=True)),
        ("~17:05", TypedTime(at(16, 5), is_approximate=True)),
        ("around 10 min ago", TypedTime(at(16, 35, 30), is_approximate=True)),
        ("17:05-17:20", TypedTime(at(16, 5), at(16, 20))),
        ("17:05 – 17:20", TypedTime(at(16, 5), at(16, 20))),
        ("17:05 to 17:20", TypedTime(at(16, 5), at(16, 20))),
        ("16:05..16:20 UTC", TypedTime(at(16, 5), at(16, 20))),
        ("5pm-5:20pm", TypedTime(at(16, 0), at(16, 20))),
        ("20 min ago to now", TypedTime(at(16, 25, 30), NOW)),
        ("20 min ago - 5 min ago", TypedTime(at(16, 25, 30), at(16, 40, 30))),
        ("23:50-00:10", TypedTime(at(22, 50, day=16), at(23, 10, day=16))),
        ("yesterday 17:05", TypedTime(at(16, 5, day=16))),
        ("today 17:05", TypedTime(at(16, 5))),
        ("2023-01-10 17:05", TypedTime(at(16, 5, day=10))),
        ("2023-01-10T17:05", TypedTime(at(16, 5, day=10))),
        ("2023-01-10 23:50-00:10", TypedTime(at(22, 50, day=10), at(23, 10, day=10))),
        ("2022-07-10 17:05", TypedTime(datetime(2022, 7, 10, 15, 5, tzinfo=UTC))),  # CEST
    ],
)
def test_a_time_means_what_the_person_typing_means(typed: str, meant: TypedTime) -> None:
    assert parse(typed, NOW, ROME) == meant


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("23:50", TypedTime(at(22, 50, day=16))),
        ("23:50-00:05", TypedTime(at(22, 50, day=16), at(23, 5, day=16))),
        ("00:05", TypedTime(at(23, 5, day=16))),
        ("yesterday 23:50", TypedTime(at(22, 50, day=16))),
    ],
)
def test_after_midnight_the_evening_was_yesterday(typed: str, meant: TypedTime) -> None:
    assert parse(typed, EARLY, ROME) == meant


@pytest.mark.parametrize(
    "typed",
    ["16", "25:00", "17:60", "13pm", "soon", "5 parsecs ago", "17:05-", "-17:05", "17:05-17:10-17:20", "0:05 am pm",
     "2023-02-30 17:05", "99999999999 days ago", "٣:٠٥ x", "17:05 CET", "ago", "yesterday", "9" * 400],
)  # fmt: skip
def test_what_is_no_time_is_refused_with_a_sentence(typed: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse(typed, NOW, ROME)
    assert refused.value.field == "when"


def test_the_hour_that_was_skipped_is_refused_and_the_doubled_one_is_the_later() -> None:
    with pytest.raises(InvalidInput, match="did not exist"):
        parse("2023-03-26 02:30", NOW.replace(month=6), ROME)
    afterwards = datetime(2023, 10, 29, 12, tzinfo=UTC)
    assert parse("02:30", afterwards, ROME).start == datetime(2023, 10, 29, 1, 30, tzinfo=UTC)
    between = datetime(2023, 10, 29, 0, 40, tzinfo=UTC)  # 02:40, the first time
    assert parse("02:30", between, ROME).start == datetime(2023, 10, 29, 0, 30, tzinfo=UTC)


@pytest.mark.long
@given(st.text(max_size=30))
def test_anything_typed_is_a_time_or_a_sentence(typed: str) -> None:
    try:
        moment = parse(typed, NOW, ROME)
    except InvalidInput:
        return
    assert moment.end is None or moment.start < moment.end
