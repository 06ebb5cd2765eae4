"""The containers of production: what the compose file and the image promise, as no engine runs here."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.fernet import Fernet

pytestmark = pytest.mark.processes

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return content


def test_no_secret_has_a_default() -> None:
    used = re.findall(r"\$\{(\w+)([^}]*)\}", (ROOT / "docker-compose.yml").read_text())
    assert {name for name, _rest in used} >= {"SECRET_KEY", "POSTGRES_PASSWORD"}
    for name, rest in used:
        if "SECRET" in name or "PASSWORD" in name:
            assert re.fullmatch(r":\?Set .+\.", rest) or rest == ":-", "none, or empty: that part is then not used"


def test_the_services_are_what_production_needs_and_only_the_front_is_reached_from_outside(
    compose: dict[str, Any],
) -> None:
    services = compose["services"]
    assert services.keys() == {"nginx", "init", "web", "worker", "beat", "postgres", "redis", "mail"}
    assert {name for name, service in services.items() if "ports" in service} == {"nginx", "mail"}
    assert services["mail"]["profiles"] == ["mail"]
    for name in services.keys() - {"init", "mail"}:
        assert services[name]["restart"] == "unless-stopped"
        assert services[name]["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}
    assert "depends_on" not in services["nginx"]
    assert services["nginx"]["volumes"] == ["./deploy/nginx.conf:/etc/nginx/nginx.conf:ro", "public:/srv/public:ro"]
    named = {volume.partition(":")[0] for service in services.values() for volume in service.get("volumes", [])}
    assert {name for name in named if "/" not in name} == compose["volumes"].keys()


def test_images_and_packages_are_named_without_the_address_of_a_registry(compose: dict[str, Any]) -> None:
    images = {service["image"] for service in compose["services"].values()}
    images |= set(re.findall(r"^FROM (\S+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE))
    assert not [image for image in images if re.search(r"[.:].*/", image)]
    assert "://" not in (ROOT / "Dockerfile").read_text()


@pytest.mark.slow
def test_the_settings_accept_what_the_containers_are_given(compose: dict[str, Any]) -> None:
    given = {
        "SITE_URL": "https://portal.example.com",
        "MAIL_FROM": "status@example.com",
        "SMTP_HOST": "smtp.example.com",
    }
    secrets = {
        "SECRET_KEY": "k5wZ0fQ9-" * 6,
        "AUDIT_KEY": "q7vX2hT4-" * 6,
        "ENCRYPTION_KEYS": Fernet.generate_key().decode(),
        "POSTGRES_PASSWORD": "r4nd0mLettersAndDigits",
    }

    def fill_in(match: re.Match[str]) -> str:
        return {**given, **secrets}.get(match[1]) or match[2].removeprefix(":-")

    variables = {
        name: re.sub(r"\$\{(\w+)([^}]*)\}", fill_in, value)
        for name, value in compose["services"]["web"]["environment"].items()
    }
    listed = re.findall(r"^(?:# )?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
    # All but what the containers settle themselves
    assert variables.keys() == set(listed) - {"DEMO", "DEBUG", "DATA_DIR", "PUBLICATION_ROOT"}
    command = [
        sys.executable,
        "-W",
        "error",
        "manage.py",
        "check",
        "--deploy",
        "--fail-level=WARNING",
    ]
    environment = {"PATH": os.environ["PATH"], "DATA_DIR": "/nonexistent", **variables}
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_the_image_holds_the_whole_program() -> None:
    copied = set(re.findall(r"^COPY (\w+) /app/", (ROOT / "Dockerfile").read_text(), re.MULTILINE))
    ignored = (ROOT / ".dockerignore").read_text()
    with (ROOT / "pyproject.toml").open("rb") as file:
        packages = set(re.findall(r'root_packages = \["(\w+)", "(\w+)", "(\w+)"\]', file.read().decode())[0])
    assert copied == packages | {"templates"}
    assert all(f"!{name}\n" in ignored for name in copied)
