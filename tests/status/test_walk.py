"""Whatever staff do, and in whatever order: each change publishes just what a full render would give."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import time_machine

from incidents.models import Page, User
from status import relay
from status.publication import publishing
from tests.status.random_staff import Staff

pytestmark = pytest.mark.long


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_what_each_change_publishes_is_what_a_full_render_gives(
    page: Page, other_page: Page, admin: User, seed: int
) -> None:
    with time_machine.travel(datetime(2026, 3, 1, 12, tzinfo=UTC)) as clock:
        staff = Staff(seed, [page, other_page], admin, clock)
        done = []
        for _step in range(30):
            done.append(staff.act())
            relay.relay()
            for each in staff.pages:
                assert publishing.differences(each) == [], (str(each), done[-5:])
