"""What every request to a page of staff's passes: signed in, and with a second factor where one is asked for."""

from __future__ import annotations

import logging
from collections.abc import Callable
from http import HTTPStatus

from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _

from incidents.models import User
from incidents.permissions import PUBLISHING, allows
from portal.accounts import known_browsers, signed_out
from status.publication.prefixes import is_for_staff

logger = logging.getLogger(__name__)


class StaffMiddleware:
    """Leads whoever may publish, and has no second factor yet, to the page where one is set up; logs refusals.

    A form that somebody sends after being signed out is not lost, and the browser of whoever is signed in is known.
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
        if is_for_staff(request.path_info) and request.user.is_authenticated and not known_browsers.is_known(request):
            known_browsers.remember(response)
        return response


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
