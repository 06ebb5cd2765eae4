"""No pattern takes long over what strangers send: each is tried on long repetitions of what it looks for."""

from __future__ import annotations

import importlib
import re
import string
import time
from collections.abc import Iterator
from itertools import combinations_with_replacement
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
LENGTH = 4_000
BRIEF = 0.005  # seconds; below it the clock says nothing

# What need not be quick, because what it reads is short
SHORT = {
    "incidents.linter.secrets.NUMBERED": "a value of at most 200 characters",
    "incidents.linter.secrets.PROSE": "the same",
    "portal.environment.LINE": "a line of the operator's own file",
    "status.delivery.protocol._MAILBOX": "an address of at most 500 characters",
}


def patterns(app: str) -> Iterator[tuple[str, re.Pattern[Any]]]:
    """Every one that has a name in a module of ours, alone, in a list or in a table."""
    for path in sorted((ROOT / app).rglob("*.py")):
        if "re.compile" in path.read_text():
            module = importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
            for name, value in vars(module).items():
                yield from ((f"{module.__name__}.{name}", pattern) for pattern in _each(value))


def _each(value: Any) -> Iterator[re.Pattern[Any]]:
    if isinstance(value, re.Pattern):
        yield value
    elif isinstance(value, dict | list | tuple):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _each(part)


def seconds(pattern: re.Pattern[Any], text: str) -> float:
    given = text if isinstance(pattern.pattern, str) else text.encode()
    began = time.process_time()
    for _match in pattern.finditer(given):
        pass
    return time.process_time() - began


def slow_pairs(pattern: re.Pattern[Any]) -> Iterator[str]:
    """Two signs that the pattern has to do with, where twice as many repetitions take three times as long."""
    signs = sorted({*" \na1", *set(str(pattern.pattern)) & set(string.punctuation)})
    for pair in map("".join, combinations_with_replacement(signs, 2)):
        half, whole = (f"{pair * (length // 2)}\x00" for length in (LENGTH // 2, LENGTH))
        if seconds(pattern, whole) > BRIEF:
            took = [min(seconds(pattern, text) for _time in range(3)) for text in (half, whole)]
            if took[1] > BRIEF and took[1] > 3 * took[0]:
                yield f"{pair!r}: {took[0]:.3f} s, {took[1]:.3f} s"


@pytest.mark.slow
@pytest.mark.parametrize("app", ["incidents", "status", "portal"])
def test_twice_the_text_takes_about_twice_as_long(app: str) -> None:
    found = dict.fromkeys(name for name, _pattern in patterns(app))
    assert found.keys() >= {name for name in SHORT if name.startswith(f"{app}.")}
    slow = {name: pairs for name, each in patterns(app) if name not in SHORT and (pairs := list(slow_pairs(each)))}
    assert not slow
