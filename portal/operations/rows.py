"""Every table as lines of JSON, one for each row, and back: the same lines on both databases."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import islice
from typing import Any

from django.core.management.color import no_style
from django.db import connection, transaction
from django.utils.dateparse import parse_duration
from django.utils.duration import duration_iso_string, duration_microseconds

from incidents.history.seals import every_model

BATCH = 1000
# So many numbers of each table are not used: what was written after the backup may have had them, and mails and
# webhooks whose ids repeat are thrown away by who receives them.
SKIPPED = 1_000_000

OURS = ("incidents_", "portal_", "status_")  # how our tables begin, also those that this version has no more
LEFT_OUT = {
    "incidents_signinmemory": "attempts and networks: sign-in begins to count anew",
    "portal_accountmail": "they may have been sent since; whoever waits for a link asks for another one",
    "portal_session": "some have ended since: everybody signs in anew",
}


@dataclass(frozen=True, slots=True)
class Table:
    name: str
    key: str
    columns: dict[str, str]  # in their order, each with the kind of its field


def tables() -> dict[str, Table]:
    """What is backed up, by its name: what the database has, which may not be migrated to this version yet."""
    known = {
        model._meta.db_table: {field.column: field.get_internal_type() for field in model._meta.concrete_fields}
        for model in every_model()
    }
    database = connection.introspection
    with connection.cursor() as cursor:
        found = {}
        for name in sorted(database.table_names(cursor)):
            if (name in known or name.startswith(OURS)) and name not in LEFT_OUT:
                kinds = known.get(name, {})
                columns = {
                    column.name: kinds.get(column.name) or database.get_field_type(column.type_code, column)
                    for column in sorted(database.get_table_description(cursor, name))
                }
                found[name] = Table(name, str(database.get_primary_key_column(cursor, name)), columns)
        return found


@contextmanager
def one_moment() -> Iterator[None]:
    """Whatever is read inside is as it was at one moment; nobody waits for who reads."""
    connection.ensure_connection()
    if connection.vendor == "sqlite":
        sqlite: Any = connection
        usual, sqlite.transaction_mode = sqlite.transaction_mode, "DEFERRED"  # it takes no write lock
        try:
            with transaction.atomic():
                yield
        finally:
            sqlite.transaction_mode = usual
    else:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            yield


def lines(table: Table) -> Iterator[bytes]:
    """Its rows in the order of their keys."""
    quote = connection.ops.quote_name
    names, key = ", ".join(map(quote, table.columns)), quote(table.key)
    place, changes = list(table.columns).index(table.key), _changes(table, READ)
    statement = (
        f"SELECT {names} FROM {quote(table.name)} WHERE {key} > %s "  # noqa: S608  (names of the database's own)
        f"ORDER BY {key} LIMIT {BATCH}"
    )
    last = -(2**31)  # below every key
    with connection.cursor() as cursor:
        while True:
            cursor.execute(statement, [last])
            found = cursor.fetchall()
            for row in found:
                yield _encode(_changed(list(row), changes)).encode()
            if len(found) < BATCH:
                return
            last = found[-1][place]


def load(table: Table, found: Iterable[bytes]) -> None:
    """Write rows as they were, past whatever a new row is given."""
    name, columns = connection.ops.quote_name(table.name), ", ".join(map(connection.ops.quote_name, table.columns))
    changes = _changes(table, WRITTEN)
    rows = (_changed(json.loads(line), changes) for line in found)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            with cursor.copy(f"COPY {name} ({columns}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
        else:
            places = ", ".join(["%s"] * len(table.columns))
            while batch := list(islice(rows, BATCH)):
                cursor.executemany(f"INSERT INTO {name} ({columns}) VALUES ({places})", batch)  # noqa: S608


def clear() -> None:
    names = [*tables(), *LEFT_OUT]
    with connection.cursor() as cursor:
        for statement in connection.ops.sql_flush(no_style(), names, reset_sequences=False, allow_cascade=False):
            cursor.execute(statement)


def skip_numbers() -> None:
    """Have new rows numbered from far behind the last ones on."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("UPDATE sqlite_sequence SET seq = seq + %s", [SKIPPED])
            return
        for table in tables().values():
            name, key = connection.ops.quote_name(table.name), connection.ops.quote_name(table.key)
            cursor.execute(
                f"SELECT setval(pg_get_serial_sequence(%s, %s), coalesce(max({key}), 0) + %s) FROM {name}",  # noqa: S608
                [name, table.key, SKIPPED],
            )


Change = Callable[[Any], Any]


def _microseconds(text: str) -> int:
    return duration_microseconds(parse_duration(text) or timedelta())


# By the kind of a column, what its values are changed by on the way to JSON and back, where they are not as they are.
# What JSON does not know, `_text` writes; PostgreSQL reads all these texts itself.
READ: dict[str, dict[str, Change]] = {
    "postgresql": {"JSONField": json.loads},
    "sqlite": {
        "DateTimeField": lambda at: f"{at.isoformat()}+00:00",
        "DurationField": lambda number: timedelta(microseconds=number),
        "JSONField": json.loads,
    },
}
WRITTEN: dict[str, dict[str, Change]] = {
    "postgresql": {"JSONField": json.dumps},
    "sqlite": {
        "DateTimeField": lambda text: text.replace("T", " ").removesuffix("+00:00"),
        "DurationField": _microseconds,
        "JSONField": json.dumps,
    },
}


def _changes(table: Table, how: dict[str, dict[str, Change]]) -> list[tuple[int, Change]]:
    by_kind = how[connection.vendor]
    return [(place, by_kind[kind]) for place, kind in enumerate(table.columns.values()) if kind in by_kind]


def _changed(row: list[Any], changes: Iterable[tuple[int, Change]]) -> list[Any]:
    for place, change in changes:
        if row[place] is not None:
            row[place] = change(row[place])
    return row


class Digest:
    """Of lines, in their order."""

    def __init__(self) -> None:
        self.count = 0
        self._hash = hashlib.sha256()

    def through(self, found: Iterable[bytes]) -> Iterator[bytes]:
        for line in found:
            self.count += 1
            self._hash.update(line + b"\n")
            yield line

    def __str__(self) -> str:
        return self._hash.hexdigest()


def _text(value: date | timedelta) -> str:
    return duration_iso_string(value) if isinstance(value, timedelta) else value.isoformat()


_encode = json.JSONEncoder(default=_text, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode
