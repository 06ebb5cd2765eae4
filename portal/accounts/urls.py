"""Sign-in of staff: a password with a second factor, or the company's identity provider."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import wraps

from allauth.account.decorators import secure_admin_login
from allauth.socialaccount.providers.openid_connect import views as openid_connect
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import include, path
from django.utils.translation import gettext as _
from requests import RequestException

logger = logging.getLogger(__name__)

# Before `admin.site.urls` is read
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]  # allauth says so; mypy lets no method be set


def _unless_it_is_down(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    @wraps(view)
    def answer(request: HttpRequest, provider_id: str) -> HttpResponse:
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


urlpatterns = [
    path("", lambda request: redirect("mfa_index"), name="account_base"),
    # These come before allauth's own: an address is an administrator's to set, a first password comes by mail, and
    # who somebody is at the identity provider is seen when they sign in there.
    path("email/", _by_administrator, name="account_email"),
    path("confirm-email/", _by_administrator),
    path("confirm-email/<str:key>/", _by_administrator),
    path("password/set/", lambda request: redirect("account_reset_password")),
    path("3rdparty/", lambda request: redirect("mfa_index")),
    # allauth's own have no sentence for the day on which the provider is down.
    path("oidc/<str:provider_id>/login/", _unless_it_is_down(openid_connect.login)),
    path("oidc/<str:provider_id>/login/callback/", _unless_it_is_down(openid_connect.callback)),
    path("", include("allauth.urls")),
]
