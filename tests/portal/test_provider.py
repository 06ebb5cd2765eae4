"""The company's identity provider: whom it signs in, whom it does not, and the day on which it is away."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import pytest
import time_machine
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount, SocialApp
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from incidents.models import User
from incidents.people import service_user
from portal import environment
from tests.identity import CLIENT, Provider, identity_provider
from tests.incidents.html_forms import filled
from tests.portal.signing_in import LOGIN, code, is_in, outbox, set_up_second_factor, sign_in, sign_in_anew
from tests.servers import free_port

MakeUser = Callable[[str, str], User]


@pytest.fixture
def provider(settings: Settings) -> Iterator[Provider]:
    with identity_provider() as provider:
        connect(settings, provider.address)
        yield provider


def connect(settings: Settings, address: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OIDC_ISSUER", address)
        issuer = environment.issuer("OIDC_ISSUER")
    app = {
        "provider_id": issuer["provider_id"],
        "name": "Acme SSO",
        "client_id": CLIENT,
        "secret": "between us",
        "settings": {"server_url": issuer["server_url"]},
    }
    settings.SOCIALACCOUNT_PROVIDERS = {"openid_connect": {"OAUTH_PKCE_ENABLED": True, "APPS": [app]}}


def person(sub: str, email: str, *, is_verified: bool | str = True) -> dict[str, Any]:
    return {"sub": sub, "email": email, "email_verified": is_verified, "name": "Somebody"}


def sign_in_through(client: Client, query: str = "") -> str:
    """What is shown at the end."""
    (button,) = re.findall(r'action="(/admin/account/oidc/[^"?]+)', Client().get(LOGIN).text)
    asked = client.post(button + query)
    request = urlsplit(asked.headers["Location"])
    connection = HTTPConnection(request.netloc)
    connection.request("GET", f"{request.path}?{request.query}")
    back = urlsplit(connection.getresponse().headers["Location"])
    connection.close()
    return client.get(f"{back.path}?{back.query}", follow=True).text


@pytest.mark.django_db
def test_nobody_signs_in_through_a_provider_that_only_the_database_names(client: Client, provider: Provider) -> None:
    SocialApp.objects.create(
        provider="openid_connect",
        provider_id="evil",
        name="Evil",
        client_id=CLIENT,
        settings={"server_url": provider.address},
    )
    assert "Evil" not in client.get(LOGIN).text
    assert client.post("/admin/account/oidc/evil/login/").status_code == 404


def who(client: Client) -> Any:
    return client.get(LOGIN).wsgi_request.user


def test_it_signs_in_who_has_an_account_and_tells_them(client: Client, provider: Provider, grace: User) -> None:
    provider.person = person("4711", "Grace@acme.example")
    assert "Sign in with Acme SSO" in client.get(LOGIN).text
    sign_in_through(client)
    assert who(client) == grace
    assert [message.to for message in outbox()] == [[grace.email]]
    assert "Acme SSO set up" in grace.history.values_list("history_change_reason", flat=True)
    sign_in_through(again := Client())
    assert who(again) == grace
    assert len(outbox()) == 1, "the second time is no news"


@pytest.mark.parametrize(
    ("email", "is_verified"),
    [
        ("mallory@acme.example", True),
        ("grace@acme.example", False),
        ("grace@acme.example", "false"),  # as Amazon Cognito writes it
    ],
)
def test_it_brings_in_nobody_else(
    client: Client,
    provider: Provider,
    grace: User,
    email: str,
    is_verified: bool | str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    provider.person = person("4711", email, is_verified=is_verified)
    assert "Nobody signs up here" in sign_in_through(client)
    assert not is_in(client)
    assert "a sign-in from 127.0.0.1 was refused: the identity provider named nobody whom we know" in caplog.messages
    assert User.objects.filter(is_service=False).count() == 1


def test_it_may_say_in_a_word_that_an_address_is_verified(client: Client, provider: Provider, grace: User) -> None:
    provider.person = person("4711", grace.email, is_verified="true")
    sign_in_through(client)
    assert who(client) == grace


def test_an_address_that_somebody_added_to_their_own_account_is_not_asked(
    client: Client, provider: Provider, grace: User, make_user: MakeUser
) -> None:
    viewer = make_user("vera", "viewer")
    EmailAddress.objects.create(user=viewer, email="boss@acme.example", verified=True, primary=True)
    provider.person = person("1", "boss@acme.example")
    assert "Nobody signs up here" in sign_in_through(client)
    assert not SocialAccount.objects.exists()


def test_nobody_links_who_sits_at_the_provider_to_their_own_account(provider: Provider, make_user: MakeUser) -> None:
    viewer = make_user("vera", "viewer")
    client = Client()
    sign_in_anew(client, viewer)
    provider.person = person("1", "boss@acme.example")
    assert "sign in through the identity provider" in sign_in_through(client, "?process=connect")
    assert not SocialAccount.objects.exists()
    assert client.get("/admin/account/3rdparty/").status_code == 302


def test_a_program_s_account_and_a_closed_one_are_nobody_s(client: Client, provider: Provider, grace: User) -> None:
    clock = service_user("clock", role="clock")
    clock.email = "clock@acme.example"
    clock.save()
    grace.is_active = False
    grace.save()
    for address in (clock.email, grace.email):
        provider.person = person(address, address)
        assert "Nobody signs up here" in sign_in_through(client)
    assert not SocialAccount.objects.exists()


def test_a_linked_account_is_its_subject_s_whatever_the_addresses_are(provider: Provider, grace: User) -> None:
    provider.person = person("4711", grace.email)
    sign_in_through(Client())
    provider.person = person("4711", "grace.hopper@acme.example")
    sign_in_through(renamed := Client())
    assert who(renamed) == grace
    provider.person = person("4712", grace.email)
    assert "Nobody signs up here" in sign_in_through(Client()), "who was given a mailbox gets no account with it"


def test_the_same_subject_at_another_provider_is_somebody_else(
    provider: Provider, grace: User, settings: Settings
) -> None:
    provider.person = person("4711", grace.email)
    sign_in_through(Client())
    with identity_provider() as another:
        connect(settings, another.address)
        another.person = person("4711", "mallory@acme.example")
        assert "Nobody signs up here" in sign_in_through(Client())
        another.person = person("1", grace.email)
        sign_in_through(moved := Client())
        assert who(moved) == grace, "and hers is linked anew by her address"


def test_an_administrator_removes_a_link_and_the_next_sign_in_makes_it_anew(
    provider: Provider, grace: User, admin: User
) -> None:
    provider.person = person("4711", grace.email)
    sign_in_through(Client())
    console = Client()
    sign_in_anew(console, admin)
    unlink = reverse("admin:incidents_user_provider", args=[grace.pk])
    assert unlink in console.get(reverse("admin:incidents_user_change", args=[grace.pk])).text
    console.post(unlink, filled(console.get(unlink), reason="She is another one there now."))
    assert "removed the link" in str(outbox()[-1].body)
    reasons = [each or "" for each in grace.history.values_list("history_change_reason", flat=True)]
    assert any("She is another one there now." in each for each in reasons)
    provider.person = person("4712", grace.email)
    sign_in_through(client := Client())
    assert who(client) == grace


def test_a_linked_account_that_is_closed_stays_closed(provider: Provider, grace: User) -> None:
    provider.person = person("4711", grace.email)
    sign_in_through(client := Client())
    User.objects.filter(pk=grace.pk).update(is_active=False)
    assert not is_in(client)
    assert "inactive" in sign_in_through(client)
    assert not is_in(client)


def test_a_second_factor_is_asked_for_behind_it(provider: Provider, grace: User) -> None:
    client = Client()
    sign_in(client, grace)
    secret = set_up_second_factor(client)
    provider.person = person("4711", grace.email)
    other = Client()
    assert "authenticator code" in sign_in_through(other)
    assert not is_in(other)
    with time_machine.travel(timezone.now() + timedelta(seconds=31), tick=False):
        other.post(reverse("mfa_authenticate"), {"code": code(secret)})
        assert is_in(other)


# --- The day on which it is away --------------------------------------------------------------------------------------


def test_with_the_provider_down_a_password_still_opens(client: Client, settings: Settings, author: User) -> None:
    connect(settings, f"http://127.0.0.1:{free_port()}")
    page = client.get(LOGIN)
    (button,) = re.findall(r'action="(/admin/account/oidc/[^"]+)"', page.text)
    assert "The identity provider does not answer" in client.post(button, follow=True).text
    sign_in(client, author)
    assert is_in(client)


def test_so_it_does_for_who_has_signed_in_through_it(provider: Provider, grace: User, settings: Settings) -> None:
    provider.person = person("4711", grace.email)
    sign_in_through(first := Client())
    connect(settings, f"http://127.0.0.1:{free_port()}")
    assert is_in(first), "nor does a session end"
    sign_in(client := Client(), grace)
    assert is_in(client)


def test_and_who_never_had_a_password_is_sent_a_link(provider: Provider, grace: User, settings: Settings) -> None:
    grace.set_unusable_password()
    grace.save()
    provider.person = person("4711", grace.email)
    sign_in_through(Client())
    connect(settings, f"http://127.0.0.1:{free_port()}")
    Client().post(reverse("account_reset_password"), {"email": grace.email})
    assert outbox()[-1].to == [grace.email]
    assert "/password/reset/key/" in str(outbox()[-1].body)


def test_without_a_password_the_provider_is_what_asks_again(provider: Provider, grace: User) -> None:
    """Else whoever sits at an open screen sets up a second factor of their own."""
    grace.set_unusable_password()
    grace.save()
    provider.person = person("4711", grace.email)
    sign_in_through(client := Client())
    activate = reverse("mfa_activate_totp")
    assert client.get(activate).status_code == 200, "it has just asked"
    assert client.get(reverse("account_set_password"))["Location"] == reverse("account_reset_password")
    with time_machine.travel(timezone.now() + timedelta(minutes=16)):
        asked = client.get(activate)
        assert asked["Location"] == f"{LOGIN}?next={activate}"
        assert not is_in(client)
        sign_in_through(client)
        assert client.get(activate).status_code == 200
