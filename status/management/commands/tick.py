from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from incidents import clockwork, metrics, seals
from incidents.models import Clock
from status import delivery, posting, relay, subscriptions


class Command(BaseCommand):
    help = "Does once what the clock does, by hand or from cron."

    def handle(self, **_options: Any) -> None:
        steps = clockwork.advance()
        published = relay.relay()
        owed = relay.owe()
        mailed = delivery.deliver_mail()
        posting.deliver_webhooks()
        relay.heartbeat()
        relay.draw()
        subscriptions.sweep()
        metrics.drop_old_points()
        seals.seal()
        Clock.tick()
        self.stdout.write(
            f"{steps} steps of maintenances, {published} pages published, {owed} messages owed, {mailed} mails sent"
        )
