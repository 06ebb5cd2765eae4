"""Who has which role: one person at a time, taken with one click, handed over with a note."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from incidents.errors import InvalidInput, InvalidTransition
from incidents.history import changes
from incidents.models import Incident, IncidentRole, User
from incidents.roles import hand_over, take_role
from tests.incidents.html_forms import filled, room

Role = IncidentRole.Role


def holders(incident: Incident) -> dict[str, str]:
    return {row.role: row.user.username for row in incident.roles.active()}


def test_a_role_is_taken_over_and_the_record_keeps_who_had_it(incident: Incident, author: User, admin: User) -> None:
    first = take_role(incident, role=Role.COMMANDER, author=author)
    assert take_role(incident, role=Role.COMMANDER, author=author) == first
    second = take_role(incident, role=Role.COMMANDER, author=admin, note="  Pool is drained.  ")
    first.refresh_from_db()
    assert (first.renounced_at, first.handover_note) == (second.assumed_at, "Pool is drained.")
    take_role(incident, role=Role.SCRIBE, author=admin)
    assert holders(incident) == {"commander": "ada", "scribe": "ada"}
    handovers = [
        (entry.what, str(entry.author)) for entry in changes.of_incident(incident) if "Commander" in entry.what
    ]
    assert handovers[-3:] == [
        ("Commander: taken by ada", "ada"),
        ("Commander: given up by grace", "ada"),
        ("Commander: taken by grace", "grace"),
    ]


def test_a_role_is_handed_to_somebody_who_may_or_to_nobody(
    incident: Incident, author: User, make_user: Callable[[str, str], User]
) -> None:
    bob, eve = make_user("bob", "responder"), make_user("eve", "viewer")
    with pytest.raises(InvalidTransition, match="Nobody has this role"):
        hand_over(incident, role=Role.COMMS_LEAD, to=None, author=author)
    with pytest.raises(InvalidInput, match="eve may not work on incidents"):
        hand_over(incident, role=Role.COMMS_LEAD, to=eve, author=author)
    hand_over(incident, role=Role.COMMS_LEAD, to=bob, author=author)
    assert holders(incident) == {"comms_lead": "bob"}
    hand_over(incident, role=Role.COMMS_LEAD, to=None, author=author, note="Good night.")
    assert holders(incident) == {}


def test_the_form_takes_the_role_that_nobody_has_and_the_page_names_the_holders(
    client: Client, incident: Incident, author: User
) -> None:
    client.force_login(author)
    address = reverse("admin:incidents_incident_role", args=[incident.pk])
    for role in ("commander", "comms_lead"):
        form = filled(client.get(address))
        assert (form["role"], form["to"]) == (role, str(author.pk))
        client.post(address, form)
    page = client.get(room(incident)).text
    assert "<dt>Commander</dt><dd>grace</dd>" in page
    client.post(address, filled(client.get(address), role="commander", to=""))
    assert holders(incident) == {"comms_lead": "grace"}
