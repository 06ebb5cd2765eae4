"""A version of the software as an operator runs it beside another one, and who reads and writes meanwhile."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from statistics import median
from typing import Any
from uuid import uuid4

from portal.embedded.supervisor import PARTS, die_with_parent
from tests.front import ask
from tests.waiting import let_pass, slowness, stretched

HOST = "status.acme.example"
NEXT = "<!-- next -->"  # in every page that the newer version makes
READING, WRITING = 0.2, 1.0  # seconds between two requests of one client
AGAIN = 0.2  # seconds until a program that was refused sends it again


@dataclass(slots=True)
class Version:
    """Its processes are `incident-portal up`, in the folder of its sources."""

    tree: Path
    settings: dict[str, str]
    port: int
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def run(self, *words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", *words],
            cwd=self.tree,
            env=self.settings,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{words}: {done.stdout} {done.stderr}"
        return done.stdout

    def start(self) -> None:
        """Beside the version that runs, as systemd does it: it has started once the web server says so."""
        address = f"@portal-{uuid4()}"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notices, (self.tree / "log").open("ab") as log:
            notices.bind(address.replace("@", "\0"))
            notices.settimeout(stretched(60))
            for part in PARTS:
                self.processes.append(
                    subprocess.Popen(
                        [sys.executable, "-m", "portal", "up", part, f"--port={self.port}", "--beside"],
                        cwd=self.tree,
                        env=self.settings | {"NOTIFY_SOCKET": address},
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=log,
                        preexec_fn=die_with_parent,
                    )
                )
            while b"READY=1" not in notices.recv(1000):
                pass

    def end(self) -> None:
        for process in self.processes:
            process.terminate()
        while self.processes:
            self.processes.pop().wait(stretched(60))


@dataclass(frozen=True, slots=True)
class Read:
    path: str
    status: int
    at: float  # time.monotonic()
    is_next: bool


@dataclass(slots=True)
class Load:
    reads: list[Read] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)  # seconds from when a write was first sent until it was done
    posted: list[str] = field(default_factory=list)  # what was written
    refusals: list[str] = field(default_factory=list)

    def versions_of(self, path: str) -> list[bool]:
        """Whether the newer one's was read: each change of it, in order."""
        found = [read.is_next for read in sorted(self.reads, key=lambda read: read.at) if read.path == path]
        return [is_next for before, is_next in zip([None, *found], found, strict=False) if is_next is not before]

    def __str__(self) -> str:
        wait = f"usually {median(self.waits):.2f} s, at most {max(self.waits):.2f} s until one is done"
        refused = f"{len(self.refusals)} refusals {Counter(answer[:3] for answer in self.refusals)}"
        return f"{len(self.reads):,} reads; {len(self.waits)} writes, {wait}, {refused}; slowness {slowness():.1f}"


@contextmanager
def steady_load(url: str, facts: dict[str, Any]) -> Iterator[Load]:
    """While the block runs: fifteen reads a second by nginx, and two writes by programs, some of which notify."""
    load, stop = Load(), threading.Event()
    incident = f"/incidents/{facts['incidents'][0]}"
    paths = ("/", "/", "/api/v2/summary.json", incident)
    clients: list[Callable[[int], None]] = [partial(_read, url, load, path) for path in paths]
    pace = dict.fromkeys(clients, READING)
    for write in (_update, _component):
        client = partial(write, url, load, facts)
        clients.append(client)
        pace[client] = WRITING

    def go_on(client: Callable[[int], None]) -> None:
        count = 0
        while not stop.wait(pace[client]):
            client(count)
            count += 1

    threads = [threading.Thread(target=go_on, args=[client]) for client in clients]
    for thread in threads:
        thread.start()
    try:
        yield load
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def _read(url: str, load: Load, path: str, _count: int) -> None:
    at = time.monotonic()  # what is read is at least as new as that
    try:
        answer = ask(url, path, host=HOST)
        load.reads.append(Read(path, answer.status, at, NEXT.encode() in answer.body))
    except (OSError, HTTPException):
        load.reads.append(Read(path, 0, at, is_next=False))


def _update(url: str, load: Load, facts: dict[str, Any], count: int) -> None:
    incident = facts["incidents"][count % len(facts["incidents"])]
    text = str(uuid4())
    load.posted.append(text)
    body = {"incident": {"status": "monitoring", "body": text, "deliver_notifications": count % 10 == 0}}
    _write(url, load, facts, f"incidents/{incident}", body)


def _component(url: str, load: Load, facts: dict[str, Any], count: int) -> None:
    status = "degraded_performance" if count % 2 else "operational"
    _write(url, load, facts, f"components/{facts['component']}", {"component": {"status": status}})


def _write(url: str, load: Load, facts: dict[str, Any], what: str, body: dict[str, Any]) -> None:
    """As a program should: again with the same key, until it is done."""
    headers = {"Authorization": f"OAuth {facts['key']}", "Content-Type": "application/json"}
    headers["Idempotency-Key"] = str(uuid4())
    began_at = time.monotonic()
    while (answer := _send(url, f"/api/v1/pages/{facts['page']}/{what}", json.dumps(body), headers)) != "200":
        load.refusals.append(answer)
        if time.monotonic() - began_at > stretched(60):
            break
        let_pass(AGAIN)
    load.waits.append(time.monotonic() - began_at)


def _send(url: str, path: str, body: str, headers: dict[str, str]) -> str:
    connection = HTTPConnection(url.removeprefix("http://"), timeout=stretched(10))
    try:
        connection.request("PATCH", path, body, headers)
        answer = connection.getresponse()
        words = answer.read().decode()
    except (OSError, HTTPException) as error:
        return repr(error)
    finally:
        connection.close()
    return "200" if answer.status == 200 else f"{answer.status} {words[:200]}"
