"""Everything that can be read over the API asks the database as often with many rows as with few."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from incidents.models import Page, User
from tests.portal.world import World

Call = Callable[..., Any]
FEW, MANY = 3, 25  # all of which fit on one page of a list


@pytest.mark.slow
def test_what_is_read_asks_as_often_with_many_rows_as_with_few(
    root: Call, send: Call, root_key: str, page: Page, admin: User
) -> None:
    world = World(page, admin)

    def queries(path: str) -> int:
        path = f"{path}?limit=100"
        with CaptureQueriesContext(connection) as captured:
            response = root("GET", path) if path != "pages?limit=100" else send("GET", path, key=root_key)
        assert response.status_code == 200, (path, response.content)
        return len(captured)

    addresses = {"pages", *(path for path, methods in world.operations().items() if "get" in methods)}
    assert len(addresses) > 30
    world.grow(range(1, FEW))
    for path in addresses:  # what is asked once in a process and kept does not count
        queries(path)
    few = {path: queries(path) for path in addresses}
    world.grow(range(FEW, MANY))
    assert {path: queries(path) for path in addresses} == few
