"""Sign-in of staff: a password with a second factor, or the company's identity provider."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from functools import wraps
from typing import cast

from allauth.account.decorators import secure_admin_login
from allauth.socialaccount.providers.openid_connect import views as openid_connect
from django.contrib import admin, messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import include, path
from django.utils.translation import gettext as _
from requests import RequestException

from incidents.models import User
from portal.accounts import sessions

logger = logging.getLogger(__name__)

# Before `admin.site.urls` is read
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]  # allauth says so; mypy lets no method be set


def _unless_it_is_down(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    @wraps(view)
    def answer(request: HttpRequest, provider_id: str) -> HttpResponse:
        if not provider_id.isprintable():
            raise Http404  # allauth would ask the database for it, which takes no NUL
        try:
            return view(request, provider_id)
        except RequestException:
            logger.exception("the identity provider does not answer")
            messages.error(request, _("The identity provider does not answer. Sign in with your password."))
            return redirect("account_login")

    return answer


def _by_administrator(request: HttpRequest, key: str = "") -> HttpResponse:
    messages.info(request, _("An administrator sets your e-mail address. Ask one to change it."))
    return redirect("mfa_index")


@login_required
def _sessions(request: HttpRequest) -> HttpResponse:
    """Where one is signed in, and a button that ends all but this."""
    user = cast(User, request.user)
    here = sessions.digest(request.session.session_key or "")
    if request.method == "POST":
        sessions.end_others(user, here=here)
        messages.success(request, _("You are signed out everywhere else."))
        return redirect("account_sessions")
    rows = [
        facts | {"at": datetime.fromisoformat(facts["at"]), "is_current": row.pk == here}
        for row, data in sessions.of_user(user)
        if (facts := data.get(sessions.SIGN_IN))
    ]
    return render(request, "account/sessions.html", {"sessions": rows})


urlpatterns = [
    path("", lambda request: redirect("mfa_index"), name="account_base"),
    # These come before allauth's own: an address is an administrator's to set, a first password comes by mail, and
    # who somebody is at the identity provider is seen when they sign in there.
    path("email/", _by_administrator, name="account_email"),
    path("confirm-email/", _by_administrator),
    path("confirm-email/<str:key>/", _by_administrator),
    path("password/set/", lambda request: redirect("account_reset_password")),
    path("sessions/", _sessions, name="account_sessions"),
    path("3rdparty/", lambda request: redirect("mfa_index")),
    # allauth's own have no sentence for the day on which the provider is down.
    path("oidc/<str:provider_id>/login/", _unless_it_is_down(openid_connect.login)),
    path("oidc/<str:provider_id>/login/callback/", _unless_it_is_down(openid_connect.callback)),
    path("", include("allauth.urls")),
]
