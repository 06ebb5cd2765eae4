"""A forgotten password is replaced by a link in a mail, and strangers learn nothing by asking."""

from __future__ import annotations

from datetime import timedelta

import time_machine
from allauth.account.models import EmailAddress
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from incidents.models import User
from incidents.people import service_user
from tests.portal.signing_in import (
    LOGIN,
    elsewhere,
    link_in,
    outbox,
    set_password,
)

BETTER = "a much better battery"


def ask(client: Client, address: str, number: int = 0) -> int:
    """What the answer is to who asks for a link."""
    asked = client.post(reverse("account_reset_password"), {"email": address}, headers=elsewhere(number))
    return int(asked.status_code)


def test_a_forgotten_password_is_replaced_by_mail(client: Client, grace: User) -> None:
    assert reverse("account_reset_password") in client.get(LOGIN).text
    ask(client, grace.email)
    link = link_in(outbox()[0])
    set_password(client, link, BETTER)
    assert client.login(username=grace.username, password=BETTER)
    assert "changed" in str(outbox()[-1].body) or "reset" in str(outbox()[-1].body)
    assert outbox()[-1].to == [grace.email]


def test_a_link_to_set_a_password_opens_once(client: Client, grace: User) -> None:
    ask(client, grace.email)
    link = link_in(outbox()[0])
    set_password(client, link, BETTER)
    set_password(Client(), link, "yet another battery")
    assert not Client().login(username=grace.username, password="yet another battery")


def test_a_link_goes_to_the_address_as_an_administrator_wrote_it(client: Client, grace: User) -> None:
    ask(client, "GRACE@ACME.example")
    assert outbox()[0].to == ["grace@acme.example"]


def test_a_link_leads_to_this_site_whatever_host_was_asked(client: Client, grace: User, settings: Settings) -> None:
    settings.SITE_URL = "https://portal.acme.example"
    client.defaults["HTTP_HOST"] = "127.0.0.1:6666"
    ask(client, grace.email)
    body = str(outbox()[0].body)
    assert "https://portal.acme.example/admin/account/password/reset/key/" in body
    assert "Incident portal, portal.acme.example" in body
    assert "6666" not in body


def test_nobody_learns_who_has_an_account_and_strangers_are_sent_nothing(client: Client, grace: User) -> None:
    program = service_user("key:monitoring", role="viewer")
    program.email = "monitoring@acme.example"
    program.save()
    gone = User.objects.create_user("gone", email="gone@acme.example", is_active=False)
    # What accounts could add by themselves before, and may have added still
    EmailAddress.objects.create(user=grace, email="mallory@acme.example", primary=True, verified=True)
    for address in ("stranger@acme.example", program.email, gone.email, "mallory@acme.example"):
        assert ask(client, address) == 302
    assert outbox() == []


def test_links_are_limited_by_address_and_by_network(client: Client, grace: User) -> None:
    assert [ask(client, grace.email, number) for number in range(5)] == [302, 302, 302, 429, 429]
    assert len(outbox()) == 3
    asked = [ask(client, f"{number}@acme.example", 9) for number in range(12)]
    assert asked == [302] * 10 + [429] * 2
    with time_machine.travel(timezone.now() + timedelta(minutes=61)):
        assert ask(client, grace.email) == 302
        assert len(outbox()) == 4
