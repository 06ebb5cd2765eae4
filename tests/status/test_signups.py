"""Asking for messages, and confirming that one asked."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta

import pytest
import time_machine
from django.db import connection
from django.utils import timezone

from incidents.errors import InvalidInput, InvalidTransition
from incidents.incidents import post_update
from incidents.lifecycle import IncidentStatus
from incidents.models import Component, Incident, Page, User
from status import addresses
from status.delivery import quarantine
from status.models import AskedMailbox, Delivery, SignUp, SignUpCount, Subscriber
from status.subscriptions import choices, signups, subscribers
from status.subscriptions.choices import Choices
from status.subscriptions.subscribers import State
from tests.rows import everything

pytestmark = pytest.mark.both
NETWORK = "192.0.2.0/24"
ANN = "ann@example.com"


def mails(recipient: Subscriber) -> int:
    return recipient.deliveries.filter(purpose=Delivery.Purpose.CONFIRMATION).count()


def test_who_asks_is_sent_one_mail_and_nothing_else_before_confirming(ask: Callable[..., Subscriber]) -> None:
    recipient = ask()
    delivery = recipient.deliveries.get()
    assert (delivery.purpose, delivery.priority, delivery.event) == ("confirmation", Delivery.Priority.PERSONAL, None)
    assert delivery.due_at <= timezone.now()
    assert recipient.state == State.UNCONFIRMED
    assert not Subscriber.objects.active().exists()


def test_confirming_makes_it_active_and_twice_is_harmless(ask: Callable[..., Subscriber], subscriber: User) -> None:
    recipient = ask()
    subscribers.confirm(recipient, asked_at=recipient.confirmation_sent_at, author=subscriber)
    first = recipient.confirmed_at
    subscribers.confirm(recipient, asked_at=recipient.confirmation_sent_at, author=subscriber)
    assert (recipient.state, recipient.confirmed_at, recipient.everything) == (State.ACTIVE, first, True)
    assert [str(row.history_user) for row in recipient.history.all()] == ["subscriber"] * recipient.history.count()


def test_a_subscribed_address_that_is_entered_again_stays_as_it_is_and_gets_a_mail(
    confirmed: Subscriber, component: Component, subscriber: User, ask: Callable[..., Subscriber]
) -> None:
    choices.choose(confirmed, Choices(everything=False, components=[component]), author=subscriber)
    with time_machine.travel(timezone.now() + timedelta(hours=2)):
        ask()
    confirmed.refresh_from_db()
    assert (confirmed.state, confirmed.everything, mails(confirmed)) == (State.ACTIVE, False, 2)


def test_an_address_gets_one_mail_an_hour_however_often_and_on_whatever_page_it_is_entered(
    page: Page, other_page: Page, ask: Callable[..., Subscriber], subscriber: User
) -> None:
    with time_machine.travel(timezone.now(), tick=False) as clock:
        for _time in range(3):
            recipient = ask()
        signups.subscribe(other_page, address=ANN, author=subscriber)
        assert Delivery.objects.count() == 1
        clock.shift(timedelta(minutes=59))
        ask()
        assert Delivery.objects.count() == 1
        clock.shift(timedelta(minutes=2))
        ask()
        assert mails(recipient) == 2


def test_an_address_in_quarantine_is_sent_nothing(
    confirmed: Subscriber, subscriber: User, ask: Callable[..., object]
) -> None:
    quarantine.quarantine(confirmed, reason="550 no such user", author=subscriber)
    with time_machine.travel(timezone.now() + timedelta(hours=2)):
        ask()
    assert mails(confirmed) == 1
    with pytest.raises(InvalidTransition):
        subscribers.confirm(confirmed, asked_at=confirmed.confirmation_sent_at, author=subscriber)


def test_who_left_can_come_back_and_begins_anew(
    confirmed: Subscriber, component: Component, subscriber: User, ask: Callable[..., Subscriber]
) -> None:
    choices.choose(confirmed, Choices(everything=False, components=[component]), author=subscriber)
    subscribers.unsubscribe(confirmed, author=subscriber)
    with pytest.raises(InvalidTransition, match="Subscribe again"):
        subscribers.confirm(confirmed, asked_at=confirmed.confirmation_sent_at, author=subscriber)
    with time_machine.travel(timezone.now() + timedelta(hours=2)):
        again = ask()
    assert (again.state, again.everything, again.follows.count()) == (State.UNCONFIRMED, True, 0)


def test_one_incident_can_be_followed_alone_until_it_is_over(
    incident: Incident, author: User, ask: Callable[..., Subscriber]
) -> None:
    with pytest.raises(InvalidInput, match="This incident is over"):
        ask(incident=incident.public_id)  # nobody outside knows of it yet
    post_update(incident, status=IncidentStatus.INVESTIGATING, body="Looking.", author=author)
    recipient = ask(incident=incident.public_id)
    assert (recipient.everything, recipient.follows.get().incident) == (False, incident)
    both = ask()
    assert (both.everything, both.follows.count()) == (True, 1)
    post_update(incident, status=IncidentStatus.RESOLVED, body="Over.", author=author)
    for over in (incident.public_id, "0" * 12, "\x00"):
        with pytest.raises(InvalidInput, match="This incident is over"):
            ask("bob@example.com", incident=over)


@pytest.mark.long
@pytest.mark.parametrize(
    "address",
    [
        "",
        "ann",
        "ann@",
        "@example.com",
        "ann@example",
        "ann@localhost",
        "ann@[127.0.0.1]",
        '"ann bob"@example.com',
        "ann@example.com\nBcc: everyone@example.com",
        "ann@example.com\r\n\r\nHello",
        "ann\x00@example.com",
        "ann@exa mple.com",
        "Ann <ann@example.com>",
        "ann@example.com, bob@example.com",
        "ann@example..com",
        "ann@" + "x" * 64 + ".com",
        "a" * 250 + "@example.com",
        "änn@example.com",
        "ann@\ud800.com",
    ],
)
def test_what_is_not_an_address_is_refused_with_a_sentence_and_leaves_no_trace(
    ask: Callable[..., object], address: str
) -> None:
    before = everything()
    with pytest.raises(InvalidInput, match=r"Write it like name@example\.com\."):
        ask(address)
    assert everything() == before


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        (" Ann@EXAMPLE.com ", "ann@example.com"),
        ("ann@bücher.example", "ann@xn--bcher-kva.example"),
        ("info@Straße.example", "info@xn--strae-oqa.example"),  # by the rules of 2003 it was strasse.example
        ("info@βόλος.example", "info@xn--nxasmm1c.example"),
        ("ann@ab--cd.example", "ann@ab--cd.example"),
        ("ann+status@mail.example.com", "ann+status@mail.example.com"),
    ],
)
def test_an_address_is_kept_in_one_form(typed: str, kept: str) -> None:
    assert addresses.mailbox(typed) == kept


def test_one_mailbox_is_sent_one_confirmation_however_it_is_spelled(page: Page, subscriber: User) -> None:
    for name in ("ann.lee", "Ann.Lee", "annlee", "AnnLee", "a.n.n.lee", "annlee+1", "ann.lee+status"):
        signups.subscribe(page, address=f"{name}@example.com", author=subscriber)
    assert Delivery.objects.filter(purpose=Delivery.Purpose.CONFIRMATION).count() == 1
    kept = Subscriber.objects.filter(channel=Subscriber.Channel.EMAIL).order_by("pk").values_list("address", flat=True)
    assert [address.partition("@")[0] for address in kept] == [
        "ann.lee", "annlee", "a.n.n.lee", "annlee+1", "ann.lee+status",
    ]  # fmt: skip


def test_who_names_somebodys_mailbox_for_webhooks_does_not_use_up_what_its_owner_asks_for(
    page: Page, subscriber: User
) -> None:
    for number in range(3):
        url = f"https://hook.example.com/{number}"
        signups.subscribe_webhook(page, url=url, contact="Annlee@example.com", author=subscriber)
    signups.subscribe(page, address="ann.lee@example.com", author=subscriber)
    asked = Delivery.objects.filter(purpose=Delivery.Purpose.CONFIRMATION)
    assert [delivery.recipient.channel for delivery in asked.order_by("pk")] == ["webhook", "email"]


def test_whoever_names_one_mailbox_after_another_for_a_webhook_has_each_asked_once(
    page: Page, admin: User, subscriber: User
) -> None:
    for contact in (ANN, "eve@example.com", ANN, "eve@example.com"):
        signups.subscribe_webhook(page, url="https://hook.example.com/", contact=contact, author=subscriber)
    assert Delivery.objects.filter(purpose=Delivery.Purpose.CONFIRMATION).count() == 2
    subscribers.forget("eve@example.com", author=admin)
    assert AskedMailbox.objects.count() == 1
    with time_machine.travel(timezone.now() + timedelta(hours=2)):
        signups.drop_old_counts()
    assert not AskedMailbox.objects.exists()


@pytest.mark.slow
def test_a_network_gets_no_further_than_its_limit_and_others_are_not_held_up(
    page: Page, subscriber: User, ask: Callable[..., Subscriber]
) -> None:
    refused = 0
    with time_machine.travel(datetime(2026, 3, 1, 12, 30).astimezone(), tick=False) as clock:
        for number in range(signups.PER_HOUR + 40):
            try:
                ask(f"n{number}@example.com", network=NETWORK)
            except signups.TooMany:
                refused += 1
        assert (Subscriber.objects.count(), refused) == (signups.PER_HOUR, 40)
        ask(network="198.51.100.0/24")
        clock.shift(timedelta(hours=1))
        ask("later@example.com", network=NETWORK)


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_processes_that_count_at_the_same_time_let_no_more_pass_together(page: Page, subscriber: User) -> None:
    full = signups.PER_HOUR - 5
    hour = timezone.now().replace(minute=0, second=0, microsecond=0)
    SignUpCount.objects.bulk_create(
        SignUpCount(network=NETWORK, hour=hour + timedelta(hours=ahead), count=full) for ahead in (0, 1)
    )
    barrier = threading.Barrier(4)

    def sign_up(name: str) -> None:
        barrier.wait()
        for number in range(5):
            with suppress(signups.TooMany):
                signups.ask(page, address=f"{name}{number}@example.com", network=NETWORK, author=subscriber)
        connection.close()

    threads = [threading.Thread(target=sign_up, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert SignUp.objects.count() == 5


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_an_address_that_is_entered_twice_at_the_same_moment_gets_one_mail(page: Page, subscriber: User) -> None:
    barrier = threading.Barrier(4)

    def sign_up(network: str) -> None:
        signups.ask(page, address=ANN, network=network, author=subscriber)
        barrier.wait()
        signups.take_up()
        connection.close()

    threads = [threading.Thread(target=sign_up, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Delivery.objects.count() == 1


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_a_mailbox_that_is_entered_on_two_pages_at_the_same_moment_gets_one_mail(
    page: Page, other_page: Page, subscriber: User
) -> None:
    barrier = threading.Barrier(2)

    def sign_up(where: Page) -> None:
        barrier.wait()
        signups.subscribe(where, address=ANN, author=subscriber)
        connection.close()

    threads = [threading.Thread(target=sign_up, args=(where,)) for where in (page, other_page)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Delivery.objects.count() == 1
