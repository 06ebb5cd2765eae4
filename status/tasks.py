"""The clock's work. Tasks take no arguments, may run twice and at any time: what is due is a query on rows."""

from __future__ import annotations

from celery import shared_task

from incidents.isolation import in_turn
from status import relay as relay_module
from status.delivery import engine, forgetting, ledger, nudges
from status.delivery.webhooks.posting import TIMEOUT
from status.models import StaffChannel, Subscriber
from status.subscriptions import left_behind, signups, subscribers


@shared_task(ignore_result=True)
def relay() -> None:
    relay_module.publish_news()


@shared_task(ignore_result=True)
def owe() -> None:
    in_turn(relay_module.owe, signups.take_up)


@shared_task(ignore_result=True)
def history() -> None:
    relay_module.go_through_history()


@shared_task(ignore_result=True)
def chat() -> None:
    engine.deliver(StaffChannel.Channel.CHAT)


@shared_task(ignore_result=True)
def nudge() -> None:
    nudges.nudge()


@shared_task(ignore_result=True)
def deliver() -> None:
    engine.deliver(Subscriber.Channel.EMAIL)


@shared_task(ignore_result=True)
def post() -> None:
    engine.deliver(Subscriber.Channel.WEBHOOK, seconds=2 * TIMEOUT)


@shared_task(ignore_result=True)
def heartbeat() -> None:
    in_turn(relay_module.note_folder, relay_module.heartbeat)


@shared_task(ignore_result=True)
def heal() -> None:
    relay_module.heal()


@shared_task(ignore_result=True)
def draw() -> None:
    relay_module.draw()


@shared_task(ignore_result=True)
def sweep() -> None:
    in_turn(subscribers.drop_overdue, left_behind.tell_left_behind, ledger.settle)
    in_turn(signups.drop_old_counts, forgetting.drop_old)
