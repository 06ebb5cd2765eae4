from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from incidents import planned
from incidents.history import seals
from incidents.maintenance import clockwork
from incidents.models import Clock
from status import relay, sweeping
from status.delivery import engine, ledger, nudges
from status.models import StaffChannel, Subscriber
from status.subscriptions import left_behind, signups, subscribers


class Command(BaseCommand):
    help = "Does once what the clock does, by hand or from cron."

    def handle(self, **_options: Any) -> None:
        signups.take_up()
        steps = clockwork.advance()
        posted = planned.post_due()
        published = relay.relay()
        owed = relay.owe()
        nudged = nudges.nudge()
        mailed = engine.deliver(Subscriber.Channel.EMAIL)
        engine.deliver(Subscriber.Channel.WEBHOOK)
        engine.deliver(StaffChannel.Channel.CHAT)
        relay.heartbeat()
        relay.draw()
        subscribers.sweep()
        left_behind.tell_left_behind()
        ledger.settle()
        sweeping.sweep()
        seals.seal()
        Clock.tick()
        done = f"{steps} steps of maintenances, {posted} planned updates, {published} pages published"
        self.stdout.write(f"{done}, {owed} messages owed, {nudged} nudges made, {mailed} mails sent")
