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
from compose_pydantic import ComposeSpecification
from cryptography.fernet import Fernet

pytestmark = pytest.mark.processes

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return content


def test_the_file_is_what_compose_reads(compose: dict[str, Any]) -> None:
    ComposeSpecification(**{name: part for name, part in compose.items() if not name.startswith("x-")})


def test_no_secret_has_a_default() -> None:
    used = re.findall(r"\$\{(\w+)([^}]*)\}", (ROOT / "docker-compose.yml").read_text())
    assert "POSTGRES_PASSWORD" in {name for name, _rest in used}
    for name, rest in used:
        if "SECRET" in name or "PASSWORD" in name:
            assert re.fullmatch(r":\?Set .+\.", rest)


def test_the_services_are_what_production_needs_and_only_the_front_is_reached_from_outside(
    compose: dict[str, Any],
) -> None:
    services = compose["services"]
    assert services.keys() == {"nginx", "init", "web", "worker", "clock", "postgres", "redis", "mail"}
    assert {name for name, service in services.items() if "ports" in service} == {"nginx", "mail"}
    assert services["mail"]["profiles"] == ["mail"]
    for name in services.keys() - {"init", "mail"}:
        assert services[name]["restart"] == "unless-stopped"
        assert services[name]["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}
    assert "depends_on" not in services["nginx"]
    mounted = [volume.split(":") for service in services.values() for volume in service.get("volumes", [])]
    assert {source for source, *_rest in mounted if "/" not in source} == compose["volumes"].keys()
    for source, _place, *mode in mounted:
        assert mode == ["ro"] or source in compose["volumes"], "nothing of the host is written to"
        assert not source.startswith("./deploy") or (ROOT / source).exists()


def test_each_service_has_limits_and_no_rights_that_it_can_do_without(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"]
        assert "cap_add" not in service
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["mem_limit"]
        assert service["pids_limit"]
        assert service["logging"]["options"].keys() == {"max-size", "max-file"}
        user = service.get("user") or re.findall(r"^USER (\w+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)[0]
        assert user.split(":")[0] not in {"0", "root"}


def test_images_have_a_tag_and_no_address_of_a_registry(compose: dict[str, Any]) -> None:
    images = {service["image"] for service in compose["services"].values()} - {"incident-portal"}
    images |= set(re.findall(r"^FROM (\S+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE))
    for image in images:
        # A minor version, and where it matters Debian's release: a new one sorts texts, and indexes, in another way
        assert re.fullmatch(r"([a-z]+/)?[a-z]+:v?\d+(\.\d+)*((-slim)?-bookworm)?", image), image
    assert "://" not in re.sub(r"http://127\.0\.0\.1", "", (ROOT / "Dockerfile").read_text())


@pytest.mark.slow
def test_the_settings_accept_what_the_containers_are_given(compose: dict[str, Any]) -> None:
    env_file = {
        "SITE_URL": "https://portal.example.com",
        "MAIL_FROM": "status@example.com",
        "SMTP_HOST": "smtp.example.com",
        "SECRET_KEY": "k5wZ0fQ9-" * 6,
        "AUDIT_KEY": "q7vX2hT4-" * 6,
        "ENCRYPTION_KEYS": Fernet.generate_key().decode(),
        "POSTGRES_PASSWORD": "r4nd0mLettersAndDigits",
    }

    def fill_in(match: re.Match[str]) -> str:
        return env_file.get(match[1]) or match[2].removeprefix(":-")

    web = compose["services"]["web"]
    assert web["env_file"] == ".env", "all that stands there is passed on, the names of files with secrets too"
    own = {name: re.sub(r"\$\{(\w+)([^}]*)\}", fill_in, value) for name, value in web["environment"].items()}
    command = [sys.executable, "-W", "error", "manage.py", "check", "--deploy", "--fail-level=WARNING"]
    environment = {"PATH": os.environ["PATH"], **env_file, **own}
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_the_image_holds_the_whole_program() -> None:
    copied = set(re.findall(r"^COPY (\w+) /app/", (ROOT / "Dockerfile").read_text(), re.MULTILINE))
    ignored = (ROOT / ".dockerignore").read_text()
    with (ROOT / "pyproject.toml").open("rb") as file:
        (wheel,) = re.findall(r"^only-include = \[(.+)\]$", file.read().decode(), re.MULTILINE)
    assert copied == set(re.findall(r'"(\w+)"', wheel))
    assert all(f"!{name}\n" in ignored for name in copied)
