"""The clock's work on the record. Tasks take no arguments, may run twice and at any time: see `clockwork`."""

from __future__ import annotations

from celery import shared_task

from incidents import clockwork


@shared_task(ignore_result=True)
def advance() -> None:
    clockwork.advance()
