"""The last 24 hours of a metric as a drawing: a snapshot in, the bytes of one SVG out."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from django.template.loader import render_to_string
from django.utils import timezone, translation
from django.utils.formats import number_format

if TYPE_CHECKING:
    from datetime import datetime

    from status.snapshot import Metric, Page

SPAN = timedelta(hours=24)
GAP = timedelta(minutes=15)  # a longer silence is not bridged
WIDTH, HEIGHT = 720, 150  # of the plot, in the drawing's units
LEFT, TOP = 64, 12


def path_of(metric_id: str) -> str:
    return f"metrics/{metric_id}.svg"


def chart(page: Page, metric: Metric) -> bytes:
    """`/metrics/<id>.svg`; it ends with the newest point, so it changes only when one comes."""
    low, high = _axis(metric)
    newest = metric.points[-1][0] if metric.points else None
    first = newest - SPAN if newest else None

    def place(at: datetime, value: float) -> str:
        assert first is not None, "there are points"
        x = LEFT + WIDTH * ((at - first) / SPAN)
        y = TOP + HEIGHT * (1 - (min(max(value, low), high) - low) / (high - low))
        return f"{x:.1f} {y:.1f}"

    lines, before = list[str](), None
    for at, value in metric.points:
        is_joined = before is not None and at - before <= GAP
        lines.append(f"{'L' if is_joined else 'M'}{place(at, value)}" + ("" if is_joined else "h.01"))
        before = at
    with translation.override(page.language), timezone.override(ZoneInfo(page.time_zone)):
        context = {
            "metric": metric,
            "line": "".join(lines),
            "newest": newest,
            "last": worded(metric, metric.points[-1][1]) if metric.points else "",
            "rows": [
                (TOP + HEIGHT * (1 - part), "" if metric.is_axis_hidden else worded(metric, low + part * (high - low)))
                for part in (0, 0.5, 1)
            ],
            "columns": [(LEFT + WIDTH * back / 4, newest - SPAN * (1 - back / 4)) for back in range(5)]
            if newest
            else [],
            "left": LEFT,
            "right": LEFT + WIDTH,
            "top": TOP,
            "bottom": TOP + HEIGHT,
        }
        return render_to_string("status/chart.svg", context).encode()


def worded(metric: Metric, value: float) -> str:
    """ "1,204 ms"."""
    number = number_format(value, metric.decimal_places, use_l10n=True, force_grouping=True)
    return f"{number} {metric.suffix}".rstrip()


def _axis(metric: Metric) -> tuple[float, float]:
    """Where the axis begins and ends: as staff chose, else around what came, from zero where that is near."""
    values = [value for _at, value in metric.points] or [0.0]
    low = metric.y_min if metric.y_min is not None else min(0.0, *values)
    high = metric.y_max if metric.y_max is not None else max(*values, low) * 1.1
    return (low, high) if high > low else (low, low + 1)
