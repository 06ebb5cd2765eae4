"""A long history, for what must not become slower with it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial

from simple_history.utils import bulk_create_with_history

from incidents.lifecycle import ComponentStatus, Impact, IncidentStatus
from incidents.models import Component, ComponentStatusChange, Incident, IncidentUpdate, OutboxEvent, Page, User


def make_history(
    page: Page, components: Sequence[Component], author: User, *, count: int, before: datetime, apart: timedelta
) -> None:
    """Write `count` ended incidents, each with four updates, past the services and so in bulk; all are published.

    The history says that `author` wrote them.
    """
    create = partial(bulk_create_with_history, batch_size=500, default_user=author)
    starts = [before - apart * (count - n) for n in range(count)]
    rows = create(
        [
            Incident(
                page=page,
                title=f"Errors of {at:%Y-%m-%d %H:%M}",
                public_title=f"Errors of {at:%Y-%m-%d %H:%M}",
                status=IncidentStatus.RESOLVED,
                impact=Impact.MAJOR,
                first_posted_at=at,
                created_at=at,
            )
            for at in starts
        ],
        Incident,
    )
    posts = [
        (incident, at + timedelta(minutes=10 * step), status, components[n % len(components)])
        for n, (incident, at) in enumerate(zip(rows, starts, strict=True))
        for step, status in enumerate(list(IncidentStatus)[:4])
    ]
    updates = create(
        [
            IncidentUpdate(
                incident=incident,
                status=status,
                body=f"We are **{status.label.lower()}**: some calls to the API fail, others are slow.",
                author=author,
                display_at=at,
                created_at=at,
                published_at=at,
            )
            for incident, at, status, _component in posts
        ],
        IncidentUpdate,
    )
    down, up = ComponentStatus.PARTIAL_OUTAGE, ComponentStatus.OPERATIONAL
    ComponentStatusChange.objects.bulk_create(
        (
            ComponentStatusChange(
                component=component,
                update=update,
                old_status=up if status is IncidentStatus.INVESTIGATING else down,
                status=up if status is IncidentStatus.RESOLVED else down,
                effective_at=at,
                created_at=at,
                author=author,
            )
            for update, (_incident, at, status, component) in zip(updates, posts, strict=True)
        ),
        batch_size=500,
    )
    OutboxEvent.objects.bulk_create(
        (
            OutboxEvent(
                page=page,
                kind=OutboxEvent.Kind.UPDATE_POSTED,
                incident=incident,
                update=update,
                created_at=at,
                published_at=at,
            )
            for update, (incident, at, _status, _component) in zip(updates, posts, strict=True)
        ),
        batch_size=500,
    )
