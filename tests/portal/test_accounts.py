"""Who gets in, and how: passwords, second factors, sessions, and limits on guessing."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest
import time_machine
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value, yield_hotp_counters_from_time
from django.contrib.auth.models import Group
from django.contrib.sessions.models import Session
from django.core import mail
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from incidents.errors import Forbidden, InvalidInput
from incidents.history import changes
from incidents.models import Incident, Page, Submission, User
from incidents.people import remove_second_factor, save_staff, service_user, sweep
from tests.identity import CLIENT, Provider, identity_provider
from tests.incidents.filled import filled
from tests.servers import free_port

MakeUser = Callable[[str, str], User]
PASSWORD = "correct horse battery"
LOGIN, ADMIN = "/admin/account/login/", "/admin/"


@pytest.fixture(autouse=True)
def nobody_has_tried_yet(db: None) -> None:
    cache.clear()


def code(secret: str) -> str:
    """What an authenticator program shows now."""
    return str(format_hotp_value(hotp_value(secret, next(yield_hotp_counters_from_time()))))


def sign_in(client: Client, user: User, password: str = PASSWORD) -> str:
    """What is shown at the end."""
    page = client.post(LOGIN, {"login": user.get_username(), "password": password}, follow=True)
    return str(page.content.decode())


def set_up_second_factor(client: Client) -> str:
    """Its secret. The password is asked for once more, as whoever sits at an open screen may not do this."""
    client.post(reverse("account_reauthenticate"), {"password": PASSWORD})
    page = client.get(reverse("mfa_activate_totp"))
    (secret,) = set(re.findall(r'value="([A-Z2-7]{32})"', page.text))
    client.post(reverse("mfa_activate_totp"), {"code": code(secret)})
    return str(secret)


def test_the_admin_asks_for_a_password_and_leads_back_to_where_one_was(client: Client, author: User) -> None:
    asked = client.get("/admin/incidents/incident/", follow=True)
    assert asked.redirect_chain[-1][0] == f"{LOGIN}?next=%2Fadmin%2Fincidents%2Fincident%2F"
    answer = client.post(asked.redirect_chain[-1][0], filled(asked, login=author.username, password=PASSWORD))
    assert answer.headers["Location"] == "/admin/incidents/incident/"


def test_a_wrong_password_is_told_and_guessing_is_limited(client: Client, author: User) -> None:
    assert "not correct" in sign_in(client, author, "wrong")
    for _attempt in range(5):
        said = sign_in(client, author, "wrong")
    assert "Too many failed login attempts" in said
    assert "Too many failed login attempts" in sign_in(client, author), "not even with the right one"


def test_whoever_may_publish_has_to_set_up_a_second_factor_first(
    client: Client, author: User, settings: Settings
) -> None:
    settings.REQUIRE_SECOND_FACTOR = True
    page = sign_in(client, author)
    assert "set up a second factor" in page
    assert client.get(ADMIN).headers["Location"] == reverse("mfa_activate_totp")
    secret = set_up_second_factor(client)
    assert client.get(ADMIN).status_code == 200

    client.post(reverse("account_logout"))
    assert "authenticator code" in sign_in(client, author)
    assert client.get(ADMIN).status_code == 302, "a password alone is not enough any more"
    answer = client.post(reverse("mfa_authenticate"), {"code": "000000"})
    assert "Incorrect code" in answer.text
    cache.clear()  # a code is good for one sign-in
    client.post(reverse("mfa_authenticate"), {"code": code(secret)})
    assert client.get(ADMIN).status_code == 200


def test_whoever_only_reads_needs_none(client: Client, make_user: MakeUser, settings: Settings) -> None:
    settings.REQUIRE_SECOND_FACTOR = True
    sign_in(client, make_user("vera", "viewer"))
    assert client.get(ADMIN).status_code == 200


def test_nobody_signs_up(client: Client) -> None:
    page = client.get("/admin/account/signup/")
    assert "Sign Up Closed" in page.text
    client.post("/admin/account/signup/", {"username": "mallory", "password1": PASSWORD, "password2": PASSWORD})
    assert not User.objects.filter(username="mallory").exists()


def test_one_s_sessions_are_listed_and_can_be_ended(author: User) -> None:
    here, there = Client(), Client()
    sign_in(here, author)
    sign_in(there, author)
    page = here.get(reverse("usersessions_list"))
    assert page.text.count("127.0.0.1") == 2
    here.post(reverse("usersessions_list"))
    assert there.get(ADMIN).status_code == 302
    assert here.get(ADMIN).status_code == 200


def test_a_forgotten_password_is_replaced_by_mail(client: Client, author: User) -> None:
    author.email = "grace@acme.example"
    author.save()
    reset = reverse("account_reset_password")
    assert reset in client.get(LOGIN).text
    client.post(reset, {"email": author.email})
    (message,) = mail.outbox
    (link,) = re.findall(r"https?://[^/]+(/\S+)", str(message.body))
    form = client.get(link, follow=True)
    chosen = {"password1": "a much better battery", "password2": "a much better battery"}
    client.post(form.redirect_chain[-1][0], chosen)
    assert client.login(username=author.username, password="a much better battery")


def test_nobody_learns_who_has_an_account_and_programs_get_no_password(client: Client, author: User) -> None:
    program = service_user("key:monitoring", role="viewer")
    program.email = "monitoring@acme.example"
    program.save()
    for address in ("stranger@acme.example", program.email):
        assert client.post(reverse("account_reset_password"), {"email": address}).status_code == 302
    assert not [each for each in mail.outbox if "password/reset/key" in str(each.body)]


def test_signing_in_and_changing_a_password_are_in_the_history_and_the_password_is_not(
    client: Client, author: User
) -> None:
    sign_in(client, author)
    chosen = {"oldpassword": PASSWORD, "password1": "a much better battery", "password2": "a much better battery"}
    client.post(reverse("account_change_password"), chosen)
    newest = author.history.latest("history_id")
    assert newest.history_user == author
    assert newest.history_change_reason == "Password set"
    assert not hasattr(newest, "password")
    assert any(change.name == "Last login" for entry in changes.of_row(author) for change in entry.changes)


def test_what_is_sent_after_the_session_ended_comes_back_to_be_sent_again(author: User, page: Page) -> None:
    """Without a script: the form, signed out, is kept on a page; signed in again, it is sent once more and done."""
    client = Client(enforce_csrf_checks=True, headers={"Sec-Fetch-Site": "same-origin"})
    client.force_login(author)
    declare = reverse("admin:incidents_incident_add")
    form = filled(client.get(declare), title="Checkout fails", body="Line one\nline two.")
    client.logout()
    kept = client.post(declare, form)
    assert kept.status_code == 403
    assert "You are not signed in any more" in kept.text
    sent = filled(kept)
    assert (sent["title"], sent["body"]) == ("Checkout fails", "Line one\nline two.")

    client.force_login(author)
    once_more = client.post(declare, sent | {"csrfmiddlewaretoken": "x" * 64})
    assert "opened before you signed in" in once_more.text
    assert client.post(declare, filled(once_more)).status_code == 302
    assert Incident.objects.get().title == "Checkout fails"


def test_what_another_site_sends_is_not_shown_as_one_s_own(author: User) -> None:
    client = Client(enforce_csrf_checks=True, headers={"Sec-Fetch-Site": "cross-site"})
    declare = reverse("admin:incidents_incident_add")
    assert client.post(declare, {"title": "Planted"}).status_code == 403
    client.force_login(author)
    assert "Planted" not in client.post(declare, {"title": "Planted"}).text
    assert not Incident.objects.exists()


# --- The company's identity provider ----------------------------------------------------------------------------------


@pytest.fixture
def provider(settings: Settings) -> Iterator[Provider]:
    with identity_provider() as provider:
        app = {
            "provider_id": "oidc",
            "name": "Acme SSO",
            "client_id": CLIENT,
            "secret": "between us",
            "settings": {"server_url": provider.address},
        }
        settings.SOCIALACCOUNT_PROVIDERS = {"openid_connect": {"OAUTH_PKCE_ENABLED": True, "APPS": [app]}}
        yield provider


def sign_in_through(client: Client) -> str:
    """What is shown at the end."""
    page = client.get(LOGIN)
    (button,) = re.findall(r'action="(/admin/account/oidc/[^"]+)"', page.text)
    asked = client.post(button)
    request = urlsplit(asked.headers["Location"])
    connection = HTTPConnection(request.netloc)
    connection.request("GET", f"{request.path}?{request.query}")
    back = urlsplit(connection.getresponse().headers["Location"])
    connection.close()
    return client.get(f"{back.path}?{back.query}", follow=True).text


def test_the_identity_provider_signs_in_who_has_an_account(client: Client, provider: Provider, author: User) -> None:
    author.email = "grace@acme.example"
    author.save()
    provider.person = {"sub": "4711", "email": author.email, "email_verified": True, "name": "Grace"}
    assert "Sign in with Acme SSO" in client.get(LOGIN).text
    sign_in_through(client)
    assert client.get(ADMIN).wsgi_request.user == author


@pytest.mark.parametrize(("email", "is_verified"), [("mallory@acme.example", True), ("grace@acme.example", False)])
def test_it_brings_in_nobody_else(
    client: Client, provider: Provider, author: User, email: str, is_verified: bool
) -> None:
    author.email = "grace@acme.example"
    author.save()
    provider.person = {"sub": "4711", "email": email, "email_verified": is_verified, "name": "M"}
    assert "Sign Up Closed" in sign_in_through(client)
    assert client.get(ADMIN).status_code == 302
    assert User.objects.filter(is_service=False).count() == 1


def test_with_the_provider_down_a_password_still_opens(client: Client, settings: Settings, author: User) -> None:
    app = {"provider_id": "oidc", "name": "Acme SSO", "client_id": CLIENT, "secret": "between us"}
    gone = {"server_url": f"http://127.0.0.1:{free_port()}"}
    settings.SOCIALACCOUNT_PROVIDERS = {"openid_connect": {"APPS": [app | {"settings": gone}]}}
    page = client.get(LOGIN)
    (button,) = re.findall(r'action="(/admin/account/oidc/[^"]+)"', page.text)
    assert "The identity provider does not answer" in client.post(button, follow=True).text
    sign_in(client, author)
    assert client.get(ADMIN).status_code == 200


# --- Accounts ---------------------------------------------------------------------------------------------------------


def test_an_administrator_gives_roles_and_the_history_says_so(client: Client, admin: User, author: User) -> None:
    client.force_login(admin)
    roles = Group.objects.filter(name__in=["viewer", "responder"])
    address = reverse("admin:incidents_user_change", args=[author.pk])
    client.post(address, filled(client.get(address)) | {"groups": [str(role.pk) for role in roles]})
    assert set(author.groups.all()) == set(roles)
    newest = author.history.latest("history_id")
    assert (newest.history_user, newest.history_change_reason) == (admin, "Roles: responder, viewer")


def test_only_a_superuser_makes_or_changes_one(client: Client, admin: User, author: User) -> None:
    client.force_login(admin)
    address = reverse("admin:incidents_user_change", args=[author.pk])
    client.post(address, filled(client.get(address)) | {"is_superuser": "on"})
    author.refresh_from_db()
    assert not author.is_superuser
    author.is_superuser = True
    with pytest.raises(Forbidden):
        save_staff(author, roles=(), author=admin)
    root = User.objects.create_superuser("root", password=PASSWORD)
    address = reverse("admin:incidents_user_change", args=[root.pk])
    assert client.post(address, {"username": "mine"}).status_code == 403


def test_nobody_closes_their_own_account(admin: User) -> None:
    own = User.objects.get(pk=admin.pk)
    own.is_active = False
    with pytest.raises(InvalidInput, match="your own account"):
        save_staff(own, roles=admin.groups.all(), author=admin)


def test_who_manages_no_staff_sees_no_accounts(client: Client, author: User) -> None:
    client.force_login(author)
    assert client.get(reverse("admin:incidents_user_changelist")).status_code == 403
    with pytest.raises(Forbidden):
        save_staff(author, roles=(), author=author)


def test_a_lost_second_factor_is_taken_away_with_a_reason_that_the_history_keeps(
    client: Client, admin: User, author: User, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    own = Client()
    sign_in(own, author)
    with django_capture_on_commit_callbacks(execute=True):
        set_up_second_factor(own)
    reasons = author.history.values_list("history_user__username", "history_change_reason")
    assert ("grace", "TOTP Authenticator set up") in reasons

    client.force_login(admin)
    account = reverse("admin:incidents_user_change", args=[author.pk])
    take_away = reverse("admin:incidents_user_factor", args=[author.pk])
    assert take_away in client.get(account).text
    assert "required" in client.post(take_away, filled(client.get(take_away))).text
    answer = client.post(take_away, filled(client.get(take_away), reason="Her phone fell into the sea."), follow=True)
    assert "sets up a new one" in answer.text
    assert take_away not in answer.text
    assert not author.authenticator_set.exists()
    assert "Her phone fell into the sea." in client.get(reverse("admin:incidents_user_history", args=[author.pk])).text


def test_only_a_superuser_takes_away_a_superuser_s(admin: User) -> None:
    root = User.objects.create_superuser("root", password=PASSWORD)
    root.authenticator_set.create(type="totp", data={})
    with pytest.raises(Forbidden):
        remove_second_factor(root, reason="Because.", author=admin)
    assert root.authenticator_set.exists()
    remove_second_factor(root, reason="Because.", author=root)
    assert not root.authenticator_set.exists()


def test_what_a_service_refuses_is_a_sentence_on_the_account_s_page(client: Client, admin: User) -> None:
    client.force_login(admin)
    address = reverse("admin:incidents_user_change", args=[admin.pk])
    form = filled(client.get(address))
    del form["is_active"]
    assert "have somebody else close it" in client.post(address, form).text
    admin.refresh_from_db()
    assert admin.is_active


def test_a_password_set_by_an_administrator_is_theirs_in_the_history(client: Client, admin: User, author: User) -> None:
    client.force_login(admin)
    chosen = {"password1": "a much better battery", "password2": "a much better battery", "usable_password": "true"}
    client.post(reverse("admin:auth_user_password_change", args=[author.pk]), chosen)
    assert client.login(username=author.username, password="a much better battery")
    (row,) = author.history.filter(history_change_reason="Password set").order_by("-history_id")[:1]
    assert row.history_user == admin


def test_what_has_ended_is_swept(client: Client, author: User) -> None:
    with time_machine.travel(datetime(2026, 1, 1, tzinfo=UTC), tick=False):
        client.force_login(author)
        Submission.objects.create(author=author, token="old", digest="d")
    Client().force_login(author)
    Submission.objects.create(author=author, token="new", digest="d")
    sweep()
    assert Session.objects.count() == 1
    assert [each.token for each in Submission.objects.all()] == ["new"]
