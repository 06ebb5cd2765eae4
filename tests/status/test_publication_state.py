"""What publication notes beside its files, by which an upgrade makes them anew."""

from __future__ import annotations

import ast
import inspect
from importlib.metadata import packages_distributions
from pathlib import Path

from status import projection, rendering
from status.publication import state


def test_every_package_that_makes_documents_counts_for_the_version_of_the_software() -> None:
    folders = [Path(inspect.getfile(package)).parent for package in (rendering, projection)]
    trees = [ast.parse(path.read_text()) for folder in folders for path in folder.glob("*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}
    known = packages_distributions()
    imported = {known[top][0].lower() for name in names if (top := name.partition(".")[0]) in known}
    assert imported | {"django-htmx"} == set(state.PACKAGES)
