"""Sessions, in the database: whoever has a copy of it can neither use one nor read what is in it."""

from __future__ import annotations

from hashlib import sha256
from typing import Any, cast

from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends import db
from django.contrib.sessions.backends.base import UpdateError
from django.http import HttpRequest
from django.utils import timezone

from incidents.models import User
from incidents.outages import passing_failure
from portal.models import Session
from status import secrets
from status.requests import caller
from status.secrets import Locked

SIGN_IN = "sign-in"  # in a session: when, from where, and by what browser


class SessionStore(db.SessionStore):
    """Django's own, but a row has the digest of the key that the browser holds, and its contents encrypted."""

    @classmethod
    def get_model_class(cls) -> type[Session]:
        return Session

    def _get_session_from_db(self) -> Session | None:
        rows = Session.objects.filter(expire_date__gt=timezone.now())
        row = rows.filter(pk=digest(self.session_key or "")).first()
        if row is None:
            self._session_key = None
        return row

    def exists(self, session_key: str) -> bool:
        return super().exists(digest(session_key))

    def create_model_instance(self, data: dict[str, Any]) -> Session:
        row = cast(Session, super().create_model_instance(data))
        row.session_key = digest(row.session_key)
        row.user_id = data.get(SESSION_KEY)
        return row

    def save(self, must_create: bool = False) -> None:
        """Django's own takes every failure for a session that somebody has ended meanwhile."""
        try:
            super().save(must_create)
        except UpdateError as error:
            if failure := passing_failure(error):
                raise failure from failure.__cause__
            raise

    def delete(self, session_key: str | None = None) -> None:
        if key := session_key or self.session_key:
            super().delete(digest(key))

    def encode(self, session_dict: dict[str, Any]) -> str:
        """Bound to its row: what is copied into another one, by SQL say, opens nothing there."""
        return secrets.encrypt(digest(self.session_key or "") + super().encode(session_dict))

    def load(self) -> dict[str, Any]:
        row = self._get_session_from_db()
        return contents(row) if row else {}


def contents(row: Session) -> dict[str, Any]:
    """Nothing, as if it had ended, of what was encrypted under another key or for another row."""
    try:
        data = secrets.decrypt(row.session_data)
    except Locked:
        return {}
    return db.SessionStore().decode(data.removeprefix(row.pk)) if data.startswith(row.pk) else {}


def digest(key: str) -> str:
    """SHA-256 is enough here: a key is 160 random bits, not a password."""
    return sha256(key.encode()).hexdigest()[:40]


def note_sign_in(request: HttpRequest, **_signal: Any) -> None:
    """For the list of its owner's sessions."""
    request.session[SIGN_IN] = {
        "at": timezone.now().isoformat(),
        "address": caller(request),
        "browser": request.headers.get("User-Agent", "")[:200],
    }


def of_user(user: User) -> list[tuple[Session, dict[str, Any]]]:
    """The sessions in which somebody is signed in, with what is in each: not those that a new password has ended."""
    rows = Session.objects.filter(user=user, expire_date__gt=timezone.now())
    found = [(row, contents(row)) for row in rows.order_by("expire_date")]
    proofs = {user.get_session_auth_hash(), *user.get_session_auth_fallback_hash()}
    return [(row, data) for row, data in found if data.get(HASH_SESSION_KEY) in proofs]


def end_others(user: User, *, here: str) -> None:
    """Sign somebody out everywhere but in the session of which `here` is the digest."""
    Session.objects.filter(user=user).exclude(pk=here).delete()
