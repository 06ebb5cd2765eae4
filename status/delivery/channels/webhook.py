"""A webhook: a program that is posted Statuspage's payloads, signed with a secret that it shares with us."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from status import addresses
from status.delivery.protocol import Channel, Claimed, in_threads
from status.delivery.webhooks.payloads import Payload, event_payloads
from status.delivery.webhooks.posting import Request, post
from status.models import Delivery
from status.secrets import decrypt

AT_ONCE = 32
GONE = frozenset({410})
# After the first failed try, the second ...: as Standard Webhooks recommends, a little more than 75 hours in all.
RETRIES = [
    timedelta(seconds=5),
    *(timedelta(minutes=minutes) for minutes in (5, 30)),
    *(timedelta(hours=hours) for hours in (2, 5, 10, 14, 20, 24)),
]


def fill(payloads: Sequence[Payload], delivery: Claimed) -> list[Request]:
    """What has not been accepted yet.

    A try ends at the first message that is refused, for most refusals are of all. But each further try begins with
    another one: so one that is always refused holds up no other, and is given up by itself in the end.
    """
    row = Delivery.objects.select_related("recipient").get(pk=delivery.pk)
    recipient = row.recipient
    ids = {f"msg_{row.pk}_{recipient.public_id}{payload.key}": payload for payload in payloads}
    requests = [
        Request(
            url=decrypt(recipient.endpoint),
            secrets=recipient.signing_secrets,
            id=message_id,
            body=payload.to(recipient.public_id),
            at=delivery.claimed_at,
            gone=GONE,
        )
        for message_id, payload in ids.items()
        if message_id not in row.accepted
    ]
    first = delivery.attempts % max(1, len(requests))  # counted from the last try of which some were accepted
    return requests[first:] + requests[:first]


def pause(delivery: Claimed) -> timedelta | None:
    return RETRIES[delivery.attempts] if delivery.attempts < len(RETRIES) else None


CHANNEL = Channel(
    check=addresses.check,
    writes={Delivery.Purpose.EVENT: event_payloads},
    fill=fill,
    send=in_threads(post, AT_ONCE),
    pause=pause,
    quarantined_after=timedelta(days=5),  # an outage of ours must not cost anybody their subscription
)
