"""An incident is declared and run in a real browser: few clicks, the keyboard, a phone, two people, no script."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from incidents import models, timeline
from incidents.lifecycle import ComponentStatus, IncidentStatus
from incidents.models import Component, Incident, User
from incidents.postmortems.writing import start_postmortem
from incidents.services import declare_incident, post_update
from incidents.templates import save_template
from status import subscriptions
from tests.services import CHROMIUM

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

NewContext = Callable[..., BrowserContext]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    arguments = ["--disable-gpu", "--disable-dev-shm-usage", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with sync_playwright() as playwright:
        os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"  # Playwright's loop runs in this thread, and nothing in it
        yield playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture
def signed_in(chromium: Browser, live_server: LiveServer, settings: Settings) -> Iterator[NewContext]:
    """A browser in which somebody has signed in."""
    settings.ALLOWED_HOSTS = ["*"]
    opened: list[BrowserContext] = []

    def sign_in(user: User, **options: Any) -> BrowserContext:
        client = Client()
        client.force_login(user)
        context = chromium.new_context(base_url=live_server.url, **options)
        opened.append(context)
        cookie = {"name": "sessionid", "value": client.cookies["sessionid"].value, "url": live_server.url}
        context.add_cookies([cookie])  # type: ignore[list-item]  # a cookie's dictionary
        return context

    yield sign_in
    for context in opened:
        context.close()


@pytest.fixture
def templates(admin: User) -> None:
    """Those of a new deployment, which a database that was emptied has not kept."""
    for name, body in (
        ("Identified", "We have identified the cause of {symptom} on {components}."),
        ("No news", "There is no change since {last_update}."),
    ):
        if not models.IncidentTemplate.objects.filter(name=name).exists():
            save_template(models.IncidentTemplate(name=name, body=body), author=admin)


def declare(page: Page, component: str = "API") -> None:
    page.goto("/admin/")
    page.get_by_role("link", name="Declare incident").first.click()
    page.get_by_label("Title").fill("Checkout fails")
    page.get_by_label("Message").fill("Some checkouts fail. We look into it.")
    page.get_by_label(component).select_option("major_outage")
    page.get_by_role("button", name="Declare incident").click()
    expect(page.get_by_role("heading", name="Checkout fails")).to_be_visible()


def post(page: Page, step: str, words: str) -> None:
    page.locator(".next", has_text=step).click()
    page.locator("#compose [name=body]").fill(words)
    page.get_by_role("button", name="Post update").click()
    expect(page.locator(".timeline").get_by_text(words)).to_be_visible()


def test_an_incident_is_run_from_its_declaration_to_its_report(
    signed_in: NewContext, templates: None, component: Component, author: User
) -> None:
    page = signed_in(author).new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text) if "Security" in message.text else None)
    # Three clicks and one choice from the overview to the first published words
    declare(page)
    assert Incident.objects.get().is_public
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("Nobody was told of it")).to_be_visible()
    page.get_by_label("API", exact=True).select_option("major_outage")
    post(page, "Post first update", "Payments are refused.")
    page.locator("#note [name=when]").fill("5 min ago")
    page.locator("#note [name=text]").fill("Restarting the API.")
    page.locator("#note [name=kind]").select_option("mitigation")
    page.get_by_role("button", name="Add to timeline").click()
    page.get_by_role("button", name="Partial", exact=True).click()
    expect(page.get_by_text("Mitigation attempt: Partial")).to_be_visible()
    # A template, whose first open place is then chosen
    page.get_by_role("button", name="Identified", exact=True).click()
    body = page.locator("#compose [name=body]")
    expect(body).to_have_value(re.compile("cause of {symptom} on API"))
    expect(body).to_be_focused()  # the place is chosen a moment after the words are there
    page.keyboard.type("errors")
    page.get_by_role("button", name="Preview, and who will be told").click()
    expect(page.get_by_text("Will be told:")).to_be_visible()
    page.get_by_role("button", name="Post update").click()
    expect(page.locator(".timeline").get_by_text("cause of errors on API")).to_be_visible()
    post(page, "Move to monitoring", "A fix is in place.")
    page.locator(f"[name=components-{component.pk}]").select_option("operational")
    post(page, "Resolve", "It is over.")
    page.locator(".next", has_text="Start the postmortem").click()
    expect(page.get_by_role("heading", name="Start postmortem")).to_be_visible()
    assert component.status is ComponentStatus.OPERATIONAL
    assert not complaints


def test_what_is_typed_outlives_a_reload_and_a_lost_session(
    signed_in: NewContext, incident: Incident, author: User
) -> None:
    context = signed_in(author)
    page = context.new_page()
    page.goto(f"/admin/incident/{incident.public_id}/")
    body = page.locator("#compose [name=body]")
    body.fill("A disk is full.")
    page.reload()
    expect(body).to_have_value("A disk is full.")
    cookies = context.cookies()
    context.clear_cookies(name="sessionid")
    page.get_by_role("button", name="Post update").click()
    expect(page.get_by_text("You are not signed in any more")).to_be_visible()
    context.add_cookies(cookies)  # type: ignore[arg-type]  # as they were read
    page.goto(f"/admin/incident/{incident.public_id}/")
    expect(body).to_have_value("A disk is full.")
    page.get_by_role("button", name="Post update").click()
    expect(page.get_by_text("The update is posted.")).to_be_visible()
    expect(body).to_have_value("")
    assert incident.updates.count() == 1


def test_two_people_in_one_room_see_each_other_before_anything_is_published(
    signed_in: NewContext, incident: Incident, author: User, admin: User
) -> None:
    ada, grace = (signed_in(user).new_page() for user in (admin, author))
    for page in (ada, grace):
        page.goto(f"/admin/incident/{incident.public_id}/")
        page.locator("#compose [name=body]").fill(f"Said by {'Ada' if page is ada else 'Grace'}.")
    ada.get_by_role("button", name="Post update").click()
    expect(grace.locator(".timeline").get_by_text("Said by Ada.")).to_be_visible(timeout=20_000)  # by polling
    expect(grace.locator("#compose [name=body]")).to_have_value("Said by Grace.")
    grace.get_by_role("button", name="Post update").click()
    expect(grace.get_by_text("Someone posted while you typed")).to_be_visible()
    assert incident.updates.count() == 1
    grace.get_by_role("button", name="Post update").click()
    expect(grace.get_by_text("The update is posted.")).to_be_visible()


def test_the_keyboard_is_enough(signed_in: NewContext, component: Component, author: User) -> None:
    page = signed_in(author).new_page()
    page.goto("/admin/")

    def tab_to(selector: str) -> None:
        for _press in range(80):
            page.keyboard.press("Tab")
            if page.evaluate("selector => document.activeElement.matches(selector)", selector):
                return
        raise AssertionError(f"{selector} is not reached")

    tab_to(".declare")
    page.keyboard.press("Enter")
    page.wait_for_url("**/add/")
    tab_to("[name=title]")
    page.keyboard.type("Checkout fails")
    tab_to("[name=body]")
    page.keyboard.type("We look into it.")
    tab_to(f"[name=components-{component.pk}]")
    page.keyboard.type("Maj")
    tab_to("input[type=submit]")
    page.keyboard.press("Enter")
    page.wait_for_url("**/admin/incident/*/")
    assert Incident.objects.get().is_public
    assert component.status is ComponentStatus.MAJOR_OUTAGE
    tab_to(".next")
    page.keyboard.press("Enter")
    page.keyboard.type("A disk is full.")
    tab_to("#compose button.default")
    page.keyboard.press("Enter")
    expect(page.get_by_text("The update is posted.")).to_be_visible()
    assert Incident.objects.get().status == "identified"


def test_a_phone_without_script_is_enough(
    signed_in: NewContext, templates: None, component: Component, author: User
) -> None:
    phone = {"width": 375, "height": 700}
    page = signed_in(author, viewport=phone, java_script_enabled=False).new_page()
    declare(page)
    post(page, "Move to identified", "A disk is full.")
    page.locator("#note [name=text]").fill("Looked at the disk.")
    page.get_by_role("button", name="Add to timeline").click()
    expect(page.locator(".timeline").get_by_text("Looked at the disk.")).to_be_visible()
    page.get_by_role("button", name="No news").click()
    expect(page.locator("#compose [name=body]")).to_have_value(re.compile("There is no change since"))
    page.get_by_role("button", name="Undo").click()
    assert Incident.objects.get().status == "investigating"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_of_staff_keeps_anybody_out(
    signed_in: NewContext, incident: Incident, component: Component, admin: User, scheme: Any
) -> None:
    """axe-core finds nothing, and no page is wider than a small phone."""
    affected = [(component, ComponentStatus.PARTIAL_OUTAGE)]
    post_update(incident, status=IncidentStatus.INVESTIGATING, body="Looking.", author=admin, components=affected)
    mitigation = models.TimelineEntry.Kind.MITIGATION
    timeline.note(incident, text="Restarting.", occurred_at=incident.created_at, kind=mitigation, author=admin)
    over = declare_incident(incident.page, title="Over", author=admin)
    post_update(over, status=IncidentStatus.RESOLVED, body="Done.", author=admin)
    report = start_postmortem(over, author=admin)
    reader = subscriptions.add_by_staff(incident.page, address="reader@example.com", author=admin)
    admin.is_superuser = True
    admin.save()
    wide, phone = ({"width": width, "height": 800} for width in (1280, 375))
    page = signed_in(admin, color_scheme=scheme, viewport=wide).new_page()
    page.goto("/admin/")
    lists = page.locator("th a[href*='/admin/']").evaluate_all("links => links.map(link => link.pathname)")
    room = f"/admin/incident/{incident.public_id}/"
    verbs = [f"/admin/incidents/incident/{incident.pk}/{verb}/" for verb in ("change", "update", "history", "note")]
    more = ["/admin/audit/", "/admin/numbers/", "/admin/search/?q=API"]
    more += [f"/admin/incidents/component/{component.pk}/{verb}/" for verb in ("status", "change", "history")]
    rows = {"incidents/postmortem": report, "status/recipient": reader, "incidents/page": incident.page}
    more += [f"/admin/{name}/{row.pk}/change/" for name, row in {**rows, "incidents/user": admin}.items()]
    more += [f"/admin/account/{name}/" for name in ("2fa", "sessions", "password/change", "reauthenticate")]
    found = []
    for path in ["/admin/", room, "/admin/incidents/incident/add/", *verbs, *more, *sorted({*lists})]:
        answer = page.goto(path)
        if answer is None or answer.status == 404:
            continue
        assert answer.ok, path
        for violation in Axe().run(page).response["violations"]:
            found += [f"{path}: {violation['id']} {node['html'][:160]}" for node in violation["nodes"]]
        if scheme == "light":
            page.set_viewport_size(phone)  # type: ignore[arg-type]  # a size's dictionary
            width = page.evaluate("document.documentElement.scrollWidth")
            found += [f"{path}: {width} wide"] if width > 375 else []
            page.set_viewport_size(wide)  # type: ignore[arg-type]  # as above
    assert not found, "\n".join(found)
