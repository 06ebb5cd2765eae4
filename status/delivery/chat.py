"""Chats in which staff are nudged, by Apprise: those services that are on the list, and public addresses only.

Apprise runs in a process of its own (`apprise_process`) that can reach nothing but the guard here, a proxy that lives
as long as one message. The guard looks each name up, checks every address and dials the one that it has checked, the
same as for webhooks; what is said goes encrypted through it, to whom the certificate names.
"""

from __future__ import annotations

import base64
import json
import logging
import os
import re
import secrets
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from socketserver import StreamRequestHandler, ThreadingTCPServer
from urllib.parse import unquote, urlsplit

from django.conf import settings
from django.db.models import Q
from django.utils.translation import gettext as _

from status import secrets as vault
from status.addresses import INTERNET, Network, Refused, check, parse
from status.delivery import messages, nudges
from status.delivery.engine import (
    LEASE,
    RUN,
    Claimed,
    Outcome,
    State,
    again,
    claim,
    record,
)
from status.models import Recipient

logger = logging.getLogger(__name__)

TIMEOUT = 30.0  # seconds for one message
AT_MOST = 1024 * 1024  # bytes through one connection
AT_ONCE = int(LEASE.total_seconds() / TIMEOUT / 2)  # before the lease of the last one ends, all are told

# By the scheme of Apprise's address. The others would speak other protocols, or run programs of this machine.
CLOUDS = frozenset({"slack", "discord", "msteams", "gchat", "tgram", "pagerduty", "opsgenie", "wxteams"})
OWN_HOSTS = frozenset({"mmosts", "workflows"})  # their address names the host

BY_CHAT = Q(recipient__channel=Recipient.Channel.CHAT)


@dataclass(frozen=True, slots=True)
class Answer:
    is_told: bool
    text: str
    service: str = ""  # "Slack"


def service_of(url: str, network: Network = INTERNET) -> str:
    """The name of the service behind an address; raises `Refused` when nothing may be sent there.

    Asks a name server and starts a process, so do not call it in a transaction.
    """
    scheme = urlsplit(url).scheme
    if scheme not in CLOUDS | OWN_HOSTS:
        raise Refused(
            _("Write an address of one of these: %(names)s.") % {"names": ", ".join(sorted(CLOUDS | OWN_HOSTS))}
        )
    if "?" in url or "#" in url or not url.isprintable() or len(url) > 500:  # an option can switch certificates off
        raise Refused(_("Leave away what follows “?” or “#”: the address takes no options."))
    if scheme in OWN_HOSTS:
        check(f"https://{urlsplit(url).netloc.rpartition('@')[2]}/", network)
    answer = _talk(url, "", "", network)
    if not answer.service:
        raise Refused(_("This is not a complete address of %(scheme)s.") % {"scheme": scheme})
    return answer.service


def tell(url: str, title: str, body: str, network: Network = INTERNET, *, authorities: str = "") -> Answer:
    """Tell one chat; takes `TIMEOUT` seconds at the most. `authorities` is a file of certificates to trust instead."""
    return _talk(url, title, body, network, authorities)


def deliver_chats(seconds: float = RUN, network: Network = INTERNET, *, authorities: str = "") -> int:
    """Tell what is due in chats until nothing is, or for about so long; returns how many were told."""
    ends_at, count = time.monotonic() + seconds, 0
    while time.monotonic() < ends_at and (batch := claim(BY_CHAT, AT_ONCE)):
        for delivery in batch:
            outcome = _outcome(delivery, network, authorities)
            record({delivery.pk: outcome})
            count += outcome.state is State.SENT
    return count


def _outcome(delivery: Claimed, network: Network, authorities: str) -> Outcome:
    if delivery.state != Recipient.State.ACTIVE:
        return Outcome(State.CANCELLED, delivery.state)
    nudge = nudges.of(delivery.pk)
    if not nudges.holds(nudge):
        return Outcome(State.CANCELLED, "withdrawn")
    try:
        url = vault.unseal(Recipient.objects.get(pk=delivery.recipient_id).secret)
    except vault.Locked as refusal:
        return Outcome(State.FAILED, "locked", str(refusal))
    body = f"{messages.sentence(nudge)}\n{settings.SITE_URL}{nudge.path}"
    answer = tell(url, nudge.page.name, body, network, authorities=authorities)
    return Outcome(State.SENT, answer=answer.service) if answer.is_told else again(delivery, answer.text)


def _talk(url: str, title: str, body: str, network: Network, authorities: str = "") -> Answer:
    with _guarding(network) as guard:
        environment = {
            "PATH": os.defpath,
            "HTTPS_PROXY": guard.address,
            "HTTP_PROXY": guard.address,
            "ALL_PROXY": guard.address,
            **({"REQUESTS_CA_BUNDLE": authorities} if authorities else {}),
        }
        wanted = {"url": url, "title": title, "body": body, "port": guard.server_address[1]}
        try:
            done = subprocess.run(
                [sys.executable, "-m", "status.delivery.apprise_process"],
                cwd=settings.BASE_DIR,
                env=environment,
                input=json.dumps(wanted),
                capture_output=True,
                timeout=TIMEOUT,
                text=True,
                check=True,
            )
            said = json.loads(done.stdout)
        except subprocess.TimeoutExpired:
            return Answer(False, _("There was no answer in time."))
        except (subprocess.CalledProcessError, json.JSONDecodeError):
            logger.warning("a message to a chat could not be sent: its process failed")
            return Answer(False, _("It could not be sent: its process failed."))
    text = " ".join([*guard.refusals, said["log"]])
    return Answer(said["is_told"], _without_secrets(url, text), said["service"])


def _without_secrets(url: str, text: str) -> str:
    """What a service said, without the parts of the address that let others write there."""
    for part in sorted(re.split(r"[/:@]+", url)[1:], key=len, reverse=True):
        for word in {part, unquote(part)}:
            if len(word) > 3:
                text = text.replace(word, "…")
    return " ".join(text.split())[:500]


# --- The guard --------------------------------------------------------------------------------------------------------


class _Guard(ThreadingTCPServer):
    """Takes CONNECT from the one who knows its word, and leads to what was checked."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, network: Network) -> None:
        super().__init__(("127.0.0.1", 0), _Line)
        self.network = network
        self.deadline = time.monotonic() + TIMEOUT
        self.word = secrets.token_urlsafe(16)
        self.refusals: list[str] = []

    @property
    def address(self) -> str:
        return f"http://talker:{self.word}@127.0.0.1:{self.server_address[1]}"


class _Line(StreamRequestHandler):
    server: _Guard
    timeout = TIMEOUT

    def handle(self) -> None:
        first, *lines = self._head()
        known = base64.b64encode(f"talker:{self.server.word}".encode()).decode()
        method, place, *_version = [*first.split(), "", ""]
        if f"proxy-authorization: basic {known}".lower() not in {line.lower() for line in lines}:
            return self._say(407)
        if method != "CONNECT":
            return self._say(405)
        try:
            there = self.server.network.dial(parse(f"https://{place}/"), deadline=self.server.deadline)
        except (Refused, OSError) as error:
            self.server.refusals.append(str(error))
            return self._say(403)
        with there:
            self._say(200)
            self._pass_on(there)
        return None

    def _head(self) -> list[str]:
        lines: list[str] = []
        while len(lines) < 100 and (line := self.rfile.readline(8192).decode("latin-1").strip()):
            lines.append(line)
        return lines or [""]

    def _say(self, status: int) -> None:
        self.wfile.write(f"HTTP/1.1 {status} -\r\n\r\n".encode())

    def _pass_on(self, there: socket.socket) -> None:
        """Both ways, until either side hangs up, or it was too much or too long."""
        here, left = self.connection, AT_MOST
        with suppress(OSError):
            while left > 0 and (timeout := self.server.deadline - time.monotonic()) > 0:
                for source in select.select([here, there], [], [], timeout)[0]:
                    if not (content := source.recv(min(left, 65536))):
                        return
                    left -= len(content)
                    (there if source is here else here).sendall(content)


@contextmanager
def _guarding(network: Network) -> Iterator[_Guard]:
    with _Guard(network) as guard:
        thread = threading.Thread(target=guard.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield guard
        finally:
            guard.shutdown()
            thread.join()
