"""The last 24 hours of a metric as a drawing: a snapshot in, the bytes of one SVG out."""

from __future__ import annotations

import math
from datetime import timedelta
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from django.template.loader import render_to_string
from django.utils import timezone, translation
from django.utils.formats import number_format

if TYPE_CHECKING:
    from datetime import datetime

    from status.rendering.snapshot import Metric, Page

SPAN = timedelta(hours=24)
GAP = timedelta(minutes=15)  # a longer silence is not bridged, but where points always come as seldom
WIDTH, TOP, HEIGHT = 480, 42, 130  # of the plot, in the drawing's units
LARGEST = 1e100  # what lies beyond is drawn there
EXPONENT_FROM = 1e15  # from here on numbers are written as 1.5e+15


def path_of(metric_id: str) -> str:
    return f"charts/{metric_id}.svg"


def chart(page: Page, metric: Metric) -> bytes:
    """`/charts/<id>.svg`; it ends with the newest point, so it changes only when one comes."""
    points = [(at, _bounded(value)) for at, value in metric.points]
    newest = points[-1][0] if points else None
    step, low, high = _axis(metric, [value for _at, value in points])

    def height(value: float) -> float:
        return TOP + HEIGHT * (1 - (min(max(value, low), high) - low) / (high - low))

    def place(at: datetime, value: float) -> str:
        assert newest is not None, "there are points"
        return f"{WIDTH * (1 - (newest - at) / SPAN):.1f} {height(value):.1f}"

    strokes = _strokes(points)
    ticks = [count * step for count in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]
    places = max(metric.decimal_places, -math.floor(math.log10(step)))
    with translation.override(page.language), timezone.override(ZoneInfo(page.time_zone)):
        context = {
            "metric": metric,
            "lines": ["M" + "L".join(place(*point) for point in stroke) for stroke in strokes if len(stroke) > 1],
            "dots": [f"M{place(*stroke[0])}h.01" for stroke in strokes if len(stroke) == 1],
            "last": formatted(metric, points[-1][1]) if points else "",
            "rows": [(height(tick), "" if metric.is_axis_hidden else _number(tick, places)) for tick in ticks],
            "first": newest - SPAN if newest else None,
            "middle": newest - SPAN / 2 if newest else None,
            "newest": newest,
            "width": WIDTH,
            "bottom": TOP + HEIGHT,
        }
        return render_to_string("status/chart.svg", context).encode()


def formatted(metric: Metric, value: float) -> str:
    """ "1,204 ms"."""
    return f"{_number(value, metric.decimal_places)} {metric.suffix}".rstrip()


def _number(value: float, places: int) -> str:
    if abs(value) >= EXPONENT_FROM:
        return f"{value:.3g}"
    return number_format(value, places, use_l10n=True, force_grouping=True)


def _bounded(value: float) -> float:
    return min(max(value, -LARGEST), LARGEST)


def _strokes(points: list[tuple[datetime, float]]) -> list[list[tuple[datetime, float]]]:
    """What is drawn without a break: of a metric that comes every hour an hour is no silence."""
    waits = [(later[0] - earlier[0]).total_seconds() for earlier, later in pairwise(points)]
    gap = max(GAP.total_seconds(), 2.5 * median(waits or [0.0]))
    strokes = [points[:1]] if points else []
    for point, wait in zip(points[1:], waits, strict=True):
        if wait > gap:
            strokes.append([])
        strokes[-1].append(point)
    return strokes


def _axis(metric: Metric, values: list[float]) -> tuple[float, float, float]:
    """How far its lines are apart, a round number, and where it begins and ends: with zero, or as staff chose."""
    low = _bounded(min([0.0, *values]) if metric.y_min is None else metric.y_min)
    high = _bounded(max([0.0, *values]) if metric.y_max is None else metric.y_max)
    if high <= low:
        high = low + max(1.0, abs(low))
    rough = (high - low) / 3
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * (1 - 1e-9))
    if metric.y_min is None:
        low = math.floor(low / step + 1e-9) * step
    if metric.y_max is None:
        high = math.ceil(high / step - 1e-9) * step
    return step, low, high
