"""What `make release` builds: the same bytes everywhere, the whole product inside, and what it runs on."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from functools import partial
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from portal import __version__
from tests.embedded import ROOT
from tests.front import ask
from tests.servers import free_port
from tests.waiting import stretched, until

BIN = Path(sys.executable).parent


def test_the_command_says_its_version_and_the_changelog_begins_with_it() -> None:
    own = {"PATH": os.environ["PATH"]}
    said = subprocess.run(
        [sys.executable, ROOT / "manage.py", "--version"], env=own, capture_output=True, text=True, check=True
    )
    assert said.stdout == f"incident-portal {__version__}\n"
    first = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)[0]
    assert re.fullmatch(rf"{re.escape(__version__)}, \d{{4}}-\d\d-\d\d", first)


def test_the_list_of_dependencies_has_each_with_its_hashes_and_licence() -> None:
    command = [sys.executable, "requirements/sbom.py", __version__]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(listed) is None
    components = {each["name"]: each for each in json.loads(listed)["components"]}
    assert {"django", "celery", "psycopg-binary"} <= components.keys()
    for name, component in components.items():
        assert component["hashes"], name
        assert all(len(str(licence)) > 10 for licence in component["licenses"]), name
        assert component["licenses"], name


@pytest.mark.slow
def test_two_who_build_the_same_commit_get_the_same_bytes(tmp_path: Path) -> None:
    sums = []
    for folder, umask in ((tmp_path / "a", 0o022), (tmp_path / "elsewhere" / "b", 0o077)):
        subprocess.run(["git", "clone", "--quiet", ROOT, folder], check=True, umask=umask)
        (folder / ".venv").symlink_to(BIN.parent)
        command = ["make", "release", "--old-file=.venv/dev.stamp"]
        built = subprocess.run(command, cwd=folder, umask=umask, capture_output=True, text=True, check=False)
        assert built.returncode == 0, built.stderr
        sums.append((folder / "dist" / "SHA256SUMS").read_text())
    assert sums[0] == sums[1]
    assert len(sums[0].splitlines()) == 3


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    command = [str(BIN / "hatchling"), "build", "--target=wheel", f"--directory={folder}"]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (built,) = folder.iterdir()
    return built


@pytest.mark.long
def test_the_wheel_holds_the_whole_program_and_nothing_else(wheel: Path) -> None:
    inside = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    folders = ("incidents", "portal", "status", "templates")
    listed = subprocess.check_output(["git", "ls-files", "-co", "--exclude-standard", *folders], cwd=ROOT, text=True)
    assert inside == {name for name in listed.split() if not name.endswith("ruff.toml")}


@pytest.fixture
def installed(tmp_path: Path, wheel: Path) -> list[str]:
    """The command of a fresh environment outside the checkout, run by somebody with an empty home."""
    environment, home = tmp_path / "venv", tmp_path / "home"
    home.mkdir()
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    pip = [f"{environment}/bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--require-hashes", f"--requirement={ROOT}/requirements/run.txt"], check=True)
    subprocess.run([*pip, "--no-index", str(wheel)], check=True)
    return ["env", "--ignore-environment", f"--chdir={home}", f"HOME={home}", str(environment / "bin/incident-portal")]


def is_there(site: str, page: str) -> bool:
    return ask(site, page).status == 200


@pytest.mark.slow
@pytest.mark.processes
@pytest.mark.timeout(600)
def test_the_wheel_alone_is_the_product(tmp_path: Path, installed: list[str]) -> None:
    port = free_port()
    site, said = f"http://127.0.0.1:{port}", tmp_path / "said"
    with said.open("w") as log:
        process = subprocess.Popen([*installed, "up", f"--port={port}"], stdout=log, stderr=log)
    try:
        until(lambda: process.poll() is not None or f"Serving {site}" in said.read_text(), 60)
        assert process.poll() is None, said.read_text()
        assert json.loads(ask(site, "/readyz").body)["version"] == __version__
        subprocess.run([*installed, "replay_seed"], check=True, capture_output=True)
        for page, words in {"/": "Commerce Layer", "/admin/account/login/": "Incident portal"}.items():
            until(partial(is_there, site, page))
            content = ask(site, page).body.decode()
            assert words in content
            files = re.findall(r'(?:href|src)="(/[^"]+\.(?:css|js|svg)[^"]*)"', content)
            assert {name.rpartition(".")[2] for name in files} >= {"css", "js"}
            for name in files:
                assert ask(site, name).status == 200, name
    finally:
        process.terminate()
        process.wait(stretched(30))
    data = tmp_path / "home" / ".local" / "share" / "incident-portal"
    assert [path.name for path in (tmp_path / "home").iterdir()] == [".local"], "nothing lies about"
    assert data.stat().st_mode & 0o777 == 0o700
    for path in data.rglob("*"):
        mode = path.lstat().st_mode
        if not path.is_relative_to(data / "public"):
            assert mode & 0o077 == 0, f"{path} is nobody else's business"
        elif not path.name.startswith("."):
            assert mode & 0o004, f"{path} is read by the front server"
