"""What goes wrong while somebody types: nothing is lost, nothing is posted twice, and a sentence says what happened."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect
from pytest_django.live_server_helper import LiveServer

from incidents.models import Component, Incident, IncidentTemplate, User
from incidents.templates import create_template
from tests.browser import sign_in, sign_out
from tests.e2e.conftest import NewContext

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

WORDS = "A disk is full of logs."


def room(incident: Incident) -> str:
    return f"/admin/incident/{incident.public_id}/"


@pytest.mark.slow
def test_what_is_typed_outlives_a_reload_and_a_lost_session(
    signed_in: NewContext, live_server: LiveServer, incident: Incident, author: User
) -> None:
    page = signed_in(author).new_page()
    page.goto(room(incident))
    body = page.locator("#compose [name=body]")
    body.fill(WORDS)
    page.reload()
    expect(body).to_have_value(WORDS)
    sign_out(page.context)
    page.get_by_role("button", name="Post update").click()
    expect(page.get_by_text("You are not signed in any more")).to_be_visible()
    sign_in(page.context, author, live_server.url)
    page.get_by_role("button", name="Send it again").click()
    expect(page.get_by_text("The update is posted.")).to_be_visible()
    expect(body).to_have_value("")
    assert incident.updates.count() == 1


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["declare", "note", "component"])
def test_a_session_that_ended_while_typing_loses_nothing(
    signed_in: NewContext, live_server: LiveServer, incident: Incident, component: Component, admin: User, kind: str
) -> None:
    address, label, button = {
        "declare": ("/admin/incidents/incident/add/", "Title", "Declare incident"),
        "note": (room(incident), "What happened", "Add to timeline"),
        "component": (f"/admin/incidents/component/{component.pk}/change/", "Name", "Save"),
    }[kind]
    page = signed_in(admin).new_page()
    page.goto(address)
    page.get_by_label(re.compile(f"^{label}")).fill(WORDS)
    sign_out(page.context)
    page.get_by_role("button", name=button, exact=True).click()
    expect(page.get_by_text("You are not signed in any more, so nothing was saved.")).to_be_visible()
    sign_in(page.context, admin, live_server.url)
    page.get_by_role("button", name="Send it again").click()
    expect(page.locator(".messagelist")).to_be_visible()
    component.refresh_from_db()
    titles, notes = Incident.objects.values_list("title", flat=True), incident.timeline.values_list("text", flat=True)
    assert [component.name, *titles, *notes].count(WORDS) == 1


@pytest.mark.slow
def test_a_connection_that_is_lost_loses_nothing_and_is_shown(
    signed_in: NewContext, incident: Incident, author: User
) -> None:
    page = signed_in(author).new_page()
    page.goto(room(incident))
    for form, field, button in (("#compose", "body", "Post update"), ("#note", "text", "Add to timeline")):
        page.locator(f"{form} [name={field}]").fill(WORDS)
        page.context.set_offline(True)
        page.get_by_role("button", name=button).click()
        expect(page.locator(form).get_by_text("You are offline, so nothing was sent.")).to_be_visible()
        expect(page.locator(f"{form} [name={field}]")).to_have_value(WORDS)
        page.context.set_offline(False)
        page.get_by_role("button", name=button).click()
        expect(page.locator(".messagelist")).to_be_visible()
    assert (incident.updates.count(), incident.timeline.count()) == (1, 1)


@pytest.mark.slow
def test_a_server_that_cannot_be_reached_loses_nothing(signed_in: NewContext, incident: Incident, author: User) -> None:
    page = signed_in(author).new_page()
    page.goto(room(incident))
    page.locator("#compose [name=body]").fill(WORDS)
    page.route("**/update/", lambda route: route.abort("connectionrefused"))
    page.get_by_role("button", name="Post update").click()
    page.wait_for_url("chrome-error://**")
    page.unroute("**/update/")
    page.goto(room(incident))
    expect(page.get_by_text("What you typed before is back.")).to_be_visible()
    page.get_by_role("button", name="Post update").click()
    expect(page.get_by_text("The update is posted.")).to_be_visible()
    assert incident.updates.count() == 1


@pytest.mark.slow
def test_a_double_click_on_any_primary_button_does_it_once(
    signed_in: NewContext, incident: Incident, component: Component, admin: User
) -> None:
    page = signed_in(admin).new_page()
    network = page.context.new_cdp_session(page)
    network.send("Network.enable")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if request.method == "POST" else None)

    def delay(milliseconds: int) -> None:
        """From now on each answer comes so late."""
        speed = {"offline": False, "latency": milliseconds, "downloadThroughput": -1, "uploadThroughput": -1}
        network.send("Network.emulateNetworkConditions", speed)

    def twice(address: str, button: str, **typed: str) -> None:
        page.goto(address)
        for name, value in typed.items():
            page.locator(f"[name={name}]").last.fill(value)
        for choice in page.locator("select[name=page]").all():
            choice.select_option("Acme")
        asked.clear()
        delay(500)
        with page.expect_navigation(wait_until="commit"):
            page.get_by_role("button", name=button, exact=True).dblclick()
        delay(0)
        expect(page.locator(".messagelist")).to_be_visible()
        assert len(asked) == 1, asked

    twice("/admin/incidents/incident/add/", "Declare incident", title="Checkout fails", body="Looking.")
    twice(room(incident), "Post update", body=WORDS)
    twice(page.url, "Undo")
    twice(room(incident), "Add to timeline", text="Looked.")
    twice(f"/admin/incidents/incident/{incident.pk}/role/", "Take or hand over a role")
    twice("/admin/incidents/componentgroup/add/", "Save", name="Regions")
    twice("/admin/incidents/component/add/", "Save", name="Search")
    twice("/admin/incidents/incidenttemplate/add/", "Save", name="Disk", body="A disk is full.")
    twice(f"/admin/incidents/incident/{incident.pk}/postmortem/", "Start postmortem")
    assert incident.updates.count() == 1
    assert incident.timeline.count() == 1
    assert IncidentTemplate.objects.filter(name="Disk").count() == 1


@pytest.mark.slow
def test_a_templates_first_open_place_is_chosen_to_be_typed_over(
    signed_in: NewContext, incident: Incident, admin: User
) -> None:
    IncidentTemplate.objects.filter(name="Seen").exists() or create_template(
        name="Seen", body="We see {symptom} on {components}.", author=admin
    )
    page = signed_in(admin).new_page()
    page.goto(room(incident))
    page.get_by_role("button", name="Seen", exact=True).click()
    body = page.locator("#compose [name=body]")
    expect(body).to_have_value(re.compile("{symptom}"))
    expect(body).to_be_focused()  # the place is chosen a moment after the words are there
    page.keyboard.type("errors")
    expect(body).to_have_value(re.compile("We see errors on"))
