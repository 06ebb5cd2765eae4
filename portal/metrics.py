"""What Prometheus reads at /metrics. It has the text format written by hand: seven numbers need no library."""

from __future__ import annotations

import hmac
from collections.abc import Iterator, Mapping

from django.conf import settings
from django.db import Error
from django.db.models import Count, Max, Min
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from incidents.models import Clock, OutboxEvent
from incidents.outages import passing_failure
from incidents.record_time import record_time
from portal import health
from portal.postgresql.deadline import time_limit
from status.models import Delivery
from status.publication import publisher

NEWEST = 100_000  # deliveries whose states are counted: all of them would be more each year


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """For whoever has METRICS_TOKEN; while none is set, there is nothing here. 503 when the database is away."""
    if not settings.METRICS_TOKEN:
        return HttpResponse("Not found\n", status=404, content_type="text/plain")
    given = request.headers.get("Authorization", "")
    if not hmac.compare_digest(given.encode(), f"Bearer {settings.METRICS_TOKEN}".encode()):
        headers = {"WWW-Authenticate": "Bearer"}
        return HttpResponse("Send the token.\n", status=401, headers=headers, content_type="text/plain")
    try:
        with time_limit(1.0, total=2.0):
            text = "".join(_lines())
    except Error as error:
        if not passing_failure(error):
            raise
        text = "The database does not answer.\n"
        return HttpResponse(text, status=503, headers={"Retry-After": "2"}, content_type="text/plain")
    return HttpResponse(text, content_type="text/plain; version=0.0.4; charset=utf-8")


def _lines() -> Iterator[str]:
    """A fixed number of queries, each answered from an index, however long the history."""
    now = record_time()
    ages = health.heartbeat_ages(now)
    yield _gauge(
        "publication_age_seconds",
        "Since a page was confirmed to be current, of the one furthest behind.",
        max(ages, default=None),
    )
    clock = Clock.last()
    ticked = health.age(clock.ticked_at, now) if clock else None
    yield _gauge("clock_age_seconds", "Since the clock last ticked.", ticked)
    off = "How far ahead of the database's a host's clock is: this one's, or the one's that ticked last."
    yield _gauge("skew_seconds", off, clock.worst_skew if clock else None)
    here = "Whether pages are published in this process's folder (1), or in another one (0)."
    yield _gauge("publishes_here", here, int(not publisher.why_not()))
    events = OutboxEvent.objects.unpublished().aggregate(count=Count("pk"), oldest=Min("created_at"))
    yield _gauge("unpublished_events", "Public facts that do not show yet.", events["count"])
    waited = health.age(events["oldest"], now) if events["oldest"] else 0
    yield _gauge("oldest_unpublished_seconds", "Since when the oldest of them is true.", waited)
    due = Delivery.objects.due().aggregate(count=Count("pk"), claimed_at=Min("claimed_at"))
    yield _gauge("due_deliveries", "Messages that are owed, also those for later.", due["count"])
    held = health.age(due["claimed_at"], now) if due["claimed_at"] else 0
    yield _gauge("oldest_claim_seconds", "Since when a worker has the message that one has had longest.", held)
    yield _gauge("oldest_due_seconds", "How late the latest message is.", health.oldest_due(now) or 0)
    yield _gauge(
        "parked",
        "What is given up until staff try it again, by kind of work.",
        {f'{{kind="{kind}"}}': count for kind, count in health.parked().items()},
    )
    yield _gauge(
        "oldest_undone_seconds",
        "How late the oldest thing of each kind of the clock's work is.",
        {f'{{kind="{kind}"}}': late or 0 for kind, late in health.oldest_undone(now).items()},
    )
    newest = Delivery.objects.aggregate(newest=Max("pk"))["newest"] or 0
    counts = Delivery.objects.filter(pk__gt=newest - NEWEST).values_list("state").annotate(Count("pk")).order_by()
    states = dict.fromkeys(Delivery.State.values, 0) | dict(counts)
    yield _gauge(
        "newest_deliveries",
        f"What became of the newest {NEWEST} messages.",
        {f'{{state="{state}"}}': count for state, count in states.items()},
    )


def _gauge(name: str, meaning: str, value: float | Mapping[str, float] | None) -> str:
    """One metric; with a value for each set of labels, or without any when there is nothing to say."""
    samples = value if isinstance(value, Mapping) else {} if value is None else {"": value}
    lines = [f"# HELP portal_{name} {meaning}", f"# TYPE portal_{name} gauge"]
    lines += [f"portal_{name}{labels} {value}" for labels, value in samples.items()]
    return "".join(f"{line}\n" for line in lines)
