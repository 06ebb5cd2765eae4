"""The last day of a metric as a drawing, whatever its numbers are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from status.rendering import charts, snapshot
from tests.status import factory

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
SVG = "{http://www.w3.org/2000/svg}"


def drawn(values: list[float], minutes: int = 1, **facts: Any) -> ET.Element:
    usual: dict[str, Any] = {
        "decimal_places": 0,
        "y_min": None,
        "y_max": None,
        "is_axis_hidden": False,
        "description": "",
    }
    points = tuple((NOON - timedelta(minutes=minutes * back), value) for back, value in enumerate(values))[::-1]
    metric = snapshot.Metric(id="b1c2d3f4g5h6", name="Latency", suffix="ms", points=points, **usual | facts)
    return ET.fromstring(charts.chart(factory.page(), metric))


def words(drawing: ET.Element) -> list[str]:
    return [each.text or "" for each in drawing.iter(f"{SVG}text")]


def strokes(drawing: ET.Element) -> list[str]:
    return [path.attrib["d"] for path in drawing.findall(f"{SVG}g/{SVG}path")]


@pytest.mark.parametrize(
    ("values", "facts", "ticks"),
    [
        ([180, 240, 850], {}, ["0", "500", "1,000"]),
        ([-5, -35], {}, ["-40", "-20", "0"]),
        ([0.1, 0.3], {}, ["0.0", "0.1", "0.2", "0.3"]),
        ([99.99], {"y_min": 99.9, "y_max": 100.0, "decimal_places": 2}, ["99.90", "99.95", "100.00"]),
        ([0.0], {}, ["0.0", "0.5", "1.0"]),
        ([5e15], {}, ["0", "2e+15", "4e+15", "6e+15"]),
        ([1e308, -1e308], {}, ["-1e+100", "0", "1e+100"]),
        ([5.0], {"y_min": 1e308}, ["1e+100", "1.5e+100", "2e+100"]),
        ([5.0], {"is_axis_hidden": True}, []),
    ],
)
def test_its_lines_are_at_round_numbers_and_nothing_is_drawn_outside(
    values: list[float], facts: dict[str, Any], ticks: list[str]
) -> None:
    drawing = drawn(values, **facts)
    last, *spoken = words(drawing)
    assert spoken[:-3] == ticks
    assert last.endswith(" ms")
    heights = [float(place.split()[1]) for d in strokes(drawing) for place in d[1:].removesuffix("h.01").split("L")]
    assert all(charts.TOP <= height <= charts.TOP + charts.HEIGHT for height in heights)
    assert not {"inf", "nan"} & set(ET.tostring(drawing, encoding="unicode").replace('"', " ").split())


def test_it_says_of_which_day_it_is_for_a_metric_may_have_stopped() -> None:
    assert words(drawn([1, 2]))[-3:] == ["Mar 9, 13:00", "01:00", "Mar 10, 13:00"]


def test_without_data_it_says_so_and_one_point_is_a_dot() -> None:
    assert words(drawn([])) == ["No data yet."]
    (dot,) = strokes(drawn([5]))
    assert dot.endswith("h.01")


def test_what_always_comes_seldom_is_one_line() -> None:
    (line,) = strokes(drawn([5.0] * 40, minutes=30))
    assert (line.count("M"), line.count("L")) == (1, 39)
