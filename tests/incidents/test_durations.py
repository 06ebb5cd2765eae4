"""What is measured of an incident comes from the record; what cannot be is not guessed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from incidents import durations
from incidents.durations import Measure
from incidents.incidents import declare_incident, edit_incident, post_update
from incidents.lifecycle import ComponentStatus, IncidentStatus, Severity
from incidents.models import Component, Incident, Page, User
from portal.embedded import replay
from portal.templatetags.lengths import length_words
from tests.reports import publish_report

pytestmark = [pytest.mark.long, pytest.mark.both]

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


def lengths(incident: Incident) -> dict[Measure, timedelta | None]:
    return {duration.measure: duration.length for duration in durations.of_incident(incident)}


def happened(
    page: Page, component: Component, author: User, *, lasted: int, severity: Severity = Severity.SEV2
) -> Incident:
    """One that began at noon, was noticed 2 minutes later and announced 5 minutes later, and lasted so many minutes."""
    with time_machine.travel(NOON + minutes(5), tick=False) as clock:
        incident = declare_incident(page, title=f"{lasted} minutes", severity=severity, author=author)
        text: Any = {"body": "A fault.", "author": author, "components": [(component, ComponentStatus.MAJOR_OUTAGE)]}
        post_update(incident, status=IncidentStatus.INVESTIGATING, display_at=NOON + minutes(1), **text)
        clock.shift(60)
        post_update(incident, status=IncidentStatus.IDENTIFIED, **text)
        clock.move_to(NOON + minutes(lasted + 10))
        post_update(incident, status=IncidentStatus.RESOLVED, **text)
        edit_incident(
            incident,
            author=author,
            impact_began_at=NOON,
            detected_at=NOON + minutes(2),
            acknowledged_at=NOON + minutes(3),
            impact_ended_at=NOON + minutes(lasted),
        )
        clock.shift(3600)
        publish_report(incident, body="Why.", author=author)
    return incident


@pytest.mark.slow
def test_each_measure_is_the_difference_of_two_recorded_instants(
    page: Page, component: Component, author: User
) -> None:
    assert lengths(happened(page, component, author, lasted=30)) == {
        Measure.DETECT: minutes(2),
        Measure.ACKNOWLEDGE: minutes(1),
        Measure.FIRST_WORD: minutes(5),  # shown as of 12:01, but the server's clock knows
        Measure.IDENTIFY: minutes(4),
        Measure.MITIGATE: minutes(30),
        Measure.RESOLVE: minutes(40),
        Measure.REPORT: minutes(60),
    }


@pytest.mark.slow
def test_what_is_not_recorded_or_was_reopened_has_no_length(page: Page, component: Component, author: User) -> None:
    assert set(lengths(declare_incident(page, title="New", author=author)).values()) == {None}
    incident = happened(page, component, author, lasted=30)
    post_update(incident, status=IncidentStatus.MONITORING, body="Again.", author=author)
    assert (lengths(incident)[Measure.RESOLVE], lengths(incident)[Measure.REPORT]) == (None, None)


def test_the_seed_contradicts_itself_and_says_so_until_it_is_corrected(db: None) -> None:
    replay.replay_seed("https://status.commercelayer.example")
    incident = Incident.objects.get(title=replay.TITLE)
    detect = durations.of_incident(incident)[0]
    assert (detect.measure, detect.needs_fixing, detect.length) == (Measure.DETECT, True, None)
    found = lengths(incident)
    assert found[Measure.ACKNOWLEDGE] == minutes(1)
    assert found[Measure.IDENTIFY] == minutes(19)
    assert (found[Measure.MITIGATE], found[Measure.RESOLVE]) == (minutes(28), minutes(43))
    assert found[Measure.REPORT] == timedelta(hours=45, minutes=6)
    assert found[Measure.FIRST_WORD] == minutes(0)  # by the company's clock
    author = User.objects.get(username="replay")
    edit_incident(incident, author=author, impact_began_at=datetime(2023, 1, 17, 16, 1, tzinfo=UTC))
    found = lengths(incident)
    assert (found[Measure.DETECT], found[Measure.MITIGATE], found[Measure.RESOLVE]) == (
        minutes(0),
        minutes(29),
        minutes(44),
    )


@pytest.mark.slow
def test_half_took_at_most_the_median_and_nine_of_ten_the_ninetieth_percentile(
    page: Page, component: Component, author: User
) -> None:
    for lasted in (10, 20, 30, 1000):
        happened(page, component, author, lasted=lasted)
    happened(page, component, author, lasted=7, severity=Severity.SEV1)
    found = durations.measured(Incident.objects.order_by("pk"))
    low, high = durations.spreads(Measure.MITIGATE, found, lambda one: {one.severity: one.severity})
    assert (low.label, low.count, low.median, low.p90) == ("sev1", 1, minutes(7), minutes(7))
    assert (high.label, high.count, high.median, high.p90) == ("sev2", 4, minutes(25), minutes(1000))
    (api,) = durations.spreads(Measure.MITIGATE, found, lambda one: {name: name for name in one.components})
    assert (api.label, api.count) == ("API", 5)


@pytest.mark.parametrize(
    ("length", "words"),
    [
        (minutes(0), "0 min"),
        (timedelta(seconds=95), "2 min"),
        (minutes(72), "1 h 12 min"),
        (timedelta(hours=45, minutes=6), "45 h 6 min"),
        (timedelta(days=3, hours=4), "3 d 4 h"),
    ],
)
def test_a_length_is_written_in_words(length: timedelta, words: str) -> None:
    assert length_words(length) == words


# --- Pages ------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_numbers_of_many_are_charts_with_text_and_ask_as_often_as_for_few(
    staff: Client, page: Page, component: Component, author: User
) -> None:
    def shown() -> tuple[str, int]:
        with CaptureQueriesContext(connection) as queries:
            text = staff.get("/admin/numbers/?period=all").text
        return text, len(queries)

    happened(page, component, author, lasted=20)
    shown()  # what is asked once in a process and kept does not count
    text, few = shown()
    assert "SEV 2, major" in text
    assert "20 min" in text
    assert '<svg viewBox="0 0 240 12"' in text
    for lasted in range(1, 9):
        happened(page, component, author, lasted=lasted)
    wrong = happened(page, component, author, lasted=9)
    edit_incident(wrong, author=author, detected_at=NOON - minutes(1))
    text, many = shown()
    assert many == few
    assert "9 minutes" in text
    assert "counts nowhere until one of them is corrected" in text


@pytest.mark.slow
def test_the_numbers_are_those_of_the_page_and_period_that_are_chosen(
    staff: Client, page: Page, other_page: Page, component: Component, author: User
) -> None:
    happened(page, component, author, lasted=20)
    with time_machine.travel(NOON + timedelta(days=100), tick=False):
        for query, count in {
            "": 1,
            "?period=90": 0,
            f"?page={page.pk}": 1,
            f"?page={other_page.pk}": 0,
            "?period=never": 1,
        }.items():
            assert staff.get(f"/admin/numbers/{query}").context["count"] == count, query
