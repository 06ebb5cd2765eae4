"""The previous release: the commit that tests/previous-release names, whose software runs on this one's database."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.services import ROOT

COMMIT = (ROOT / "tests" / "previous-release").read_text().strip()


def _git(*words: str) -> bytes:
    """What git says of it. Without the commit the test is skipped; in CI it fails, where the clone has its history."""
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, check=False)
    if done.returncode:
        reason = f"tests/previous-release names {COMMIT[:12]}, which this clone lacks: git fetch --unshallow"
        has_history = (ROOT / ".git").is_dir() and not (ROOT / ".git" / "shallow").exists()
        if has_history and os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)  # a source archive and a shallow clone have no history to take it from
    return done.stdout


def sources(*folders: str) -> dict[str, str]:
    """The files of these folders in it, by path."""
    paths = _git("ls-tree", "-r", "--name-only", COMMIT, *folders).decode().split()
    return {path: _git("show", f"{COMMIT}:{path}").decode() for path in paths}


def unpack(folder: Path) -> None:
    """All of it."""
    folder.mkdir()
    subprocess.run(["tar", "--extract"], cwd=folder, input=_git("archive", COMMIT), check=True)
