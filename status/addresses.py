"""Which addresses may be sent to: mailboxes, and over https public addresses, and nowhere else.

A name is looked up once for each exchange, and the address that was checked is the one that is dialled, so that a
name whose address changes in between leads nowhere else. No setting or variable opens a way to another network.
"""

from __future__ import annotations

import re
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

import idna
from django.core.exceptions import ValidationError
from django.core.validators import EmailValidator
from django.utils.translation import gettext as _

from incidents.errors import InvalidInput
from incidents.marks import mark
from status import outside

# A name with a dot and a top level that is no number: no "localhost", no address in any of its notations.
_NAME = re.compile(r"(?=.{4,253}$)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])")
_WORD = re.compile(r"[!-~]+")

# IANA's special-purpose registries. Python's own `is_global` says different things in different versions.
_SPECIAL: list[IPv4Network | IPv6Network] = [
    ip_network(network)
    for network in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24"),
        *("203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
        "168.63.129.16/32",  # looks public, and is the host's own service in Azure
        *("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"),  # Teredo and others, documentation, 6to4
    )
]
# All else of IPv6 is local, multicast, reserved, or stands for an IPv4 address (mapped, NAT64).
_UNICAST = IPv6Network("2000::/3")


class Refused(InvalidInput):
    """An address to which nothing is sent; says why."""

    def __init__(self, message: str) -> None:
        super().__init__(message, field="address")


@dataclass(frozen=True, slots=True)
class Target:
    """The parts of a URL that was checked; `host` is what the certificate must name."""

    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        return self.host if self.port == 443 else f"{self.host}:{self.port}"


def is_public(address: str) -> bool:
    """Whether an IP address is one of the open internet."""
    ip = ip_address(address)
    if ip.version == 6 and ip not in _UNICAST:
        return False
    return not any(ip in network for network in _SPECIAL)


def _look_up(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_family, address in found))


@dataclass(frozen=True, slots=True)
class Network:
    """The way out, and a parameter wherever something is sent: tests hand over one that ends on this machine."""

    look_up: Callable[[str, int], Sequence[str]] = _look_up
    is_open: Callable[[str], bool] = is_public
    authorities: str = ""  # a file of certificates to trust instead of the system's

    def context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.authorities or None)

    def addresses(self, target: Target) -> Sequence[str]:
        """Every address of the name, in the order in which to try them. Raises `Refused`."""
        try:
            found = self.look_up(target.host, target.port)
        except (socket.gaierror, UnicodeError) as error:
            raise Refused(_("The name %(host)s cannot be found.") % {"host": target.host}) from error
        # One that is not public is reason enough: which one is dialled must not be up to chance.
        if not found or not all(self.is_open(address) for address in found):
            raise Refused(_("%(host)s is not an address on the public internet.") % {"host": target.host})
        return found

    def dial(self, target: Target, *, deadline: float) -> socket.socket:
        """A connection to the first address that takes one, before `deadline` of `time.monotonic()`.

        Raises `Refused`, or OSError when nobody answers.
        """
        failure: OSError = TimeoutError(_("The name server was too slow."))
        for address in self.addresses(target):
            if (left := deadline - time.monotonic()) <= 0:
                break
            try:
                return socket.create_connection((address, target.port), timeout=left)
            except OSError as error:
                failure = error
        raise failure


INTERNET = Network()

LOOK_UP = 1.0  # seconds


def parse(url: str) -> Target:
    """The parts of a URL to which something may be sent. Raises `Refused`; looks no name up."""
    if len(url) > 500:
        raise Refused(_("The address must have at most 500 characters."))
    try:
        parts = urlsplit(url)
        port = 443 if parts.port is None else parts.port
    except ValueError as error:
        raise Refused(_("This is not a web address. Write it like https://example.com/hook.")) from error
    if not _WORD.fullmatch(url) or parts.scheme != "https":
        raise Refused(_("The address must begin with https:// and have no spaces or accented letters."))
    if "@" in parts.netloc:
        raise Refused(_("The address must not contain a user name or a password. Put a secret into its path."))
    if not _NAME.fullmatch(parts.hostname or ""):
        raise Refused(_("The address must have a public host name such as example.com, not a number."))
    if port != 443 and port < 1024:
        raise Refused(_("Only port 443 and ports from 1024 on can be used."))
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.hostname or "", port, path)


def shown(url: str) -> str:
    """What stands for a checked URL wherever people read of it, and by which it is found again.

    Its host, and by a keyed digest which one there: the URL itself lets whoever knows it write there. The key is
    AUDIT_KEY, which is never replaced, so this stays the same.
    """
    return f"{parse(url).host} #{mark('url', url)[:16]}"


def check(url: str, network: Network = INTERNET) -> str:
    """The URL of a new subscription, to which something may be sent today. Raises `Refused`.

    A request waits for the name server for LOOK_UP seconds at the most: whoever asks may choose one that never answers.
    """
    target = parse(url)

    def look_up(host: str, port: int) -> Sequence[str]:
        return outside.ask(target, lambda: network.look_up(host, port), seconds=LOOK_UP)

    try:
        replace(network, look_up=look_up).addresses(target)
    except TimeoutError as error:
        raise Refused(_("The name server of this address is too slow. Try again in a minute.")) from error
    return url


ADDRESS_LENGTH = 254  # RFC 5321
SECRET_LENGTH = 8  # what is shorter is a word, like "hooks"
_EMAIL = EmailValidator(allowlist=[])


def without_tags(mailbox: str) -> str:
    """The same for all addresses that some provider takes for one mailbox. For limits alone: others may not."""
    local, at, domain = mailbox.partition("@")
    return local.partition("+")[0].replace(".", "") + at + domain


def mailbox(address: str) -> str:
    """An e-mail address as it is kept: in lower case and ASCII, without space around it.

    No provider gives Ann's mail to somebody who is called ann: however it is spelled it is one mailbox, with one
    subscription and one limit. A domain of other letters is encoded by IDNA 2008 with UTS 46's nontransitional mapping:
    Python's codec has the rules of 2003, by which ß becomes ss and the mail goes to somebody else's domain. Raises
    `InvalidInput`.
    """
    local, _at, domain = address.strip().rpartition("@")
    try:
        domain = domain.lower() if domain.isascii() else idna.encode(domain, uts46=True, std3_rules=True).decode()
        found = f"{local}@{domain}"
        _EMAIL(found)
        found = found.lower()
    except (UnicodeError, ValidationError):  # an IDNAError is a UnicodeError
        found = ""
    # The validator lets quoted names and numeric hosts pass: nobody has one, but somebody may try one on us.
    if not found or len(found) > ADDRESS_LENGTH or re.search(r'[\s"\[\]]', found):
        raise InvalidInput(_("This is not an e-mail address. Write it like name@example.com."), field="address")
    return found


def without_secrets(text: str, url: str) -> str:
    """What was answered at a URL without the parts of its path that let others write there."""
    path = parse(url).path
    for part in (path, *re.split(r"[/?&=]", path)):
        if len(part) >= SECRET_LENGTH:
            text = text.replace(part, "…")
    return text


def without_addresses(text: str, *addresses: str) -> str:
    """The other side's words without the addresses that they are about: those are forgotten with the subscriber."""
    for address in filter(None, addresses):
        text = re.sub(re.escape(address), "…", text, flags=re.IGNORECASE)
    return text[:500]
