"""What django-allauth asks of a site: whose address it is, how often one may try, and who is notified of changes."""

from __future__ import annotations

import time
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.forms import ResetPasswordForm, default_token_generator
from allauth.account.internal.flows.login import get_authentication_records
from allauth.account.internal.flows.reauthentication import get_reauthentication_flows
from allauth.account.utils import user_pk_to_url_str
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.core.internal import ratelimit
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.forms import ActivateTOTPForm
from allauth.mfa.totp.internal.auth import TOTP
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialAccount
from allauth.socialaccount.providers.base import AuthProcess
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.views import redirect_to_login
from django.core.cache import cache
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from incidents.models import User
from portal.accounts import attempts, mails
from status.requests import caller, network_of

KNOWN_FOR = 90 * 24 * 3600  # seconds in which a network stays an account's own after a sign-in from it


def owner_of(address: str) -> User | None:
    """Whose account an administrator has given this e-mail address; a program's and a closed one are nobody's.

    One that had another address before is nobody's either, until a second administrator has sent a link to the new one.
    """
    found = User.objects.filter(email__iexact=address, is_active=True, is_service=False, address_changed_by=None)
    # A database may take letters for the same that are not, such as a dotless i.
    return next((user for user in found if user.email.lower() == address.lower()), None)


class AccountAdapter(DefaultAccountAdapter):
    error_messages = DefaultAccountAdapter.error_messages | {
        "too_many_login_attempts": gettext_lazy(
            "Too many failed login attempts from where you are. Try again in some minutes. If this is your account, "
            "“Forgotten your password?” opens it for you at once."
        )
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def get_client_ip(self, request: HttpRequest) -> str:
        """Whom the limits on attempts count against."""
        return caller(request) or "unknown"

    # --- How often one may try ---

    def authenticate(self, request: HttpRequest, **credentials: Any) -> User | None:
        try:
            user: User | None = super().authenticate(request, **credentials)
        except ValidationError:
            attempts.note_limit(credentials, request)
            raise
        return user

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Count an attempt against who makes it, so that a stranger's never lock out the owner of a name.

        allauth counts by address, and by name and network together. Of networks from which nobody has signed in
        under this name, all together have few attempts, so that many networks guess no more than one.
        """
        super().pre_authenticate(request, **credentials)
        name = credentials["username"]
        if not cache.get(_known(name, request)):
            action = {"app": "allauth.account", "action": "login_failed_elsewhere", "key": name.lower()}
            usage = ratelimit.consume(request, **action)
            if not usage:
                raise self.validation_error("too_many_login_attempts")
            self._login_failed_rl_usage.usage += usage.usage  # given back when the password was right

    def _get_login_attempts_cache_key(self, request: HttpRequest, **credentials: Any) -> str:
        return _known(credentials.get("username", ""), request)

    def post_login(self, request: HttpRequest, user: User, **facts: Any) -> HttpResponse:
        know_network(request, user)
        answer: HttpResponse = super().post_login(request, user, **facts)
        return answer

    @transaction.atomic
    def set_password(self, user: User, password: str) -> None:
        """Of the account as it is now, and of none that an administrator has closed since the form was read."""
        row = User.objects.select_for_update(no_key=True).get(pk=user.pk)
        if row.is_active:
            row.set_password(password)
            row.save()
        user.password = row.password

    # --- Who is asked again, and who is notified ---

    def is_reauthentication_required(self, *, app: str, **facts: Any) -> bool:
        """Whoever has neither a password nor a second factor here is asked again by their identity provider."""
        request = self.request
        if not get_reauthentication_flows(request.user):
            records = get_authentication_records(request, request.user)
            if not records or time.time() - records[-1]["at"] > settings.ACCOUNT_REAUTHENTICATION_TIMEOUT:
                logout(request)
                messages.info(request, _("Sign in once more, then change this: so nobody else does it for you."))
                raise ImmediateHttpResponse(redirect_to_login(request.get_full_path()))
        required: bool = super().is_reauthentication_required(app=app, **facts)
        return required

    def send_notification_mail(
        self, template_prefix: str, user: User, context: dict[str, Any] | None = None, email: str | None = None
    ) -> None:
        if address := email or user.email:
            super().send_notification_mail(template_prefix, user, context, address)

    def send_password_reset_mail(self, user: User, email: str, context: dict[str, Any]) -> None:
        """To the address as an administrator wrote it, not as a stranger did who asked for this."""
        super().send_password_reset_mail(user, user.email, context)

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Written down for the clock to send: the request ends as soon for an address that is nobody's."""
        site = {"domain": urlsplit(settings.SITE_URL).netloc}  # whatever host was asked
        facts = {"request": self.request, "email": email, "current_site": site}
        mails.owe(self.render_mail(template_prefix, email, facts | context))

    def get_reset_password_from_key_url(self, key: str) -> str:
        """At this site's own address: whoever asks writes the Host header."""
        path = urlsplit(super().get_reset_password_from_key_url(key)).path
        return f"{settings.SITE_URL}{path}"

    def send_link(self, user: User) -> None:
        """Send an account's owner a link with which they set a password; good once, and for three days."""
        key = f"{user_pk_to_url_str(user)}-{default_token_generator.make_token(user)}"
        context = {"user": user, "url": self.get_reset_password_from_key_url(key)}
        self.send_mail("account/email/set_password", user.email, context)


def know_network(request: HttpRequest, user: User) -> None:
    """The account's owner is here: strangers elsewhere use up none of their attempts from now on."""
    cache.set(_known(user.get_username(), request), True, KNOWN_FOR)


def open_again(request: HttpRequest, user: User, **_signal: Any) -> None:
    """Whoever could read the account's mail is its owner, however often the name was tried from their network."""
    know_network(request, user)
    adapter = AccountAdapter(request)
    adapter._delete_login_attempts_cached_email(request, username=user.get_username())


def _known(name: str, request: HttpRequest) -> str:
    """The key under which a name and the network of a request are remembered together."""
    return "sign-in:" + sha256(f"{network_of(request)} {name.lower()}".encode()).hexdigest()


class ResetForm(ResetPasswordForm):
    """Who asks learns nothing, and an address that is nobody's is sent nothing."""

    users: list[User]

    def clean_email(self) -> str:
        email: str = self.cleaned_data["email"]
        user = owner_of(email)
        self.users = [user] if user else []
        return email


class SecondFactorForm(ActivateTOTPForm):
    def clean_code(self) -> str:
        """The code that sets a second factor up is used, as one that signs in is."""
        code: str = super().clean_code()
        if not TOTP(Authenticator(user=self.user))._mark_code_used(code):
            raise AccountAdapter().validation_error("incorrect_code")
        return code


class ProviderAdapter(DefaultSocialAccountAdapter):
    """Whom the identity provider names has to have an account here already.

    It is found by the provider's name for them (the subject), and the first time by the address that the provider has
    verified and an administrator has set here: by nothing that whoever owns an account can change.
    """

    def list_apps(self, request: HttpRequest, provider: str | None = None, client_id: str | None = None) -> list[Any]:
        """Those of the settings alone: whoever writes to the database opens no way in."""
        return [app for app in super().list_apps(request, provider, client_id) if app.pk is None]

    def is_open_for_signup(self, request: HttpRequest, sociallogin: Any) -> bool:
        return False

    def pre_social_login(self, request: HttpRequest, sociallogin: Any) -> None:
        if sociallogin.state.get("process") == AuthProcess.CONNECT:
            messages.info(request, _("Sign out and sign in through the identity provider: that links your account."))
            raise ImmediateHttpResponse(redirect("mfa_index"))
        if sociallogin.is_existing:
            return
        # Some providers write it as a word, and allauth hands on "false" as they wrote it.
        verified = (each.email for each in sociallogin.email_addresses if str(each.verified).lower() == "true")
        user = next((found for email in verified if (found := owner_of(email))), None)
        account = sociallogin.account
        if user is None or SocialAccount.objects.filter(user=user, provider=account.provider).exists():
            attempts.note_stranger(request)
        else:
            with transaction.atomic():
                sociallogin.user = account.user = User.objects.select_for_update(no_key=True).get(pk=user.pk)
                account.save()
                account.user._change_reason = _("%(factor)s set up") % {"factor": account.get_provider().name}
                account.user.save()
            facts = {"account": account, "provider": account.get_provider()}
            self.send_notification_mail("socialaccount/email/account_connected", user, context=facts)
