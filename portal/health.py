"""Whether this process lives, and whether what staff do becomes public."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from incidents.models import OutboxEvent, Page
from portal.postgresql.deadline import patience
from status import files


@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """Answers while this process does; asks nobody else."""
    return HttpResponse("ok\n", content_type="text/plain")


@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """503 when the database does not answer within a second; else 200, and in seconds how old what is public is.

    `heartbeat_age` is that of the page that is furthest behind, null when none was published; `oldest_unpublished` is
    null when everything is out. Old ages do not make it 503: staff are served well while only the clock is late.
    """
    try:
        with patience(1.0, total=2.0):
            ids = list(Page.objects.live().values_list("public_id", flat=True))
            waiting = OutboxEvent.objects.unpublished().order_by("id").values_list("created_at", flat=True).first()
    except (OperationalError, InterfaceError):
        return JsonResponse({"database": "does not answer"}, status=503, headers={"Retry-After": "2"})
    ages = [age for public_id in ids if (age := _heartbeat_age(public_id)) is not None]
    facts: dict[str, Any] = {
        "database": "ok",
        "heartbeat_age": max(ages, default=None),
        "oldest_unpublished": _age(waiting) if waiting else None,
    }
    return JsonResponse(facts)


def _heartbeat_age(public_id: str) -> float | None:
    try:
        beat = json.loads((files.folder(public_id) / "heartbeat.json").read_bytes())
    except FileNotFoundError:
        return None
    return _age(datetime.fromisoformat(beat["at"]))


def _age(instant: datetime) -> float:
    return round((timezone.now() - instant).total_seconds(), 1)
