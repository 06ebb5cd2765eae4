"""The embedded site as somebody starts it: one command, and the processes below it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPException
from pathlib import Path

from tests.front import ask
from tests.waiting import stretched, until

ROOT = Path(__file__).resolve().parents[1]


def environment(data: Path, **more: str) -> dict[str, str]:
    """A newcomer's: nothing of the portal is in it, but for where the data goes."""
    return {"PATH": os.environ["PATH"], "HOME": str(data), "DATA_DIR": str(data), **more}


@contextmanager
def running(data: Path, command: str, port: int, **more: str) -> Iterator[subprocess.Popen[str]]:
    """The command, once it says that it serves. What it printed is in the file `said`."""
    with (data / "said").open("w") as said:
        process = subprocess.Popen(
            [sys.executable, "manage.py", command, f"--port={port}"],
            cwd=ROOT,
            env=environment(data, **more),
            stdout=said,
            stderr=said,
            text=True,
            start_new_session=True,
        )
    try:
        until(lambda: process.poll() is not None or f"http://127.0.0.1:{port}" in (data / "said").read_text())
        assert process.poll() is None, (data / "said").read_text()
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(stretched(30))
        for pid in below(data):
            os.kill(pid, signal.SIGKILL)


def below(data: Path) -> list[int]:
    """The live processes that were given this folder, in the order they were made."""
    mark = f"\0DATA_DIR={data}"
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if mark in "\0" + (folder / "environ").read_text(errors="replace"):
                found.append(int(folder.name))
    return sorted(set(found) - {os.getpid()})


def children(process: subprocess.Popen[str], word: str) -> list[int]:
    """The children of the supervisor with this word in their command."""
    pids = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return [int(pid) for pid in pids if word in Path(f"/proc/{pid}/cmdline").read_text()]


def status(port: int, path: str) -> int:
    with suppress(OSError, HTTPException):
        return ask(f"http://127.0.0.1:{port}", path).status
    return 0
