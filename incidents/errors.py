"""What a service may refuse, each with a sentence that a person can act on."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

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
    """Words that would become public and must not: `findings`, of which the first is in the input `field`."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        super().__init__(" ".join(dict.fromkeys(found.reason for found in findings)), field=findings[0].section)
        self.findings = findings


class Forbidden(DomainError):
    """The actor has no right to do this."""


class MissingAuthor(DomainError):
    """A record was to be changed in nobody's name."""


class Conflict(DomainError):
    """Somebody else was faster; `theirs` is what they wrote."""

    def __init__(self, message: str, *, theirs: IncidentUpdate | PostmortemSection | None = None) -> None:
        super().__init__(message)
        self.theirs = theirs
