"""What becomes of an address: asked for, confirmed, changed, ended, in quarantine, forgotten."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from incidents.errors import InvalidInput, InvalidTransition
from incidents.incidents import post_update
from incidents.lifecycle import Impact, IncidentStatus, Visibility
from incidents.models import Component, Incident, OutboxEvent, Page, User
from incidents.people import service_user
from status import addresses
from status.delivery import owing, quarantine
from status.models import Delivery, SignUp, SignUpCount, Subscriber
from status.subscriptions import choices, csv_files, signups, subscribers
from status.subscriptions.choices import Choices
from status.subscriptions.subscribers import State
from tests.rows import everything

pytestmark = pytest.mark.both

NETWORK = "192.0.2.0/24"
ANN = "ann@example.com"


@pytest.fixture
def subscriber(admin: User) -> User:
    return subscribers.subscriber()


@pytest.fixture
def ask(page: Page, subscriber: User) -> Callable[..., Subscriber]:
    """Subscribes as a stranger does and returns the row; each time from another network."""
    count = 0

    def ask(address: str = ANN, *, network: str = "", incident: str = "") -> Subscriber:
        nonlocal count
        count += 1
        signups.ask(page, address=address, network=network or f"n{count}", incident_id=incident, author=subscriber)
        signups.take_up()
        return Subscriber.objects.get(address=addresses.mailbox(address), page=page)

    return ask


@pytest.fixture
def confirmed(ask: Callable[..., Subscriber], subscriber: User) -> Subscriber:
    recipient = ask()
    subscribers.confirm(recipient, asked_at=recipient.confirmation_sent_at, author=subscriber)
    return recipient


def owed(recipient: Subscriber, event: OutboxEvent | None = None, **fields: Any) -> Delivery:
    return Delivery.objects.create(recipient=recipient, event=event, due_at=timezone.now(), **fields)


def mails(recipient: Subscriber) -> int:
    return recipient.deliveries.filter(purpose=Delivery.Purpose.CONFIRMATION).count()


# --- Asking and confirming --------------------------------------------------------------------------------------------


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


# --- Bad input --------------------------------------------------------------------------------------------------------


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
        (" Ann@EXAMPLE.com ", "Ann@example.com"),
        ("ann@bücher.example", "ann@xn--bcher-kva.example"),
        ("ann+status@mail.example.com", "ann+status@mail.example.com"),
    ],
)
def test_an_address_is_kept_in_one_form(typed: str, kept: str) -> None:
    assert addresses.mailbox(typed) == kept


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


# --- Choosing and leaving ---------------------------------------------------------------------------------------------


def test_choices_replace_those_before_and_the_history_names_them(
    confirmed: Subscriber, component: Component, make_component: Callable[..., Component], subscriber: User
) -> None:
    search = make_component("Search")
    choices.choose(confirmed, Choices(everything=False, components=[component]), author=subscriber)
    wanted = Choices(False, [search], postmortems_only=True, minimum_impact=Impact.MAJOR)
    choices.choose(confirmed, wanted, author=subscriber)
    confirmed.refresh_from_db()
    assert [follow.component for follow in confirmed.follows.all()] == [search]
    assert (confirmed.everything, confirmed.postmortems_only, confirmed.minimum_impact) == (False, True, "major")
    assert confirmed.history.latest().history_change_reason == "Search"


def test_nothing_or_what_is_not_on_the_page_cannot_be_chosen(
    confirmed: Subscriber,
    other_page: Page,
    make_component: Callable[..., Component],
    incident: Incident,
    subscriber: User,
) -> None:
    internal = make_component("Cable", visibility=Visibility.INTERNAL)
    elsewhere = make_component("Other", page=other_page)
    before = everything()
    for chosen in (
        Choices(everything=False),
        Choices(everything=False, components=[internal]),
        Choices(everything=False, components=[elsewhere]),
        Choices(everything=False, incidents=[incident]),
    ):
        with pytest.raises(InvalidInput):
            choices.choose(confirmed, chosen, author=subscriber)
    assert everything() == before


def test_who_leaves_is_sent_nothing_more_not_even_what_is_due(confirmed: Subscriber, subscriber: User) -> None:
    sent = owed(confirmed, state=Delivery.State.SENT, finished_at=timezone.now())
    due = owed(confirmed)
    subscribers.unsubscribe(confirmed, author=subscriber)
    sent.refresh_from_db()
    due.refresh_from_db()
    assert (sent.state, due.state, due.reason) == ("sent", "cancelled", "unsubscribed")
    changes = confirmed.history.count()
    subscribers.unsubscribe(confirmed, author=subscriber)
    assert confirmed.history.count() == changes
    assert not Subscriber.objects.active().exists()


# --- Staff ------------------------------------------------------------------------------------------------------------


def test_quarantine_stops_what_is_due_and_release_sends_again(confirmed: Subscriber, admin: User) -> None:
    due, warning = owed(confirmed), owed(confirmed, purpose=Delivery.Purpose.WARNING)
    quarantine.quarantine(confirmed, reason="550 5.1.1 <ANN@example.com> unknown", author=admin)
    due.refresh_from_db()
    warning.refresh_from_db()
    assert (due.state, due.reason, warning.state) == ("cancelled", "quarantined", "due")
    assert (confirmed.state, confirmed.reason) == (State.QUARANTINED, "550 5.1.1 <…> unknown")
    quarantine.release(confirmed, author=admin)
    assert (confirmed.state, confirmed.reason) == (State.ACTIVE, "")
    with pytest.raises(InvalidTransition):
        quarantine.release(confirmed, author=admin)


def test_an_address_that_never_confirmed_is_not_active_after_its_release(
    ask: Callable[..., Subscriber], admin: User
) -> None:
    recipient = ask()
    quarantine.quarantine(recipient, reason="550", author=admin)
    quarantine.release(recipient, author=admin)
    assert recipient.state == State.UNCONFIRMED


def test_staff_add_an_address_but_not_against_its_owners_will(
    page: Page, ask: Callable[..., Subscriber], component: Component, admin: User
) -> None:
    waiting = ask()
    chosen = Choices(everything=False, components=[component])
    assert subscribers.add_by_staff(page, address=ANN, choices=chosen, author=admin) == waiting
    waiting.refresh_from_db()
    assert (waiting.state, waiting.follows.get().component) == (State.ACTIVE, component)
    with pytest.raises(InvalidInput, match="subscribed already"):
        subscribers.add_by_staff(page, address=" ann@EXAMPLE.com", author=admin)
    subscribers.unsubscribe(waiting, author=admin)
    with pytest.raises(InvalidInput, match="unsubscribed by its owner"):
        subscribers.add_by_staff(page, address=ANN, author=admin)


def test_what_failed_or_staff_cancelled_is_owed_anew_and_what_is_past_is_not(
    confirmed: Subscriber, admin: User
) -> None:
    now = timezone.now()
    failed = owed(confirmed, state="failed", reason="gave up", attempts=9, finished_at=now)
    coalesced = owed(confirmed, state="cancelled", reason="coalesced", finished_at=now)
    due = owed(confirmed)
    chosen = Delivery.objects.filter(pk__in=[failed.pk, coalesced.pk, due.pk])
    assert owing.cancel(chosen, author=admin) == 1
    assert owing.retry(chosen, author=admin) == 2
    for row, state in ((failed, "due"), (coalesced, "cancelled"), (due, "due")):
        row.refresh_from_db()
        assert row.state == state
    assert (failed.attempts, failed.reason, failed.finished_at) == (0, "", None)
    quarantine.quarantine(confirmed, reason="550", author=admin)
    assert owing.retry(Delivery.objects.filter(recipient=confirmed), author=admin) == 0


# --- Forgetting -------------------------------------------------------------------------------------------------------


def test_a_forgotten_address_is_in_no_table_no_file_and_no_log(
    confirmed: Subscriber, page: Page, other_page: Page, admin: User, caplog: pytest.LogCaptureFixture
) -> None:
    subscribers.add_by_staff(other_page, address=ANN, author=admin)
    Delivery.objects.update(state="sent", answer=f"250 ok <{ANN}> queued", finished_at=timezone.now())
    quarantine.quarantine(confirmed, reason=f"550 {ANN} is unknown", author=admin)
    owed(confirmed)
    assert subscribers.forget(ANN, author=admin) == 2
    assert ANN not in str(everything())
    assert ANN not in csv_files.export_csv(page)
    assert ANN not in caplog.text
    confirmed.refresh_from_db()
    assert (confirmed.state, confirmed.history.latest().history_user) == (State.UNSUBSCRIBED, admin)
    assert not Delivery.objects.due().exists()
    assert subscribers.forget(ANN, author=admin) == 0


def test_who_was_forgotten_can_subscribe_like_anybody(
    confirmed: Subscriber, admin: User, ask: Callable[..., Subscriber]
) -> None:
    subscribers.forget(ANN, author=admin)
    assert ask().pk != confirmed.pk


def test_what_nobody_confirmed_is_forgotten_after_a_week(ask: Callable[..., Subscriber], confirmed: Subscriber) -> None:
    now = timezone.now()
    with time_machine.travel(now, tick=False) as clock:
        ask("bob@example.com")
        clock.shift(timedelta(days=6))
        ask("eve@example.com")
        subscribers.sweep()
        assert Subscriber.objects.filter(deleted_at=None).count() == 3
        clock.shift(timedelta(days=1, seconds=1))
        call_command("tick")
    left = Subscriber.objects.filter(deleted_at=None).values_list("address", flat=True)
    assert set(left) == {ANN, "eve@example.com"}
    assert "bob@example.com" not in str(everything())
    assert service_user("clock", role="subscriptions") == Subscriber.history.latest("history_id").history_user
    assert not SignUpCount.objects.filter(hour__lt=now).exists()
