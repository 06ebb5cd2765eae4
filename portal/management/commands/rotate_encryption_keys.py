from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from incidents import people
from portal.accounts import second_factor
from portal.models import AccountMail, KeptAnswer, Session
from status.delivery import key_rotation
from status.models import SignUp
from status.secrets import reencrypt_rows


class Command(BaseCommand):
    help = "Encrypts all secrets of the database anew, under the first of ENCRYPTION_KEYS; the others may then go."

    def handle(self, **_options: Any) -> None:
        counts = {
            "webhooks and chats": key_rotation.reencrypt_secrets(author=people.clock_user()),
            "second factors": second_factor.reencrypt(),
            "sessions": reencrypt_rows(Session.objects.all(), "session_data"),
            "sign-ups": reencrypt_rows(SignUp.objects.all(), "endpoint"),
            "mails to staff": reencrypt_rows(AccountMail.objects.all(), "content"),
            "answers to programs": reencrypt_rows(KeptAnswer.objects.all(), "content"),
        }
        self.stdout.write("Under the first key: " + ", ".join(f"{count} {what}" for what, count in counts.items()))
