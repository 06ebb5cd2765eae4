"""A customer subscribes in a browser, reads real mail, chooses, is notified, and leaves."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page as Tab
from playwright.sync_api import expect
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from incidents import catalogue
from incidents.incidents import declare_incident, post_update
from incidents.lifecycle import ComponentStatus, IncidentStatus
from incidents.models import Component, Incident, Page, User
from status import relay
from status.delivery import engine
from status.models import Subscriber
from status.publication.publishing import publish
from status.subscriptions import signups
from tests.e2e.conftest import NewContext
from tests.sink import Received, Sink, mail_server
from tests.waiting import until

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
ANN = "ann@example.com"


@pytest.fixture(scope="module")
def smtp_server() -> Iterator[Sink]:
    with mail_server() as server:
        yield server


@pytest.fixture
def inbox(smtp_server: Sink, settings: Settings) -> Sink:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", smtp_server.port
    settings.NOTIFY_HOLD = 0
    return smtp_server


@pytest.fixture
def page_address(page: Page, admin: User, live_server: LiveServer) -> str:
    """The address of a published page, which is the one in its mails."""
    catalogue.edit_page(page, url=live_server.url, author=admin)
    publish(page)
    return live_server.url


def newly_received(sink: Sink) -> list[Received]:
    """What arrived when the clock has done its work once more."""
    before = len(sink.received)
    signups.take_up()
    relay.owe()
    engine.deliver(Subscriber.Channel.EMAIL)
    return sink.received[before:]


def link(mail: Received, end: str) -> str:
    text = mail.message.get_body(("plain",))
    assert text is not None
    found = re.search(rf"https?://\S+/subscriptions/\S+{end}", text.get_content())
    assert found is not None
    return found[0]


def subscribe(tab: Tab, address: str, button: str = "Subscribe") -> None:
    tab.get_by_label("E-mail address").fill(address)
    tab.get_by_role("button", name=button).click()
    expect(tab.get_by_role("heading", name="Look into your mailbox")).to_be_visible()


@pytest.mark.slow
def test_without_a_script_from_the_form_to_the_end_of_it(
    page_address: str, inbox: Sink, new_context: NewContext, page: Page, component: Component, author: User
) -> None:
    search = catalogue.create_component(page, name="Search", author=User.objects.get(username="ada"))
    tab = new_context(java_script_enabled=False).new_page()
    tab.goto(page_address)
    subscribe(tab, ANN)
    (mail,) = newly_received(inbox)
    assert mail.recipient == ANN

    tab.goto(link(mail, "/confirm"))
    tab.get_by_role("button", name="Confirm").click()
    tab.get_by_label("only what is chosen below").check()
    tab.get_by_label("Search").check()
    tab.get_by_role("button", name="Save").click()
    expect(tab.get_by_text("Saved.")).to_be_visible()
    expect(tab.get_by_label("Search")).to_be_checked()

    down = ComponentStatus.MAJOR_OUTAGE
    for name, component_down in (("API is down", component), ("Search is down", search)):
        incident = declare_incident(page, title=name, author=author)
        post_update(
            incident,
            status=IncidentStatus.INVESTIGATING,
            body="We are looking.",
            author=author,
            components=[(component_down, down)],
        )
    (mail,) = newly_received(inbox)
    assert "Search is down" in mail.message["Subject"], "and nothing of the component that was not chosen"

    leave = mail.message["List-Unsubscribe"].strip("<>")
    tab.goto(leave)
    tab.get_by_role("button", name="Unsubscribe").click()
    expect(tab.get_by_role("heading", name="You are unsubscribed")).to_be_visible()
    post_update(incident, status=IncidentStatus.RESOLVED, body="Over.", author=author)
    assert newly_received(inbox) == []


@pytest.mark.slow
def test_with_htmx_the_page_stays_and_a_mistake_is_shown_in_place(
    page_address: str, inbox: Sink, new_context: NewContext
) -> None:
    tab = new_context().new_page()
    complaints: list[str] = []
    tab.on("console", lambda message: complaints.append(message.text))
    tab.goto(page_address)
    tab.get_by_label("E-mail address").focus()
    until(lambda: tab.evaluate("'htmx' in window"), 10)  # wait_for_function would break the policy
    tab.get_by_label("E-mail address").fill("ann@example")
    tab.get_by_role("button", name="Subscribe").click()
    expect(tab.get_by_role("alert").filter(has_text="name@example.com")).to_be_visible()
    expect(tab.get_by_label("E-mail address")).to_have_value("ann@example")
    expect(tab.get_by_label("E-mail address")).to_be_focused()
    subscribe(tab, ANN)
    assert tab.url == f"{page_address}/"
    expect(tab.get_by_role("heading", level=1)).to_have_text("All Systems Operational")
    assert [mail.recipient for mail in newly_received(inbox)] == [ANN]
    assert [words for words in complaints if "422" not in words] == []


@pytest.mark.slow
def test_who_follows_one_incident_is_notified_of_its_end(
    page_address: str, inbox: Sink, new_context: NewContext, incident: Incident, page: Page, author: User
) -> None:
    post_update(incident, status=IncidentStatus.INVESTIGATING, body="We are looking.", author=author)
    tab = new_context(java_script_enabled=False).new_page()
    tab.goto(f"{page_address}/incidents/{incident.public_id}")
    subscribe(tab, ANN, "Only until this is over")
    (mail,) = newly_received(inbox)
    tab.goto(link(mail, "/confirm"))
    tab.get_by_role("button", name="Confirm").click()
    expect(tab.get_by_label("Errors")).to_be_checked()
    other = declare_incident(page, title="Another", author=author)
    for each in (other, incident):
        post_update(each, status=IncidentStatus.RESOLVED, body="Over.", author=author)
    assert [mail.message["Subject"] for mail in newly_received(inbox)] == ["[Acme] Resolved: Errors"]


@pytest.mark.slow
def test_every_page_of_it_is_for_everybody(
    page_address: str, inbox: Sink, new_context: NewContext, incident: Incident, author: User
) -> None:
    post_update(incident, status=IncidentStatus.INVESTIGATING, body="We are looking.", author=author)
    context = new_context()
    tab = context.new_page()
    tab.goto(f"{page_address}/subscribe")
    subscribe(tab, ANN)
    (mail,) = newly_received(inbox)
    confirm = link(mail, "/confirm")
    seen = []

    def check_page() -> None:
        for scheme in ("light", "dark"):
            tab.emulate_media(color_scheme=scheme)
            found = Axe().run(tab)
            assert found.violations_count == 0, found.generate_report()
        tab.set_viewport_size({"width": 320, "height": 568})
        assert tab.evaluate("document.documentElement.scrollWidth") == 320
        tab.set_viewport_size({"width": 1280, "height": 720})
        seen.append(tab.title())

    check_page()
    for address in (confirm, f"{page_address}/incidents/{incident.public_id}", f"{page_address}/subscriptions/forged"):
        tab.goto(address)
        check_page()
    tab.goto(confirm)
    tab.get_by_role("button", name="Confirm").click()
    check_page()
    tab.goto(f"{tab.url}/unsubscribe")
    check_page()
    tab.get_by_role("button", name="Unsubscribe").click()
    check_page()
    assert len(set(seen)) == len(seen) - 1, "each page has its title; the last two are of one"
