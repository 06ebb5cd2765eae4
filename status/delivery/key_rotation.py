"""The secrets of webhooks and chats under another key."""

from __future__ import annotations

from incidents.authorship import service
from incidents.models import User
from incidents.permissions import Verb
from status import secrets
from status.models import Recipient


@service(Verb.MANAGE_SUBSCRIBERS, locks=Recipient)
def reencrypt_secrets(*, author: User) -> int:
    """Encrypt what signs webhooks, and the addresses of chats, under the first key; returns of how many recipients."""
    found = Recipient.objects.exclude(secret="", old_secret="").order_by("pk")
    for recipient in (recipients := list(found.select_for_update(of=("self",), no_key=True))):
        encrypted = {"secret": recipient.secret, "old_secret": recipient.old_secret}
        recipient.change(**{name: value and secrets.reencrypt(value) for name, value in encrypted.items()})
    return len(recipients)
