from __future__ import annotations

from django.utils.translation import gettext as _
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from incidents.models import ApiKey, User
from incidents.record_time import record_time


class KeyAuthentication(BaseAuthentication):
    """`Authorization: OAuth KEY`, as Statuspage's clients send it, `Bearer KEY`, or `?api_key=KEY`.

    The key's service user acts.
    """

    def authenticate(self, request: Request) -> tuple[User, ApiKey] | None:
        """None without a key; raises `AuthenticationFailed` for a key that opens nothing."""
        scheme, _space, key = get_authorization_header(request).decode("latin-1").partition(" ")
        if scheme.lower() not in ("oauth", "bearer"):
            key = request.query_params.get("api_key", "")
            if not key:
                return None
        keys = ApiKey.objects.filter(revoked_at=None, user__is_active=True, made_by__is_active=True)
        found = keys.filter(digest=ApiKey.digest_of(key.strip())).select_related("user", "use").first()
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
