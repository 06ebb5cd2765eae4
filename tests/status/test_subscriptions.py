"""What becomes of an address: asked for, confirmed, changed, ended, in quarantine, forgotten."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core.management import call_command
from django.utils import timezone

from incidents.errors import InvalidInput, InvalidTransition
from incidents.lifecycle import Impact, Visibility
from incidents.models import Component, Incident, OutboxEvent, Page, User
from incidents.people import create_key, service_user
from incidents.permissions import Scope
from status.delivery import owing, quarantine
from status.models import Delivery, SignUpCount, Subscriber
from status.subscriptions import choices, csv_files, subscribers
from status.subscriptions.choices import Choices
from status.subscriptions.subscribers import State
from tests.rows import everything

pytestmark = pytest.mark.both

NETWORK = "192.0.2.0/24"
ANN = "ann@example.com"


def owed(recipient: Subscriber, event: OutboxEvent | None = None, **fields: Any) -> Delivery:
    return Delivery.objects.create(recipient=recipient, event=event, due_at=timezone.now(), **fields)


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
    subscribers.unsubscribe(waiting, author=subscribers.subscriber())
    with pytest.raises(InvalidInput, match="unsubscribed by its owner"):
        subscribers.add_by_staff(page, address=ANN, author=admin)
    assert ask() == waiting, "anybody can have typed it on the page"
    for _time in ("while the link is good", "and afterwards"):
        with pytest.raises(InvalidInput, match="unsubscribed by its owner"):
            subscribers.add_by_staff(page, address=ANN, author=admin)
        with time_machine.travel(timezone.now() + timedelta(days=30)):
            subscribers.drop_overdue()


def test_an_owner_who_leaves_after_a_program_has_unsubscribed_them_stays_away(page: Page, admin: User) -> None:
    _key, row = create_key("crm", scopes=[Scope.SUBSCRIBERS], author=admin)
    ann = subscribers.add_by_staff(page, address=ANN, author=row.user)
    subscribers.unsubscribe(ann, author=row.user)
    subscribers.unsubscribe(ann, author=subscribers.subscriber())
    with pytest.raises(InvalidInput, match="unsubscribed by its owner"):
        subscribers.add_by_staff(page, address=ANN, author=row.user)


def test_a_program_lifts_no_quarantine_by_unsubscribing(page: Page, admin: User) -> None:
    _key, row = create_key("crm", scopes=[Scope.SUBSCRIBERS], author=admin)
    ann = subscribers.add_by_staff(page, address=ANN, author=row.user)
    quarantine.quarantine(ann, reason="a complaint", author=admin)
    subscribers.unsubscribe(ann, author=row.user)
    with pytest.raises(InvalidInput, match="who can subscribe it again"):
        subscribers.add_by_staff(page, address=ANN, author=row.user)


def test_whom_a_program_has_unsubscribed_it_subscribes_again_but_not_whom_staff_have(
    page: Page, component: Component, admin: User
) -> None:
    _key, row = create_key("crm", scopes=[Scope.SUBSCRIBERS], author=admin)
    program, choices = row.user, Choices(everything=False, components=[component])
    ann = subscribers.add_by_staff(page, address=ANN, choices=choices, author=program)
    subscribers.unsubscribe(ann, author=program)
    assert subscribers.add_by_staff(page, address=ANN, author=program) == ann
    ann.refresh_from_db()
    assert (ann.state, ann.everything, ann.follows.count()) == (State.ACTIVE, True, 0)  # what it chose is forgotten
    subscribers.unsubscribe(ann, author=program)
    subscribers.invite(page, address=ANN, choices=choices, author=program)
    ann.refresh_from_db()
    assert ann.state == State.UNCONFIRMED
    subscribers.unsubscribe(ann, author=admin)
    with pytest.raises(InvalidInput, match="unsubscribed by staff"):
        subscribers.add_by_staff(page, address=ANN, author=program)
    assert subscribers.add_by_staff(page, address=ANN, author=admin) == ann


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


@pytest.mark.slow
def test_what_nobody_confirmed_is_forgotten_after_a_week(ask: Callable[..., Subscriber], confirmed: Subscriber) -> None:
    now = timezone.now()
    with time_machine.travel(now, tick=False) as clock:
        ask("bob@example.com")
        clock.shift(timedelta(days=6))
        ask("eve@example.com")
        subscribers.drop_overdue()
        assert Subscriber.objects.filter(deleted_at=None).count() == 3
        clock.shift(timedelta(days=1, seconds=1))
        call_command("tick")
    left = Subscriber.objects.filter(deleted_at=None).values_list("address", flat=True)
    assert set(left) == {ANN, "eve@example.com"}
    assert "bob@example.com" not in str(everything())
    assert service_user("clock", role="subscriptions") == Subscriber.history.latest("history_id").history_user
    assert not SignUpCount.objects.filter(hour__lt=now).exists()
