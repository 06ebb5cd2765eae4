"""The clock's work on the record. Tasks take no arguments, may run twice and at any time: what is due is a query."""

from __future__ import annotations

from celery import shared_task

from incidents import planned, sweeping
from incidents.history import seals
from incidents.isolation import in_turn
from incidents.maintenance import clockwork
from incidents.models import Clock


@shared_task(ignore_result=True)
def advance() -> None:
    in_turn(clockwork.advance, planned.post_due)
    Clock.tick()


@shared_task(ignore_result=True)
def sweep() -> None:
    sweeping.sweep()


@shared_task(ignore_result=True)
def seal() -> None:
    seals.seal()
