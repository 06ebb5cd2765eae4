"""Which rows a call holds, and what it changes and decides by, read off its SQL on PostgreSQL."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.apps import apps
from django.db import connection, models

from incidents.models import MaintenancePlan, MaintenanceReminder

Row = tuple[type[models.Model], int]

MODELS = {
    model._meta.db_table: model
    for model in apps.get_models()
    if not model._meta.proxy and model._meta.pk.column == "id"
}
# Whose rows the lock of another row guards: nobody changes them without it
GUARDED = {MaintenancePlan, MaintenanceReminder}  # by their incident's
SELECT = re.compile(r'SELECT (?:DISTINCT )?"(\w+)"\."id"(?=[, ]).*? FROM "\1"(?: .*?)? WHERE (.*)', re.DOTALL)
HOLDING = re.compile(r" FOR (?:NO KEY )?UPDATE(?: OF .*)?$")
SAVE = re.compile(r'UPDATE "(\w+)" SET (.*) WHERE "\1"\."id" = (?:%s|\d+)$', re.DOTALL)


@dataclass
class Watched:
    held: dict[Row, None] = field(default_factory=dict)  # that were there before, in their order
    faults: list[str] = field(default_factory=list)
    _chosen: dict[Row, set[str]] = field(default_factory=dict)  # by which columns, while they were not held

    @property
    def models(self) -> list[type[models.Model]]:
        return list(dict.fromkeys(model for model, _key in self.held))


@contextmanager
def watching() -> Iterator[Watched]:
    """Watch what is done inside, in one transaction, to rows that were there before.

    A fault is a row that is saved and was not locked, and one that was chosen, before it was locked, by a column that
    is then changed: somebody else may have changed it in between. So is a row that is locked after a later one of its
    model: somebody who locks them in their order waits for this call, and this call for them.
    """
    found, newest = Watched(), _newest()

    def look(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if match := SAVE.match(sql):
            model, key = MODELS.get(match[1]), params[-1] if params else 0
            if model and key <= newest[model] and model not in GUARDED:
                row, columns = (model, key), set(re.findall(r'"(\w+)" = ', match[2]))
                if row not in found.held:
                    found.faults.append(f"saves a {model.__name__} that it does not hold")
                if by := found._chosen.get(row, set()) & columns:
                    found.faults.append(f"chooses a {model.__name__} by {', '.join(by)} before it holds it")
        result = execute(sql, params, many, context)
        if (match := SELECT.match(sql)) and (model := MODELS.get(match[1])):
            keys = [row[0] for row in connection.connection.execute(sql, params).fetchall()]
            rows = [(model, key) for key in keys if key <= newest[model]]
            if HOLDING.search(sql):
                for row in rows:
                    if row not in found.held and any(key > row[1] for held, key in found.held if held is model):
                        found.faults.append(f"locks a {model.__name__} after a later one")
                    found.held[row] = None
            else:
                columns = set(re.findall(rf'"{match[1]}"\."(\w+)"', match[2].partition(" ORDER BY ")[0])) - {"id"}
                for row in rows:
                    if row not in found.held:
                        found._chosen.setdefault(row, set()).update(columns)
        return result

    with connection.execute_wrapper(look):
        yield found


def _newest() -> dict[type[models.Model], int]:
    """The greatest key of each table: what has a greater one is made later."""
    parts = (f"SELECT '{table}', coalesce(max(id), 0) FROM \"{table}\"" for table in MODELS)
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(parts))
        return {MODELS[table]: key for table, key in cursor.fetchall()}
