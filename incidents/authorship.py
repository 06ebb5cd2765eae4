"""In whose name a change is made.

Every service runs inside `authored_by`; django-simple-history asks here for the author of each history row,
and a tracked row saved by nobody is refused, also in the shell. SERVICES are all that there are.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from django.db import IntegrityError, models, transaction
from django.utils.translation import gettext as _

from incidents.errors import MissingAuthor, refusal_of
from incidents.permissions import Verb, require
from incidents.record_time import one_time

if TYPE_CHECKING:
    from incidents.models import User

P = ParamSpec("P")
R = TypeVar("R")

_author: ContextVar[User | None] = ContextVar("author", default=None)
_remark: ContextVar[str] = ContextVar("remark", default="")


@contextmanager
def authored_by(author: User) -> Iterator[None]:
    """Record every change made inside in the name of `author`."""
    tokens = _author.set(author), _remark.set("")
    try:
        yield
    finally:
        _author.reset(tokens[0])
        _remark.reset(tokens[1])


def remark(words: str) -> None:
    """Say this in the reason of every history row that the running service writes from now on."""
    _remark.set(f"{_remark.get()} {words}".strip())


def current_author() -> User | None:
    """In whose name something is being done; None outside `authored_by`."""
    return _author.get()


def history_author(**_kwargs: Any) -> User:
    """The author of a history row; raises `MissingAuthor` outside `authored_by`."""
    author = current_author()
    if author is None:
        raise MissingAuthor(
            _("Nobody is named as the author of this change. Call a service, or use: with authored_by(user): ...")
        )
    return author


def history_reason(row: models.Model) -> str | None:
    """Why a row is changed: what its service gave as the reason, and what was remarked."""
    return " ".join(filter(None, [getattr(row, "_change_reason", None), _remark.get()])) or None


@dataclass(frozen=True, slots=True)
class Service:
    """One way to change the record. Its docstring says what it does, its signature which facts it takes."""

    name: str  # "incidents.incidents.post_update"
    function: Callable[..., Any]  # as callers call it: with its rights and its transaction
    right: Verb
    locks: tuple[type[models.Model], ...]
    public: frozenset[str]


SERVICES: dict[str, Service] = {}
"""By name, every service of the modules that were imported so far."""


def service(
    right: Verb,
    *,
    locks: type[models.Model] | tuple[type[models.Model], ...] = (),
    public: Collection[str] = (),
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Make a function a service, and register it.

    Whoever calls it may rely on this: it needs the keyword argument `author` and raises `MissingAuthor` without one,
    `Forbidden` when the author has no such right. It runs in one transaction (a savepoint of the caller's, if there is
    one): after any exception nothing was written. Each history row names the author, and says the time that was read
    last (`record_time`). A row that breaks a constraint is refused by `InvalidInput` in the constraint's words.

    `locks` are the models of the rows that it locks, in this order: all that it changes and all by which it decides,
    so that two calls on one of them come one after the other. A test reads this off the SQL of each service.

    `public` are those of its facts that are words which the public may read: it checks them (`checking.check_words`),
    and a test plants a secret in each.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def act(*args: P.args, **kwargs: P.kwargs) -> R:
            author: Any = kwargs.get("author")
            require(author, right)
            try:
                with transaction.atomic(), authored_by(author), one_time():
                    return function(*args, **kwargs)
            except IntegrityError as error:
                if refusal := refusal_of(error):
                    raise refusal from error
                raise

        name = f"{function.__module__}.{function.__qualname__}"
        held = locks if isinstance(locks, tuple) else (locks,)
        SERVICES[name] = Service(name, act, right, held, frozenset(public))
        return act

    return decorate
