"""All that the database holds: what is refused changes none of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.apps import apps

from incidents.errors import DomainError


def everything() -> dict[str, list[dict[str, Any]]]:
    """All rows of all tables."""
    return {model._meta.db_table: list(model._base_manager.order_by("pk").values()) for model in apps.get_models()}


@contextmanager
def refused(error: type[DomainError], sentence: str) -> Iterator[None]:
    """What is done inside is refused with a sentence, and no table changes."""
    before = everything()
    with pytest.raises(error, match=sentence):
        yield
    assert everything() == before
