"""What an account's owner is sent when its sign-in changes, and asking somebody for their password again."""

from __future__ import annotations

from allauth.account.internal.flows.reauthentication import raise_if_reauthentication_required
from allauth.core.context import request_context
from django.http import HttpRequest
from django.utils.translation import gettext as _

from incidents.models import User
from portal.accounts.adapters import AccountAdapter


def ask_again(request: HttpRequest) -> None:
    """Ask for the password, unless that was done a moment ago; what was sent goes on afterwards."""
    if request.method == "POST":
        raise_if_reauthentication_required(request, app="allauth.account")


def send_link(request: HttpRequest, user: User) -> None:
    with request_context(request):
        AccountAdapter().send_link(user)


def tell_of_address(request: HttpRequest, user: User, before: str) -> None:
    """At both addresses, so that whoever reads the old one can object."""
    what = _("The e-mail address of your account is now %(new)s. It was %(old)s.")
    for address in filter(None, (before, user.email)):
        _tell(request, user, what % {"new": user.email, "old": before or _("none")}, address)


def tell_of_second_factor(request: HttpRequest, user: User) -> None:
    what = _("An administrator took away the second factor of your account. Set up a new one when you sign in.")
    _tell(request, user, what)


def tell_of_provider(request: HttpRequest, user: User) -> None:
    _tell(request, user, _("An administrator removed the link between your account and the identity provider."))


def _tell(request: HttpRequest, user: User, what: str, address: str | None = None) -> None:
    with request_context(request):
        AccountAdapter().send_notification_mail("account/email/changed", user, {"what": what}, address)
