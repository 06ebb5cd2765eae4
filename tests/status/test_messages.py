"""The mails as a recipient's program reads them."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from html.parser import HTMLParser
from typing import Any

import pytest
import time_machine
from django.utils import timezone
from pytest_django import Settings

from incidents import catalogue
from incidents.incidents import correct_update, declare_incident, delete_incident, post_update
from incidents.lifecycle import ComponentStatus, IncidentStatus
from incidents.maintenance.plans import schedule_maintenance
from incidents.models import Component, Incident, OutboxEvent, Page, User
from status import tokens
from status.addresses import Refused
from status.delivery.mails import events, personal
from status.delivery.protocol import Claimed
from status.models import Delivery, Subscriber
from status.subscriptions.subscribers import add_by_staff
from tests.reports import publish_report

AT = datetime(2023, 1, 17, 16, 20, tzinfo=UTC)


@pytest.fixture(autouse=True)
def named_sender(settings: Settings) -> None:
    settings.DEFAULT_FROM_EMAIL = "Mail <status@acme.example>"


@pytest.fixture
def recipient(page: Page, admin: User) -> Subscriber:
    return add_by_staff(page, address="ada@example.com", author=admin)


@pytest.fixture
def post(incident: Incident, author: User) -> Callable[..., OutboxEvent]:
    """Posts an update and returns the event that tells it."""

    def act(status: str = "identified", body: str = "It is the database.", **facts: Any) -> OutboxEvent:
        with time_machine.travel(AT, tick=False):
            post_update(incident, status=IncidentStatus(status), body=body, author=author, **facts)
        return newest()

    return act


def newest() -> OutboxEvent:
    return OutboxEvent.objects.select_related("page", "incident", "update").latest("id")


def read(content: bytes) -> EmailMessage:
    return message_from_bytes(content, _class=EmailMessage, policy=default)


def mail_to(recipient: Subscriber, event: OutboxEvent | None) -> EmailMessage:
    delivery, _ = Delivery.objects.get_or_create(recipient=recipient, event=event, defaults={"due_at": timezone.now()})
    message = events.event_mail(event) if event else personal.confirmation(recipient)
    assert message
    return read(message.to(recipient.address, delivery.pk, recipient.public_id))


def body(mail: EmailMessage, kind: str) -> str:
    part = mail.get_body((kind,))
    assert part
    return str(part.get_content())


def test_a_mail_says_what_the_page_says(
    post: Callable[..., OutboxEvent], component: Component, recipient: Subscriber, page: Page
) -> None:
    mail = mail_to(recipient, post(components=[(component, ComponentStatus.PARTIAL_OUTAGE)]))
    assert mail["Subject"] == "[Acme] Identified: Errors"
    assert mail["From"] == "Acme <status@acme.example>"
    assert mail["To"] == "ada@example.com"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["List-Id"] == f"<{page.public_id}.status.acme.example>"
    for kind in ("plain", "html"):
        text = body(mail, kind)
        assert "It is the database." in text
        assert "Jan 17, 2023 - 17:20 CET" in text
        assert "Jan 17, 2023 - 16:20 UTC" in text
        assert re.search(r"API.*Operational.*Partial outage", text, re.DOTALL)
        assert "https://status.acme.example/incidents/" in text


def test_a_page_in_utc_prints_its_time_once(
    other_page: Page, author: User, admin: User, page: Page, recipient: Subscriber
) -> None:
    incident = declare_incident(other_page, title="Errors", author=author)
    post_update(incident, status=IncidentStatus.INVESTIGATING, body="Hm.", author=author)
    reader = add_by_staff(other_page, address="ada@example.com", author=admin)
    assert body(mail_to(reader, newest()), "plain").count("UTC") == 1


@pytest.mark.slow
def test_the_mails_of_an_incident_are_one_thread_and_each_has_an_id_that_stays(
    post: Callable[..., OutboxEvent], recipient: Subscriber, incident: Incident, author: User
) -> None:
    events = [post("investigating"), post("resolved")]
    publish_report(incident, body="## Summary\n\nIt broke.", author=author)
    mails = [mail_to(recipient, event) for event in [*events, newest()]]
    assert {mail["References"] for mail in mails} == {f"<incident.{incident.public_id}@status.acme.example>"}
    assert {mail["In-Reply-To"] for mail in mails} == {mails[0]["References"]}
    assert len({mail["Message-ID"] for mail in mails}) == 3
    assert [mail_to(recipient, event)["Message-ID"] for event in events] == [m["Message-ID"] for m in mails[:2]]
    assert mails[2]["Subject"] == "[Acme] Postmortem: Errors"
    assert ">Summary</h3>" in body(mails[2], "html")


def test_each_mail_carries_its_recipients_own_links(post: Callable[..., OutboxEvent], recipient: Subscriber) -> None:
    mail = mail_to(recipient, post())
    link = f"https://status.acme.example/subscriptions/{tokens.subscription(recipient.public_id)}"
    assert mail["List-Unsubscribe"] == f"<{link}/unsubscribe>"
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    for kind in ("plain", "html"):
        assert f"{link}/unsubscribe" in body(mail, kind)
        assert len(re.findall(re.escape(link) + r'(?=["\s])', body(mail, kind))) == 1


@pytest.mark.parametrize("length", range(20, 110, 3))
def test_a_link_is_whole_wherever_the_encoding_breaks_its_line(
    page: Page, admin: User, recipient: Subscriber, length: int
) -> None:
    half = length // 2
    catalogue.edit_page(page, url=f"https://{'p' * half}.{'p' * (length - half)}.acme.example", author=admin)
    link = f"{page.url}/subscriptions/{tokens.subscription(recipient.public_id)}"
    recipient.page = page
    mail = mail_to(recipient, None)
    assert link in body(mail, "plain")
    assert link in body(mail, "html")
    assert max(map(len, mail.as_bytes().splitlines())) < 998


def test_what_staff_write_reaches_the_reader_as_it_is(post: Callable[..., OutboxEvent], recipient: Subscriber) -> None:
    words = "Größe ✓ 日本 = 100 %\n.\n.dot\n\nFrom here <u>on</u> " + "x" * 1200
    content = mail_to(recipient, post(body=words))
    assert words in body(content, "plain").replace("\r\n", "\n")
    assert "&lt;u&gt;on&lt;/u&gt;" in body(content, "html")
    assert content.as_bytes().isascii()


def test_no_name_or_title_can_add_a_header(page: Page, admin: User, author: User, recipient: Subscriber) -> None:
    incident = declare_incident(page, title="Errors", author=author)
    post_update(incident, status=IncidentStatus.INVESTIGATING, body="Hm.", author=author)
    event = newest()
    event.page.name = "Acme\r\nBcc: all@example.com"
    mail = mail_to(recipient, event)
    assert mail["Bcc"] is None
    assert mail["Subject"] == "[Acme Bcc: all@example.com] Investigating: Errors"


@pytest.mark.parametrize(
    "address",
    [
        *("", "ada", "ada@", "a b@example.com", "<ada@example.com>", "ädä@example.com", '"a b"@example.com'),
        *("+4915112345678", "https://hooks.example/ada"),
        *("ada@example.com\r\nBcc: x@example.com", "ada@example.com>\r\nDATA", "ada@exa mple.com", "ada@example.com\n"),
    ],
)
def test_what_is_no_mailbox_or_could_be_more_than_one_is_refused(address: str) -> None:
    with pytest.raises(Refused):
        _ = Claimed(1, None, "warning", 0, AT, 1, "abc", "webhook", "active", address, "", None, AT).mailbox


def test_mail_about_a_webhook_goes_to_whoever_keeps_it() -> None:
    address, contact = "hook@example.com", "ada@example.com"
    claimed = Claimed(1, None, "warning", 0, AT, 1, "abc", "webhook", "active", address, contact, None, AT)
    assert claimed.mailbox == contact


class Reader(HTMLParser):
    """What a mail program would fetch or run."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.fetched: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.fetched += [value or "" for name, value in attrs if name in ("src", "background", "srcset")]


def test_reading_a_mail_fetches_nothing_and_suits_phones_and_dark_screens(
    post: Callable[..., OutboxEvent], recipient: Subscriber
) -> None:
    html = body(
        mail_to(recipient, post(body="![pixel](https://example.com/p.png) [link](https://example.com)")), "html"
    )
    reader = Reader()
    reader.feed(html)
    assert reader.fetched == []
    assert not reader.tags & {"img", "script", "link", "iframe", "object", "form"}
    assert "url(" not in html
    assert '<meta name="viewport" content="width=device-width' in html
    assert "prefers-color-scheme: dark" in html


def test_what_is_ahead_names_its_components_and_not_how_they_are_today(
    page: Page, component: Component, post: Callable[..., OutboxEvent], recipient: Subscriber, author: User
) -> None:
    post(components=[(component, ComponentStatus.PARTIAL_OUTAGE)])
    start = timezone.now() + timedelta(days=3)
    window: Any = {"scheduled_for": start, "scheduled_until": start + timedelta(hours=1)}
    schedule_maintenance(page, title="Disks", body="We replace them.", author=author, components=[component], **window)
    mail = mail_to(recipient, newest())
    assert "- API\r\n" in body(mail, "plain")
    assert "Partial outage" not in body(mail, "plain") + body(mail, "html")


def test_a_correction_says_that_it_is_one(
    post: Callable[..., OutboxEvent], recipient: Subscriber, incident: Incident, author: User
) -> None:
    post("investigating", "It is the cache.")
    update = incident.updates.get()
    correct_update(update, body="It is the database.", author=author, notify=True)
    mail = mail_to(recipient, newest())
    assert mail["Subject"] == "[Acme] Correction (Investigating): Errors"
    assert "It is the database." in body(mail, "plain")


def test_what_is_no_longer_public_is_not_sent(
    post: Callable[..., OutboxEvent], incident: Incident, author: User
) -> None:
    event = post()
    assert events.event_mail(event)
    delete_incident(incident, author=author, reason="a test")
    assert events.event_mail(event) is None


def test_replies_go_to_the_pages_support_address(post: Callable[..., OutboxEvent], recipient: Subscriber) -> None:
    event = post()
    assert mail_to(recipient, event)["Reply-To"] is None
    event.page.support_email = "help@acme.example"
    mail = mail_to(recipient, event)
    assert mail["Reply-To"] == "help@acme.example"
    for kind in ("plain", "html"):
        part = mail.get_body((kind,))
        assert part
        assert "Reply to this mail, or write to" in part.get_content()


def test_who_asks_is_sent_a_link_to_confirm_with(page: Page, recipient: Subscriber) -> None:
    recipient.state, recipient.confirmation_sent_at = Subscriber.State.UNCONFIRMED, timezone.now()
    mail = mail_to(recipient, None)
    assert mail["Subject"] == "[Acme] Please confirm your subscription"
    found = re.search(r"https://status\.acme\.example/subscriptions/(\S+)/confirm\s", body(mail, "plain"))
    assert found
    assert tokens.read_confirmation(found[1]) == (recipient.public_id, recipient.confirmation_sent_at)


def test_who_is_subscribed_already_is_sent_a_link_to_change_it(recipient: Subscriber) -> None:
    recipient.state = Subscriber.State.ACTIVE
    mail = mail_to(recipient, None)
    assert "/confirm" not in body(mail, "plain")
    assert f"/subscriptions/{tokens.subscription(recipient.public_id)}" in body(mail, "html")


def test_mails_speak_the_pages_language(page: Page, post: Callable[..., OutboxEvent], recipient: Subscriber) -> None:
    event = post()
    event.page.language = "it"
    assert '<html lang="it">' in body(mail_to(recipient, event), "html")
