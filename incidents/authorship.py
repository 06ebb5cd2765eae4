"""In whose name a change is made.

Every service runs inside `authored_by`; django-simple-history asks here for the author of each history row,
and a tracked row saved by nobody is refused, also in the shell.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from django.db import transaction
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


def service(verb: Verb) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """One verb: rights first, then one transaction, in the name of the keyword argument `author`."""

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def act(*args: P.args, **kwargs: P.kwargs) -> R:
            author: Any = kwargs.get("author")
            require(author, verb)
            with transaction.atomic(), authored_by(author):
                return function(*args, **kwargs)

        return act

    return decorate
