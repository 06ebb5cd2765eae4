"""Webhooks that are due arrive; those that fail are tried for days before anybody loses a subscription."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from http.server import BaseHTTPRequestHandler

import pytest
import time_machine
from django.utils import timezone
from pytest_django import Settings
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from incidents import catalogue
from incidents.errors import Forbidden, InvalidInput
from incidents.incidents import post_update
from incidents.lifecycle import ComponentStatus, Impact, IncidentStatus, Visibility
from incidents.models import Component, Incident, Page, User
from status import relay
from status.delivery import engine
from status.delivery.channels import CHANNELS, sent_by
from status.delivery.webhooks.posting import signature
from status.models import Delivery, Subscriber
from status.secrets import decrypt
from status.subscriptions import choices, subscribers
from status.subscriptions.choices import Choices
from status.subscriptions.subscribers import subscriber, unsubscribe
from tests.receiver import OPEN, Receiver, answering, leading_to
from tests.waiting import let_pass, stretched, within

pytestmark = pytest.mark.long

State = Delivery.State
BY_POST = sent_by(CHANNELS[Subscriber.Channel.WEBHOOK].send)


@pytest.fixture
def add(page: Page, admin: User) -> Callable[[str], Subscriber]:
    def act(url: str) -> Subscriber:
        return subscribers.add_webhook(page, url=url, contact="owner@example.com", author=admin)

    return act


@pytest.fixture
def hook(add: Callable[[str], Subscriber], receiver: Receiver) -> Subscriber:
    return add(receiver.url)


@pytest.fixture
def post_to_hook(incident: Incident, author: User, settings: Settings) -> Callable[[], None]:
    """Posts an update and writes down who is owed it."""
    settings.NOTIFY_HOLD = 0

    def act() -> None:
        post_update(incident, status=IncidentStatus.IDENTIFIED, body="News.", author=author)
        relay.owe()

    return act


PostToHook = Callable[[], None]


def only(hook: Subscriber) -> Delivery:
    return Delivery.objects.get(recipient=hook, purpose=Delivery.Purpose.EVENT)


def test_a_webhook_is_added_once_and_by_those_who_may(hook: Subscriber, page: Page, admin: User) -> None:
    url = decrypt(hook.endpoint)
    with pytest.raises(InvalidInput, match="subscribed already"):
        subscribers.add_webhook(page, url=url, contact="other@example.com", author=admin)
    hook.refresh_from_db()
    assert hook.contact == "owner@example.com"
    nobody = User.objects.create_user("mallory")
    with pytest.raises(Forbidden):
        subscribers.add_webhook(page, url=url, contact="other@example.com", author=nobody)


def test_for_a_day_after_the_secret_was_replaced_both_sign(
    hook: Subscriber, receiver: Receiver, post_to_hook: PostToHook, admin: User
) -> None:
    old = hook.signing_secrets[0]
    subscribers.roll_secret(hook, author=admin)
    assert hook.signing_secrets[0] != old
    post_to_hook()
    engine.deliver(Subscriber.Channel.WEBHOOK, network=OPEN)
    with time_machine.travel(timezone.now() + timedelta(hours=25)):
        post_to_hook()
        engine.deliver(Subscriber.Channel.WEBHOOK, network=OPEN)
        late = receiver.received[-1]
        assert Webhook(hook.signing_secrets[0]).verify(late.body, late.headers)
        with pytest.raises(WebhookVerificationError):
            Webhook(old).verify(late.body, late.headers)
    soon = receiver.received[0]
    for secret in (old, hook.signing_secrets[0]):
        assert Webhook(secret).verify(soon.body, soon.headers)


def test_a_public_update_arrives_once(hook: Subscriber, receiver: Receiver, post_to_hook: PostToHook) -> None:
    post_to_hook()
    assert engine.deliver(Subscriber.Channel.WEBHOOK, network=OPEN) == 1
    assert engine.deliver(Subscriber.Channel.WEBHOOK, network=OPEN) == 0
    [found] = receiver.received
    assert json.loads(found.body)["incident"]["status"] == "identified"
    assert found.headers["webhook-signature"] == signature(
        hook.signing_secrets[0], found.headers["webhook-id"], int(found.headers["webhook-timestamp"]), found.body
    )
    row = only(hook)
    assert (row.state, row.answer, row.attempts) == (State.SENT, "200 OK", 1)


def test_what_failed_is_tried_again_under_the_same_id(
    hook: Subscriber, receiver: Receiver, post_to_hook: PostToHook
) -> None:
    receiver.behave = answering(503)
    post_to_hook()
    assert engine.deliver(Subscriber.Channel.WEBHOOK, network=OPEN) == 0
    row = only(hook)
    assert (row.state, row.answer) == (State.DUE, "503 Service Unavailable")
    assert timedelta(0) < row.due_at - timezone.now() < timedelta(seconds=stretched(6))
    receiver.behave = answering(200)
    with time_machine.travel(timezone.now() + timedelta(seconds=6)):
        assert engine.deliver(Subscriber.Channel.WEBHOOK, network=OPEN) == 1
    assert len({found.headers["webhook-id"] for found in receiver.received}) == 1
    assert len(receiver.received) == 2


@pytest.mark.slow
def test_what_was_accepted_is_not_sent_again_with_the_rest(
    hook: Subscriber, receiver: Receiver, make_component: Callable[..., Component], incident: Incident, author: User,
    without_hold: None,
) -> None:  # fmt: skip
    """One message for each component, and a program that takes one each time: more rounds than there are tries."""
    down = [(make_component(f"API {number}"), ComponentStatus.MAJOR_OUTAGE) for number in range(10)]
    post_update(incident, status=IncidentStatus.IDENTIFIED, body="All down.", components=down, author=author)
    relay.owe()
    answers = itertools.chain([200, 503] * 10, [503], itertools.repeat(200))  # once it takes none

    def take_every_second(handler: BaseHTTPRequestHandler) -> None:
        answering(next(answers))(handler)

    receiver.behave = take_every_second
    with time_machine.travel(timezone.now(), tick=False) as clock:
        for _try in range(12):
            engine.deliver(Subscriber.Channel.WEBHOOK, network=OPEN)
            clock.shift(6)
    assert only(hook).state == State.SENT
    posts = Counter(found.headers["webhook-id"] for found in receiver.received)
    assert sorted(posts.values()) == [1, *[2] * 9, 3], "each accepted once, and all but the first in vain before"


@pytest.mark.slow
def test_a_message_that_is_always_refused_holds_up_no_other_and_is_given_up_by_itself(
    hook: Subscriber, receiver: Receiver, make_component: Callable[..., Component], incident: Incident, author: User,
    without_hold: None,
) -> None:  # fmt: skip
    down = [(make_component(f"API {number}"), ComponentStatus.MAJOR_OUTAGE) for number in range(3)]
    post_update(incident, status=IncidentStatus.IDENTIFIED, body="All down.", components=down, author=author)
    relay.owe()

    def refuse_incidents(handler: BaseHTTPRequestHandler) -> None:
        is_refused = "incident" in json.loads(receiver.received[-1].body)
        answering(500 if is_refused else 200)(handler)

    receiver.behave = refuse_incidents
    with time_machine.travel(timezone.now(), tick=False) as clock:
        for _try in range(2):
            engine.deliver(Subscriber.Channel.WEBHOOK, network=OPEN)
            clock.shift(6)
        assert len(only(hook).accepted) == 3, "all the others, at the second try"
        for _try in range(20):
            engine.deliver(Subscriber.Channel.WEBHOOK, network=OPEN)
            clock.shift(timedelta(days=1))
    assert (only(hook).state, only(hook).reason) == (State.FAILED, "given_up")
    posts = Counter(found.headers["webhook-id"] for found in receiver.received)
    assert sorted(posts.values()) == [1, 1, 1, 12], "ten tries from the last that was of use"


def test_what_failed_while_a_newer_message_was_owed_does_not_hold_that_up(
    hook: Subscriber, receiver: Receiver, post_to_hook: PostToHook
) -> None:
    post_to_hook()
    held = engine.claim(BY_POST, 1)
    post_to_hook()
    assert engine.claim(BY_POST, 1) == [], "a worker has the first one"
    engine.release(held, "")
    receiver.behave = answering(500)
    engine.deliver(Subscriber.Channel.WEBHOOK, network=OPEN)
    rows = Delivery.objects.filter(recipient=hook, purpose=Delivery.Purpose.EVENT).order_by("pk")
    assert [(row.state, row.reason) for row in rows] == [(State.CANCELLED, "coalesced"), (State.DUE, "")]
    assert len(receiver.received) == 2


@pytest.mark.usefixtures("hook", "without_hold")
def test_the_changes_of_a_component_arrive_in_order(component: Component, admin: User) -> None:
    for status in (ComponentStatus.MAJOR_OUTAGE, ComponentStatus.OPERATIONAL):
        catalogue.set_component_status(component, status=status, author=admin)
        relay.owe()
        found = engine.claim(BY_POST, 1)
        assert len(found) == (status is ComponentStatus.MAJOR_OUTAGE), "a worker has the first one"


def test_its_owner_is_warned_on_the_first_day_unless_it_recovers(
    hook: Subscriber, receiver: Receiver, post_to_hook: PostToHook
) -> None:
    receiver.behave = answering(500)
    post_to_hook()
    engine.deliver(Subscriber.Channel.WEBHOOK, network=OPEN)
    hook.refresh_from_db()
    assert hook.failing_since
    warning = Delivery.objects.get(purpose=Delivery.Purpose.WARNING)
    assert warning.due_at < timezone.now() + timedelta(days=1)
    with time_machine.travel(timezone.now() + timedelta(seconds=6)):
        engine.deliver(Subscriber.Channel.WEBHOOK, network=OPEN)
        assert Delivery.objects.filter(purpose=Delivery.Purpose.WARNING).count() == 1
    receiver.behave = answering(200)
    with time_machine.travel(timezone.now() + timedelta(minutes=10)):
        engine.deliver(Subscriber.Channel.WEBHOOK, network=OPEN)
    hook.refresh_from_db()
    warning.refresh_from_db()
    assert (warning.state, warning.reason) == (State.CANCELLED, "recovered")
    assert not Subscriber.objects.exclude(failing_since=None).exists()


def fail_for_good(hook: Subscriber) -> None:
    for _attempt in range(10):
        with time_machine.travel(only_due(hook).due_at + timedelta(seconds=1)):
            engine.deliver(Subscriber.Channel.WEBHOOK, network=OPEN)


def only_due(hook: Subscriber) -> Delivery:
    return Delivery.objects.due().filter(purpose=Delivery.Purpose.EVENT).get(recipient=hook)


@pytest.mark.slow
def test_three_bad_days_cost_a_message_but_not_the_subscription(
    hook: Subscriber, receiver: Receiver, post_to_hook: PostToHook
) -> None:
    receiver.behave = answering(500)
    post_to_hook()
    fail_for_good(hook)
    row = only(hook)
    assert (row.state, row.reason, row.attempts) == (State.FAILED, "given_up", 10)
    hook.refresh_from_db()
    assert hook.state == Subscriber.State.ACTIVE


@pytest.mark.slow
def test_five_bad_days_are_its_end(hook: Subscriber, receiver: Receiver, post_to_hook: PostToHook) -> None:
    receiver.behave = answering(500, b"out of order")
    post_to_hook()
    fail_for_good(hook)
    with time_machine.travel(timezone.now() + timedelta(days=4)):
        post_to_hook()
        fail_for_good(hook)
    hook.refresh_from_db()
    assert (hook.state, hook.reason) == (Subscriber.State.QUARANTINED, "500 Internal Server Error: out of order")


def test_410_is_its_end_at_once(hook: Subscriber, receiver: Receiver, post_to_hook: PostToHook) -> None:
    receiver.behave = answering(410)
    post_to_hook()
    engine.deliver(Subscriber.Channel.WEBHOOK, network=OPEN)
    hook.refresh_from_db()
    assert hook.state == Subscriber.State.QUARANTINED
    assert only(hook).state == State.FAILED
    assert Delivery.objects.due().get().purpose == Delivery.Purpose.WARNING


@pytest.mark.slow
def test_one_that_hangs_holds_up_no_other(
    hook: Subscriber,
    add: Callable[[str], Subscriber],
    receiver: Receiver,
    post_to_hook: PostToHook,
) -> None:
    def wait(handler: BaseHTTPRequestHandler) -> None:
        if handler.path == "/slow":
            let_pass(1.5)
        answering(200)(handler)

    receiver.behave = wait
    slow = add(receiver.url.replace("/hook?for=us", "/slow"))
    others = [add(f"{receiver.url}{number}") for number in range(40)]
    post_to_hook()
    with within(10):
        assert engine.deliver(Subscriber.Channel.WEBHOOK, network=OPEN) == 42
    finished = Delivery.objects.get(recipient=slow).finished_at
    assert finished
    assert Delivery.objects.filter(recipient__in=others, finished_at__lt=finished).count() == 40


def test_one_that_is_no_longer_subscribed_is_sent_nothing(
    hook: Subscriber, receiver: Receiver, post_to_hook: PostToHook
) -> None:
    post_to_hook()
    claimed = engine.claim(BY_POST, 1)  # a worker has it, and dies
    unsubscribe(hook, author=subscriber())
    Delivery.objects.filter(pk=claimed[0].pk).update(
        state=State.DUE, finished_at=None, claimed_at=None, due_at=timezone.now()
    )
    assert engine.deliver(Subscriber.Channel.WEBHOOK, network=OPEN) == 0
    assert not receiver.received
    assert (only(hook).state, only(hook).reason) == (State.CANCELLED, "unsubscribed")


def test_one_that_leads_inside_now_fails_and_is_named(
    hook: Subscriber, receiver: Receiver, post_to_hook: PostToHook
) -> None:
    post_to_hook()
    assert engine.deliver(Subscriber.Channel.WEBHOOK, network=leading_to("127.0.0.2")) == 0
    assert "public internet" in only(hook).answer
    assert not receiver.connections


def test_a_program_is_notified_of_a_component_without_an_incident_and_nobody_by_mail(
    hook: Subscriber, receiver: Receiver, component: Component, page: Page, admin: User, settings: Settings
) -> None:
    settings.NOTIFY_HOLD = 0
    subscribers.add_by_staff(page, address="ann@example.com", author=admin)
    catalogue.set_component_status(component, status=ComponentStatus.PARTIAL_OUTAGE, author=admin)
    assert relay.owe() == 1
    assert engine.deliver(Subscriber.Channel.WEBHOOK, network=OPEN) == 1
    [found] = receiver.received
    payload = json.loads(found.body)
    assert list(payload) == ["meta", "page", "component", "component_update"], "Statuspage's, of 3.8"
    assert payload["page"]["status_description"] == "Partial System Outage"
    keys = ["created_at", "id", "name", "page_id", "position", "status", "updated_at", "showcase"]
    assert list(payload["component"]) == keys
    assert (payload["component"]["id"], payload["component"]["status"]) == (component.public_id, "partial_outage")
    change = payload["component_update"]
    assert list(change) == ["old_status", "new_status", "created_at", "component_type", "state", "id", "component_id"]
    assert (change["old_status"], change["new_status"], len(change["id"])) == ("operational", "partial_outage", 12)
    assert Webhook(hook.signing_secrets[0]).verify(found.body, found.headers)


def test_of_a_component_only_the_newest_status_is_sent_and_a_corrected_past_is_not(
    hook: Subscriber, component: Component, make_component: Callable[..., Component], admin: User
) -> None:
    search = make_component("Search")
    choices.choose(hook, Choices(everything=False, components=[component]), author=admin)
    internal = make_component("Cable", visibility=Visibility.INTERNAL)
    for each in (search, internal):
        catalogue.set_component_status(each, status=ComponentStatus.MAJOR_OUTAGE, author=admin)
    assert relay.owe() == 0, "not chosen, and not public"
    for status in (ComponentStatus.MAJOR_OUTAGE, ComponentStatus.OPERATIONAL):
        catalogue.set_component_status(component, status=status, author=admin)
    assert relay.owe() == 2
    first, second = Delivery.objects.order_by("pk")
    assert (first.state, first.reason, second.state) == (State.CANCELLED, "coalesced", State.DUE)
    yesterday = timezone.now() - timedelta(days=1)
    catalogue.set_component_status(
        component, status=ComponentStatus.PARTIAL_OUTAGE, author=admin, effective_at=yesterday
    )
    assert relay.owe() == 0
    critical = Choices(everything=True, minimum_impact=Impact.CRITICAL)
    choices.choose(hook, critical, author=admin)
    catalogue.set_component_status(component, status=ComponentStatus.DEGRADED_PERFORMANCE, author=admin)
    assert relay.owe() == 0
