"""Who signed in from where, and who could not: in the log, for whoever looks into an attack.

The name is only there when it is an account's: people type their password into the wrong field.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest

from incidents.models import User
from status.requests import caller

logger = logging.getLogger(__name__)


def note_success(request: HttpRequest, user: User, **_signal: Any) -> None:
    logger.info("%s signed in from %s", user.get_username(), _from(request))


def note_failure(credentials: Mapping[str, Any], request: HttpRequest | None = None, **_signal: Any) -> None:
    logger.warning("a sign-in as %s from %s was refused: wrong password", _named(credentials), _from(request))


def note_limit(credentials: Mapping[str, Any], request: HttpRequest) -> None:
    logger.warning("a sign-in as %s from %s was refused: too many attempts", _named(credentials), _from(request))


def note_wrong_code(request: HttpRequest, user: User, **_signal: Any) -> None:
    logger.warning("a sign-in as %s from %s was refused: wrong code", user.get_username(), _from(request))


def note_stranger(request: HttpRequest) -> None:
    logger.warning("a sign-in from %s was refused: the identity provider named nobody whom we know", _from(request))


def _named(credentials: Mapping[str, Any]) -> str:
    name = str(credentials.get("username", ""))
    return name if User.objects.filter(username=name).exists() else "nobody whom we know"


def _from(request: HttpRequest | None) -> str:
    return (caller(request) if request else "") or "an unknown address"
