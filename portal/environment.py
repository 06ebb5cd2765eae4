"""Reads settings from the environment and fails with a sentence a person can act on."""

from __future__ import annotations

import os
import re
import secrets
import stat
from collections.abc import Callable
from contextlib import suppress
from email.utils import getaddresses
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
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


def secret(name: str, *, at_least: int, kept_in: Path | None = None) -> str:
    """A secret that must be set, is not a placeholder, and has `at_least` characters.

    With `kept_in`, a file, it is made there once when it is not set.
    """
    value = text(name) or (kept(kept_in, lambda: secrets.token_urlsafe(50)) if kept_in else "")
    if not value:
        raise ImproperlyConfigured(
            f"{name} is not set. Put a random value of {at_least} or more characters into the environment "
            f"(python3 -c 'import secrets; print(secrets.token_urlsafe(50))'), or try the product with: make demo"
        )
    _check_secret(name, value, at_least)
    return value


def secrets_of(name: str, *, at_least: int) -> list[str]:
    """Secrets separated by commas, each as `secret` wants it; none when it is not set."""
    for value in (values := items(name)):
        _check_secret(name, value, at_least)
    return values


def _check_secret(name: str, value: str, at_least: int) -> None:
    if value.lower() in PLACEHOLDERS or value.lower().startswith("change-me") or len(value) < at_least:
        raise ImproperlyConfigured(
            f"{name} is a placeholder or shorter than {at_least} characters: choose a random value."
        )


MAKE_A_KEY = "python3 -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())'"


def fernet_keys(name: str, *, kept_in: Path | None = None) -> list[str]:
    """Keys as `cryptography.fernet.Fernet.generate_key()` makes them, separated by commas; at least one must be set.

    With `kept_in`, a file, one is made there once when none is set.
    """
    keys = items(name) or ([kept(kept_in, lambda: Fernet.generate_key().decode())] if kept_in else [])
    if not keys:
        raise ImproperlyConfigured(f"{name} is not set. Put a key into the environment. Make it with: {MAKE_A_KEY}")
    for key in keys:
        try:
            Fernet(key)
        except ValueError:
            raise ImproperlyConfigured(f"{name} has a key that is none. Make one with: {MAKE_A_KEY}") from None
    return keys


def kept(file: Path, make: Callable[[], str]) -> str:
    """What this file holds, which only this user may read. What it holds is made once, by the first who asks."""
    if not file.exists():
        new = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
        new.touch(mode=0o600)
        new.write_text(make())
        with suppress(FileExistsError):  # another process was faster
            file.hardlink_to(new)
        new.unlink()
    return file.read_text().strip()


def private_folder(folder: Path) -> None:
    """Make it, for this user alone, and so is what this process and its children write from now on."""
    os.umask(0o077)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if folder.stat().st_mode & stat.S_ISVTX:
            raise PermissionError(0, "it is everybody's")
        folder.chmod(0o700)  # an older version may have made it
    except OSError as error:
        raise ImproperlyConfigured(
            f"DATA_DIR={str(folder)!r} cannot be used ({error.strerror}): name a folder that belongs to this user."
        ) from None


def mailbox(name: str, default: str) -> str:
    """One e-mail address, with or without a name, as a mail's From has it."""
    value = text(name, default)
    found = [address for _name, address in getaddresses([value])]
    if len(found) != 1 or not re.fullmatch(r"[^@\s]+@[^@\s]+", found[0]):
        raise ImproperlyConfigured(
            f"{name}={value!r} is no sender. Write status@example.com, or with a name: "
            '"Acme, Inc." <status@example.com>.'
        )
    return value


def networks(name: str) -> list[IPv4Network | IPv6Network]:
    """Addresses and networks separated by commas, like `10.1.2.3, 172.28.13.0/24`; none when it is not set."""
    found = []
    for item in items(name):
        try:
            found.append(ip_network(item))
        except ValueError:
            raise ImproperlyConfigured(
                f"{name} names {item!r}, which is no IP address and no network. Write 10.1.2.3 or 10.1.2.0/24."
            ) from None
    return found


def issuer(name: str) -> dict[str, str]:
    """An identity provider's address, and what it is called here: people whom another one names are others."""
    address = text(name).rstrip("/")
    if not re.fullmatch(r"https://[^/?#@\s]+(/[^?#\s]*)?|http://(127\.0\.0\.1|localhost)(:\d+)?(/[^?#\s]*)?", address):
        raise ImproperlyConfigured(f"{name}={address!r} is no issuer. Write its address, which begins with https://.")
    return {"server_url": address, "provider_id": address.split("://")[1].replace("/", "~")}


def hsts(name: str) -> str:
    """The header Strict-Transport-Security as it is sent (RFC 6797); "" when it is not set."""
    value = text(name)
    if value and not re.fullmatch(r"max-age=\d+(; includeSubDomains)?(; preload)?", value):
        raise ImproperlyConfigured(
            f"{name}={value!r} is no such header. Write max-age=SECONDS, like max-age=31536000, and behind it "
            "; includeSubDomains and ; preload only if you want them."
        )
    return value


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
