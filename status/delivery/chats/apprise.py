"""Chats by Apprise: those services that are on the list, and public addresses only.

Apprise runs in a process of its own (`apprise_process`) that can reach nothing but the `guard`.
"""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from django.conf import settings
from django.utils.translation import gettext as _

from status import outside
from status.addresses import INTERNET, Network, Refused, check
from status.delivery.chats.guard import TIMEOUT, guarding
from status.delivery.protocol import Answer, Meaning

logger = logging.getLogger(__name__)

# By the scheme of Apprise's address. The others would speak other protocols, or run programs of this machine.
CLOUDS = frozenset({"slack", "discord", "msteams", "gchat", "tgram", "pagerduty", "opsgenie", "wxteams"})
OWN_HOSTS = frozenset({"mmosts", "workflows"})  # their address names the host
CHECK = 4.0  # seconds in a request


@dataclass(frozen=True, slots=True)
class Note:
    """What one chat is sent; `url` is Apprise's address of it, and a secret."""

    url: str = field(repr=False)
    title: str = ""
    body: str = ""


def check_url(url: str, network: Network = INTERNET) -> str:
    """The name of the service behind an address; raises `Refused` when nothing may be sent there.

    Asks a name server and starts a process, so do not call it in a transaction; in a request, it gives its slot back.
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
    try:
        service, _answer = outside.ask(("chat", hash(url)), lambda: _run(Note(url), network), seconds=CHECK)
    except TimeoutError:
        raise Refused(_("The address could not be checked in time. Try again in a moment.")) from None
    if not service:
        raise Refused(_("This is not a complete address of %(scheme)s.") % {"scheme": scheme})
    return service


def send(note: Note, network: Network = INTERNET) -> Answer:
    """Send to one chat; takes `TIMEOUT` seconds at the most. The answer is the service's name, or what went wrong."""
    _service, answer = _run(note, network)
    return answer


def _run(note: Note, network: Network) -> tuple[str, Answer]:
    """The name of the service, "" when the address is not complete, and the answer."""
    with guarding(network) as guard:
        environment = {
            "PATH": os.defpath,
            "HTTPS_PROXY": guard.address,
            "HTTP_PROXY": guard.address,
            "ALL_PROXY": guard.address,
            **({"REQUESTS_CA_BUNDLE": network.authorities} if network.authorities else {}),
        }
        order = {"url": note.url, "title": note.title, "body": note.body, "port": guard.server_address[1]}
        try:
            done = subprocess.run(
                [sys.executable, "-m", "status.delivery.chats.apprise_process"],
                cwd=settings.BASE_DIR,
                env=environment,
                input=json.dumps(order),
                capture_output=True,
                timeout=TIMEOUT,
                text=True,
                check=True,
            )
            result = json.loads(done.stdout)
        except subprocess.TimeoutExpired:
            return "", Answer(Meaning.RETRY, _("There was no answer in time."))
        except (subprocess.CalledProcessError, json.JSONDecodeError):
            logger.warning("a message to a chat could not be sent: its process failed")
            return "", Answer(Meaning.RETRY, _("It could not be sent: its process failed."))
    service = result["service"]
    if result["is_sent"]:
        return service, Answer(Meaning.SENT, service)
    return service, Answer(Meaning.RETRY, _without_secrets(note.url, " ".join([*guard.refusals, result["log"]])))


def _without_secrets(url: str, text: str) -> str:
    """What a service said, without the parts of the address that let others write there."""
    for part in sorted(re.split(r"[/:@]+", url)[1:], key=len, reverse=True):
        for word in {part, unquote(part)}:
            if len(word) > 3:
                text = text.replace(word, "…")
    return " ".join(text.split())[:500]
