"""Reads settings from the environment and fails with a sentence a person can act on."""

from __future__ import annotations

import os
import re
import secrets
import stat
from collections.abc import Callable
from contextlib import suppress
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured

LINE = re.compile(
    r"""(?:export\s+)?(?P<name>\w+)\s*=\s*(?:"(?P<double>[^"]*)"|'(?P<single>[^']*)'|(?P<bare>.*?))(?:\s+\#.*)?"""
)


def home() -> Path:
    """The folder of everything that is kept in files, where DATA_DIR names no other."""
    checkout = Path(__file__).resolve().parent.parent
    if (checkout / "manage.py").exists():
        return checkout / "var"
    of_a_service = Path("/var/lib/incident-portal")
    return of_a_service if of_a_service.is_dir() else Path.home() / ".local/share/incident-portal"


def load() -> None:
    """Take the settings from `.env` in DATA_DIR, written like `.env.example`, if there is one.

    Where the environment has a SECRET_KEY, it is whole: the file changes nothing.
    """
    if {"SECRET_KEY", "SECRET_KEY_FILE"} & os.environ.keys():
        return
    file = folder("DATA_DIR", home()) / ".env"
    with suppress(PermissionError):  # which is said when it is read
        if not file.exists():
            return
    for number, line in enumerate(_content(file, str(file)).splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if not (found := LINE.fullmatch(line.strip())):
            raise ImproperlyConfigured(f"{file}, line {number}, is no setting. Write NAME=value, or # before a note.")
        os.environ.setdefault(found["name"], found["double"] or found["single"] or found["bare"] or "")


def text(name: str, default: str = "") -> str:
    """What NAME says, or the file that NAME_FILE names: where a secret is mounted, say."""
    value, file = os.environ.get(name, "").strip(), os.environ.get(f"{name}_FILE", "").strip()
    if value and file:
        raise ImproperlyConfigured(f"{name} and {name}_FILE are both set. Take one of them away.")
    if file:
        value = _content(Path(file), f"{name}_FILE={file!r}").strip()
    if not value.isprintable():
        raise ImproperlyConfigured(f"{name} has a line end or a control character in it. Write it on one line.")
    return value or default


def _content(file: Path, named: str) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise ImproperlyConfigured(f"{named} cannot be read ({_why(error)}).") from None


def _why(error: Exception) -> str:
    return getattr(error, "strerror", None) or "it is no text in UTF-8"


def flag(name: str) -> bool:
    value = text(name, "0").lower()
    if value not in {"0", "1", "true", "false", "yes", "no"}:
        raise ImproperlyConfigured(f"{name}={value!r} is neither yes nor no: write 1 or 0.")
    return value in {"1", "true", "yes"}


def number(name: str, default: int, *, least: int = 0, most: int) -> int:
    value = text(name, str(default))
    if not re.fullmatch(r"[0-9]{1,9}", value) or not least <= int(value) <= most:
        raise ImproperlyConfigured(f"{name}={value!r} is not a whole number from {least} to {most}.")
    return int(value)


def items(name: str) -> list[str]:
    """A comma-separated list; empty when the variable is."""
    return [item.strip() for item in text(name).split(",") if item.strip()]


def choice(name: str, among: list[str]) -> str:
    """One of these values; "" when it is not set."""
    value = text(name).lower()
    if value and value not in among:
        raise ImproperlyConfigured(f"{name}={value!r} is none of: {', '.join(among)}.")
    return value


def required(name: str, because: str) -> str:
    """A text that another setting, `because`, does not do without."""
    if not (value := text(name)):
        raise ImproperlyConfigured(f"{because} is set, and {name} is not: it needs both.")
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
            f"(python3 -c 'import secrets; print(secrets.token_urlsafe(50))')."
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
    try:
        if not file.exists():
            new = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
            new.touch(mode=0o600)
            new.write_text(make())
            with suppress(FileExistsError):  # another process was faster
                file.hardlink_to(new)
            new.unlink()
        return file.read_text().strip()
    except (OSError, ValueError) as error:
        raise ImproperlyConfigured(f"The key in {str(file)!r} cannot be used ({_why(error)}).") from None


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


def folder(name: str, default: Path) -> Path:
    """A folder, which need not be there yet."""
    path = Path(text(name, str(default)))
    if not path.is_absolute():  # processes are started in different folders
        raise ImproperlyConfigured(f"{name}={str(path)!r} is not the whole path: begin with a slash.")
    if any(each.exists() and not each.is_dir() for each in (path, *path.parents)):
        raise ImproperlyConfigured(f"{name}={str(path)!r} is or lies below a file: name a folder.")
    return path


HOST = r"(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*\.?"


def host(name: str, default: str = "") -> str:
    """A host's name or IP address; a name with other letters is written as name servers have it (xn--...)."""
    value = text(name, default).lower()
    if value and not _is_host(value):
        raise ImproperlyConfigured(f"{name}={value!r} is no host. Write its name alone, like www.example.com.")
    return value


def hosts(name: str) -> list[str]:
    """Host names separated by commas; `.example.com` is every name below it."""
    for value in (values := [item.lower() for item in items(name)]):
        if value != "*" and not _is_host(value.removeprefix(".").strip("[]")):
            raise ImproperlyConfigured(f"{name} names {value!r}, which is no host. Write names like www.example.com.")
    return values


def _is_host(value: str) -> bool:
    with suppress(ValueError):
        return bool(ip_address(value))
    return re.fullmatch(HOST, value) is not None


def _address(value: str, *, may_be_http: bool) -> SplitResult | None:
    """An http address in its parts; None where it is none. Only loopback does without https, unless `may_be_http`."""
    try:
        parts = urlsplit(value)
        is_port = parts.port != 0
    except ValueError:
        return None
    may_be_http = may_be_http or parts.hostname in {"127.0.0.1", "localhost", "::1"}
    is_plain = not (
        parts.netloc.endswith(":")
        or parts.query
        or parts.fragment
        or "@" in parts.netloc
        or re.search(r"[\s?#]", value)
    )
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and may_be_http)
    return parts if is_safe and is_plain and is_port and _is_host(parts.hostname or "") else None


def site(name: str, default: str, *, may_be_http: bool) -> SplitResult:
    """Scheme, host and port of this site, in its parts."""
    value = text(name, default).lower().rstrip("/")
    parts = _address(value, may_be_http=may_be_http)
    if not parts or parts.path:
        raise ImproperlyConfigured(
            f"{name}={value!r} is not where a site can be. Write https:// and a host, like https://portal.example.com, "
            "without a path (only a loopback address may do without https)."
        )
    return parts


SENDER = r"""(("[^"\\]+"|[^"\\<>@,;:()\[\]]+)\s*<(?P<inside>[^<>]+)>|(?P<alone>[^<>]+))"""
LOCAL_PART = r"[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~-]+"


def mailbox(name: str, default: str) -> str:
    """One e-mail address, with or without a name, as a mail's From has it."""
    value = text(name, default)
    found = re.fullmatch(SENDER, value)
    local_part, _at, domain = (found["inside"] or found["alone"] if found else "").partition("@")
    if not re.fullmatch(LOCAL_PART, local_part) or not _is_host(domain.lower()):
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
    if not _address(address, may_be_http=False):
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
    from psycopg import ProgrammingError, conninfo  # the embedded mode does without: it takes a tenth of a second

    url = text(name)
    try:
        found = conninfo.conninfo_to_dict(url)
        port = str(found.pop("port", ""))
        if not url.startswith(("postgresql://", "postgres://")) or not found.get("dbname") or not _is_port(port):
            raise ValueError
    except (ValueError, ProgrammingError):  # whose words may hold the password
        raise ImproperlyConfigured(f"{name} must read postgresql://user:password@host:port/name.") from None
    return {
        "NAME": found.pop("dbname"),
        "USER": found.pop("user", ""),
        "PASSWORD": found.pop("password", ""),
        "HOST": found.pop("host", ""),
        "PORT": port,
        "OPTIONS": found,
    }


def redis(name: str) -> str:
    """`redis://user:password@host:port/number`, or with rediss:// by TLS; "" when it is not set."""
    url = text(name)
    pattern = r"rediss?://([^@/\s]*@)?(?P<host>[^@:/?\s\[\]]+|\[[0-9a-f:]+\])(:(?P<port>\d+))?(/\d*)?(\?[^\s#]*)?"
    found = re.fullmatch(pattern, url, re.IGNORECASE)
    if url and not (found and _is_host(found["host"].lower().strip("[]")) and _is_port(found["port"] or "")):
        raise ImproperlyConfigured(f"{name} must read redis://host:port/0, or rediss:// where Redis has TLS.")
    return url


def _is_port(value: str) -> bool:
    return not value or (re.fullmatch(r"[0-9]{1,5}", value) is not None and 0 < int(value) < 65536)
