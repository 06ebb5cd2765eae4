"""An incident that customers were notified of, and a clock that stands."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine

from incidents.incidents import post_update
from incidents.lifecycle import ComponentStatus, IncidentStatus
from incidents.models import Component, Incident, Page, User
from tests.incidents.acts import acts  # noqa: F401  (a fixture)

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)


@pytest.fixture
def announced(incident: Incident, component: Component, author: User) -> Incident:
    """An incident with one update."""
    post_update(
        incident,
        status=IncidentStatus.INVESTIGATING,
        body="We are looking into it.",
        author=author,
        components=[(component, ComponentStatus.PARTIAL_OUTAGE)],
    )
    return incident


@pytest.fixture
def at_noon(page: Page, component: Component, author: User) -> Any:
    """The clock stands at noon, when everything above has been there for a while."""
    with time_machine.travel(NOON, tick=False) as clock:
        yield clock
