"""Sessions, in the database."""

from __future__ import annotations

from django.contrib.sessions.backends import db
from django.contrib.sessions.backends.base import UpdateError

from incidents.outages import passing_failure


class SessionStore(db.SessionStore):
    def save(self, must_create: bool = False) -> None:
        """Django's own takes every failure for a session that somebody has ended meanwhile."""
        try:
            super().save(must_create)
        except UpdateError as error:
            if failure := passing_failure(error):
                raise failure from failure.__cause__
            raise
