"""Reads settings from the environment and fails with a sentence a person can act on."""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import unquote, urlsplit

from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured


def text(name: str, default: str = "") -> str:
    return os.environ.get(name, "").strip() or default


def flag(name: str) -> bool:
    value = text(name, "0").lower()
    if value not in {"0", "1", "true", "false", "yes", "no"}:
        raise ImproperlyConfigured(f"{name}={value!r} is neither yes nor no: write 1 or 0.")
    return value in {"1", "true", "yes"}


def number(name: str, default: int) -> int:
    value = text(name, str(default))
    try:
        return int(value)
    except ValueError:
        raise ImproperlyConfigured(f"{name}={value!r} is not a whole number.") from None


def items(name: str) -> list[str]:
    """A comma-separated list; empty when the variable is."""
    return [item.strip() for item in text(name).split(",") if item.strip()]


def choice(name: str, among: list[str]) -> str:
    """One of these values; "" when it is not set."""
    value = text(name).lower()
    if value and value not in among:
        raise ImproperlyConfigured(f"{name}={value!r} is none of: {', '.join(among)}.")
    return value


PLACEHOLDERS = {"change-me", "changeme", "secret", "password", "portal", "postgres", "example"}


def secret(name: str, *, at_least: int) -> str:
    """A secret that must be set, is not a placeholder, and has `at_least` characters."""
    value = text(name)
    if not value:
        raise ImproperlyConfigured(
            f"{name} is not set. Put a random value of {at_least} or more characters into the environment "
            f"(python3 -c 'import secrets; print(secrets.token_urlsafe(50))'), or try the product with: make demo"
        )
    if value.lower() in PLACEHOLDERS or value.lower().startswith("change-me") or len(value) < at_least:
        raise ImproperlyConfigured(
            f"{name} is a placeholder or shorter than {at_least} characters: choose a random value."
        )
    return value


def fernet_keys(name: str) -> list[str]:
    """Keys as `cryptography.fernet.Fernet.generate_key()` makes them, separated by commas; none when it is not set."""
    for key in (keys := items(name)):
        try:
            Fernet(key)
        except ValueError:
            raise ImproperlyConfigured(
                f"{name} has a key that is none. Make one: python3 -c "
                "'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())'"
            ) from None
    return keys


def database(name: str) -> dict[str, Any]:
    """Django's connection parameters from `postgresql://user:password@host:port/name`.

    A host that begins with a slash is given as `postgresql:///name?host=/run/postgresql`.
    """
    url = text(name)
    parts = urlsplit(url)
    if parts.scheme not in {"postgresql", "postgres"} or not parts.path.strip("/"):
        raise ImproperlyConfigured(f"{name} must read postgresql://user:password@host:port/name.")
    query = dict(pair.split("=", 1) for pair in parts.query.split("&") if "=" in pair)
    return {
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": unquote(query.pop("host", parts.hostname or "")),
        "PORT": str(parts.port or ""),
        "OPTIONS": {key: unquote(value) for key, value in query.items()},
    }
