"""A steady load on a site, and what became of every request."""

from __future__ import annotations

import itertools
import json
import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPResponse
from statistics import median
from urllib.parse import urlencode
from uuid import uuid4

from tests.faults.site import Site
from tests.waiting import stretched

PACE = 0.2  # seconds between two requests of one client
CSRF_TOKEN = "t" * 32
CLIENTS = {"public": 4, "health": 2, "staff": 2, "form": 1, "write": 2}


@dataclass(frozen=True, slots=True)
class Outcome:
    kind: str
    began_at: float  # time.monotonic()
    seconds: float
    status: int  # 0: no answer
    retry_after: str | None = None
    marker: str = ""  # what was written

    @property
    def ended_at(self) -> float:
        return self.began_at + self.seconds

    @property
    def is_done(self) -> bool:
        return self.status == (302 if self.kind == "form" else 200)


@dataclass(slots=True)
class Load:
    """Outcomes by kind: `public` and `health` reads, `staff` pages, `form`s sent by staff, `write`s by programs."""

    outcomes: list[Outcome] = field(default_factory=list)

    def of(self, kind: str) -> list[Outcome]:
        return [outcome for outcome in self.outcomes if outcome.kind == kind]

    def usual_write(self) -> float:
        """What the first writes took, while nothing was wrong."""
        return median(outcome.seconds for outcome in self.of("write")[:4])

    def first_write_after(self, instant: float) -> float:
        """Seconds from then until a write was done."""
        done = [outcome.ended_at for outcome in self.of("write") if outcome.is_done and outcome.ended_at > instant]
        return min(done, default=math.inf) - instant

    def __str__(self) -> str:
        lines = [f"a write took {self.usual_write():.2f} s before"]
        for kind in CLIENTS:
            found = self.of(kind)
            codes = {code: sum(outcome.status == code for outcome in found) for code in {o.status for o in found}}
            slowest = max((outcome.seconds for outcome in found), default=0)
            lines.append(f"{kind:>8}: {len(found):4} requests, {codes}, slowest {slowest:.2f} s")
        return "\n".join(lines)


@contextmanager
def steady_load(site: Site) -> Iterator[Load]:
    """Up to 55 requests a second while the block runs."""
    load, stop = Load(), threading.Event()
    threads = [
        threading.Thread(target=_client, args=(site, load, kind, stop))
        for kind, count in CLIENTS.items()
        for _ in range(count)
    ]
    for thread in threads:
        thread.start()
    try:
        yield load
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def request(site: Site, kind: str, *, connection: HTTPConnection | None = None, count: int = 0) -> Outcome:
    """Send one request; a `write` posts an update, every second one with an Idempotency-Key."""
    client = connection or HTTPConnection("127.0.0.1", site.port, timeout=stretched(10))
    marker = str(uuid4())
    began_at = time.monotonic()
    try:
        answer = _send(client, site, kind, count, marker)
        answer.read()
        status, retry_after = answer.status, answer.getheader("Retry-After")
    except (OSError, HTTPException):
        client.close()
        status, retry_after = 0, None
    finally:
        if not connection:
            client.close()
    return Outcome(kind, began_at, time.monotonic() - began_at, status, retry_after, marker)


def _client(site: Site, load: Load, kind: str, stop: threading.Event) -> None:
    connection = HTTPConnection("127.0.0.1", site.port, timeout=stretched(10))
    for count in itertools.count():
        if stop.wait(PACE):
            break
        load.outcomes.append(request(site, kind, connection=connection, count=count))
    connection.close()


def _send(connection: HTTPConnection, site: Site, kind: str, count: int, marker: str) -> HTTPResponse:
    headers = {"Cookie": f"{site.cookies}; csrftoken={CSRF_TOKEN}"}
    if kind == "write":
        incident = site.incidents[count % len(site.incidents)]
        headers = {"Authorization": f"OAuth {site.key}", "Content-Type": "application/json"}
        if count % 2:
            headers["Idempotency-Key"] = marker
        body = json.dumps({"incident": {"status": "monitoring", "body": marker}})
        connection.request("PATCH", f"/api/v1/pages/{site.page}/incidents/{incident}", body, headers)
    elif kind == "form":
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        note = {"text": marker, "kind": "observation", "occurred_at": "2026-01-10T10:00", "precision": "exact"}
        connection.request("POST", site.note, urlencode(note | {"csrfmiddlewaretoken": CSRF_TOKEN}), headers)
    else:
        path = {"public": "/", "health": "/healthz", "staff": "/admin/incidents/incident/"}[kind]
        connection.request("GET", path, headers=headers)
    return connection.getresponse()
