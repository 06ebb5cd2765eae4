"""The site as it ships; its database has as much more time to answer as everything takes on this machine.

In the world outside there is one name server that does not answer: that of `dead.example`.
"""

from __future__ import annotations

import socket
from typing import Any

from portal import wsgi
from tests.waiting import let_pass, stretched

application = wsgi.application

from portal import middleware  # noqa: E402  # Django is set up by now

for limit in ("ANSWER", "REQUEST", "REPEAT", "TURN"):
    setattr(middleware, limit, stretched(getattr(middleware, limit)))

_look_up = socket.getaddrinfo


def look_up(host: Any, *rest: Any, **more: Any) -> Any:
    if str(host).endswith(".dead.example"):
        let_pass(20)
    return _look_up(host, *rest, **more)


socket.getaddrinfo = look_up
