"""A chat in which whoever is on call is nudged. Its address is a secret, so a recipient has it encrypted."""

from __future__ import annotations

from django.conf import settings

from status import secrets
from status.delivery import nudges
from status.delivery.chats import apprise
from status.delivery.protocol import Channel, Claimed, for_a_day, in_threads
from status.models import Delivery, Nudge, Recipient

AT_ONCE = 4  # each is a process


def nudge_note(nudge: Nudge) -> tuple[str, str]:
    """Its title and its text."""
    return nudge.page.name, f"{nudges.sentence(nudge)}\n{settings.SITE_URL}{nudge.path}"


def fill(note: tuple[str, str], delivery: Claimed) -> apprise.Note:
    return apprise.Note(secrets.decrypt(Recipient.objects.get(pk=delivery.recipient_id).endpoint), *note)


CHANNEL = Channel(
    check=apprise.check_url,
    writes={Delivery.Purpose.NUDGE: nudge_note},
    fill=fill,
    send=in_threads(apprise.send, AT_ONCE),
    pause=for_a_day,
)
