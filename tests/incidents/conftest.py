"""Who is logged in, and an incident that was told about."""

from __future__ import annotations

import pytest
from django.test import Client

from incidents.lifecycle import ComponentStatus, IncidentStatus
from incidents.models import Component, Incident, User
from incidents.services import post_update


@pytest.fixture
def staff(client: Client, author: User) -> Client:
    client.force_login(author)
    return client


@pytest.fixture
def told(incident: Incident, component: Component, author: User) -> Incident:
    """An incident with one update."""
    post_update(
        incident,
        status=IncidentStatus.INVESTIGATING,
        body="We are looking into it.",
        author=author,
        components=[(component, ComponentStatus.PARTIAL_OUTAGE)],
    )
    return incident
