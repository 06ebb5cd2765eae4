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
