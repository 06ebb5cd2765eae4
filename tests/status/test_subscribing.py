"""Subscribing over HTTP: from a static form to the link that ends it, and what is refused on the way."""

from __future__ import annotations

import logging
import re
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from incidents import catalogue
from incidents.incidents import post_update
from incidents.lifecycle import IncidentStatus
from incidents.models import Component, Incident, Page, User
from status import tokens
from status.delivery import quarantine
from status.models import Delivery, SignUpCount, Subscriber
from status.publication.publishing import publish
from status.subscriptions import choices, signups, subscribers
from status.subscriptions.choices import Choices
from status.subscriptions.subscribers import State
from tests.front import ask as ask_front
from tests.front import front
from tests.rows import everything
from tests.servers import free_port
from tests.status.strangers import ANN, ask, path

pytestmark = pytest.mark.long

SENT = "If this address can be subscribed, a mail to it is on its way."


@pytest.fixture
def open_incident(page: Page, incident: Incident, author: User) -> Incident:
    post_update(incident, status=IncidentStatus.INVESTIGATING, body="Looking.", author=author)
    publish(page)
    return incident


# --- The form ---------------------------------------------------------------------------------------------------------


def test_every_published_page_has_the_form_and_an_open_incident_a_second_button(
    public: Client, open_incident: Incident, author: User
) -> None:
    incident = f"/incidents/{open_incident.public_id}"
    for address in ("/", "/history", "/uptime", "/nothing", incident):
        page = public.get(address).text
        assert 'method="post" action="/subscribe"' in page, address
        assert ("Only until this is over" in page) is (address == incident)
        assert "csrf" not in page
        assert len(re.findall('id="subscribe', page)) == 3, "each id stands once"
    post_update(open_incident, status=IncidentStatus.RESOLVED, body="Over.", author=author)
    publish(open_incident.page)
    assert "Only until this is over" not in public.get(incident).text


def test_the_form_is_not_replaced_while_somebody_types_into_it(public: Client) -> None:
    assert "subscribe" not in public.get("/fragments/summary.html").text


def test_from_the_form_to_the_choice_and_out(public: Client, component: Component, page: Page) -> None:
    answer = ask(public, " Ann@EXAMPLE.com")
    assert answer.status_code == 200
    assert SENT in answer.text
    recipient = Subscriber.objects.get()
    assert (recipient.page, recipient.address, recipient.state) == (page, "ann@example.com", State.UNCONFIRMED)

    assert "ann@example.com" in public.get(path(recipient, "confirm")).text
    recipient.refresh_from_db()
    assert recipient.state == State.UNCONFIRMED, "opening the link is not enough: programs do that"
    confirmed = public.post(path(recipient, "confirm"))
    assert (confirmed.status_code, confirmed["Location"]) == (302, path(recipient))
    recipient.refresh_from_db()
    assert recipient.state == State.ACTIVE

    form = {"everything": "chosen", "components": component.public_id, "minimum_impact": "major"}
    saved = public.post(path(recipient), form)
    assert "Saved." in saved.text
    recipient.refresh_from_db()
    assert (recipient.everything, recipient.minimum_impact) == (False, "major")
    assert recipient.follows.get().component == component

    assert "Send nothing more" in public.get(path(recipient, "unsubscribe")).text
    recipient.refresh_from_db()
    assert recipient.state == State.ACTIVE, "nor does opening this link end anything"
    assert "You are unsubscribed" in public.post(path(recipient, "unsubscribe")).text
    recipient.refresh_from_db()
    assert recipient.state == State.UNSUBSCRIBED
    assert "You are unsubscribed" in public.get(path(recipient)).text


def test_a_mail_program_unsubscribes_with_one_click(ann: Subscriber, client: Client) -> None:
    answer = Client(enforce_csrf_checks=True).post(
        path(ann, "unsubscribe"), "List-Unsubscribe=One-Click", content_type="application/x-www-form-urlencoded"
    )
    assert answer.status_code == 200, "RFC 8058 forbids a redirect"
    ann.refresh_from_db()
    assert ann.state == State.UNSUBSCRIBED
    assert not answer.cookies


@pytest.mark.slow
def test_a_single_incident_is_followed_and_offered_among_the_choices(
    public: Client, open_incident: Incident, component: Component
) -> None:
    ask(public, incident=open_incident.public_id)
    recipient = Subscriber.objects.get()
    assert recipient.follows.get().incident == open_incident
    public.post(path(recipient, "confirm"))
    page = public.get(path(recipient)).text
    assert re.search(rf'value="{open_incident.public_id}"[^>]*checked', page)
    public.post(path(recipient), {"everything": "chosen", "components": component.public_id, "minimum_impact": "none"})
    assert [follow.component for follow in recipient.follows.all()] == [component]


def test_a_choice_of_nothing_is_asked_about(ann: Subscriber, public: Client, component: Component) -> None:
    before = everything()
    for form in (
        {},
        {"everything": "chosen", "minimum_impact": "none"},
        {"everything": "chosen", "minimum_impact": "none", "components": "000000000000"},
        {"everything": "all", "minimum_impact": "catastrophe"},
    ):
        answer = public.post(path(ann), form)
        assert answer.status_code == 422
        assert "Saved." not in answer.text
    assert everything() == before


def test_htmx_gets_the_part_that_it_replaces(public: Client) -> None:
    htmx = {"hx-request": "true", "sec-fetch-site": "same-origin"}
    for address, status, words in ((ANN, 200, SENT), ("ann", 422, "Write it like name@example.com.")):
        answer = ask(public, address, headers=htmx)
        assert (answer.status_code, words in answer.text, "<html" in answer.text) == (status, True, False)
        assert answer.text.strip().startswith("<section")
        assert 'id="subscribe"' in answer.text


# --- What strangers learn and can do ----------------------------------------------------------------------------------


def test_the_answer_does_not_tell_whether_an_address_is_subscribed(
    public: Client, page: Page, admin: User, component: Component
) -> None:
    subscribers.subscriber()
    rows = {
        name: subscribers.add_by_staff(page, address=f"{name}@example.com", author=admin)
        for name in ("active", "left", "returned")
    }
    choices.choose(rows["active"], Choices(False, [component]), author=admin)
    subscribers.unsubscribe(rows["left"], author=admin)
    quarantine.quarantine(rows["returned"], reason="550", author=admin)
    ask(public, "waiting@example.com")
    names = ("new", "active", "left", "returned", "waiting")
    answers = [ask(public, f"{name}@example.com") for name in names]
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert len({str(sorted(answer.headers.items())) for answer in answers}) == 1


def test_the_answer_takes_the_same_work_whether_or_not_an_address_is_subscribed(
    public: Client, page: Page, admin: User
) -> None:
    """The same statements, and none that asks for the address: what is left to measure is noise."""
    ask(public, "waiting@example.com")
    for name in ("active", "left"):
        recipient = subscribers.add_by_staff(page, address=f"{name}@example.com", author=admin)
    subscribers.unsubscribe(recipient, author=admin)
    asked = {}
    for name in ("active", "left", "waiting", "new"):
        with CaptureQueriesContext(connection) as captured:
            public.post("/subscribe", {"address": f"{name}@example.com"})
        statements = [re.sub(r"'[^']*'|\d+", "?", query["sql"]) for query in captured.captured_queries]
        asked[name] = statements
        assert not [statement for statement in statements if "status_recipient" in statement]
    assert asked["active"] == asked["left"] == asked["waiting"] == asked["new"]


@pytest.mark.slow
def test_a_flood_from_one_network_sends_no_more_than_its_limit(public: Client, page: Page) -> None:
    """Each from an address of its own in one /24, behind a forged one. After the limit each is refused alike, by one
    UPDATE that finds nothing, so that a thousand show what ten thousand do.
    """
    codes: Counter[int] = Counter()
    author = subscribers.subscriber()
    with time_machine.travel(timezone.now().replace(minute=10), tick=False):
        for number in range(80):  # through the door, and the rest at the service behind it
            way = f"203.0.113.{number}, 8.8.4.{number}, 127.0.0.1"
            answer = public.post("/subscribe", {"address": f"n{number}@example.com"}, headers={"x-forwarded-for": way})
            codes[answer.status_code] += 1
        for number in range(80, 1_000):
            try:
                signups.ask(page, address=f"n{number}@example.com", network="8.8.4.0/24", author=author)
                codes[200] += 1
            except signups.TooMany:
                codes[429] += 1
        assert codes == {200: signups.PER_HOUR, 429: 1_000 - signups.PER_HOUR}
        signups.take_up()
        assert Delivery.objects.count() == Subscriber.objects.count() == signups.PER_HOUR
        assert SignUpCount.objects.count() == 1, "nor does it fill a table"
        elsewhere = public.post("/subscribe", {"address": ANN}, headers={"x-forwarded-for": "9.9.9.9"})
        assert elsewhere.status_code == 200, "nobody else is held up"


def test_what_is_refused_is_logged_without_the_address(
    public: Client, ann: Subscriber, caplog: pytest.LogCaptureFixture
) -> None:
    link = path(ann, "confirm")
    with caplog.at_level(logging.INFO):
        ask(public, "ann@example.com\r\nBcc: all@example.com")
        ask(public, headers={"sec-fetch-site": "cross-site"})
        for token in ("forged", tokens.subscription(ann.public_id)[:-2] + "AA"):
            public.post(f"/subscriptions/{token}/unsubscribe")
        with time_machine.travel(timezone.now() + timedelta(days=8)):
            public.post(link)
    said = [record.getMessage() for record in caplog.records if record.name.startswith("status")]
    assert [message.partition("was refused: ")[2][:30] for message in said] == [
        "This is not an e-mail address.",
        "This form was sent from anothe",
        "This link is not whole. Open i",
        "This link is not whole. Open i",
        "This link is more than a week ",
    ]
    assert "ann@" not in caplog.text
    assert "all@" not in caplog.text
    assert ann.public_id not in caplog.text


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "https://status.acme.example.evil.example"},
        {"origin": "https://status.acme.example", "sec-fetch-site": "cross-site"},
    ],
)
def test_another_sites_form_subscribes_nobody(public: Client, headers: dict[str, str]) -> None:
    answer = ask(public, headers=headers)
    assert answer.status_code == 403
    assert "sent from another site" in answer.text
    assert not Subscriber.objects.exists()


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "https://status.acme.example"},
        {"origin": "https://STATUS.acme.example", "sec-fetch-site": "same-origin"},
    ],
)
def test_our_own_form_and_programs_do(public: Client, headers: dict[str, str]) -> None:
    assert ask(public, headers=headers).status_code == 200
    assert Subscriber.objects.exists()


@pytest.mark.parametrize(
    "address",
    ["", "ann", "ann@example.com\r\nBcc: all@example.com", "<b>@example.com", "a\x00@example.com", "x" * 9000],
)
def test_what_is_not_an_address_comes_back_with_a_sentence(public: Client, address: str) -> None:
    before = everything()
    answer = ask(public, address)
    assert answer.status_code == 422
    assert "Write it like name@example.com." in answer.text
    assert "<b>" not in answer.text
    assert everything() == before


def test_an_incident_that_is_over_or_never_was_comes_back_with_a_sentence(public: Client) -> None:
    for incident in ("000000000000", "\x00", "../../etc"):
        answer = ask(public, incident=incident)
        assert answer.status_code == 422
        assert "This incident is over." in answer.text
    assert not Subscriber.objects.exists()


def test_a_network_is_held_up_and_its_neighbour_is_not(public: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signups, "PER_HOUR", 3)
    for number in range(10):
        # Whatever the caller claims, the last public address was written down by our own proxy.
        forwarded = f"9.9.9.{number}, 8.8.4.{number}, 127.0.0.1"
        answer = ask(public, f"n{number}@example.com", headers={"x-forwarded-for": forwarded})
        assert answer.status_code == (200 if number < 3 else 429)
    assert "Try again in an hour." in answer.text
    assert answer["Retry-After"] == "3600"
    assert Subscriber.objects.count() == Delivery.objects.count() == 3
    assert ask(public, headers={"x-forwarded-for": "8.8.5.1, 127.0.0.1"}).status_code == 200


def test_a_page_is_subscribed_to_under_its_own_name(public: Client, page: Page, other_page: Page) -> None:
    publish(other_page)
    ask(public, headers={"host": "status.beta.example:8443", "origin": "https://status.beta.example:8443"})
    assert Subscriber.objects.get().page == other_page
    assert ask(public, "bob@example.com", headers={"host": "unknown.example"}).status_code == 404
    assert Subscriber.objects.count() == 1, "a name that is no page's shows none, so nobody subscribes there"
    assert public.get("/admin/", headers={"host": "status.beta.example"}).status_code == 400


def test_where_nothing_is_published_nobody_subscribes(db: None) -> None:
    assert ask(Client()).status_code == 404
    assert Client().get("/subscribe").status_code == 404


# --- Every answer -----------------------------------------------------------------------------------------------------


@pytest.fixture
def answers(ann: Subscriber, public: Client, component: Component) -> list[Any]:
    return [
        public.get("/subscribe"),
        ask(public, "bob@example.com"),
        ask(public, "bob"),
        public.get(path(ann)),
        public.post(path(ann), {}),
        public.get(path(ann, "confirm")),
        public.get(path(ann, "unsubscribe")),
        public.get("/subscriptions/forged"),
    ]


def test_no_answer_is_kept_by_a_cache_sets_a_cookie_or_needs_inline_code(answers: list[Any]) -> None:
    for answer in answers:
        assert answer["Cache-Control"] == "no-store"
        assert not answer.cookies
        assert "unsafe" not in answer["Content-Security-Policy"]
        assert not re.findall(r"<style|<script|<[^>]+\s(?:style|on[a-z]+)=", answer.text)


def test_only_reading_and_sending_is_answered(ann: Subscriber, public: Client) -> None:
    for address in ("/subscribe", path(ann), path(ann, "confirm"), path(ann, "unsubscribe")):
        assert public.put(address).status_code == 405


def test_pages_have_their_language(ann: Subscriber, public: Client, page: Page, admin: User) -> None:
    catalogue.edit_page(page, language="it", author=admin)
    assert '<html lang="it">' in public.get(path(ann)).text


@pytest.mark.slow
@pytest.mark.nginx
def test_while_the_web_process_is_away_the_front_answers(
    public: Client, publication_root: Path, tmp_path: Path
) -> None:
    nginx = front(tmp_path, publication_root, web_port=free_port())
    nginx.start()
    try:
        assert "/subscribe" in ask_front(nginx.url, "/").body.decode()
        for address in ("/subscribe", "/subscriptions/x.y", "/subscriptions/x.y/unsubscribe"):
            answer = ask_front(nginx.url, address, "POST")
            assert (answer.status, answer.headers["retry-after"]) == (503, "60")
            assert b"Subscriptions cannot be changed at this moment" in answer.body
    finally:
        nginx.stop()
