"""The links in mails to subscribers: forged, old, of another page, of an address that was forgotten."""

from __future__ import annotations

import secrets
from datetime import timedelta

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from incidents.models import Page, User
from status import tokens
from status.models import Subscriber
from status.subscriptions import subscribers
from status.subscriptions.subscribers import State
from tests.rows import everything
from tests.status.strangers import ANN, ask, path

pytestmark = pytest.mark.long


def test_a_forged_link_opens_nothing(ann: Subscriber, public: Client) -> None:
    good = tokens.subscription(ann.public_id)
    before = everything()
    for token in (ann.public_id, good[:-1], good[:-3] + "AAA", secrets.token_urlsafe(), "0" + good):
        for verb in ("", "/confirm", "/unsubscribe"):
            answer = public.post(f"/subscriptions/{token}{verb}")
            assert answer.status_code == 404, (token, verb)
            assert "This link is not whole." in answer.text
            assert ANN not in answer.text
    assert everything() == before


def test_a_link_of_an_earlier_subscription_confirms_no_later_one(public: Client) -> None:
    """Not even within the hour in which a stranger has us send no second mail: who left gets a new one."""
    ask(public)
    recipient = Subscriber.objects.get()
    first = path(recipient, "confirm")
    public.post(first)
    assert public.post(first).status_code == 302, "pressed twice it is done once"
    public.post(path(recipient, "unsubscribe"))
    ask(public)
    for answer in (public.get(first), public.post(first)):
        assert (answer.status_code, "there is a newer mail about it" in answer.text) == (410, True)
    recipient.refresh_from_db()
    assert recipient.state == State.UNCONFIRMED
    assert public.post(path(recipient, "confirm")).status_code == 302
    recipient.refresh_from_db()
    assert recipient.state == State.ACTIVE


def test_a_link_opens_nothing_at_another_page_s_address(public: Client, other_page: Page) -> None:
    ask(public)
    recipient = Subscriber.objects.get()
    before = everything()
    for verb in ("", "confirm", "unsubscribe", "secret"):
        for host in ("status.beta.example:8443", "STATUS.beta.example."):
            answer = public.post(path(recipient, verb), headers={"host": host})
            assert (answer.status_code, "of another page" in answer.text) == (404, True), (verb, host)
            assert ANN not in answer.text
    assert everything() == before
    public.post(path(recipient, "unsubscribe"), headers={"host": "status-until-2025.acme.example"})
    recipient.refresh_from_db()
    assert recipient.state == State.UNSUBSCRIBED, "a page that has moved still lets everybody go"


def test_an_old_confirmation_says_so_and_confirms_nobody(public: Client) -> None:
    ask(public)
    recipient = Subscriber.objects.get()
    link = path(recipient, "confirm")
    with time_machine.travel(timezone.now() + timedelta(days=8)):
        answer = public.post(link)
    assert answer.status_code == 410
    assert "more than a week old" in answer.text
    recipient.refresh_from_db()
    assert recipient.state == State.UNCONFIRMED


def test_links_of_a_forgotten_address_say_that_it_is_gone(ann: Subscriber, public: Client, admin: User) -> None:
    links = [path(ann), path(ann, "confirm"), path(ann, "unsubscribe")]
    subscribers.forget(ANN, author=admin)
    for link in links:
        assert public.get(link).status_code == 410
    subscribers.add_by_staff(ann.page, address=ANN, author=admin)
    assert public.get(links[0]).status_code == 410


def test_a_confirmation_after_leaving_subscribes_nobody(ann: Subscriber, public: Client, admin: User) -> None:
    subscribers.unsubscribe(ann, author=admin)
    answer = public.post(path(ann, "confirm"))
    assert answer.status_code == 410
    assert "Subscribe again" in answer.text
