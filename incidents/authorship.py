"""In whose name a change is made.

Every service runs inside `authored_by`; django-simple-history asks here for the author of each history row,
and a tracked row saved by nobody is refused, also in the shell. SERVICES are all that there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from django.db import models, transaction
from django.utils.translation import gettext as _

from incidents.errors import MissingAuthor
from incidents.permissions import Verb, require

if TYPE_CHECKING:
    from incidents.models import User

P = ParamSpec("P")
R = TypeVar("R")

_author: ContextVar[User | None] = ContextVar("author", default=None)


@contextmanager
def authored_by(author: User) -> Iterator[None]:
    """Record every change made inside in the name of `author`."""
    token = _author.set(author)
    try:
        yield
    finally:
        _author.reset(token)


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


@dataclass(frozen=True, slots=True)
class Service:
    """One way to change the record. Its docstring says what it does, its signature which facts it takes."""

    name: str  # "incidents.incidents.post_update"
    function: Callable[..., Any]  # as callers call it: with its rights and its transaction
    right: Verb
    locks: type[models.Model] | None


SERVICES: dict[str, Service] = {}
"""By name, every service of the modules that were imported so far."""


def service(right: Verb, *, locks: type[models.Model] | None = None) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Make a function a service, and register it.

    Whoever calls it may rely on this: it needs the keyword argument `author` and raises `MissingAuthor` without one,
    `Forbidden` when the author has no such right. It runs in one transaction (a savepoint of the caller's, if there is
    one): after any exception nothing was written. Each history row names the author.

    `locks` is the model of the first row that it locks, before it changes any that was there: two calls on that row
    come one after the other. A service without `locks` locks nothing. A test reads both off the SQL of each service.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def act(*args: P.args, **kwargs: P.kwargs) -> R:
            author: Any = kwargs.get("author")
            require(author, right)
            with transaction.atomic(), authored_by(author):
                return function(*args, **kwargs)

        name = f"{function.__module__}.{function.__qualname__}"
        SERVICES[name] = Service(name, act, right, locks)
        return act

    return decorate
