"""The public is promised when it hears more; whether the promise was kept is counted by the server's clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from incidents import promises
from incidents.errors import InvalidInput
from incidents.incidents import declare_incident, post_update, withdraw_update
from incidents.lifecycle import IncidentStatus, Severity, Visibility
from incidents.models import Incident, IncidentUpdate, Page, UpdateCadence, User
from tests.incidents.html_forms import filled, room

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
IDENTIFIED, RESOLVED = IncidentStatus.IDENTIFIED, IncidentStatus.RESOLVED


def say(incident: Incident, author: User, *, within: int | None = None, status: IncidentStatus = IDENTIFIED) -> Any:
    due_at = promises.due_at(Severity(incident.severity), status, within) if within is not None else None
    return post_update(incident, status=status, body="News.", author=author, next_update_due_at=due_at)


def test_an_update_promises_the_next_one_and_the_next_one_redeems_it(
    incident: Incident, author: User, at_noon: Any
) -> None:
    say(incident, author, within=15)
    assert incident.next_update_due_at == NOON + timedelta(minutes=15)
    at_noon.shift(timedelta(minutes=10))
    say(incident, author, within=30)
    assert incident.next_update_due_at == NOON + timedelta(minutes=40)
    say(incident, author, status=RESOLVED)
    assert incident.next_update_due_at is None


def test_taking_an_update_back_brings_the_promise_before_it_back(
    incident: Incident, author: User, at_noon: Any
) -> None:
    say(incident, author, within=15)
    second = say(incident, author)
    assert incident.next_update_due_at is None
    withdraw_update(second, author=author)
    incident.refresh_from_db()
    assert incident.next_update_due_at == NOON + timedelta(minutes=15)


def test_what_cannot_be_promised_is_refused_with_a_sentence(page: Page, incident: Incident, author: User) -> None:
    internal = declare_incident(page, title="Quiet", author=author, visibility=Visibility.INTERNAL)
    soon = datetime.now(UTC) + timedelta(hours=1)
    for where, status, due_at, words in [
        (incident, IDENTIFIED, NOON, "yet to come"),
        (incident, RESOLVED, soon, "that goes on"),
        (internal, IDENTIFIED, soon, "public update"),
    ]:
        with pytest.raises(InvalidInput, match=words):
            post_update(where, status=status, body="News.", author=author, next_update_due_at=due_at)
    assert not IncidentUpdate.objects.exists()


def test_what_is_usual_depends_on_severity_and_status_and_an_administrator_changes_it(
    admin: User, at_noon: Any
) -> None:
    at_noon.shift(42)  # promised to the minute, as it is shown
    assert promises.due_at(Severity.SEV1, IDENTIFIED) == NOON + timedelta(minutes=10)
    assert promises.due_at(Severity.SEV3, IDENTIFIED) == NOON + timedelta(minutes=30)
    assert promises.due_at(Severity.SEV1, RESOLVED) is None
    row = UpdateCadence.objects.get(severity="sev1", status="identified")
    promises.set_cadence(row, minutes=None, author=admin)
    assert promises.due_at(Severity.SEV1, IDENTIFIED) is None
    with pytest.raises(InvalidInput, match="at least one minute"):
        promises.set_cadence(row, minutes=0, author=admin)


def test_promises_are_kept_in_time_and_missed_late_or_never(
    page: Page, incident: Incident, author: User, at_noon: Any
) -> None:
    say(incident, author, within=15)
    at_noon.shift(timedelta(minutes=15))
    say(incident, author, within=15)  # in time, at the last moment
    at_noon.shift(timedelta(minutes=16))
    say(incident, author, within=60)  # late, whatever time it shows
    at_noon.shift(timedelta(minutes=16))
    assert promises.kept(incident.updates.all()) == promises.Kept(kept=1, missed=1)
    at_noon.shift(timedelta(minutes=60))  # and now nothing came at all
    other = declare_incident(page, title="Other", author=author)
    say(other, author, within=15)
    assert promises.kept(incident.updates.all()) == promises.Kept(kept=1, missed=2)
    assert promises.kept(IncidentUpdate.objects.all()) == promises.Kept(kept=1, missed=2)


# --- The forms --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "minutes"),
    [
        ({}, 30),
        ({"next_update": "5"}, 5),
        ({"next_update": "0"}, None),
        ({"next_update_due_at": "2026-03-10T14:00"}, 60),
    ],
)
def test_the_form_promises_what_is_usual_unless_somebody_chose(
    client: Client, incident: Incident, author: User, at_noon: Any, typed: dict[str, str], minutes: int | None
) -> None:
    client.force_login(author)
    address = reverse("admin:incidents_incident_update", args=[incident.pk])
    page = client.get(address)
    assert "As usual (Investigating 15 min, Identified 30 min, Monitoring 60 min)" in page.content.decode()
    answer = client.post(address, filled(page, status="identified", body="News.", **typed))
    assert answer.status_code == 302
    incident.refresh_from_db()
    assert incident.next_update_due_at == (NOON + timedelta(minutes=minutes) if minutes else None)


@pytest.mark.usefixtures("page", "at_noon")
def test_declaring_promises_by_the_severity_and_nothing_for_an_internal_incident(client: Client, author: User) -> None:
    client.force_login(author)
    address = reverse("admin:incidents_incident_add")
    for visibility in ("public", "internal"):
        form = filled(client.get(address), title=visibility, body="Slow.", severity="sev1", visibility=visibility)
        assert client.post(address, form).status_code == 302
    found = dict(Incident.objects.values_list("title", "next_update_due_at"))
    assert (found["public"], found["internal"]) == (NOON + timedelta(minutes=10), None)
    internal = Incident.objects.get(title="internal")
    page = client.get(reverse("admin:incidents_incident_update", args=[internal.pk])).content.decode()
    assert "next_update" not in page


def test_who_is_without_service_for_long_hears_more_within_two_hours(
    incident: Incident, author: User, at_noon: Any
) -> None:
    say(incident, author, within=180)
    at_noon.shift(timedelta(hours=2))
    with pytest.raises(InvalidInput, match="within two hours from now"):
        say(incident, author, within=121)
    say(incident, author, within=120)
    assert incident.next_update_due_at == NOON + timedelta(hours=4)


def test_staff_see_what_is_due_and_how_well_promises_were_kept(
    client: Client, incident: Incident, author: User, admin: User, at_noon: Any
) -> None:
    say(incident, author, within=15)
    at_noon.shift(timedelta(minutes=16))
    client.force_login(admin)
    page = client.get(room(incident)).text
    assert "Mar 10, 13:15 CET" in page
    assert "Promises: 0 kept, 1 missed" in page
    listed = client.get(reverse("admin:incidents_updatecadence_changelist")).content.decode()
    assert "in the last 90 days: 0 kept, 1 missed" in listed
    row = UpdateCadence.objects.get(severity="sev4", status="monitoring")
    address = reverse("admin:incidents_updatecadence_change", args=[row.pk])
    assert client.post(address, {"minutes": "90"}).status_code == 302
    row.refresh_from_db()
    assert (row.minutes, row.history.order_by("history_id").last().history_user) == (90, admin)
