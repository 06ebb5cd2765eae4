"""Who gets in, and how: passwords, second factors, sessions, and limits on guessing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from functools import partial

import pytest
import time_machine
from allauth.account.models import EmailAddress
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import URLPattern, URLResolver, reverse
from django.utils import timezone
from pytest_django import Settings

from incidents.history import changes
from incidents.models import Incident, Page, SignInMemory, Submission, User
from incidents.people import drop_expired
from portal.accounts.adapters import AccountAdapter
from portal.accounts.urls import urlpatterns
from portal.models import Session
from tests.concurrency import together
from tests.incidents.html_forms import filled
from tests.portal.signing_in import (
    ADMIN,
    LOGIN,
    PASSWORD,
    code,
    confirm_password,
    elsewhere,
    is_in,
    link_in,
    outbox,
    set_up_second_factor,
    sign_in,
)
from tests.servers import free_port

MakeUser = Callable[[str, str], User]
BETTER = "a much better battery"


def test_the_admin_asks_for_a_password_and_leads_back_to_where_one_was(client: Client, author: User) -> None:
    asked = client.get("/admin/incidents/incident/", follow=True)
    assert asked.redirect_chain[-1][0] == f"{LOGIN}?next=%2Fadmin%2Fincidents%2Fincident%2F"
    answer = client.post(asked.redirect_chain[-1][0], filled(asked, login=author.username, password=PASSWORD))
    assert answer.headers["Location"] == "/admin/incidents/incident/"


def test_a_wrong_password_is_refused_and_guessing_is_limited(client: Client, author: User) -> None:
    assert "not correct" in sign_in(client, author, "wrong")
    for _attempt in range(5):
        said = sign_in(client, author, "wrong")
    assert "Too many failed login attempts" in said
    assert "Too many failed login attempts" in sign_in(client, author), "not even with the right one"


@pytest.mark.slow
def test_strangers_who_guess_lock_nobody_out_where_they_have_signed_in_before(author: User) -> None:
    here = elsewhere(0)
    sign_in(Client(), author, **here)
    for number in range(1, 31):
        said = sign_in(Client(), author, "wrong", **elsewhere(number))
    assert "Too many failed login attempts" in said, "all strangers together have few attempts"
    owner = Client()
    sign_in(owner, author, **here | {"x-forwarded-for": "8.8.0.250"})
    assert is_in(owner)


def test_an_owner_in_a_new_network_gets_in_beside_a_stranger_s_five_attempts(author: User) -> None:
    for _attempt in range(6):
        said = sign_in(Client(), author, "wrong", **elsewhere(1))
    assert "Too many failed login attempts" in said
    owner = Client()
    sign_in(owner, author, **elsewhere(2))
    assert is_in(owner)


@pytest.mark.slow
def test_an_owner_whose_name_is_being_guessed_gets_in_anywhere_by_a_link(grace: User) -> None:
    for number in range(1, 31):
        sign_in(Client(), grace, "wrong", **elsewhere(number))
    owner, there = Client(), elsewhere(40)
    assert "Forgotten your password" in sign_in(owner, grace, **there)
    owner.post(reverse("account_reset_password"), {"email": grace.email}, headers=there)
    link = link_in(outbox()[0])
    form = owner.get(link, follow=True, headers=there)
    owner.post(form.redirect_chain[-1][0], {"password1": BETTER, "password2": BETTER}, headers=there)
    sign_in(owner, grace, BETTER, **there)
    assert is_in(owner)
    assert not is_in(client := Client())
    assert "Too many" in sign_in(client, grace, BETTER, **elsewhere(41)), "and that opens no other network"


@pytest.mark.slow
def test_whoever_may_publish_has_to_set_up_a_second_factor_first(
    client: Client, author: User, settings: Settings
) -> None:
    settings.REQUIRE_SECOND_FACTOR = True
    page = sign_in(client, author)
    assert "set up a second factor" in page
    assert client.get(ADMIN).headers["Location"] == reverse("mfa_activate_totp")
    with time_machine.travel(timezone.now(), tick=False) as clock:
        secret = set_up_second_factor(client)
        assert client.get(ADMIN).status_code == 200

        client.post(reverse("account_logout"))
        assert "authenticator code" in sign_in(client, author)
        assert client.get(ADMIN).status_code == 302, "a password alone is not enough any more"
        for typed in ("000000", code(secret)):  # the code that set it up is used
            assert "Incorrect code" in client.post(reverse("mfa_authenticate"), {"code": typed}).text
        clock.shift(31)
        client.post(reverse("mfa_authenticate"), {"code": code(secret)})
        assert client.get(ADMIN).status_code == 200


@pytest.mark.slow
@time_machine.travel(timezone.now(), tick=False)
def test_a_used_code_stays_used_however_much_strangers_try(author: User) -> None:
    client = Client()
    sign_in(client, author)
    secret = set_up_second_factor(client)
    client.post(reverse("account_logout"))
    for number in range(400):
        cache.set(f"attempt-{number}", [number], 300)
    sign_in(client, author)
    assert "Incorrect code" in client.post(reverse("mfa_authenticate"), {"code": code(secret)}).text
    assert not is_in(client)


def test_what_sign_in_remembers_goes_when_it_expires_and_not_sooner(db: None) -> None:
    assert cache.add("used", "y", 30)
    assert not cache.add("used", "y", 30)
    cache.set("kept", 1, 300)
    with time_machine.travel(timezone.now() + timedelta(seconds=31), tick=False):
        assert (cache.get("used"), cache.get("kept")) == (None, 1)
        drop_expired()
        assert SignInMemory.objects.get().value == 1
        assert cache.add("used", "y", 30)


def test_whoever_only_reads_needs_none(client: Client, make_user: MakeUser, settings: Settings) -> None:
    settings.REQUIRE_SECOND_FACTOR = True
    sign_in(client, make_user("vera", "viewer"))
    assert client.get(ADMIN).status_code == 200


def test_nobody_signs_up(client: Client, db: None) -> None:
    assert "Nobody signs up here" in client.get("/admin/account/signup/").text
    client.post("/admin/account/signup/", {"username": "mallory", "password1": PASSWORD, "password2": PASSWORD})
    assert not User.objects.filter(username="mallory").exists()


def test_one_s_sessions_are_listed_and_can_be_ended(author: User, make_user: MakeUser) -> None:
    here, there = Client(), Client()
    sign_in(here, author)
    sign_in(there, author)
    sign_in(Client(), make_user("vera", "viewer"))
    page = here.get(reverse("account_sessions"))
    assert page.text.count("127.0.0.1") == 2
    assert page.text.count("(here)") == 1
    here.post(reverse("account_sessions"))
    assert there.get(ADMIN).status_code == 302
    assert here.get(ADMIN).status_code == 200
    assert Session.objects.filter(user=author).count() == 1
    assert Session.objects.exclude(user=author).exists(), "nobody else is signed out"


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_of_many_who_use_a_code_at_once_one_is_first() -> None:
    assert sorted(together(*[lambda: cache.add("used", "y", 30)] * 8)) == [False] * 7 + [True]


@pytest.mark.both
@pytest.mark.django_db(transaction=True)
def test_a_recovery_code_that_is_sent_several_times_at_once_opens_once(author: User) -> None:
    read = [RecoveryCodes.activate(author) for _request in range(4)]
    code = read[0].get_unused_codes()[0]
    assert sorted(together(*[partial(codes.validate_code, code) for codes in read])) == [False] * 3 + [True]
    assert len(RecoveryCodes.activate(author).get_unused_codes()) == 9


# --- An open screen ---------------------------------------------------------------------------------------------------

# Whoever sits at an open screen may do these; all other pages of an account ask who it is.
OPEN = {
    "account_base": "leads elsewhere",
    "account_login": "leads elsewhere",
    "account_logout": "ends the session",
    "account_inactive": "a sentence",
    "account_signup": "nobody signs up",
    "account_reauthenticate": "asks",
    "account_email": "a sentence: an administrator sets it",
    "account_email_verification_sent": "a sentence",
    "account_confirm_email": "a sentence: an administrator sets it",
    "account_change_password": "asks for the old one itself",
    "account_set_password": "leads to where a link is sent by mail",
    "account_reset_password": "a link is sent by mail",
    "account_reset_password_done": "a sentence",
    "account_reset_password_from_key": "needs what was mailed",
    "account_reset_password_from_key_done": "a sentence",
    "account_confirm_login_code": "no codes are mailed",
    "mfa_index": "shows what there is",
    "mfa_authenticate": "asks",
    "mfa_reauthenticate": "asks",
    "mfa_trust": "only while one signs in",
    "socialaccount_login_cancelled": "a sentence",
    "socialaccount_login_error": "a sentence",
    "socialaccount_signup": "nobody signs up",
    "socialaccount_connections": "leads elsewhere",
    "openid_connect_login": "signs in",
    "openid_connect_callback": "signs in",
    "account_sessions": "ends sessions",
}


def names(patterns: Sequence[object]) -> Iterator[str]:
    for each in patterns:
        if isinstance(each, URLResolver):
            yield from names(each.url_patterns)
        elif isinstance(each, URLPattern) and each.name:
            yield each.name


def test_every_page_that_opens_an_account_asks_for_the_password_again(author: User) -> None:
    sign_in(own := Client(), author)
    set_up_second_factor(own)
    client = Client()
    client.force_login(author)
    asking = {*names(urlpatterns)} - OPEN.keys()
    assert asking == {
        "mfa_activate_totp",
        "mfa_deactivate_totp",
        "mfa_view_recovery_codes",
        "mfa_generate_recovery_codes",
        "mfa_download_recovery_codes",
    }
    for name in asking - {"mfa_activate_totp"}:
        asked = client.get(reverse(name))
        assert asked.get("Location", "").startswith(reverse("account_reauthenticate")), name
        assert client.post(reverse(name)).status_code in (302, 405), "some are only read"
    assert author.authenticator_set.count() == 2


def test_the_admin_s_own_page_for_passwords_leads_to_the_one_that_tells(author: User) -> None:
    client = Client()
    client.force_login(author)
    for answer in (client.get("/admin/password_change/"), client.post("/admin/password_change/")):
        assert answer["Location"] == reverse("account_change_password")


def test_who_sits_at_an_open_screen_gets_no_address_of_theirs_in(client: Client, grace: User) -> None:
    client.force_login(grace)
    confirm_password(client)
    page = client.post(reverse("account_email"), {"email": "mallory@evil.example", "action_add": ""}, follow=True)
    assert "An administrator sets your e-mail address" in page.text
    for action in ("action_primary", "action_send", "action_remove"):
        client.post(reverse("account_email"), {"email": "mallory@evil.example", action: ""})
    assert client.get(reverse("account_confirm_email", args=["x"])).status_code == 302
    grace.refresh_from_db()
    assert grace.email == "grace@acme.example"
    assert not EmailAddress.objects.exists()
    assert outbox() == []


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_the_owner_is_notified_of_a_new_password_and_of_a_second_factor(client: Client, grace: User) -> None:
    sign_in(client, grace)
    set_up_second_factor(client)
    client.post(reverse("mfa_generate_recovery_codes"))
    client.post(reverse("mfa_deactivate_totp"))
    client.post(reverse("account_change_password"), {"oldpassword": PASSWORD, "password1": BETTER, "password2": BETTER})
    subjects = [message.subject for message in outbox()]
    assert len(subjects) == 4, subjects
    assert {*(address for message in outbox() for address in message.to)} == {grace.email}
    assert "If you know nothing of it" in str(outbox()[0].body)


def test_a_mail_server_that_is_down_undoes_nothing(
    client: Client, grace: User, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.EMAIL_BACKEND, settings.EMAIL_PORT = "django.core.mail.backends.smtp.EmailBackend", free_port()
    sign_in(client, grace)
    typed = {"oldpassword": PASSWORD, "password1": BETTER, "password2": BETTER}
    assert client.post(reverse("account_change_password"), typed).status_code == 302
    assert outbox() == []
    assert "did not take a mail" in caplog.text
    assert Client().login(username=grace.username, password=BETTER)


def test_a_password_that_comes_while_an_account_is_closed_opens_it_no_more(author: User) -> None:
    read = User.objects.get(pk=author.pk)  # by the request that brings the password
    User.objects.filter(pk=author.pk).update(is_active=False)
    AccountAdapter().set_password(read, BETTER)
    author.refresh_from_db()
    assert not author.is_active
    assert not author.check_password(BETTER)


@pytest.mark.postgresql
def test_a_second_factor_s_note_locks_the_account_that_it_saves(author: User) -> None:
    with CaptureQueriesContext(connection) as queries:
        author.authenticator_set.create(type="totp", data={})
    assert any("FOR NO KEY UPDATE" in each["sql"] for each in queries)


# --- The history, and what is sent too late ---------------------------------------------------------------------------


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
    kept = client.post(declare, form | {"password": "correct horse battery", "new_password1": "a better battery"})
    assert kept.status_code == 403
    assert "You are not signed in any more" in kept.text
    assert "battery" not in kept.text, "a password is typed again"
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


def test_what_has_ended_is_swept(client: Client, author: User) -> None:
    with time_machine.travel("2026-01-01T00:00:00Z", tick=False):
        client.force_login(author)
        Submission.objects.create(author=author, token="old", digest="d")
    Client().force_login(author)
    Submission.objects.create(author=author, token="new", digest="d")
    drop_expired()
    assert Session.objects.count() == 1
    assert [each.token for each in Submission.objects.all()] == ["new"]
