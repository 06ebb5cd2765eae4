"""Web, worker and clock on several machines: one PostgreSQL, one Redis, and a disk that they share, or do not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from tests.front import ask
from tests.servers import Server, free_port
from tests.services import ROOT
from tests.sink import mail_server
from tests.waiting import stretched, until

pytestmark = [pytest.mark.slow, pytest.mark.postgresql, pytest.mark.timeout(300)]


@dataclass(slots=True)
class Machine:
    """Processes as an operator starts them, in a folder of their own."""

    folder: Path
    settings: dict[str, str]
    port: int = field(default_factory=free_port)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @contextmanager
    def up(self, *parts: str) -> Iterator[None]:
        processes = []
        with (self.folder / "log").open("ab") as log:
            for part in parts:
                command = [sys.executable, "manage.py", "up", part, f"--port={self.port}"]
                environment = self.settings | {"DATA_DIR": str(self.folder)}
                processes.append(subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log))
        try:
            if "web" in parts:
                until(self.answers, 60)
            yield
            assert [process.poll() for process in processes] == [None] * len(parts), (self.folder / "log").read_text()
        finally:
            for process in processes:
                process.terminate()
            for process in processes:
                process.wait(stretched(30))

    def answers(self) -> bool:
        with suppress(OSError, HTTPException):
            return ask(self.url, "/healthz").status == 200
        return False

    def folder_of_pages(self) -> str:
        return str(json.loads(ask(self.url, "/readyz").body)["folder"])

    def post(self, facts: dict[str, Any], text: str) -> None:
        incident, page = facts["incidents"][0], facts["page"]
        connection = HTTPConnection("127.0.0.1", self.port, timeout=stretched(10))
        body = json.dumps({"incident": {"status": "identified", "body": text}})
        headers = {"Authorization": f"OAuth {facts['key']}", "Content-Type": "application/json"}
        connection.request("PATCH", f"/api/v1/pages/{page}/incidents/{incident}", body, headers)
        assert connection.getresponse().status == 200
        connection.close()


def says(page: Path, words: str) -> bool:
    return words in page.read_text()


def test_what_is_posted_at_either_machine_is_published_on_the_disk_they_share_and_mailed_once(
    postgresql: Server, redis: Server, tmp_path: Path
) -> None:
    with psycopg.connect(postgresql.url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE machines"))
    public = tmp_path / "shared"
    with mail_server() as sink:
        settings = os.environ | {
            "DATABASE_URL": postgresql.url.rpartition("/")[0] + "/machines",
            "REDIS_URL": redis.url,
            "PUBLICATION_ROOT": str(public),
            "SMTP_HOST": "127.0.0.1",
            "SMTP_PORT": str(sink.port),
            "NOTIFY_HOLD": "0",
            "DJANGO_SETTINGS_MODULE": "portal.settings",
        }
        machines = [Machine(tmp_path / name, dict(settings)) for name in ("one", "two", "apart")]
        for machine in machines:
            machine.folder.mkdir()
        one, two, apart = machines
        apart.settings["PUBLICATION_ROOT"] = str(tmp_path / "own")
        prepared = subprocess.run(
            [sys.executable, "-m", "tests.faults.site"], cwd=ROOT, env=settings, capture_output=True, check=True
        )
        facts = json.loads(prepared.stdout)
        page = public / "pages" / facts["page"] / "index.html"

        with one.up("web", "worker", "clock"), two.up("web", "worker"), apart.up("web"):
            for number, machine in enumerate((one, two, one, two)):
                machine.post(facts, f"Step {number} at port {machine.port}")
                until(partial(says, page, f"Step {number}"))
            apart.post(facts, "Step 4, posted where nothing is published")
            until(partial(says, page, "Step 4"))
            assert not (tmp_path / "own" / "pages").exists()
            assert [one.folder_of_pages(), two.folder_of_pages()] == ["ok", "ok"]
            assert "publish --here" in apart.folder_of_pages()
            until(lambda: any(b"Step 4" in mail.content for mail in sink.received), 60)
        ids = [mail.content.partition(b"Message-ID: ")[2].split()[0] for mail in sink.received]
        assert len(ids) == len(set(ids)), "two workers and one clock mail nothing twice"
