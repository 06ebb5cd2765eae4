"""Whether this process lives, and whether what staff do becomes public."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import redis
from django.conf import settings
from django.db import Error, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe
from redis.backoff import NoBackoff
from redis.retry import Retry

from incidents import isolation
from incidents.models import Clock, OutboxEvent, Page
from incidents.outages import passing_failure
from incidents.record_time import record_time
from portal import __version__
from portal.postgresql.deadline import time_limit
from status.models import Delivery
from status.publication import files, publisher
from status.subscriptions import signups  # noqa: F401  (whose loop nothing else brings in before the first page)

REDIS_TIMEOUT = 0.3  # seconds
NOT_MIGRATED = "The database is not the one of this version: run incident-portal migrate."


@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """Answers while this process does; asks nobody else."""
    return HttpResponse("ok\n", content_type="text/plain")


@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """503 when the database does not answer within a second, or the clock stands still; and in seconds how old what is
    public is.

    `clock_age` is the time since the clock last ticked, null when it never has: after two minutes nothing that must
    happen at a time happens, whatever staff can do by hand. `skew` is how far ahead of the database's a clock is, of
    this host or of the one that ticked last, whichever is off more. Nothing is decided by it.
    `folder` says what to do when the pages are not published in this process's folder, but in another one.
    `heartbeat_age` is that of the page that is furthest behind, null when none was published; `oldest_unpublished` is
    null when everything is out, `oldest_due` when no message is late, `redis` when files do its work. `parked` is how
    many things and messages are given up until staff try them again, `oldest_undone` of each kind of the clock's work
    how late the oldest thing is. None of these makes it 503: staff are served well while only mail or Redis is late.
    """
    try:
        with time_limit(1.0, total=2.0):
            now, clock = record_time(), Clock.last()
            ages, late, off = heartbeat_ages(now), oldest_due(now), clock.worst_skew if clock else None
            folder = publisher.why_not()
            given_up, undone = sum(parked().values()), oldest_undone(now)
            waiting = OutboxEvent.objects.unpublished().order_by("id").values_list("created_at", flat=True).first()
    except Error as error:
        if not passing_failure(error):
            raise
        return JsonResponse({"database": "does not answer"}, status=503, headers={"Retry-After": "2"})
    facts: dict[str, Any] = {
        "version": __version__,
        "database": "ok",
        "clock_age": age(clock.ticked_at, now) if clock else None,
        "skew": off,
        "folder": folder or "ok",
        "heartbeat_age": max(ages, default=None),
        "oldest_unpublished": age(waiting, now) if waiting else None,
        "oldest_due": late,
        "parked": given_up,
        "oldest_undone": undone,
        "redis": ask_redis() if settings.REDIS_URL else None,
    }
    return JsonResponse(facts, status=200 if clock and clock.is_running else 503)


def heartbeat_ages(now: datetime) -> list[float]:
    """Of every page that was published."""
    ids = Page.objects.published().values_list("public_id", flat=True)
    return [found for public_id in ids if (found := _heartbeat_age(public_id, now)) is not None]


def parked() -> dict[str, int]:
    """How many things of each kind of work are given up until staff try them again."""
    return isolation.parked() | {"deliver": Delivery.objects.given_up().count()}


def oldest_undone(now: datetime) -> dict[str, float | None]:
    """Of each kind of the clock's work how late its oldest thing is; None when all is done."""
    return {kind: age(at, now) if at else None for kind, at in isolation.oldest().items()}


def oldest_due(now: datetime) -> float | None:
    """How many seconds the latest message is late."""
    due = Delivery.objects.due().order_by("due_at").values_list("due_at", flat=True)
    # One look-up in the index for each priority, by which it begins, however many are due
    found = [due_at for priority in Delivery.Priority if (due_at := due.filter(priority=priority).first())]
    return age(min(found), now) if found and min(found) <= now else None


def lacks_migrations() -> bool:
    from django.db.migrations.executor import MigrationExecutor  # no process that serves needs it

    executor = MigrationExecutor(connection)
    return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))


def ask_redis() -> str:
    """Asked once and briefly: a Redis that is frozen must not freeze this answer."""
    timeouts = {"socket_connect_timeout": REDIS_TIMEOUT, "socket_timeout": REDIS_TIMEOUT}
    try:
        with redis.Redis.from_url(settings.REDIS_URL, retry=Retry(NoBackoff(), 0), **timeouts) as client:
            client.ping()
    except redis.RedisError:
        return "does not answer"
    return "ok"


def _heartbeat_age(public_id: str, now: datetime) -> float | None:
    try:
        beat = json.loads((files.folder(public_id) / "heartbeat.json").read_bytes())
        return age(datetime.fromisoformat(beat["at"]), now)
    except (OSError, ValueError, TypeError, KeyError):
        return None


def age(instant: datetime, now: datetime) -> float:
    """In seconds."""
    return round((now - instant).total_seconds(), 1)
