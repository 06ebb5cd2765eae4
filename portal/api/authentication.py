from __future__ import annotations

from django.utils.translation import gettext as _
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from incidents.models import ApiKey, User
from incidents.record_time import record_time
from portal.program_keys import key_of, unrevoked


class KeyAuthentication(BaseAuthentication):
    """By a key. Its service user acts."""

    def authenticate(self, request: Request) -> tuple[User, ApiKey] | None:
        """None without a key; raises `AuthenticationFailed` for a key that opens nothing."""
        if not (key := key_of(request._request)):
            return None
        found = unrevoked().filter(digest=ApiKey.digest_of(key)).select_related("user", "use").first()
        if found is None:
            raise AuthenticationFailed(_("This key is unknown or was revoked. Ask an administrator for another."))
        if found.expires_at and found.expires_at <= record_time():
            raise AuthenticationFailed(_("This key has expired. Ask an administrator for another."))
        return found.user, found

    def authenticate_header(self, request: Request) -> str:
        return "OAuth"


class KeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # a base class without annotations
    """How the documentation describes the above; drf-spectacular finds it by its base class."""

    target_class = KeyAuthentication
    name = "key"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:
        return {
            "type": "apiKey",
            "in": "header",
            "name": "Authorization",
            "description": _("Write “OAuth”, a space, and the key: “OAuth 3kT…”. “Bearer” does as well."),
        }
