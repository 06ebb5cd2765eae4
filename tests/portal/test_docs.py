"""What the project says of itself is there."""

from __future__ import annotations

import re

import pytest
from django.conf import settings

from portal import middleware, web_server
from portal.embedded.supervisor import WEB_PROCESSES, WORKER

TEXTS = [
    "README.md",
    "CONTRIBUTING.md",
    *sorted(f"docs/{path.name}" for path in (settings.BASE_DIR / "docs").glob("*.md")),
]
TEXTS += sorted(f"docs/decisions/{path.name}" for path in (settings.BASE_DIR / "docs" / "decisions").glob("*.md"))
PATH = re.compile(r"`((?:incidents|status|portal|templates|tests|bench|docs|deploy)/[\w./-]*)`")


@pytest.mark.parametrize("name", TEXTS)
def test_every_file_that_a_text_names_exists(name: str) -> None:
    named = PATH.findall((settings.BASE_DIR / name).read_text())
    assert [path for path in named if not (settings.BASE_DIR / path).exists()] == []


def test_the_tables_of_the_architecture_name_each_file_in_full() -> None:
    rows = [row for row in (settings.BASE_DIR / "docs/architecture.md").read_text().splitlines() if row[:1] == "|"]
    named = re.findall(r"`([\w./-]*(?:/|\.(?:py|json|html|css|conf|md|yml|example)))`", "\n".join(rows))
    assert len(named) > 50
    assert [path for path in named if not (settings.BASE_DIR / path).exists()] == []


def test_the_connections_that_an_operator_must_allow_are_those_that_the_threads_keep() -> None:
    told = " ".join((settings.BASE_DIR / "docs/operations.md").read_text().split())
    kept, own = web_server.threads, int("".join(WORKER).partition("--concurrency=")[2].partition("-")[0])
    at_once = sum(slots for slots, _inside in middleware.SHARES.values()) + 1  # who reads the keys of programs
    needed = WEB_PROCESSES * kept + own
    assert f"up to {kept} for a web process, of which there are two in a `web` container" in told
    assert f"{own} for a worker, and one for each command while it runs. Together these are {needed} and a few" in told
    assert f"Add {WEB_PROCESSES * kept} for each further `web`" in told
    assert f"; {at_once} for a web process, for no more of its threads ask at once, and {own} for a worker;" in told
    pool = re.search(r"default_pool_size = (\d+)", told)
    assert pool
    assert WEB_PROCESSES * at_once + own < int(pool[1]) < needed
