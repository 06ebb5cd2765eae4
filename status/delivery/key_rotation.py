"""The secrets and addresses of webhooks and chats under another key."""

from __future__ import annotations

from incidents.authorship import service
from incidents.models import User
from incidents.permissions import Verb
from status import secrets
from status.models import Recipient


@service(Verb.MANAGE_SUBSCRIBERS, locks=Recipient)
def reencrypt_secrets(*, author: User) -> int:
    """Encrypt where webhooks and chats are reached, and what signs, under the first key; returns for how many it did.

    What stands for a URL (`addresses.shown`) depends on another key, and stays.
    """
    found, count = Recipient.objects.exclude(endpoint="").order_by("pk"), 0
    for recipient in found.select_for_update(of=("self",), no_key=True):
        encrypted = {name: getattr(recipient, name) for name in ("endpoint", "secret", "old_secret")}
        with secrets.leaving_locked(f"recipient {recipient.pk}"):
            recipient.change(**{name: value and secrets.reencrypt(value) for name, value in encrypted.items()})
            count += 1
    return count
