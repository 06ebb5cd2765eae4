"""The site as it ships; its database has as much more time to answer as everything takes on this machine."""

from __future__ import annotations

from portal import wsgi
from tests.waiting import stretched

application = wsgi.application

from portal import middleware  # noqa: E402  # Django is set up by now

for limit in ("ANSWER", "REQUEST", "REPEAT", "TURN"):
    setattr(middleware, limit, stretched(getattr(middleware, limit)))
