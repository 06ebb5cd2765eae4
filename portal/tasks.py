"""The clock's work for those who sign in. Tasks take no arguments, may run twice and at any time."""

from __future__ import annotations

from celery import shared_task

from incidents.isolation import in_turn
from portal.accounts import mails
from portal.operations import retention


@shared_task(ignore_result=True)
def mail() -> None:
    mails.send()


@shared_task(ignore_result=True)
def sweep() -> None:
    in_turn(retention.drop_old_answers, retention.drop_admin_log)
