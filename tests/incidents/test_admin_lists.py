"""The facts of incidents in the admin, who may see and change them, and the lists."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from incidents.incidents import PUBLIC_FACTS, declare_incident, delete_incident, edit_incident, post_update
from incidents.lifecycle import IncidentStatus, Visibility
from incidents.models import Component, Incident, OutboxEvent, Page, User
from tests.incidents.html_forms import address, counts, filled, room

pytestmark = pytest.mark.long

MakeUser = Callable[[str, str], User]
LIST = "/admin/incidents/incident/"
DECLARE = f"{LIST}add/"
COMPONENTS = "/admin/incidents/component/"
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
IDENTIFIED = IncidentStatus.IDENTIFIED


# --- Facts ------------------------------------------------------------------------------------------------------------


def test_facts_are_changed_in_the_name_of_who_is_logged_in(staff: Client, announced: Incident, author: User) -> None:
    change = address(announced, "change")
    staff.post(change, filled(staff.get(change), title="API down", impact_began_at="2026-01-10T10:00"))
    announced.refresh_from_db()
    assert (announced.title, announced.impact_began_at) == ("API down", datetime(2026, 1, 10, 9, tzinfo=UTC))
    assert announced.history.first().history_user == author


def test_a_fact_that_another_one_changed_meanwhile_is_left_alone(
    staff: Client, announced: Incident, admin: User
) -> None:
    with time_machine.travel(NOON):
        edit_incident(announced, author=admin, detected_at=timezone.now() - timedelta(seconds=90))
    form = filled(staff.get(address(announced, "change")), severity="sev1")
    edit_incident(announced, author=admin, title="Theirs")
    staff.post(address(announced, "change"), form)
    announced.refresh_from_db()
    assert (announced.title, announced.severity) == ("Theirs", "sev1")
    assert announced.detected_at == NOON - timedelta(seconds=90), "nobody touched its seconds"


def test_an_impact_that_ends_before_it_began_is_refused(staff: Client, announced: Incident) -> None:
    form = filled(
        staff.get(address(announced, "change")), impact_began_at="2026-01-10T10:00", impact_ended_at="2026-01-10T09:00"
    )
    before = counts()
    assert "The impact cannot end before it began." in staff.post(address(announced, "change"), form).text
    assert counts() == before


def test_what_only_the_service_knows_comes_back_at_its_field(staff: Client, announced: Incident) -> None:
    form = filled(staff.get(address(announced, "change")), caused_by=announced.pk)
    before = counts()
    answer = staff.post(address(announced, "change"), form)
    assert answer.context["adminform"].form.errors["caused_by"] == ["An incident cannot be its own cause."]
    assert counts() == before


# --- Rights and lists -------------------------------------------------------------------------------------------------


def test_a_viewer_reads_and_posts_nothing(client: Client, make_user: MakeUser, announced: Incident) -> None:
    client.force_login(make_user("vera", "viewer"))
    page = client.get(address(announced, "change"))
    assert "Errors" in page.text
    assert address(announced, "update") not in page.text
    assert client.get(address(announced, "history")).status_code == 200
    before = counts()
    for answer in (
        client.get(address(announced, "update")),
        client.post(address(announced, "update"), {"status": "identified", "body": "Hello"}),
        client.post(DECLARE, {"title": "Hello"}),
        client.post(address(announced, "delete"), {"reason": "Because"}),
    ):
        assert answer.status_code == 403
        assert "Ask an administrator for a role that has it." in answer.text
    assert client.post(address(announced, "change"), {"title": "Hello"}).status_code == 403
    assert counts() == before


def test_a_responder_notes_but_publishes_nothing(client: Client, make_user: MakeUser, page: Page, author: User) -> None:
    incident = declare_incident(page, title="Errors", author=author, visibility=Visibility.INTERNAL)
    client.force_login(make_user("ruth", "responder"))
    assert client.post(address(incident, "publish"), {"status": "identified", "body": "Hello"}).status_code == 403
    incident.refresh_from_db()
    assert incident.visibility == Visibility.INTERNAL
    assert (
        client.post(address(incident, "note"), filled(client.get(address(incident, "note")), text="Hm")).status_code
        == 302
    )


def test_a_responder_is_not_offered_what_customers_read(
    client: Client, make_user: MakeUser, announced: Incident, author: User
) -> None:
    client.force_login(make_user("ruth", "responder"))
    change = address(announced, "change")
    form = filled(client.get(change), severity="sev1")
    assert {"title", *PUBLIC_FACTS}.isdisjoint(form)
    client.post(change, form)
    announced.refresh_from_db()
    assert announced.severity == "sev1"
    edit_incident(announced, title="Disk full on db-3", public_title=announced.public_title, author=author)
    form = filled(client.get(change))
    assert "title" in form
    assert PUBLIC_FACTS[0] not in form


def test_who_is_not_logged_in_is_sent_to_the_login(client: Client, announced: Incident) -> None:
    for name in ("update", "change", "history", "delete"):
        assert "/login/" in client.get(address(announced, name)).headers["Location"]


def test_no_page_needs_inline_script_or_style(staff: Client, announced: Incident) -> None:
    names = ("change", "update", "postmortem", "history", "delete")
    for path in ("/admin/", LIST, DECLARE, COMPONENTS, *(address(announced, name) for name in names)):
        page = staff.get(path).text
        assert not re.findall(r"<style|<script>|<[^>]+\s(?:style|on[a-z]+)=", page), path


def test_what_is_not_published_yet_says_so(staff: Client, announced: Incident) -> None:
    assert "Not yet published" in staff.get(LIST).text
    assert "Not yet published" in staff.get(room(announced)).text
    OutboxEvent.objects.update(published_at=timezone.now())
    assert "Not yet published" not in staff.get(LIST).text
    assert "Not yet published" not in staff.get(room(announced)).text


@pytest.mark.slow
def test_lists_and_pages_ask_as_often_with_many_rows_as_with_few(
    staff: Client, announced: Incident, page: Page, component: Component, author: User
) -> None:
    def queries(path: str) -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            assert staff.get(path).status_code == 200
        return len(captured)

    paths = [
        LIST,
        f"{LIST}?q=API",
        address(announced, "change"),
        address(announced, "history"),
        "/admin/incidents/outboxevent/",
    ]
    for path in paths:  # what is asked once in a process and kept does not count
        queries(path)
    few = [queries(path) for path in paths]
    for number in range(10):
        other = declare_incident(page, title=f"API {number}", author=author)
        post_update(other, status=IDENTIFIED, body="We know.", author=author, components=[(component, None)])
        post_update(announced, status=IDENTIFIED, body="More.", author=author, components=[(component, None)])
    assert [queries(path) for path in paths] == few


def test_the_list_finds_by_title_and_filters(staff: Client, announced: Incident, page: Page, author: User) -> None:
    gone = declare_incident(page, title="Deleted one", author=author)
    delete_incident(gone, author=author, reason="Test")
    internal = declare_incident(page, title="Quiet one", author=author, visibility=Visibility.INTERNAL)
    assert internal.title in staff.get(LIST, {"q": "quiet"}).text
    assert announced.title not in staff.get(LIST, {"q": "quiet"}).text
    shown = staff.get(LIST, {"visibility__exact": "public"}).context["cl"].queryset
    assert list(shown) == [announced]
