"""Who changed what, over everything."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from incidents import catalogue, timeline
from incidents.incidents import correct_update, edit_incident, post_update
from incidents.lifecycle import ComponentStatus, IncidentStatus, Severity
from incidents.models import Component, Incident, Page, User
from portal.console.audit import log
from status.models import Delivery
from status.subscriptions import subscribers

pytestmark = pytest.mark.long


@pytest.fixture
def eventful(incident: Incident, component: Component, author: User, admin: User) -> Incident:
    """An incident to which the usual things happened."""
    update = post_update(
        incident,
        status=IncidentStatus.INVESTIGATING,
        body="We are looking in to it.",
        author=author,
        components=[(component, ComponentStatus.PARTIAL_OUTAGE)],
    )
    correct_update(update, body="We are looking into it.", author=admin, reason="Grammar")
    edit_incident(incident, author=admin, severity=Severity.SEV1)
    timeline.note(incident, text="Restarted the pool.", occurred_at=update.display_at, author=author)
    return incident


def rows(client: Client, **wanted: str | int) -> list[dict[str, str]]:
    response = client.get(reverse("audit_file", kwargs={"file": "csv"}), wanted)
    return list(csv.DictReader(response.getvalue().decode().splitlines()))


def test_everything_that_was_done_is_listed_newest_first_with_its_author(
    client: Client, eventful: Incident, admin: User
) -> None:
    client.force_login(admin)
    listed = [row for row in rows(client) if not row["what"].startswith("User")]  # she has just signed in
    assert [row["what"] for row in listed[:3]] == [
        "Timeline entry: Restarted the pool.",
        "Incident: Errors",
        "Incident update: We are looking into it.",
    ]
    assert [row["author"] for row in listed[:3]] == ["grace", "ada", "ada"]
    assert listed[1]["changes"] == "Severity: SEV 3, minor → SEV 1, critical"
    assert listed[2]["reason"] == "Grammar"
    assert [row["at"] for row in listed] == sorted((row["at"] for row in listed), reverse=True)


def test_it_can_be_narrowed_by_author_kind_and_time(
    client: Client, eventful: Incident, admin: User, author: User
) -> None:
    client.force_login(admin)
    assert {row["author"] for row in rows(client, author=author.pk)} == {"grace"}
    assert {row["table"] for row in rows(client, table="incidents.historicalincidentupdate")} == {
        "incidents.historicalincidentupdate"
    }
    assert rows(client, until="2020-01-01T00:00") == []


@pytest.mark.slow
def test_the_page_leads_to_older_changes_and_repeats_none(client: Client, eventful: Incident, admin: User) -> None:
    for number in range(60):
        edit_incident(eventful, author=admin, title=f"Errors {number}")
    everything = [entry.place for entry in log.every(log.Filter())]
    first = log.page(log.Filter())
    second = log.page(log.Filter(), first[-1].place)
    assert [entry.place for entry in [*first, *second]] == everything
    client.force_login(admin)
    page = client.get(reverse("audit")).text
    assert "Older changes" in page
    older = client.get(reverse("audit"), {"before": str(first[-1].place)}).text
    assert "Restarted the pool." in older


def test_json_has_the_same_entries(client: Client, eventful: Incident, admin: User) -> None:
    client.force_login(admin)
    response = client.get(reverse("audit_file", kwargs={"file": "json"}))
    assert [row["what"] for row in json.loads(response.getvalue())] == [row["what"] for row in rows(client)]


def test_a_link_that_is_not_whole_gets_a_sentence(client: Client, admin: User) -> None:
    client.force_login(admin)
    response = client.get(reverse("audit"), {"before": "yesterday"})
    assert response.status_code == 422
    assert "This link is not whole" in response.text


def test_what_a_spreadsheet_would_compute_is_only_text(client: Client, incident: Incident, admin: User) -> None:
    edit_incident(incident, author=admin, title="=1+1")
    client.force_login(admin)
    assert all(not value.startswith("=") for row in rows(client) for value in row.values())


@pytest.mark.slow
def test_its_cost_does_not_grow_with_the_history(
    make_component: Callable[..., Component],
    eventful: Incident,
    admin: User,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    def cost() -> int:
        with django_assert_max_num_queries(200) as queries:
            log.page(log.Filter())
        return len(queries)

    few = cost()
    for number in range(40):
        catalogue.set_component_status(
            make_component(f"Component {number}"), status=ComponentStatus.MAJOR_OUTAGE, author=admin
        )
        edit_incident(eventful, author=admin, title=f"Errors {number}")
    assert cost() <= few


def test_the_complete_file_of_an_incident_has_every_version_and_every_message(
    client: Client, page: Page, eventful: Incident, admin: User
) -> None:
    recipient = subscribers.add_by_staff(page, address="reader@example.com", author=admin)
    Delivery.objects.create(recipient=recipient, event=eventful.events.latest("id"), due_at=eventful.created_at)
    client.force_login(admin)
    response = client.get(reverse("incident_file", args=[eventful.public_id]))
    file = json.loads(response.content)
    updates = file["history"]["incidents.historicalincidentupdate"]
    assert [(row["body"], row["author"]) for row in updates] == [
        ("We are looking in to it.", "grace"),
        ("We are looking into it.", "ada"),
    ]
    assert len(file["history"]["incidents.componentstatuschange"]) == 1
    assert [row["text"] for row in file["history"]["incidents.timelineentry"]] == ["Restarted the pool."]
    assert [row["recipient__public_id"] for row in file["deliveries"]] == [recipient.public_id]
    assert b"reader@example.com" not in response.content
    assert response["Content-Disposition"] == f'attachment; filename="incident-{eventful.public_id}.json"'


@pytest.mark.parametrize("role", ["viewer", "communicator"])
def test_it_is_for_administrators(
    client: Client, eventful: Incident, make_user: Callable[[str, str], User], role: str
) -> None:
    client.force_login(make_user("vera", role))
    for address in (reverse("audit"), reverse("audit_file", args=["csv"]), reverse("incident_file", args=["x"])):
        assert client.get(address).status_code == 403
