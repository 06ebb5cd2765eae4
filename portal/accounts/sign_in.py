"""Sign-in of staff: a password with a second factor, or the company's identity provider. Accounts are made by staff."""

from __future__ import annotations

import logging
from functools import wraps
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.decorators import secure_admin_login
from allauth.account.forms import ResetPasswordForm
from allauth.mfa.models import Authenticator
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.providers.openid_connect import views as openid_connect
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import include, path, reverse
from django.utils.translation import gettext as _
from requests import RequestException

from incidents.models import User
from incidents.permissions import PUBLISHING, allows
from portal.accounts import attempts, signed_out
from status.publication.serving import caller

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)

admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]  # as its documentation says


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # carries no types
    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        try:
            super().pre_authenticate(request, **credentials)
        except ValidationError:
            attempts.note_limit(credentials, request)
            raise

    def get_client_ip(self, request: HttpRequest) -> str:
        """Whom the limits on attempts count against."""
        return caller(request) or "unknown"


class ProviderAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]  # carries no types
    """Whom the identity provider names has to have an account here already, with the address that it has verified."""

    def is_open_for_signup(self, request: HttpRequest, sociallogin: Any) -> bool:
        return False


class ResetForm(ResetPasswordForm):  # type: ignore[misc]  # carries no types
    users: list[User]  # who has the address

    def clean_email(self) -> str:
        email: str = super().clean_email()
        self.users = [user for user in self.users if not user.is_service]  # a program has no password
        return email


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


def note_second_factor_added(authenticator: Authenticator, **_signal: Any) -> None:
    _note_in_history(authenticator, _("%(factor)s set up"))


def note_second_factor_removed(authenticator: Authenticator, **_signal: Any) -> None:
    _note_in_history(authenticator, _("%(factor)s taken away"))


def _note_in_history(authenticator: Authenticator, change: str) -> None:
    user = User.objects.get(pk=authenticator.user_id)
    user._change_reason = change % {"factor": authenticator.get_type_display()}
    user.save()


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
    # These come before allauth's own, which have no sentence for that day.
    path("oidc/<str:provider_id>/login/", _unless_it_is_down(openid_connect.login)),
    path("oidc/<str:provider_id>/login/callback/", _unless_it_is_down(openid_connect.callback)),
    path("", include("allauth.urls")),
]
