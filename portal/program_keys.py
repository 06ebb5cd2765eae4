"""Whether a request comes with a key: asked before it takes what all need, so the database is hardly ever asked."""

from __future__ import annotations

import hmac
import math
import time
from base64 import b64encode
from threading import Lock

from django.conf import settings
from django.db import Error, connection
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest

from incidents.models import ApiKey
from incidents.outages import passing_failure
from portal.postgresql.deadline import server, time_limit

PAUSE = 1.0  # seconds between two looks for a key that is not known: many may send wrong ones
KEPT = 60.0  # seconds after which a key that is known may have been revoked


def key_of(request: HttpRequest) -> str:
    """`Authorization: OAuth KEY`, as Statuspage's clients send it, `Bearer KEY`, or `?api_key=KEY`; "" without one."""
    scheme, _space, key = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() not in ("oauth", "bearer"):
        key = request.GET.get("api_key", "")
    return key.strip()


def unrevoked() -> QuerySet[ApiKey]:
    return ApiKey.objects.filter(revoked_at=None, user__is_active=True, made_by__is_active=True)


class KnownKeys:
    """The keys that open something, as they were a moment ago. What one opens is decided where it is used."""

    def __init__(self) -> None:
        self._digests: frozenset[str] = frozenset()
        self._read_at = -math.inf
        self._lock = Lock()

    def fit(self, request: HttpRequest) -> bool:
        """Whether it has one of them, or is the mail provider's."""
        given = request.headers.get("Authorization", "")
        if settings.MAIL_EVENTS and given.startswith("Basic "):
            own = b64encode(settings.ANYMAIL["WEBHOOK_SECRET"].encode()).decode()
            return hmac.compare_digest(given.encode(), f"Basic {own}".encode())
        key = key_of(request)
        return bool(key) and self._has(ApiKey.digest_of(key))

    def _has(self, digest: str) -> bool:
        # Who comes while somebody reads them, or while the database is away, takes what was read before; at a process's
        # start there is nothing, and all wait for the first one.
        is_first = self._read_at == -math.inf
        if self._is_old(digest) and server.silent_since is None and self._lock.acquire(blocking=is_first):
            try:
                if self._is_old(digest):
                    self._read()
                    self._read_at = time.monotonic()
            finally:
                self._lock.release()
        return digest in self._digests

    def _is_old(self, digest: str) -> bool:
        return time.monotonic() - self._read_at > (KEPT if digest in self._digests else PAUSE)

    def _read(self) -> None:
        try:
            with time_limit(1.0, total=0.5):  # the first as the guard has it: the connection stays this thread's
                valid = unrevoked().filter(Q(expires_at=None) | Q(expires_at__gt=Now()))
                self._digests = frozenset(valid.values_list("digest", flat=True))
        except Error as error:
            if not passing_failure(error):
                raise
            connection.close_if_unusable_or_obsolete()  # what comes next opens another, or says what is wrong
