"""Sign-in of staff: a password with a second factor, or the company's identity provider. Accounts are made by staff."""

from __future__ import annotations

import logging
from functools import wraps
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from allauth.account.decorators import secure_admin_login
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from allauth.socialaccount.providers.openid_connect import views as openid_connect
from django.conf import settings
from django.contrib import admin, messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import include, path, reverse
from django.utils.translation import gettext as _
from requests import RequestException

from incidents.models import User
from incidents.permissions import PUBLISHING, allows
from portal.accounts import signed_out

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)

admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]  # as its documentation says


class StaffMiddleware:
    """Leads whoever may publish, and has no second factor yet, to the page where one is set up; logs refusals.

    What somebody sends who has been signed out meanwhile is not lost.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if (
            request.method == "POST"
            and not request.user.is_authenticated
            and _is_staffs(request)
            and signed_out.is_own(request)
        ):
            return signed_out.signed_out(request)
        if settings.REQUIRE_SECOND_FACTOR and _lacks_second_factor(request):
            messages.warning(request, _("You may publish, so set up a second factor for your sign-in first."))
            return redirect("mfa_activate_totp")
        response = self.get_response(request)
        if response.status_code == HTTPStatus.FORBIDDEN and request.user.is_authenticated:
            logger.warning("%s was refused: %s %s", request.user.get_username(), request.method, request.path)
        return response


def note_way_in(instance: Authenticator | SocialAccount, created: bool | None = None, **_signal: Any) -> None:
    """Into the account's history, that a way to sign in was set up or taken away; `created` is None for that."""
    if created is not False:  # its use is no news
        with transaction.atomic():
            user = User.objects.select_for_update(no_key=True).get(pk=instance.user_id)
            name = instance.get_provider().name if isinstance(instance, SocialAccount) else instance.get_type_display()
            what = _("%(factor)s set up") if created else _("%(factor)s taken away")
            user._change_reason = what % {"factor": name}
            user.save()


def _by_administrator(request: HttpRequest) -> HttpResponse:
    messages.info(request, _("An administrator sets your e-mail address. Ask one to change it."))
    return redirect("mfa_index")


def _is_staffs(request: HttpRequest) -> bool:
    """Whether this is one of the pages that take a signed-in member of staff."""
    path = request.path_info
    open_pages = (reverse("account_base"), reverse("admin:jsi18n"), reverse("admin:login"))
    return path.startswith(reverse("admin:index")) and not path.startswith(open_pages)


def _lacks_second_factor(request: HttpRequest) -> bool:
    user = request.user
    if not (_is_staffs(request) and isinstance(user, User) and any(allows(user, verb) for verb in PUBLISHING)):
        return False
    return not Authenticator.objects.filter(user=user, type=Authenticator.Type.TOTP).exists()


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
