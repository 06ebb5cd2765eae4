"""The clock's work for those who sign in. Tasks take no arguments, may run twice and at any time."""

from __future__ import annotations

from celery import shared_task

from portal.accounts import mails


@shared_task(ignore_result=True)
def mail() -> None:
    mails.send()
