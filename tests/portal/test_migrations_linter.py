"""Migrations after the initial ones do their work beside running processes, also those of the version before.

Each is turned into the SQL that PostgreSQL would get, and refused with what to do instead. (django-migration-linter
reads the same SQL, but lets constraints without NOT VALID pass, and knows nothing of histories.)
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterable
from contextlib import closing
from functools import cache
from typing import Any

import pytest
from django.contrib.postgres.operations import AddConstraintNotValid, AddIndexConcurrently
from django.db import connection, models
from django.db.migrations import (
    AddConstraint,
    AddField,
    AddIndex,
    AlterField,
    CreateModel,
    Migration,
    RunPython,
    RunSQL,
)
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

from tests import previous
from tests.services import ROOT

pytestmark = [pytest.mark.django_db, pytest.mark.postgresql]

APPS = ("incidents", "status", "portal")
DELIBERATE: dict[str, str] = {}  # "incidents.0002_name": why it may do what is refused here

NO_DEFAULT = "Give the field a db_default: processes of the version before insert rows without it."
INDEX = "Build the index with AddIndexConcurrently (on SQLite with AddIndex), in a migration with atomic = False."
CHECKED = "Add the constraint NOT VALID (AddConstraintNotValid), and validate it in a later migration."
UNIQUE = "Build a unique index concurrently, then add the constraint USING INDEX."
NOT_NULL = "Add a CHECK ... IS NOT NULL that is NOT VALID, and validate it in a later migration."
REWRITE = "Add a column beside it, fill that in steps, and drop the old one in a later version."
HISTORY = "Write a history row with an author for each row that is changed, or change the rows in a service."

INDEXED = re.compile(r'CREATE (?:UNIQUE )?INDEX (?!CONCURRENTLY).*? ON "(\w+)"')
ALTERED = re.compile(r'ALTER TABLE "(\w+)" (.*)', re.DOTALL)
ALTERATIONS = {  # of a table that was there before
    r"ADD COLUMN .*(GENERATED|serial|RANDOM|CLOCK_TIMESTAMP|_UUID)": REWRITE,
    r"ALTER COLUMN \S+ TYPE": REWRITE,
    r"ALTER COLUMN \S+ SET NOT NULL": NOT_NULL,
    r"ADD COLUMN (?!.* DEFAULT ).*NOT NULL": NO_DEFAULT,
    r"ALTER COLUMN \S+ DROP DEFAULT": NO_DEFAULT,  # Python's default, which goes as soon as the column is there
    r"ADD CONSTRAINT \S+ (CHECK|FOREIGN KEY|EXCLUDE)(?!.*NOT VALID)": CHECKED,
    r"ADD CONSTRAINT \S+ UNIQUE(?! USING INDEX)": UNIQUE,
}
WRITING = {"save", "create", "bulk_create", "get_or_create", "update", "bulk_update", "update_or_create", "delete"}


def faults(migration: Migration, before: ProjectState) -> set[str]:
    """What to do instead of what `migration` does; nothing when all is well."""
    with closing(connection.copy()) as outside, outside.schema_editor(collect_sql=True, atomic=False) as editor:
        migration.apply(before.clone(), editor, collect_sql=True)
    statements = [sql for sql in editor.collected_sql if not sql.startswith("--")]
    created = {table for sql in statements for table in re.findall(r'^CREATE TABLE "(\w+)"', sql)}
    found = set()
    for sql in statements:
        index, altered = INDEXED.match(sql), ALTERED.match(sql)
        if index and index[1] not in created:
            found.add(INDEX)
        if altered and altered[1] not in created:
            found |= {instead for pattern, instead in ALTERATIONS.items() if re.match(pattern, altered[2], re.DOTALL)}
    written = _written_by_sql(statements) | _written_by_python(migration.operations)
    tables = {model._meta.db_table for model in before.apps.get_models()}
    histories = {table: table.replace("_", "_historical", 1) for table in written}
    if any(history in tables and history not in written for history in histories.values()):
        found.add(HISTORY)
    return found


def _written_by_sql(statements: Iterable[str]) -> set[str]:
    """Tables whose rows are changed."""
    change = re.compile(r'\b(?:UPDATE|INSERT INTO|DELETE FROM) "?(\w+)"?', re.IGNORECASE)
    return {table for sql in statements if not sql.startswith(("CREATE", "ALTER")) for table in change.findall(sql)}


def _written_by_python(operations: Iterable[Operation]) -> set[str]:
    """The tables of the models that are named to `get_model` in a module that changes rows of some."""
    tables: set[str] = set()
    for operation in operations:
        if not isinstance(operation, RunPython):
            continue
        source = ast.parse(inspect.getsource(inspect.getmodule(operation.code) or operation.code))
        calls = [node for node in ast.walk(source) if isinstance(node, ast.Call)]
        if any(isinstance(call.func, ast.Attribute) and call.func.attr in WRITING for call in calls):
            for call in calls:
                if isinstance(call.func, ast.Attribute) and call.func.attr == "get_model":
                    words = [str(word.value) for word in call.args if isinstance(word, ast.Constant)]
                    tables.add("_".join(words).replace(".", "_").lower())
    return tables


def test_every_migration_after_the_initial_ones_may_run_beside_the_version_before() -> None:
    loader = MigrationLoader(None)
    found = {
        f"{app}.{name}": faults(migration, loader.project_state((app, name), at_end=False))
        for (app, name), migration in loader.graph.nodes.items()
        if app in APPS and name != "0001_initial" and f"{app}.{name}" not in DELIBERATE
    }
    assert not {name: instead for name, instead in found.items() if instead}


def test_a_migration_stays_as_it_was_released() -> None:
    """But for its docstring, and how it is laid out: databases have had it already."""

    def statements(source: str) -> str:
        module = ast.parse(source)
        return ast.dump(ast.Module(module.body[bool(ast.get_docstring(module)) :], []))

    released = previous.sources(*(f"{app}/migrations" for app in APPS))
    edited = [path for path, source in released.items() if statements(source) != statements((ROOT / path).read_text())]
    assert released
    assert not edited, "make a further migration instead"


def change_rows(apps: Any, _editor: Any) -> None:
    for row in apps.get_model("incidents", "Component").objects.all():
        row.save()


UNNAMED = models.Q(name="")
REFUSED: dict[str, tuple[Operation, str]] = {
    "a column that the version before does not fill": (
        AddField("component", "colour", models.CharField(max_length=7, default="")), NO_DEFAULT),
    "a column without any default": (AddField("component", "rank", models.IntegerField(default=0)), NO_DEFAULT),
    "a column with a value for each row": (
        AddField("component", "rank", models.FloatField(db_default=models.functions.Random())), REWRITE),
    "a column of another type": (AlterField("component", "position", models.CharField(max_length=9)), REWRITE),
    "a column that may be empty no more": (
        AlterField("component", "start_date", models.DateField(db_default="2026-01-01")), NOT_NULL),
    "an index": (AddIndex("component", models.Index(fields=["name"], name="by_name")), INDEX),
    "a unique index": (
        AddConstraint("component", models.UniqueConstraint(fields=["name"], condition=~UNNAMED, name="once")), INDEX),
    "a unique constraint": (
        AddConstraint("component", models.UniqueConstraint(fields=["name"], name="once")), UNIQUE),
    "a check": (AddConstraint("component", models.CheckConstraint(condition=~UNNAMED, name="named")), CHECKED),
    "SQL that changes tracked rows": (RunSQL("UPDATE incidents_component SET owner = ''"), HISTORY),
    "Python that changes tracked rows": (RunPython(change_rows), HISTORY),
}  # fmt: skip
FINE: dict[str, Operation] = {
    "a column with a default of the database": AddField("component", "rank", models.IntegerField(db_default=0)),
    "a column that may be empty": AddField("component", "rank", models.IntegerField(null=True)),
    "an index that is built beside": AddIndexConcurrently("component", models.Index(fields=["name"], name="by_name")),
    "a check of new rows": AddConstraintNotValid("component", models.CheckConstraint(condition=~UNNAMED, name="named")),
    "a table with what it needs": CreateModel(
        "Alert",
        [
            ("id", models.BigAutoField(primary_key=True)),
            ("component", models.ForeignKey("incidents.component", models.PROTECT)),
            ("key", models.CharField(max_length=9, unique=True)),
        ],
        options={"indexes": [models.Index(fields=["key"], name="by_key")]},
    ),
    "SQL that changes rows without a history": RunSQL("DELETE FROM incidents_metricpoint"),
    "SQL that writes the history as well": RunSQL(
        "UPDATE incidents_component SET owner = ''; INSERT INTO incidents_historicalcomponent SELECT ..."
    ),
}


def migration_of(operation: Operation) -> tuple[Migration, ProjectState]:
    sample: type[Migration] = type("Migration", (Migration,), {"operations": [operation], "atomic": False})
    return sample("0002_sample", "incidents"), project_state()


@cache
def project_state() -> ProjectState:
    return MigrationLoader(None).project_state()


@pytest.mark.parametrize("what", REFUSED)
def test_a_migration_that_stops_others_is_refused_with_what_to_do_instead(what: str) -> None:
    operation, instead = REFUSED[what]
    assert instead in faults(*migration_of(operation))


@pytest.mark.parametrize("what", FINE)
def test_a_migration_that_stops_nobody_is_let_pass(what: str) -> None:
    assert not faults(*migration_of(FINE[what]))
