"""A form that came when its sender was signed out, or with a token that is too old: shown once more, nothing lost."""

from __future__ import annotations

from urllib.parse import urlsplit

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.csrf import csrf_failure as refuse


def is_own(request: HttpRequest) -> bool:
    """Whether a form of ours was sent: what another site's page wrote is never shown as if somebody had typed it."""
    if site := request.headers.get("Sec-Fetch-Site"):
        return site == "same-origin"
    return urlsplit(request.headers.get("Origin", "")).netloc == request.get_host()


def signed_out(request: HttpRequest) -> HttpResponse:
    sentence = _("You are not signed in any more, so nothing was saved. Sign in in another tab, then send this again.")
    return _show(request, sentence)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Django calls this for a form whose token does not fit, for example after one has signed in anew."""
    if not is_own(request):
        return refuse(request, reason)
    return _show(request, _("This form was opened before you signed in, so nothing was saved yet. Send it again."))


def _show(request: HttpRequest, sentence: str) -> HttpResponse:
    fields = [
        (name, value)
        for name, values in request.POST.lists()
        for value in values
        if name != "csrfmiddlewaretoken" and "password" not in name
    ]
    return render(request, "portal/signed_out.html", {"sentence": sentence, "fields": fields}, status=403)
