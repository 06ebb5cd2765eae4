"""The channels, each one module of one shape (`protocol.Channel`), and which of them carries what.

For the engine, and for whoever checks an address before it is kept. A new channel is a module here, its line in
CHANNELS, and its value of `Recipient.Channel`; if it has a `send` of its own, a task that drives it, too. How somebody
signs up for it is the business of `status.subscriptions`.
"""

from __future__ import annotations

from django.db.models import Q

from status.delivery.channels import email, staff_chat, staff_mailbox, webhook
from status.delivery.protocol import Channel, Send
from status.models import Delivery, Recipient

CHANNELS: dict[str, Channel] = {
    Recipient.Channel.EMAIL: email.CHANNEL,
    Recipient.Channel.WEBHOOK: webhook.CHANNEL,
    Recipient.Channel.STAFF: staff_mailbox.CHANNEL,
    Recipient.Channel.CHAT: staff_chat.CHANNEL,
}


def carrier(channel: str, purpose: str) -> Channel:
    """What carries a message to a recipient: its own channel, or e-mail to its owner if that one writes no such."""
    own = CHANNELS[channel]
    return own if purpose in own.writes else email.CHANNEL


def sent_by(send: Send) -> Q:
    """The deliveries that are sent in this way."""
    which = Q()
    for channel in CHANNELS:
        purposes = [each.value for each in Delivery.Purpose if carrier(channel, each.value).send is send]
        if purposes:
            which |= Q(recipient__channel=channel, purpose__in=purposes)
    return which
