"""Where allauth asks us: nobody signs up, whether with a password or through an identity provider."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.forms import ResetPasswordForm
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from django.core.exceptions import ValidationError
from django.http import HttpRequest

from incidents.models import User
from portal.accounts import attempts
from status import secrets
from status.publication.serving import caller


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth has no types
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


class ProviderAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]  # allauth has no types
    """Whom the identity provider names has to have an account here already, with the address that it has verified."""

    def is_open_for_signup(self, request: HttpRequest, sociallogin: Any) -> bool:
        return False


class MFAAdapter(DefaultMFAAdapter):  # type: ignore[misc]  # allauth has no types
    """What a second factor is proved with must be read again at every sign-in, so the database has it encrypted."""

    def encrypt(self, text: str) -> str:
        return secrets.seal(text)

    def decrypt(self, encrypted_text: str) -> str:
        return secrets.unseal(encrypted_text)


class ResetForm(ResetPasswordForm):  # type: ignore[misc]  # allauth has no types
    users: list[User]  # who has the address

    def clean_email(self) -> str:
        email: str = super().clean_email()
        self.users = [user for user in self.users if not user.is_service]  # a program has no password
        return email
