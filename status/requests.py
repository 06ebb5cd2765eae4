"""What a request says of who asks, and of which page; and its type as django-htmx's middleware hands it on."""

from __future__ import annotations

import re
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

from django.conf import settings
from django.http import HttpRequest

if TYPE_CHECKING:
    from django_htmx.middleware import HtmxDetails

# In request.META, for the views of subscribers: the host name that was asked, and the public id of its page
ASKED_HOST = "status.host"
ASKED_PAGE = "status.page"

WITH_PORT = re.compile(r"^([\d.]+|\[.+\]):\d+$")  # an address, as some gateways write it


class HtmxRequest(HttpRequest):
    htmx: HtmxDetails


def caller(request: HttpRequest) -> str:
    """The IP address of who asks; "" when there is none.

    Each proxy writes down whom it was called by, behind what the caller claims. So this goes back from the last one, as
    far as it was one of ours who wrote: the first that is not in TRUSTED_PROXIES is the caller, whatever stands before.
    """
    found = ""
    for hop in [request.META.get("REMOTE_ADDR", ""), *reversed(request.headers.get("X-Forwarded-For", "").split(","))]:
        try:
            ip = ip_address(WITH_PORT.sub(r"\1", hop.strip()).strip("[]"))
        except ValueError:
            if hop:  # a socket in a file has no address, and is ours
                break
            continue
        ip = getattr(ip, "ipv4_mapped", None) or ip
        found = str(ip)
        if not any(ip in network for network in settings.TRUSTED_PROXIES):
            break
    return found


def network_of(request: HttpRequest) -> str:
    """The network that who asks counts for: the /24 of an address, or the /64 of IPv6; "unknown" without one."""
    if not (address := caller(request)):
        return "unknown"
    return str(ip_network((address, 64 if ":" in address else 24), strict=False))


def host_name(host: str) -> str:
    """Of a Host header: in lower case, without a port, and without the dot that a whole name may end with."""
    return host.rsplit(":", 1)[0].lower().removesuffix(".")
