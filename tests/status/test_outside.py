"""A request that publishes, or asks somebody outside, holds nothing meanwhile that others need."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from incidents.incidents import post_update
from incidents.lifecycle import IncidentStatus
from incidents.models import Incident, User
from status import outside


@pytest.mark.django_db(transaction=True)
def test_a_publication_holds_no_slot(incident: Incident, author: User) -> None:
    given_back = []
    with ExitStack() as slot, outside.holding(slot, {}):
        slot.callback(lambda: given_back.append(True))
        post_update(incident, status=IncidentStatus.INVESTIGATING, body="Looking.", author=author)
        assert given_back == [True]
    assert given_back == [True], "and it is given back once"


def test_who_holds_nothing_asks_at_once_and_without_a_limit() -> None:
    assert outside.ask("name", lambda: "yes", seconds=0) == "yes"
