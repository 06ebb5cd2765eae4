"""Browsers in which somebody has signed in: whoever asks from another one is a stranger until then.

A signed cookie says so, which costs no query. It opens nothing: it only keeps strangers, who can send any password as
often as they like, out of what staff have.
"""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse

COOKIE = "known-browser"
KEPT = 90 * 24 * 3600  # seconds


def is_known(request: HttpRequest) -> bool:
    return bool(request.get_signed_cookie(COOKIE, "", salt=COOKIE, max_age=KEPT))


def remember(response: HttpResponse) -> None:
    response.set_signed_cookie(
        COOKIE,
        "yes",
        salt=COOKIE,
        max_age=KEPT,
        path="/admin/",
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )
