"""`.env.example` is the whole list of what a deployment may set, and a wrong value stops the start with a sentence."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured

from portal import environment
from tests import migrated
from tests.servers import free_port

ROOT = Path(__file__).resolve().parents[2]
LISTED = dict(re.findall(r"^(?:# )?([A-Z_]+)=(.*)$", (ROOT / ".env.example").read_text(), re.MULTILINE))
KEY = "k5wZ0fQ9-" * 6

NO_FLAG = ["maybe", "2"]
NO_SECRET = ["change-me", "short", "a\nb"]
NO_HOST = ["https://www.example.com", "www.example.com:443", "a b", "-", "a..b", "bücher.example", "x" * 64]
NO_FOLDER = ["/dev/null", "/dev/null/below", "var", "~/var"]
NO_PORT = ["0", "65536", "-1", "smtp", "1.5", "9" * 5000]

# What each setting refuses,
BAD: dict[str, list[str]] = {
    "SECRET_KEY": NO_SECRET,
    "SECRET_KEY_FALLBACKS": [*NO_SECRET, f"{KEY},short"],
    "ENCRYPTION_KEYS": ["x", KEY, f"{Fernet.generate_key().decode()},x"],
    "AUDIT_KEY": NO_SECRET,
    "SITE_URL": [
        *("https://portal.example.com/portal", "http://localhost.example.com", "http://portal.example.com", "https://"),
        *(
            "portal.example.com",
            "ftp://portal.example.com",
            "https://a@portal.example.com",
            "https://a:b",
            "https://a:0",
        ),
        *(
            "https://a:65536",
            "https://[::1",
            "https://a?b",
            "https://a#b",
            "https://a b",
            "http://127.0.0.1.example.com",
        ),
    ],
    "ALLOWED_HOSTS": [f"www.example.com,{host}" for host in NO_HOST],
    "HSTS": ["31536000", "max-age=never", "max-age=1\nX: y"],
    "TRUSTED_PROXIES": ["10.0.0", "proxy.example.com", "10.0.0.1/24", "10.0.0.0/33"],
    "DATABASE_URL": [
        *("foo", "mysql://user:long-password@host/name", "postgresql://user:long-password@host"),
        *(f"postgresql://user:long-password@host:{port}/name" for port in ("abc", "0", "65536", "-1")),
        *("postgresql://user:long-password@[::1/name", "postgresql://user:long-password@host/name?tls=always"),
        "postgresql://portal:portal@host/name",
    ],
    "REDIS_URL": [
        *("foo", "redis", "http://redis:6379", "redis://", "redis://host:abc", "redis://host:65536", "redis://host/a"),
        *("redis://a b", "redis:///0", "redis://host:0"),
    ],
    "DATA_DIR": NO_FOLDER,
    "PUBLICATION_ROOT": NO_FOLDER,
    "DEFAULT_PAGE": NO_HOST,
    "MAIL_FROM": [
        *(
            "Acme",
            "Status <status",
            "Status <status@example.com",
            "Acme, Inc. <status@example.com>",
            "a@b@c",
            "<>",
            "@",
            '"',
            "a@b;",
        ),
        *(
            "Acme status@example.com",
            "a@example.com, b@example.com",
            "status@example.com\nBcc: a@b.c",
            "status@bü.example",
        ),
    ],
    "SMTP_HOST": NO_HOST,
    "SMTP_PORT": NO_PORT,
    "SMTP_USER": ["alone"],
    "SMTP_PASSWORD": ["alone"],
    "SMTP_STARTTLS": NO_FLAG,
    "SMTP_TLS": NO_FLAG,
    "SMTP_CONNECTIONS": ["0", "101", "many"],
    "SMTP_RATE": ["-1", "100001", "0.5"],
    "MAIL_EVENTS": ["gmail"],
    "MAIL_EVENTS_SECRET": [*NO_SECRET, "without-a-colon-in-its-middle", ""],
    "MAILGUN_SIGNING_KEY": [""],
    "WITHOUT_SECOND_FACTOR": NO_FLAG,
    "OIDC_ISSUER": [
        *("login.example.com", "http://login.example.com", "https://", "https://a@b.com", "https://a:b", "https://a?b"),
        "http://localhost.example.com",
    ],
    "OIDC_CLIENT_ID": ["", "a\nb"],
    "OIDC_CLIENT_SECRET": [*NO_SECRET, ""],
    "OIDC_NAME": ["a\nb"],
    "METRICS_TOKEN": NO_SECRET,
    "LOG_LEVEL": ["LOUD", "10"],
    "LOG_FORMAT": ["xml"],
    "DEMO": NO_FLAG,
    "DEBUG": [*NO_FLAG, "1"],
    "API_RATE": ["0", "-1", "1000001", "fast"],
    "NOTIFY_HOLD": ["-5", "3601", "30s"],
    "DELIVERIES_KEPT": ["-1", "36501", "2 years"],
}
OIDC = {"OIDC_ISSUER": "https://login.example.com", "OIDC_CLIENT_ID": "portal", "OIDC_CLIENT_SECRET": "open sesame"}
MAILGUN = {"MAIL_EVENTS": "mailgun", "MAIL_EVENTS_SECRET": f"name:{KEY}", "MAILGUN_SIGNING_KEY": "key"}
SERVED = {"ENCRYPTION_KEYS": Fernet.generate_key().decode(), "AUDIT_KEY": KEY}
BESIDE = {"OIDC": OIDC, "MAIL_EVENTS": MAILGUN, "MAILGUN": MAILGUN, "DATABASE": SERVED}


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """An environment with nothing of the portal in it, but for what must be."""
    for name in LISTED:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SECRET_KEY", KEY)
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))
    umask = os.umask(0o077)
    yield monkeypatch
    os.umask(umask)


def settings() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "portal" / "settings.py"))


def test_env_example_lists_just_what_the_settings_read() -> None:
    read = re.findall(r'environment\.\w+\(\s*"([A-Z_]+)"', (ROOT / "portal" / "settings.py").read_text())
    assert LISTED.keys() == set(read) == BAD.keys()


def test_the_defaults_are_those_of_env_example(own: pytest.MonkeyPatch) -> None:
    def plain(found: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in found.items() if name.isupper()}

    before = plain(settings())
    for name, value in LISTED.items():
        if value:
            own.setenv(name, value)
    assert plain(settings()) == before


@pytest.mark.parametrize("name", sorted(BAD))
def test_a_wrong_value_stops_the_start_with_a_sentence(name: str, own: pytest.MonkeyPatch) -> None:
    for prefix, others in BESIDE.items():
        if name.startswith(prefix):
            for other, value in others.items():
                own.setenv(other, value)
    for value in BAD[name]:
        own.setenv(name, value)
        with pytest.raises(ImproperlyConfigured) as refusal:
            settings()
        said = str(refusal.value)
        assert name in said, value
        assert "\n" not in said
        assert "long-password" not in said
        own.delenv(name)
        own.setenv("SECRET_KEY", KEY)


@pytest.mark.parametrize(
    ("name", "value", "setting", "meant"),
    [
        ("LOG_LEVEL", "info", "LOG_LEVEL", "info"),
        ("SITE_URL", "https://Portal.example.com:8443/", "SITE_URL", "https://portal.example.com:8443"),
        ("SITE_URL", "http://[::1]:8000", "ALLOWED_HOSTS", ["[::1]"]),
        ("ALLOWED_HOSTS", ".example.com, 10.0.0.1", "ALLOWED_HOSTS", ["127.0.0.1", ".example.com", "10.0.0.1"]),
        ("MAIL_FROM", '"Acme, Inc." <a@acme.example>', "DEFAULT_FROM_EMAIL", '"Acme, Inc." <a@acme.example>'),
        ("MAIL_FROM", "Bücher <a@acme.example>", "DEFAULT_FROM_EMAIL", "Bücher <a@acme.example>"),
        ("REDIS_URL", "rediss://:open%20sesame@[::1]:6380/3", "REDIS_URL", "rediss://:open%20sesame@[::1]:6380/3"),
        ("SMTP_TLS", "1", "EMAIL_USE_SSL", True),
    ],
)
def test_what_is_right_is_taken(own: pytest.MonkeyPatch, name: str, value: str, setting: str, meant: Any) -> None:
    own.setenv(name, value)
    assert settings()[setting] == meant


def test_a_database_is_named_by_its_address(own: pytest.MonkeyPatch) -> None:
    own.setenv("DATABASE_URL", "postgresql://me:open%20sesame@db.example.com:6432/portal?sslmode=require")
    found = environment.database("DATABASE_URL")
    assert found == {
        "NAME": "portal",
        "USER": "me",
        "PASSWORD": "open sesame",
        "HOST": "db.example.com",
        "PORT": "6432",
        "OPTIONS": {"sslmode": "require"},
    }
    own.setenv("DATABASE_URL", "postgresql:///portal?host=/run/postgresql")
    assert environment.database("DATABASE_URL")["HOST"] == "/run/postgresql"


def test_mail_is_encrypted_in_one_way(own: pytest.MonkeyPatch) -> None:
    own.setenv("SMTP_TLS", "1")
    own.setenv("SMTP_STARTTLS", "1")
    with pytest.raises(ImproperlyConfigured, match="SMTP_STARTTLS and SMTP_TLS"):
        settings()


# --- Files ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(BAD))
def test_every_setting_can_be_in_a_file_of_its_own(name: str, own: pytest.MonkeyPatch, tmp_path: Path) -> None:
    own.delenv(name, raising=False)
    file = tmp_path / "value"
    file.write_text("from a file\n")
    own.setenv(f"{name}_FILE", str(file))
    assert environment.text(name) == "from a file"
    own.setenv(name, "from the environment")
    with pytest.raises(ImproperlyConfigured, match=f"{name} and {name}_FILE are both set"):
        environment.text(name)


@pytest.mark.parametrize("content", [None, b"\xff"])
def test_a_file_that_cannot_be_read_stops_the_start(
    content: bytes | None, own: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if content:
        (tmp_path / "key").write_bytes(content)
    own.setenv("AUDIT_KEY_FILE", str(tmp_path / "key"))
    with pytest.raises(ImproperlyConfigured, match=r"AUDIT_KEY_FILE=.* cannot be read"):
        settings()


def test_a_file_of_settings_is_read_and_the_environment_comes_first(own: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text(
        f"# a note\n\nSECRET_KEY={KEY}  # ours\nexport SMTP_HOST = 'mail.example.com'\n"
        'MAIL_FROM="Acme, Inc." <status@example.com>\nOIDC_NAME="Acme #1"\nSMTP_USER=\nAPI_RATE=7\n'
    )
    own.delenv("SECRET_KEY")
    own.setenv("DATA_DIR", str(tmp_path))
    own.setenv("API_RATE", "8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "environ", dict(os.environ))
        environment.load()
        assert environment.text("SECRET_KEY") == KEY
        assert environment.text("SMTP_HOST") == "mail.example.com"
        assert environment.text("MAIL_FROM") == '"Acme, Inc." <status@example.com>'
        assert environment.text("OIDC_NAME") == "Acme #1"
        assert environment.text("SMTP_USER", "none") == "none"
        assert environment.text("API_RATE") == "8"


def test_a_file_of_settings_changes_nothing_where_the_environment_is_whole(
    own: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    own.setenv("DATA_DIR", str(tmp_path))
    (tmp_path / ".env").write_text("SMTP_HOST=mail.example.com\n")
    environment.load()
    assert environment.text("SMTP_HOST") == ""


# --- What the command says --------------------------------------------------------------------------------------------

# One after the other in one process
RUN = """
import contextlib, io, sys
from portal.__main__ import main

for command in list(sys.argv[1:]):
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            sys.argv = ["incident-portal", *command.split()]
            main()
        except SystemExit as end:
            print(command, end.code, sep="\t", file=sys.__stdout__)
        else:
            print(command, "", sep="\t", file=sys.__stdout__)
"""
FULL_DISK = """
import errno, pathlib

def write_bytes(*_content):
    raise OSError(errno.ENOSPC, "No space left on device")

pathlib.Path.write_bytes = write_bytes
"""
OURS = {path.stem for path in ROOT.glob("*/management/commands/[a-z]*.py")}
RESTORE = "restore backup.zip"
# Those of ours as an operator types them, and of Django's what an operator needs
# (without `check`, whose work is to say what is wrong; see test_checks.py)
COMMANDS = (OURS - {"check", "restore"}) | {
    RESTORE,
    "publish --verify",
    "publish --rebuild",
    "publish --here",
    "audit --verify",
    "changepassword a",
}
MIGRATE = {"up", "migrate", "upgrade", RESTORE}
MAKES_AN_ACCOUNT = "createsuperuser --noinput --username=a --email=a@example.com"


def said(commands: set[str], folder: Path, *, before: str = "", **others: str) -> dict[str, str]:
    """How each command ended: with a sentence, or "" for well. Nothing else is said of what went wrong."""
    own = {"PATH": os.environ["PATH"], "SECRET_KEY": KEY, "DATA_DIR": str(folder), **SERVED, "DEMO": "1", **others}
    command = [sys.executable, "-c", before + RUN, *sorted(commands)]
    result = subprocess.run(command, cwd=ROOT, env=own, capture_output=True, text=True, check=False)
    found = dict(line.split("\t") for line in result.stdout.splitlines())
    assert found.keys() == commands, result.stderr
    assert "Traceback" not in result.stderr
    assert "open-sesame" not in result.stdout + result.stderr
    return found


def test_the_command_reads_the_file_in_its_folder(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("LOG_LEVEL=loud\n")
    command = [sys.executable, str(ROOT / "manage.py"), "check"]
    own = {"PATH": os.environ["PATH"], "DATA_DIR": str(tmp_path)}
    result = subprocess.run(command, env=own, capture_output=True, text=True, check=False)
    assert result.stderr == "Cannot start: LOG_LEVEL='loud' is none of: debug, info, warning, error, critical.\n"


@pytest.mark.slow
def test_without_a_database_every_command_says_so(tmp_path: Path) -> None:
    address = f"postgresql://me:open-sesame@127.0.0.1:{free_port()}/portal"
    found = said(COMMANDS | {MAKES_AN_ACCOUNT}, tmp_path, DATABASE_URL=address)
    assert [name for name, words in found.items() if not words.startswith("The database cannot be used: ")] == []


@pytest.mark.slow
def test_a_database_that_was_never_migrated_is_said(tmp_path: Path) -> None:
    commands = (COMMANDS | {MAKES_AN_ACCOUNT}) - MIGRATE
    sentence = "The database is not the one of this version: run incident-portal migrate."
    assert said(commands, tmp_path) == dict.fromkeys(commands, sentence)


@pytest.mark.slow
def test_what_is_wrong_with_the_disk_is_said_by_whatever_writes_there_and_no_command_needs_redis(
    tmp_path: Path,
) -> None:
    migrated.begin(tmp_path / "portal.sqlite3")
    writing = {"demo_data", "replay_seed", "tick", *(each for each in COMMANDS if each.startswith("publish"))}
    others = {"audit", "audit --verify", "backup", "rotate_encryption_keys"}
    assert writing | others | MIGRATE | {"changepassword a"} == COMMANDS
    away = f"redis://127.0.0.1:{free_port()}/0"
    key = os.environ["AUDIT_KEY"]  # that its first rows are sealed with
    well = said(writing | others, tmp_path, REDIS_URL=away, AUDIT_KEY=key)
    assert well == dict.fromkeys(writing | others, ""), "and from here on there is a page"
    commands = writing | others | {f"up --port={free_port()}"}
    for folder, before, sentence, fine in (
        ("/proc/no", "", "PUBLICATION_ROOT='/proc/no' cannot be written (No such file or directory): name a", others),
        (
            f"{tmp_path}/full",
            FULL_DISK,
            "This host is in the way ([Errno 28] No space left on device). Put that right, and",
            others | {"publish --verify"},  # which only reads
        ),
    ):
        found = said(commands, tmp_path, before=before, PUBLICATION_ROOT=folder, AUDIT_KEY=key)
        assert {name for name, words in found.items() if not words.startswith(sentence)} == fine, found


def test_nothing_but_the_settings_reads_the_environment() -> None:
    allowed = {"portal/environment.py"}
    readers = {
        str(path.relative_to(ROOT))
        for app in ("incidents", "portal", "status")
        for path in (ROOT / app).rglob("*.py")
        if re.search(r"os\.(environ(\[|\.get)|getenv)", path.read_text())
    }
    assert readers <= allowed
