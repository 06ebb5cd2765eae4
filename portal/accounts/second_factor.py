"""Second factors: kept encrypted, and encrypted anew under another key."""

from __future__ import annotations

import logging
from typing import Any

from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from status import secrets

logger = logging.getLogger(__name__)

ENCRYPTED = ("secret", "seed")  # of a TOTP device, and of recovery codes


class Adapter(DefaultMFAAdapter):
    """What a second factor is proved with must be read again at every sign-in, so the database has it encrypted."""

    def encrypt(self, text: str) -> str:
        return secrets.encrypt(text)

    def decrypt(self, encrypted_text: str) -> str:
        """Without the key that fits, what a form says to whoever signs in."""
        try:
            return secrets.decrypt(encrypted_text)
        except secrets.Locked as error:
            logger.exception("a second factor cannot be read")
            sentence = _("Your second factor cannot be read any more. Have an administrator take it away, and sign in.")
            raise ValidationError(sentence) from error


@transaction.atomic
def reencrypt() -> int:
    """Encrypt what every second factor is proved with under the first key; returns for how many it did."""
    count = 0
    for factor in Authenticator.objects.select_for_update().order_by("pk"):
        data: dict[str, Any] = factor.data
        with secrets.leaving_locked(f"second factor {factor.pk}"):
            factor.data = data | {name: secrets.reencrypt(data[name]) for name in ENCRYPTED if name in data}
            factor.save(update_fields=["data"])
            count += 1
    return count
