"""Posting over https to strangers' programs, signed as Standard Webhooks (standardwebhooks.com) says.

`post` may run in any thread, reads no database, and never trusts the other side.
"""

from __future__ import annotations

import base64
import hmac
import ssl
import time
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from status.addresses import INTERNET, Network, Refused, Target, parse, without_secrets
from status.delivery.protocol import Answer, Meaning

if TYPE_CHECKING:
    from collections.abc import Sequence

    from _typeshed import ReadableBuffer, WriteableBuffer

TIMEOUT = 30.0  # seconds for all that one delivery sends, from the name server to the last answer
READ_AT_MOST = 64 * 1024
SHOWN_OF_ANSWER = 300


@dataclass(frozen=True, slots=True)
class Request:
    """One POST. `id` is the same on every try: by it the other side knows a repetition."""

    url: str
    secrets: list[str] = field(repr=False)
    id: str
    body: bytes
    at: datetime  # by the record's time: a host's own may be off by more than the other side lets pass
    gone: frozenset[int]  # the statuses that mean: send nothing more, ever


def signature(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """One of the `webhook-signature` header."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.digest(key, b"%s.%d.%s" % (message_id.encode(), timestamp, body), "sha256")
    return f"v1,{base64.b64encode(digest).decode()}"


def post(requests: Sequence[Request], network: Network = INTERNET, *, timeout: float = TIMEOUT) -> Answer:
    """Post these, one after the other, until one is not accepted; the answer is the last one's, with what was accepted.

    Takes `timeout` seconds at the most, and what the name server needs. Reads no database.
    """
    deadline = time.monotonic() + timeout
    answer = Answer(Meaning.SENT, _("There was nothing to send."))
    accepted: list[str] = []
    for request in requests:
        try:
            answer = _post(request, parse(request.url), network, deadline)
        except TimeoutError:
            answer = Answer(Meaning.RETRY, _("There was no answer in time."))
        except (Refused, OSError, HTTPException) as error:
            answer = Answer(Meaning.RETRY, _clean(str(error) or type(error).__name__))
        if answer.meaning is not Meaning.SENT:
            break
        accepted.append(request.id)
    return replace(answer, accepted=tuple(accepted))


class _TimedSocket(ssl.SSLSocket):
    """Takes until `deadline` for everything together, and reads READ_AT_MOST in all, whatever the other side does."""

    deadline = 0.0
    left = READ_AT_MOST

    def send(self, data: ReadableBuffer, flags: int = 0) -> int:
        self.settimeout(_left(self.deadline))
        return super().send(data, flags)

    def recv_into(self, buffer: WriteableBuffer, nbytes: int | None = None, flags: int = 0) -> int:
        self.settimeout(_left(self.deadline))
        count = super().recv_into(buffer, nbytes, flags)
        self.left -= count
        if self.left < 0:
            raise ConnectionAbortedError(_("The answer was too long."))
        return count


def _post(request: Request, target: Target, network: Network, deadline: float) -> Answer:
    timestamp = int(request.at.timestamp())
    headers = {
        "Host": target.authority,
        "Content-Type": "application/json",
        "User-Agent": "incident-portal",
        "Connection": "close",
        "webhook-id": request.id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(
            signature(secret, request.id, timestamp, request.body) for secret in request.secrets
        ),
    }
    with closing(HTTPConnection(target.host, target.port)) as connection:
        connection.auto_open = 0  # it would look the name up by itself
        connection.sock = _encrypted(target, network, deadline)
        connection.request("POST", target.path, body=request.body, headers=headers)
        with connection.getresponse() as response:
            words = _clean(without_secrets(f"{response.status} {response.reason}", request.url))
            if 200 <= response.status < 300:
                return Answer(Meaning.SENT, words)  # what else it has to say is nobody's business
            if 300 <= response.status < 400:
                return Answer(Meaning.RETRY, _("%(status)s: redirects are not followed.") % {"status": words})
            with suppress(OSError, HTTPException):  # the status has said what matters
                # Read on for what would be cut off in the middle of a secret.
                read = response.read(SHOWN_OF_ANSWER + len(request.url)).decode(errors="replace")
                said = _clean(without_secrets(read, request.url))[:SHOWN_OF_ANSWER]
                words = f"{words}: {said}".removesuffix(": ")
            return Answer(Meaning.GONE if response.status in request.gone else Meaning.RETRY, words)


def _encrypted(target: Target, network: Network, deadline: float) -> _TimedSocket:
    context = network.context()
    context.sslsocket_class = _TimedSocket
    plain = network.dial(target, deadline=deadline)
    try:
        plain.settimeout(_left(deadline))
        encrypted = context.wrap_socket(plain, server_hostname=target.host)
    finally:
        plain.close()  # the encrypted one has taken its descriptor over
    assert isinstance(encrypted, _TimedSocket)
    encrypted.deadline = deadline
    return encrypted


def _left(deadline: float) -> float:
    if (left := deadline - time.monotonic()) <= 0:
        raise TimeoutError
    return left


def _clean(text: str) -> str:
    """What can be kept in a row and shown on one line: PostgreSQL takes no NUL."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:500]
