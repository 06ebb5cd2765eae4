"""Runs the whole site on one host, the web server and one Celery process that is worker and clock; or one part of it.

The one that ends by itself is started again, and nothing outlives this process, however it ends.
"""

from __future__ import annotations

import ctypes
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from types import FrameType
from typing import NoReturn

from django.conf import settings
from django.core.management import CommandError

WEB = ["gunicorn", "--config=python:portal.web_server"]
WORKER = ["celery", "--app=portal", "--quiet", "worker", "--pool=threads", "--concurrency=4", "--loglevel=warning"]
WORKER += ["--without-gossip", "--without-mingle"]
CLOCK = ["celery", "--app=portal", "--quiet", "beat", "--pidfile=", "--loglevel=warning"]
PARTS = ("web", "worker", "clock")
WEB_PROCESSES = 2  # where the web server is a part of its own

PR_SET_PDEATHSIG = 1
STARTS = 5  # so many of one process within a minute are bad luck, more are a fault that a person must see
TIMEOUT = 5  # seconds between asking a process to stop and killing it, which harms nothing here

_libc = ctypes.CDLL(None)  # opened here, as nothing should be between fork and exec


def die_with_parent() -> None:
    """Ask the kernel to end this process when the one that made it dies (Linux; elsewhere this does nothing)."""
    if sys.platform == "linux":
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def require_free(port: int, address: str = "127.0.0.1") -> None:
    """Raise CommandError with a sentence when nothing can listen there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            raise CommandError(f"Port {port} cannot be used ({error.strerror}). Choose another one.") from None


@dataclass(slots=True)
class Child:
    """A process in a group of its own, so that Ctrl-C reaches this process alone and what it made ends with it."""

    name: str
    command: list[str]
    starts: deque[float] = field(default_factory=lambda: deque(maxlen=STARTS + 1))
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.starts.append(time.monotonic())
        if len(self.starts) > STARTS and self.starts[-1] - self.starts[0] < 60:
            raise CommandError(f"The {self.name} ended {STARTS} times within a minute; see its last words above.")
        self.process = subprocess.Popen(
            self.command,
            cwd=settings.BASE_DIR,
            stdin=subprocess.DEVNULL,
            process_group=0,
            preexec_fn=die_with_parent,
        )

    def start_again_if_ended(self) -> None:
        if self.process is not None and self.process.poll() is not None:
            print(f"The {self.name} ended ({self.process.returncode}) and is started again.", flush=True)
            self._sweep(self.process)
            self.start()

    def terminate(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()

    def wait(self, seconds: float) -> None:
        if self.process is not None:
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(max(seconds, 0))
            self._sweep(self.process)
            self.process.wait()

    def _sweep(self, process: subprocess.Popen[bytes]) -> None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def become(part: str, port: int, address: str) -> NoReturn:
    """Go on as one of PARTS, where something else starts the others, and starts them again."""
    web = [*WEB, f"--bind={address}:{port}", f"--workers={WEB_PROCESSES}", "--access-logfile=-", "portal.wsgi"]
    command = {"web": web, "worker": WORKER, "clock": CLOCK}[part]
    os.chdir(settings.BASE_DIR)
    os.execv(sys.executable, [sys.executable, "-m", *command])


def serve(port: int, greeting: str, address: str = "127.0.0.1") -> None:
    """Serve the site there until SIGINT, SIGTERM or SIGHUP; print `greeting` once it answers.

    Raises CommandError when a process keeps ending.
    """
    from incidents.isolation import in_turn
    from status import relay  # here, as Celery reads this module before the models can be

    web = [*WEB, f"--bind={address}:{port}", "--log-level=warning", "portal.wsgi"]
    children = [
        Child("web server", [sys.executable, "-m", *web]),
        Child("worker", [sys.executable, "-m", *WORKER, "--beat"]),
    ]
    stop = False

    def ask_to_stop(number: int, frame: FrameType | None) -> None:
        nonlocal stop
        stop = True

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, ask_to_stop)
    try:
        for child in children:
            child.start()
        # Beside them, so that what is on disk is served at once; else the first reader after a long pause reads that
        # nobody confirms the page.
        in_turn(relay.relay, relay.heartbeat)
        while not stop:
            if greeting and _answers(port, address):
                print(greeting, flush=True)
                greeting = ""
            time.sleep(0.2)
            for child in children:
                if not stop:
                    child.start_again_if_ended()
    finally:
        for child in children:
            child.terminate()
        deadline = time.monotonic() + TIMEOUT
        for child in children:
            child.wait(deadline - time.monotonic())


def _answers(port: int, address: str) -> bool:
    connection = http.client.HTTPConnection(address, port, timeout=1)
    try:
        connection.request("GET", "/healthz")
        connection.getresponse()
    except (OSError, http.client.HTTPException):
        return False
    else:
        return True
    finally:
        connection.close()
