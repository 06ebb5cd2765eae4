"""What a service may refuse, each with a sentence that a person can act on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.apps import apps

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from django.db import IntegrityError, models

    from incidents.linter import Finding
    from incidents.models import IncidentUpdate, PostmortemSection


class DomainError(Exception):
    """A refusal; `str()` is the sentence to show. Nothing was written."""


class InvalidTransition(DomainError):
    """The status may not follow the current one."""


class InvalidInput(DomainError):
    """A fact that cannot be recorded as given; `field` names the input."""

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class LeakFound(InvalidInput):
    """Words that would become public and must not: `findings`, of which the first is in the input `field`.

    `may_stand` are the digests of those that somebody may let stand.
    """

    def __init__(self, findings: Sequence[Finding], may_stand: Collection[str] = ()) -> None:
        super().__init__(" ".join(dict.fromkeys(found.reason for found in findings)), field=findings[0].section)
        self.findings = findings
        self.may_stand = [found.digest for found in findings if found.digest in may_stand]


class Forbidden(DomainError):
    """The actor has no right to do this."""


class MissingAuthor(DomainError):
    """A record was to be changed in nobody's name."""


class Conflict(DomainError):
    """Somebody else was faster; `theirs` is what they wrote."""

    def __init__(self, message: str, *, theirs: IncidentUpdate | PostmortemSection | None = None) -> None:
        super().__init__(message)
        self.theirs = theirs


# --- What only the database knows for certain -------------------------------------------------------------------------


def refusal_of(error: IntegrityError) -> InvalidInput | None:
    """The constraint that a row broke, in the words of its model; None for one that no model declares.

    To ask before writing would take a query for each constraint, and somebody else may write in between.
    """
    cause = error.__cause__
    # PostgreSQL names the constraint; SQLite says "CHECK constraint failed: name", or names the columns of a unique one
    broken = getattr(getattr(cause, "diag", None), "constraint_name", None) or str(cause).rpartition("failed: ")[2]
    return next((refusal for model in apps.get_models() for refusal in _broken(model, broken)), None)


def _broken(model: type[models.Model], broken: str) -> Iterator[InvalidInput]:
    table = model._meta.db_table
    columns = {field.name: f"{table}.{field.column}" for field in model._meta.concrete_fields}
    for constraint in model._meta.constraints:
        fields: Sequence[str] = getattr(constraint, "fields", ())
        if broken in (constraint.name, f"index '{constraint.name}'", ", ".join(columns[name] for name in fields)):
            message = str(constraint.get_violation_error_message())
            yield InvalidInput(message, field=fields[0] if len(fields) == 1 else None)
    for field in model._meta.local_fields:
        if field.unique and (broken == columns[field.name] or broken.startswith(f"{table}_{field.column}_")):
            error = model().unique_error_message(model, (field.name,))
            yield InvalidInput(" ".join(error.messages), field=field.name)
