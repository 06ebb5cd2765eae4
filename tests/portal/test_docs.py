"""What the project says of itself is there."""

from __future__ import annotations

import re

import pytest
from django.conf import settings

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
