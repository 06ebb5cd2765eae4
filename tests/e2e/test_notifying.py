"""From a form on the page to the last mail: what a subscriber of one component finds in the mailbox, in order."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.test import Client

from incidents import catalogue
from incidents.incidents import declare_incident, post_update
from incidents.lifecycle import ComponentStatus, IncidentStatus
from incidents.models import Component, Page, User
from status import relay
from status.delivery import engine
from status.models import Subscriber
from status.publication.publishing import publish
from status.subscriptions import signups
from tests.reports import publish_report
from tests.sink import Received, Sink

pytestmark = pytest.mark.usefixtures("without_hold")

STEPS = [
    (IncidentStatus.INVESTIGATING, ComponentStatus.MAJOR_OUTAGE),
    (IncidentStatus.IDENTIFIED, None),
    (IncidentStatus.MONITORING, ComponentStatus.DEGRADED_PERFORMANCE),
    (IncidentStatus.RESOLVED, ComponentStatus.OPERATIONAL),
]


def link(mail: Received, end: str) -> str:
    text = mail.message.get_body(("plain",))
    assert text is not None
    found = re.search(rf"https://status\.acme\.example(/subscriptions/\S+{end})", text.get_content())
    assert found
    return found[1]


@pytest.mark.slow
def test_from_the_form_to_the_postmortem(
    sink: Sink,
    page: Page,
    component: Component,
    make_component: Callable[..., Component],
    admin: User,
    author: User,
) -> None:
    search = make_component("Search")
    catalogue.edit_page(page, support_email="help@acme.example", author=admin)
    publish(page)
    browser = Client(enforce_csrf_checks=True, headers={"host": "status.acme.example"})

    def tick() -> None:
        signups.take_up()
        relay.owe()
        engine.deliver(Subscriber.Channel.EMAIL)

    browser.post("/subscribe", {"address": "ann@example.com"})
    tick()
    (asked,) = sink.received
    assert browser.post(link(asked, "/confirm").removesuffix("/confirm")).status_code == 404, "it only confirms"
    manage = browser.post(link(asked, "/confirm"))["Location"]
    saved = browser.post(manage, {"everything": "chosen", "components": component.public_id, "minimum_impact": "none"})
    assert "Saved." in saved.text

    other = declare_incident(page, title="Search is slow", author=author)
    incident = declare_incident(page, title="API is down", author=author)
    for status, now in STEPS:
        for each, about in ((other, search), (incident, component)):
            post_update(each, status=status, body=f"{about} {status}.", components=[(about, now)], author=author)
        tick()
    publish_report(incident, body="It was a disk.", author=author)
    publish_report(other, body="It was slow.", author=author)
    tick()

    mails = sink.received[1:]
    assert [mail.message["Subject"] for mail in mails] == [
        "[Acme] Investigating: API is down",
        "[Acme] Identified: API is down",
        "[Acme] Monitoring: API is down",
        "[Acme] Resolved: API is down",
        "[Acme] Postmortem: API is down",
    ], "each step once, in order, and none of the component that was not chosen"
    assert {mail.recipient for mail in mails} == {"ann@example.com"}
    threads = {mail.message["References"] for mail in mails}
    assert threads == {f"<incident.{incident.public_id}@status.acme.example>"}, "one incident is one thread"
    assert threads == {mail.message["In-Reply-To"] for mail in mails}
    assert len(sink.ids()) == len(sink.received), "and every mail has an id of its own"
    for mail in mails:
        message = mail.message
        assert message["Reply-To"] == "help@acme.example"
        assert message["Auto-Submitted"] == "auto-generated"
        assert message["List-Id"].startswith(f"<{page.public_id}.")
        assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        assert {part.get_content_type() for part in message.walk()} == {
            "multipart/alternative",
            "text/plain",
            "text/html",
        }
        for kind in ("plain", "html"):
            body = message.get_body((kind,))
            assert body is not None
            text = body.get_content()
            assert re.search(r"\d\d:\d\d CES?T", text), "the page's zone"
            assert re.search(r"\d\d:\d\d UTC", text)
            assert "<img" not in text, "no pixel"

    leave = mails[-1].message["List-Unsubscribe"].strip("<>").removeprefix("https://status.acme.example")
    browser.post(leave, {"List-Unsubscribe": "One-Click"})
    again = declare_incident(page, title="API is down again", author=author)
    post_update(again, status=IncidentStatus.IDENTIFIED, body="x", components=[(component, None)], author=author)
    tick()
    assert len(sink.received) == 6
