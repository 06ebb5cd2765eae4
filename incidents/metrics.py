"""Numbers that programs push."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TypedDict, Unpack

from django.db.models import Max
from django.utils.translation import gettext as _

from incidents import outbox
from incidents.authorship import service
from incidents.checking import check_words
from incidents.deletion import taken_along
from incidents.errors import InvalidInput
from incidents.models import Metric, MetricFeed, MetricPoint, Page, User
from incidents.models.base import save_checked
from incidents.permissions import Verb
from incidents.record_time import record_time

KEPT_FOR = timedelta(days=31)
AHEAD = timedelta(minutes=5)  # that a program's clock may be wrong
MOST = 10_000  # points of one call
DROPPED_AT_ONCE = 10_000

Points = Mapping[datetime, float]


WORDS = ("name", "description", "suffix")  # that the public reads


class MetricFacts(TypedDict, total=False):
    name: str
    identifier: str
    description: str
    suffix: str
    decimal_places: int
    y_min: float | None
    y_max: float | None
    is_axis_hidden: bool
    is_shown: bool


@service(Verb.EDIT_CATALOGUE, locks=Page, public=WORDS)
def create_metric(page: Page, *, author: User, **facts: Unpack[MetricFacts]) -> Metric:
    page.lock_live()
    metric = Metric(page=page)
    _write(metric, facts)
    MetricFeed.objects.create(metric=metric)
    outbox.record_pages(outbox.Kind.PAGE_CHANGED, [page])
    return metric


@service(Verb.EDIT_CATALOGUE, locks=Metric, public=WORDS)
def edit_metric(metric: Metric, *, author: User, **facts: Unpack[MetricFacts]) -> Metric:
    """Change facts of a metric; those not named keep their values."""
    metric.lock_live()
    _write(metric, facts)
    outbox.record_pages(outbox.Kind.PAGE_CHANGED, [metric.page])
    return metric


@service(Verb.EDIT_CATALOGUE, locks=Metric)
def delete_metric(metric: Metric, *, author: User) -> dict[str, int]:
    """Take it off the page; it stays in the record, and its points are dropped when they are old."""
    metric.lock()
    along = taken_along(metric)
    metric.mark_deleted()
    outbox.record_pages(outbox.Kind.PAGE_CHANGED, [metric.page])
    return along


@service(Verb.SET_COMPONENT_STATUS, locks=MetricFeed)
def add_points(points: Mapping[Metric, Points], *, author: User) -> None:
    """Keep measurements, the last one of each minute; one that is there already is replaced.

    Nobody is notified, and the page's documents stay as they are: the clock draws the charts anew.
    """
    now = record_time()
    if sum(map(len, points.values())) > MOST:
        raise InvalidInput(_("At most %(most)d data points can be sent at once.") % {"most": MOST}, field="data")
    for metric in sorted(points, key=lambda metric: metric.pk):
        rows: dict[datetime, MetricPoint] = {}
        for at in sorted(points[metric]):
            _check(at, value := points[metric][at], now)
            minute = at.replace(second=0, microsecond=0)
            rows[minute] = MetricPoint(metric=metric, at=minute, value=value)
        if not rows:
            continue
        feed, _is_new = MetricFeed.objects.get_or_create(metric=metric)
        feed = MetricFeed.objects.select_for_update(no_key=True).get(pk=feed.pk)  # those that push together queue here
        MetricPoint.objects.bulk_create(
            rows.values(),
            batch_size=500,
            update_conflicts=True,
            unique_fields=["metric", "at"],
            update_fields=["value"],
        )
        feed.newest_at = max(filter(None, [feed.newest_at, *rows]))
        feed.changed_at = record_time()
        feed.save(update_fields=["newest_at", "changed_at"])


@service(Verb.EDIT_CATALOGUE, locks=Metric)
def clear_points(metric: Metric, *, author: User) -> None:
    """Drop every measurement of a metric. Who did it is in the metric's history."""
    metric.lock_live()
    metric.change()
    MetricPoint.objects.filter(metric=metric).delete()
    MetricFeed.objects.filter(metric=metric).update(newest_at=None, changed_at=record_time())


def drop_old_points() -> int:
    """For the clock, as often as it likes; returns how many."""
    # Each metric by itself, for the index begins with it.
    old = MetricPoint.objects.filter(metric__in=Metric.objects.values("pk"), at__lt=record_time() - KEPT_FOR)
    count, _by_model = MetricPoint.objects.filter(
        pk__in=list(old.values_list("pk", flat=True)[:DROPPED_AT_ONCE])
    ).delete()
    return count


def newest_points(metrics: list[Metric], span: timedelta) -> dict[int, list[tuple[datetime, float]]]:
    """Of each metric the points of `span` before its newest one, by primary key, in order; one query for each."""
    found = {}
    for metric in metrics:
        newest = metric.points.aggregate(newest=Max("at"))["newest"]
        rows = metric.points.filter(at__gt=newest - span).order_by("at") if newest else metric.points.none()
        found[metric.pk] = list(rows.values_list("at", "value"))
    return found


def _write(metric: Metric, facts: MetricFacts) -> None:
    words = {"name": facts.get("name"), "description": facts.get("description"), "suffix": facts.get("suffix")}
    check_words(metric.page, **{name: text for name, text in words.items() if text and text != getattr(metric, name)})
    save_checked(metric, **facts)


def _check(at: datetime, value: float, now: datetime) -> None:
    if not math.isfinite(value):
        raise InvalidInput(_("A value is a finite number."), field="value")
    if not now - KEPT_FOR <= at <= now + AHEAD:
        raise InvalidInput(
            _("The time %(time)s is not within the last %(days)d days.")
            % {"time": f"{at:%Y-%m-%d %H:%M}", "days": KEPT_FOR.days},
            field="timestamp",
        )
