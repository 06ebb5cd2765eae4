"""What the committed files promise: a lock that fits pyproject.toml, and nothing about where they were made."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
WANTED = {
    "run": PROJECT["project"]["dependencies"],
    "dev": PROJECT["dependency-groups"]["dev"],
}
# Each is written with a bracket or a group, so that this file does not find itself.
HOSTS_AND_PATHS = [
    r"p[y]pi\.org",
    r"python[h]osted",
    r"np[m]js\.",
    r"deb\.deb[i]an",
    r"(?<![\w.])/(roo[t]|wor[k]|far[m])/",
]


def locked(name: str) -> dict[str, list[str]]:
    """The entries of one file: requirement -> the lines that follow it."""
    entries: dict[str, list[str]] = {}
    for line in (ROOT / "requirements" / f"{name}.txt").read_text().splitlines():
        if line.startswith(" "):
            entries[list(entries)[-1]].append(line)
        else:
            entries[line.removesuffix(" \\")] = []
    return entries


def versions(name: str) -> dict[str, str]:
    entries = [Requirement(entry) for entry in locked(name)]
    return {canonicalize_name(entry.name): str(entry.specifier).removeprefix("==") for entry in entries}


@pytest.mark.parametrize("name", WANTED)
def test_every_dependency_is_locked_within_its_range(name: str) -> None:
    pinned = versions(name)
    for wanted in map(Requirement, WANTED[name]):
        assert wanted.specifier.contains(pinned[canonicalize_name(wanted.name)]), f"{wanted}: run make lock"


@pytest.mark.parametrize("name", [*WANTED, "clients"])
def test_every_locked_package_is_one_version_with_hashes(name: str) -> None:
    for entry, lines in locked(name).items():
        assert re.fullmatch(r"[a-z0-9.-]+(\[[a-z,-]+\])?==[\w.]+( ; .+)?", entry)
        assert any(line.startswith("    --hash=sha256:") for line in lines), entry
        assert all(re.fullmatch(r"    (--hash=sha256:[0-9a-f]{64}( \\)?|#.*)", line) for line in lines), entry


def test_what_runs_and_what_tests_agree_on_versions() -> None:
    run, dev = versions("run"), versions("dev")
    shared = run.keys() & dev.keys()
    assert {name: run[name] for name in shared} == {name: dev[name] for name in shared}


@pytest.mark.parametrize("pattern", HOSTS_AND_PATHS)
def test_no_committed_file_names_a_registry_or_this_machine(pattern: str) -> None:
    found = subprocess.run(["git", "grep", "-nIP", pattern], cwd=ROOT, capture_output=True, text=True, check=False)
    assert found.returncode in {0, 1}, found.stderr  # 1: nothing found
    assert not found.stdout
