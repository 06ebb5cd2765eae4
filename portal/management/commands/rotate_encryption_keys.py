from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from incidents import people
from portal.accounts import second_factor, sessions
from status.delivery import key_rotation


class Command(BaseCommand):
    help = "Encrypts all secrets of the database anew, under the first of ENCRYPTION_KEYS; the others may then go."

    def handle(self, **_options: Any) -> None:
        channels = key_rotation.reencrypt_secrets(author=people.clock_user())
        factors = second_factor.reencrypt()
        kept = sessions.reencrypt()
        self.stdout.write(
            f"Under the first key: {channels} webhooks and chats, {factors} second factors, {kept} sessions"
        )
