"""One box that finds incidents, updates, postmortems, timelines and components."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from incidents import timeline
from incidents.incidents import declare_incident, delete_incident, post_update, withdraw_update
from incidents.lifecycle import IncidentStatus
from incidents.models import Component, Incident, IncidentUpdate, Page, TimelineEntry, User
from tests.reports import publish_report

pytestmark = [pytest.mark.long, pytest.mark.both]

RESOLVED = IncidentStatus.RESOLVED


def found(staff: Client, asked: str) -> dict[str, list[str]]:
    answer = staff.get("/admin/search/", {"q": asked})
    return {kind.kind: [hit.title for hit in kind.hits] for kind in answer.context["found"]}


@pytest.fixture
def findable(incident: Incident, make_component: Callable[..., Component], author: User) -> Incident:
    make_component("Basket", description="Keeps what customers chose", owner="Team Teal")
    post_update(incident, status=RESOLVED, body="A pool of connections ran dry.", author=author)
    timeline.note(incident, text="Restarted pgbouncer.", occurred_at=timezone.now(), author=author)
    publish_report(incident, body="## Root Cause\n\nA stalled backup.", author=author)
    return incident


def test_every_kind_is_found_by_a_word_in_any_case(staff: Client, findable: Incident) -> None:
    assert found(staff, "ERRORS")["Incidents"] == ["Errors"]
    assert found(staff, findable.public_id) == {"Incidents": ["Errors"]}
    assert found(staff, "pool of CONNECTIONS") == {"Updates": ["Errors"]}
    assert found(staff, "pgbouncer") == {"Timelines": ["Errors"]}
    assert found(staff, "stalled backup") == {"Postmortems": ["Errors: Root Cause"]}
    assert found(staff, "teal") == {"Components": ["Basket"]}


def test_all_words_must_occur(staff: Client, findable: Incident) -> None:
    assert found(staff, "dry pool") == {"Updates": ["Errors"]}
    assert found(staff, "dry biscuit") == {}
    assert found(staff, "%") == {}, "it is no pattern"


@pytest.mark.parametrize("asked", ["", "   ", "\x00", "x" * 5000, "🔥", "'; DROP TABLE", "a " * 100])
def test_anything_may_be_asked(staff: Client, findable: Incident, asked: str) -> None:
    assert staff.get("/admin/search/", {"q": asked}).status_code == 200


def test_what_was_deleted_or_taken_back_is_not_found(staff: Client, page: Page, author: User) -> None:
    incident = declare_incident(page, title="Zebra", author=author)
    withdraw_update(post_update(incident, status=RESOLVED, body="Giraffe", author=author), author=author)
    assert found(staff, "giraffe") == {}
    delete_incident(incident, author=author, reason="Test")
    assert found(staff, "zebra") == {}


def test_who_may_not_read_incidents_finds_nothing(client: Client, make_user: Callable[[str, str], User]) -> None:
    assert "/login/" in client.get("/admin/search/", {"q": "x"}).headers["Location"]
    client.force_login(User.objects.create_user("nobody", is_staff=True))
    assert client.get("/admin/search/", {"q": "x"}).status_code == 403


def test_few_are_shown_and_asked_for_in_as_many_queries(
    staff: Client, findable: Incident, page: Page, author: User
) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            staff.get("/admin/search/", {"q": "r"})
        return len(captured)

    queries()
    few = queries()
    now = timezone.now()
    facts = {"incident": findable, "author": author}
    TimelineEntry.objects.bulk_create(TimelineEntry(text="r", occurred_at=now, **facts) for _n in range(1000))
    IncidentUpdate.objects.bulk_create(
        IncidentUpdate(status=RESOLVED, body=f"Over {n}.", display_at=now, **facts) for n in range(1000)
    )
    assert queries() == few
    assert [len(hits) for hits in (found(staff, "r")["Updates"], found(staff, "r")["Timelines"])] == [10, 10]
