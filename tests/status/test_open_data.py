"""The complete history as files that anybody can take away, true after every publication."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext

from incidents import catalogue
from incidents.incidents import backfill_incident, declare_incident, delete_incident, post_update, withdraw_update
from incidents.lifecycle import ComponentStatus, IncidentStatus
from incidents.models import Component, Page, User
from status import projection
from status.publication import files
from status.publication.publishing import differences, publish

pytestmark = pytest.mark.long

UP, MAJOR, PARTIAL = ComponentStatus.OPERATIONAL, ComponentStatus.MAJOR_OUTAGE, ComponentStatus.PARTIAL_OUTAGE
INVESTIGATING, RESOLVED = IncidentStatus.INVESTIGATING, IncidentStatus.RESOLVED
JULY = datetime(2026, 7, 10, 12, tzinfo=UTC)


@pytest.fixture
def in_july() -> Any:
    with time_machine.travel(JULY, tick=False) as clock:
        yield clock


@pytest.fixture
def api(in_july: Any, component: Component, admin: User) -> Component:
    catalogue.edit_component(component, showcase=True, start_date=JULY.date().replace(day=1), author=admin)
    return component


def read(page: Page, path: str) -> bytes:
    return (files.folder(page.public_id) / path.lstrip("/")).read_bytes()


def data(page: Page, month: str) -> Any:
    return json.loads(read(page, f"data/{month}.json"))


def index(page: Page) -> dict[str, list[dict[str, Any]]]:
    return {row["month"]: row["files"] for row in json.loads(read(page, "data/index.json"))["months"]}


def outage(page: Page, component: Component, author: User, clock: Any, **lasts: float) -> None:
    row = declare_incident(page, title="Errors", author=author)
    post_update(row, status=INVESTIGATING, body="Looking.", author=author, components=[(component, MAJOR)])
    clock.shift(timedelta(**lasts))
    post_update(row, status=RESOLVED, body="Over.", author=author, components=[(component, UP)])


def test_a_month_has_its_incidents_intervals_and_uptime_in_two_forms(
    page: Page, api: Component, author: User, in_july: Any
) -> None:
    outage(page, api, author, in_july, minutes=62)
    publish(page)
    july = data(page, "2026-07")
    assert [[u["status"] for u in each["updates"]] for each in july["incidents"]] == [["investigating", "resolved"]]
    assert july["component_intervals"] == [
        {
            "component_id": api.public_id,
            "component_name": "API",
            "status": "major_outage",
            "begin": "2026-07-10T12:00:00.000Z",
            "end": "2026-07-10T13:02:00.000Z",
        }
    ]
    (uptime,) = july["uptime"]
    assert (uptime["first_day"], uptime["last_day"]) == ("2026-07-01", "2026-07-10")
    assert uptime["seconds"]["major_outage"] == 62 * 60
    assert uptime["uptime"] == pytest.approx(1 - 62 * 60 / (10 * 86400))
    assert "0.3 * seconds.partial_outage" in july["uptime_formula"]
    lines = [json.loads(line) for line in read(page, "data/2026-07.ndjson").splitlines()]
    kinds = {"incident": 1, "incident_update": 2, "component_interval": 1, "uptime": 1}
    assert Counter(line["type"] for line in lines) == kinds


def test_the_index_has_the_hash_and_size_of_each_file(page: Page, api: Component, author: User, in_july: Any) -> None:
    backfill_incident(page, title="Long ago", body="It was so.", at=JULY - timedelta(days=80), author=author)
    publish(page)
    outage(page, api, author, in_july, minutes=5)
    publish(page)
    assert list(index(page)) == ["2026-04", "2026-05", "2026-06", "2026-07"]
    for listed in index(page).values():
        for file in listed:
            content = read(page, file["path"])
            assert (file["bytes"], file["sha256"]) == (len(content), sha256(content).hexdigest())


def test_what_lasts_over_midnight_of_the_month_is_in_both_months(
    page: Page, api: Component, author: User, in_july: Any
) -> None:
    row = declare_incident(page, title="Errors", author=author)
    in_july.move_to(datetime(2026, 7, 31, 21, tzinfo=UTC))  # 23:00 in Rome
    post_update(row, status=INVESTIGATING, body="Looking.", author=author, components=[(api, MAJOR)])
    publish(page)
    assert data(page, "2026-07")["component_intervals"][0]["end"] is None
    in_july.move_to(datetime(2026, 8, 2, 8, tzinfo=UTC))
    publish(page)  # nothing was said: a new day alone
    midnight = "2026-07-31T22:00:00.000Z"
    assert data(page, "2026-07")["component_intervals"][0]["end"] == midnight
    assert data(page, "2026-07")["uptime"][0]["seconds"]["major_outage"] == 3600
    (still,) = data(page, "2026-08")["component_intervals"]
    assert (still["begin"], still["end"]) == (midnight, None)
    assert differences(page) == []


@pytest.mark.slow
def test_a_past_that_is_corrected_is_written_anew_and_nothing_else(
    page: Page, api: Component, author: User, in_july: Any
) -> None:
    backfill_incident(page, title="Long ago", body="It was so.", at=JULY - timedelta(days=80), author=author)
    old = declare_incident(page, title="Slips in June", author=author)
    post_update(
        old,
        status=INVESTIGATING,
        body="Looking.",
        display_at=JULY - timedelta(days=20),
        author=author,
        components=[(api, PARTIAL)],
    )
    publish(page)
    before = index(page)
    corrected = {"effective_at": JULY - timedelta(days=30), "ended_at": JULY - timedelta(days=29)}
    catalogue.set_component_status(api, status=MAJOR, author=author, reason="Found later", **corrected)
    publish(page)
    assert [month for month in before if index(page)[month] != before[month]] == ["2026-06"]
    assert differences(page) == []
    withdraw_update(old.updates.get(), author=author)
    publish(page)
    assert not data(page, "2026-07")["component_intervals"]
    assert differences(page) == []


def test_a_history_that_becomes_shorter_loses_its_first_months(page: Page, author: User, in_july: Any) -> None:
    long_ago = backfill_incident(page, title="Long ago", body="So.", at=JULY - timedelta(days=80), author=author)
    publish(page)
    assert "2026-04" in index(page)
    delete_incident(long_ago, author=author, reason="Another company's")
    publish(page)
    assert list(index(page)) == ["2026-07"]
    assert not (files.folder(page.public_id) / "data/2026-05.ndjson").exists()
    assert differences(page) == []


@pytest.mark.slow
def test_a_lost_index_is_made_again(page: Page, api: Component, author: User, in_july: Any) -> None:
    backfill_incident(page, title="Long ago", body="So.", at=JULY - timedelta(days=80), author=author)
    publish(page)
    (files.folder(page.public_id) / "data/index.json").write_text("[broken")
    outage(page, api, author, in_july, minutes=5)
    publish(page)
    assert differences(page) == []


def test_components_that_show_no_uptime_have_no_intervals(
    page: Page, api: Component, author: User, admin: User, in_july: Any
) -> None:
    catalogue.edit_component(api, showcase=False, author=admin)
    outage(page, api, author, in_july, minutes=5)
    publish(page)
    july = data(page, "2026-07")
    assert (july["component_intervals"], july["uptime"]) == ([], [])
    assert july["incidents"][0]["updates"][0]["components"][0]["id"] == api.public_id


def test_a_month_takes_as_many_queries_whatever_is_in_it(
    page: Page, api: Component, author: User, in_july: Any
) -> None:
    def queries() -> int:
        reader = projection.Reader(page, projection.today(page))
        with CaptureQueriesContext(connection) as captured:
            reader.record(reader.month("2026-07"))
        return len(captured)

    outage(page, api, author, in_july, minutes=5)
    few = queries()
    for _ in range(5):
        outage(page, api, author, in_july, minutes=5)
    assert queries() == few
