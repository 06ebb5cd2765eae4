"""What the tests themselves keep to."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
FILES = [file for file in sorted(TESTS.rglob("*.py")) if TESTS / "clients" not in file.parents]
LIMITS = {"timeout", "connect_timeout", "socket_timeout", "socket_connect_timeout"}
WAITS = {"sleep", "wait", "wait_for_timeout", "join", "result", "set_default_timeout"}  # by position


def tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text())


def is_seconds(value: ast.expr) -> bool:
    """A number in the source; none, nothing and zero do not wait."""
    return isinstance(value, ast.Constant) and isinstance(value.value, int | float) and value.value > 0


def waits(module: ast.Module) -> Iterator[ast.Call]:
    """Calls that wait for a time, or for no longer than a number says."""
    for call in (node for node in ast.walk(module) if isinstance(node, ast.Call)):
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        by_name = any(each.arg in LIMITS and is_seconds(each.value) for each in call.keywords)
        by_position = name in WAITS and any(is_seconds(each) for each in call.args)
        if by_name or by_position:
            yield call


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(TESTS)))
def test_tests_wait_by_tests_waiting_alone(file: Path) -> None:
    if file.name != "waiting.py":
        found = [f"{file}:{call.lineno}: {ast.unparse(call)}" for call in waits(tree(file))]
        assert not found, "on a busy machine this is too short: use tests/waiting.py"


@pytest.mark.long
def test_a_helper_lies_in_a_module_of_its_own() -> None:
    for file in FILES:
        for node in ast.walk(tree(file)):
            if isinstance(node, ast.ImportFrom) and node.module:
                assert not re.match(r"bench|tests\.(\w+\.)?test_", node.module), f"{file}: {node.module}"


def is_fixture(node: ast.AST) -> bool:
    decorators = node.decorator_list if isinstance(node, ast.FunctionDef) else []
    return any(ast.unparse(each).startswith("pytest.fixture") for each in decorators)


def test_a_fixture_of_one_name_exists_once() -> None:
    """What two files need lies in a conftest; what is something else has another name."""
    places = defaultdict(list)
    for file in FILES:
        for node in filter(is_fixture, ast.walk(tree(file))):
            assert isinstance(node, ast.FunctionDef)
            places[node.name].append(f"{file.relative_to(TESTS)}:{node.lineno}")
    assert not {name: found for name, found in places.items() if len(found) > 1}


def test_a_file_is_short_enough_to_be_read() -> None:
    """A longer one is split by what it is about."""
    lines = {str(file.relative_to(TESTS)): file.read_text().count("\n") for file in FILES}
    assert not {name: count for name, count in lines.items() if count > 400}


def test_each_benchmark_begins_before_there_are_settings() -> None:
    """It chooses them itself, as `make bench` starts it."""
    names = [f"bench.{path.stem}" for path in (TESTS.parent / "bench").glob("[a-z]*.py")]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DJANGO")}
    subprocess.run([sys.executable, "-c", f"import {', '.join(names)}"], cwd=TESTS.parent, env=environment, check=True)
