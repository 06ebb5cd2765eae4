"""Numbers that programs push, and the charts that the clock draws of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree as ET

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from incidents import metrics
from incidents.errors import InvalidInput
from incidents.models import Metric, MetricPoint, Page, User
from status import relay
from status.publication import files, publishing
from tests.incidents.html_forms import filled

pytestmark = pytest.mark.both

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def metric(page: Page, admin: User) -> Metric:
    return metrics.create_metric(page, name="Response time", suffix="ms", author=admin)


def drawn(metric: Metric) -> str:
    return (files.folder(metric.page.public_id) / f"charts/{metric.public_id}.svg").read_text()


def test_the_last_value_of_each_minute_is_kept(metric: Metric, author: User) -> None:
    with time_machine.travel(NOON + 5 * MINUTE):
        metrics.add_points({metric: {NOON: 1, NOON + timedelta(seconds=40): 2, NOON + MINUTE: 3}}, author=author)
        metrics.add_points({metric: {NOON + MINUTE: 4}}, author=author)
    assert list(metric.points.order_by("at").values_list("at", "value")) == [(NOON, 2), (NOON + MINUTE, 4)]
    metric.feed.refresh_from_db()
    assert metric.feed.newest_at == NOON + MINUTE


@pytest.mark.parametrize(
    ("at", "value"),
    [
        (NOON + 10 * MINUTE, 1.0),
        (NOON - timedelta(days=32), 1.0),
        (NOON, float("nan")),
        (NOON, float("inf")),
    ],
)
def test_what_is_no_measurement_is_refused_and_nothing_is_kept(
    metric: Metric, author: User, at: datetime, value: float
) -> None:
    with time_machine.travel(NOON), pytest.raises(InvalidInput):
        metrics.add_points({metric: {NOON - MINUTE: 1, at: value}}, author=author)
    assert not MetricPoint.objects.exists()


def test_the_clock_draws_what_came_and_nothing_else(page: Page, metric: Metric, author: User) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        publishing.publish(page)
        index = (files.folder(page.public_id) / "index.html").read_text()
        assert f'src="/charts/{metric.public_id}.svg"' in index
        assert "No data yet." in drawn(metric)
        assert relay.draw() == 0
        for back in range(30):
            metrics.add_points({metric: {NOON - back * MINUTE: 1200 + back}}, author=author)
        assert relay.draw() == 1
        assert "The newest value is 1,200 ms." in drawn(metric)
        assert "Mar 10, 13:00</text>" in drawn(metric), "in the page's zone"
        assert relay.draw() == 0
        assert (files.folder(page.public_id) / "index.html").read_text() == index
        assert publishing.differences(page) == []
        clock.shift(60)
        metrics.clear_points(metric, author=User.objects.get(username="ada"))
        assert relay.draw() == 1
        assert "No data yet." in drawn(metric)
        metrics.delete_metric(metric, author=User.objects.get(username="ada"))
        publishing.publish(page)
        assert not (files.folder(page.public_id) / f"charts/{metric.public_id}.svg").exists()


def test_a_silence_is_a_gap_in_the_chart(page: Page, metric: Metric, author: User) -> None:
    with time_machine.travel(NOON, tick=False):
        publishing.publish(page)
        points = {NOON - back * MINUTE: 5 for back in (0, 5, 10, 60, 65, 70)}
        metrics.add_points({metric: points}, author=author)
        relay.draw()
    line = ET.fromstring(drawn(metric)).find("{*}g/{*}path")
    assert line is not None
    assert (line.attrib["d"].count("M"), line.attrib["d"].count("L")) == (2, 4)


def test_drawing_costs_the_same_whatever_the_page_has_and_had(
    page: Page, metric: Metric, author: User, admin: User
) -> None:
    def queries(at: datetime) -> int:
        with time_machine.travel(at, tick=False):
            metrics.add_points({metric: {at - back * MINUTE: 1 for back in range(5)}}, author=author)
            with CaptureQueriesContext(connection) as captured:
                assert relay.draw() == 1
        return len(captured)

    with time_machine.travel(NOON):
        publishing.publish(page)
    few = queries(NOON)
    with time_machine.travel(NOON):
        metrics.add_points({metric: {NOON - back * MINUTE: 1 for back in range(1440)}}, author=author)
    assert queries(NOON + MINUTE) == few


def test_old_points_are_dropped_by_the_clock(metric: Metric, author: User) -> None:
    with time_machine.travel(NOON):
        metrics.add_points({metric: {NOON: 1}}, author=author)
        assert metrics.drop_old_points() == 0
    with time_machine.travel(NOON + timedelta(days=32)):
        assert metrics.drop_old_points() == 1


def test_staff_keep_metrics_and_the_look_of_the_embed(client: Client, page: Page, admin: User) -> None:
    client.force_login(admin)
    add = "/admin/incidents/metric/add/"
    client.post(add, filled(client.get(add), name="Errors", page=page.pk, suffix="%"))
    assert Metric.objects.get().feed.newest_at is None
    assert "Errors" in client.get("/admin/incidents/metric/").text
    client.post(f"/admin/incidents/metric/{Metric.objects.get().pk}/delete/", {"post": "yes"})
    assert Metric.objects.get().deleted_at is not None
    add = "/admin/incidents/embedconfig/add/"
    typed = filled(client.get(add), page=page.pk, incident_text="red")
    assert "Write a colour like #1f56d0." in client.post(add, typed).text
    client.post(add, typed | {"incident_text": "#ff0000"})
    assert page.embed_config.incident_text == "#ff0000"
