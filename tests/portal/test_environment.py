"""`.env.example` is the whole list of what a deployment may set."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from portal import environment

ROOT = Path(__file__).resolve().parents[2]


def test_env_example_lists_just_what_the_settings_read() -> None:
    listed = re.findall(r"^(?:# )?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
    read = re.findall(r'environment\.\w+\(\s*"([A-Z_]+)"', (ROOT / "portal" / "settings.py").read_text())
    assert sorted(listed) == sorted(set(read))


@pytest.mark.parametrize("issuer", ["login.example.com", "http://login.example.com", "https://", "https://a@b.com"])
def test_what_is_no_issuer_stops_the_start(monkeypatch: pytest.MonkeyPatch, issuer: str) -> None:
    monkeypatch.setenv("OIDC_ISSUER", issuer)
    with pytest.raises(ImproperlyConfigured, match="is no issuer"):
        environment.issuer("OIDC_ISSUER")
    monkeypatch.setenv("OIDC_ISSUER", "https://login.example.com/realms/acme/")
    assert environment.issuer("OIDC_ISSUER")["provider_id"] == "login.example.com~realms~acme"


def test_nothing_but_the_settings_reads_the_environment() -> None:
    allowed = {"portal/environment.py"}
    readers = {
        str(path.relative_to(ROOT))
        for app in ("incidents", "portal", "status")
        for path in (ROOT / app).rglob("*.py")
        if re.search(r"os\.(environ(\[|\.get)|getenv)", path.read_text())
    }
    assert readers <= allowed


@pytest.mark.parametrize("sender", ["status@localhost", "Acme <status@acme.example>", '"Acme, Inc." <a@acme.example>'])
def test_a_sender_has_one_address(monkeypatch: pytest.MonkeyPatch, sender: str) -> None:
    monkeypatch.setenv("MAIL_FROM", sender)
    assert environment.mailbox("MAIL_FROM", "") == sender


@pytest.mark.parametrize("sender", ["Acme, Inc. <status@acme.example>", "Acme", "Acme status@acme.example"])
def test_what_no_mail_could_be_sent_from_stops_the_start(monkeypatch: pytest.MonkeyPatch, sender: str) -> None:
    monkeypatch.setenv("MAIL_FROM", sender)
    with pytest.raises(ImproperlyConfigured, match="is no sender"):
        environment.mailbox("MAIL_FROM", "")
