"""Accounts as administrators make, change and close them; and those of programs, which nobody does."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.admin import site
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import NoReverseMatch, reverse

from incidents import people
from incidents.errors import Forbidden, InvalidInput
from incidents.models import ApiKey, User
from incidents.people import SERVICE_USERS, clock_user, edit_staff, note_link, remove_second_factor, unlink_provider
from incidents.permissions import Scope, Verb, allows
from portal.accounts.adapters import owner_of
from portal.console.admin.people import StaffAdmin
from tests.incidents.html_forms import filled
from tests.portal.signing_in import (
    ADMIN,
    PASSWORD,
    confirm_password,
    is_in,
    link_in,
    outbox,
    set_password,
    set_up_second_factor,
    sign_in,
    sign_in_anew,
)

MakeUser = Callable[[str, str], User]
ADD = "/admin/incidents/user/add/"
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def console(client: Client, admin: User) -> Client:
    """An administrator's browser."""
    sign_in_anew(client, admin)
    return client


def page_of(user: User) -> str:
    return reverse("admin:incidents_user_change", args=[user.pk])


def save(console: Client, user: User, *, without: str = "", **typed: Any) -> Any:
    """Change what is typed on an account's page, and leave out one box."""
    form = filled(console.get(page_of(user)), **typed) | {"groups": [str(each.pk) for each in user.groups.all()]}
    form.pop(without, None)
    return console.post(page_of(user), form, follow=True)


def open_again(console: Client, user: User) -> None:
    form = filled(console.get(page_of(user))) | {"is_active": "on"}
    console.post(page_of(user), form | {"groups": [str(each.pk) for each in user.groups.all()]})


def test_an_administrator_gives_roles_and_the_history_says_so(console: Client, admin: User, author: User) -> None:
    roles = Group.objects.filter(name__in=["viewer", "responder"])
    console.post(page_of(author), filled(console.get(page_of(author))) | {"groups": [str(role.pk) for role in roles]})
    assert set(author.groups.all()) == set(roles)
    newest = author.history.latest("history_id")
    assert (newest.history_user, newest.history_change_reason) == (admin, "Roles: responder, viewer")


def test_only_a_superuser_makes_or_changes_one(console: Client, admin: User, author: User) -> None:
    console.post(page_of(author), filled(console.get(page_of(author))) | {"is_superuser": "on"})
    author.refresh_from_db()
    assert not author.is_superuser
    with pytest.raises(Forbidden):
        edit_staff(author, is_superuser=True, author=admin)
    root = User.objects.create_superuser("root", password=PASSWORD)
    assert console.post(page_of(root), {"username": "mine"}).status_code == 403


def test_nobody_closes_their_own_account(admin: User) -> None:
    with pytest.raises(InvalidInput, match="your own account"):
        edit_staff(admin, is_active=False, author=admin)


def test_who_manages_no_staff_sees_no_accounts(client: Client, author: User) -> None:
    client.force_login(author)
    assert client.get(reverse("admin:incidents_user_changelist")).status_code == 403
    with pytest.raises(Forbidden):
        edit_staff(author, groups=(), author=author)


def test_what_a_service_refuses_is_a_sentence_on_the_account_s_page(console: Client, admin: User) -> None:
    assert "have somebody else close it" in save(console, admin, without="is_active").text
    admin.refresh_from_db()
    assert admin.is_active


# --- Passwords and addresses ------------------------------------------------------------------------------------------


def test_a_new_account_s_owner_sets_its_password_by_a_link(
    console: Client, django_capture_on_commit_callbacks: Any
) -> None:
    role = Group.objects.get(name="viewer")
    typed = {"username": "vera", "email": "vera@acme.example"}
    form = filled(console.get(ADD), **typed) | {"groups": [str(role.pk)]}
    assert "password1" not in form
    with django_capture_on_commit_callbacks(execute=True):
        said = console.post(ADD, form, follow=True).text
    assert "on its way to vera@acme.example" in said
    user = User.objects.get(username="vera")
    assert not user.has_usable_password()
    (message,) = outbox()
    assert message.to == ["vera@acme.example"]
    vera = Client()
    set_password(vera, link_in(message), PASSWORD)
    sign_in(vera, user)
    assert is_in(vera)
    again = Client()
    set_password(again, link_in(message), "another good battery")
    assert not again.login(username="vera", password="another good battery"), "a link opens once"


def test_an_account_has_an_address_that_is_its_own(console: Client, grace: User) -> None:
    for address, said in (("", "needs an e-mail address"), ("GRACE@acme.example", "has this e-mail address")):
        assert said in console.post(ADD, filled(console.get(ADD), username="vera", email=address)).text
    assert not User.objects.filter(username="vera").exists()
    assert "needs an e-mail address" in save(console, grace, email="").text


def test_nobody_sets_another_s_password_and_so_approves_as_two(console: Client, grace: User) -> None:
    with pytest.raises(NoReverseMatch):
        reverse("admin:auth_user_password_change", args=[grace.pk])
    before = grace.password
    typed = {"password1": "a much better battery", "password2": "a much better battery", "usable_password": "true"}
    assert console.post(f"/admin/incidents/user/{grace.pk}/password/", typed).status_code in (302, 404)
    save(console, grace)
    console.post(page_of(grace), filled(console.get(page_of(grace))) | {"password": "!", **typed})
    grace.refresh_from_db()
    assert grace.password == before

    link = reverse("admin:incidents_user_link", args=[grace.pk])
    assert link in console.get(page_of(grace)).text
    answer = console.post(link, filled(console.get(link)), follow=True)
    assert "on its way" in answer.text
    assert [message.to for message in outbox()] == [[grace.email]]
    reasons = grace.history.values_list("history_user__username", "history_change_reason")
    assert ("ada", "Link to set a password sent") in reasons


def test_both_addresses_are_notified_of_a_new_one(
    console: Client, grace: User, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        save(console, grace, email="hopper@acme.example")
    assert [message.to for message in outbox()] == [["grace@acme.example"], ["hopper@acme.example"]]
    assert "is now hopper@acme.example. It was grace@acme.example." in str(outbox()[0].body)
    outbox().clear()
    with django_capture_on_commit_callbacks(execute=True):
        save(console, User.objects.get(pk=grace.pk), first_name="Grace")
    assert outbox() == []


def test_nobody_takes_an_account_over_alone_by_giving_it_another_address(
    console: Client, admin: User, grace: User, make_user: MakeUser
) -> None:
    said = save(console, grace, email="mallory@acme.example").text
    assert "opens nothing until another administrator sends a link there" in said
    outbox().clear()
    link = reverse("admin:incidents_user_link", args=[grace.pk])
    assert "You have changed this address" in console.post(link, filled(console.get(link)), follow=True).text
    Client().post(reverse("account_reset_password"), {"email": "mallory@acme.example"})
    assert owner_of("mallory@acme.example") is None, "nor does the identity provider bring anybody to it"
    assert outbox() == []

    edit_staff(grace, is_active=False, author=admin)
    edit_staff(grace, is_active=True, email="mallory2@acme.example", author=admin)
    with pytest.raises(InvalidInput, match="You have changed this address"):
        note_link(grace, author=admin)  # closed and opened again it is still hers

    sign_in_anew(second := Client(), make_user("betty", "administrator"))
    second.post(link, filled(second.get(link)), follow=True)
    assert [message.to for message in outbox()] == [["mallory2@acme.example"]]
    assert owner_of("mallory2@acme.example") == grace


def test_an_address_that_nobody_has_used_yet_is_corrected_by_one_administrator(admin: User) -> None:
    user = people.create_staff(username="vera", email="vrea@acme.example", author=admin)
    edit_staff(user, email="vera@acme.example", author=admin)
    note_link(user, author=admin)
    assert owner_of("vera@acme.example") == user


def test_an_open_screen_of_an_administrator_s_changes_no_account(client: Client, admin: User, grace: User) -> None:
    client.force_login(admin)
    form = filled(client.get(page_of(grace)), email="mallory@evil.example")
    asked = client.post(ADD, filled(client.get(ADD), username="eve", email="eve@evil.example"))
    assert asked["Location"].startswith(reverse("account_reauthenticate"))
    harmless = {"changelist", "history", "delete", "add"}  # read, refused, or above
    views = {each.name.removeprefix("incidents_user_") for each in StaffAdmin(User, site).get_urls() if each.name}
    assert views == harmless | {"change", "link", "second-factor", "provider"}
    for name in views - harmless:
        asked = client.post(reverse(f"admin:incidents_user_{name}", args=[grace.pk]), form | {"reason": "Because."})
        assert asked["Location"].startswith(reverse("account_reauthenticate")), name
    asked = client.post("/admin/incidents/apikey/add/", {"name": "mine", "scopes": "admin"})
    assert asked["Location"].startswith(reverse("account_reauthenticate"))
    grace.refresh_from_db()
    assert grace.email == "grace@acme.example"
    assert outbox() == []
    assert not ApiKey.objects.exists()


def test_what_was_sent_goes_on_once_the_password_was_given(client: Client, admin: User, grace: User) -> None:
    client.force_login(admin)
    form = filled(client.get(page_of(grace)), first_name="Grace")
    asked = client.post(page_of(grace), form | {"groups": [str(each.pk) for each in grace.groups.all()]})
    client.post(asked["Location"], {"password": PASSWORD})
    grace.refresh_from_db()
    assert grace.first_name == "Grace"


# --- A lost second factor ---------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_a_lost_second_factor_is_taken_away_with_a_reason_that_the_history_keeps(console: Client, grace: User) -> None:
    own = Client()
    sign_in(own, grace)
    set_up_second_factor(own)
    reasons = grace.history.values_list("history_user__username", "history_change_reason")
    assert ("grace", "TOTP Authenticator set up") in reasons
    outbox().clear()

    take_away = reverse("admin:incidents_user_second-factor", args=[grace.pk])
    assert take_away in console.get(page_of(grace)).text
    assert "required" in console.post(take_away, filled(console.get(take_away))).text
    form = filled(console.get(take_away), reason="Her phone fell into the sea.")
    answer = console.post(take_away, form, follow=True)
    assert "sets up a new one" in answer.text
    assert take_away not in answer.text
    assert not grace.authenticator_set.exists()
    history = reverse("admin:incidents_user_history", args=[grace.pk])
    assert "Her phone fell into the sea." in console.get(history).text
    assert "took away the second factor" in str(outbox()[0].body)


def test_only_a_superuser_takes_away_a_superuser_s(admin: User) -> None:
    root = User.objects.create_superuser("root", password=PASSWORD)
    root.authenticator_set.create(type="totp", data={})
    with pytest.raises(Forbidden):
        unlink_provider(root, reason="Because.", author=admin)
    with pytest.raises(Forbidden):
        remove_second_factor(root, reason="Because.", author=admin)
    assert root.authenticator_set.exists()
    remove_second_factor(root, reason="Because.", author=root)
    assert not root.authenticator_set.exists()


# --- Closed, and opened again -----------------------------------------------------------------------------------------


@pytest.mark.long
def test_an_account_that_is_opened_again_has_no_session_and_no_password_of_before(console: Client, grace: User) -> None:
    sign_in(before := Client(), grace)
    Client().post(reverse("account_reset_password"), {"email": grace.email})
    link = link_in(outbox()[0])
    save(console, grace, without="is_active")
    assert not is_in(before)
    open_again(console, grace)
    grace.refresh_from_db()
    assert grace.is_active
    assert not is_in(before)
    sign_in(client := Client(), grace)
    assert not is_in(client)
    set_password(client, link, "a much better battery")
    sign_in(client, grace, "a much better battery")
    assert not is_in(client), "nor does a link of before open it"


@pytest.mark.slow
def test_the_keys_that_somebody_made_stop_with_their_account_for_good(
    console: Client, admin: User, make_user: MakeUser
) -> None:
    leaver = make_user("lea", "administrator")
    leaver.email = "lea@acme.example"
    leaver.save()
    key, row = people.create_key("deploys", scopes=[Scope.READ], author=leaver)
    other, _row = people.create_key("crm", scopes=[Scope.READ], author=admin)

    def opens(key: str) -> bool:
        answer = Client().get("/api/v1/pages", headers={"Authorization": f"OAuth {key}"})
        return answer.status_code == 200

    assert opens(key)
    assert "lea" in console.get("/admin/incidents/apikey/").text
    assert "deploys. They stop for good" in console.get(page_of(leaver)).text
    save(console, leaver, without="is_active")
    assert not opens(key)
    assert opens(other)
    row.refresh_from_db()
    assert row.revoked_at
    assert row.history.latest("history_id").history_user == admin
    open_again(console, leaver)
    assert not opens(key)


def test_a_key_whose_maker_was_closed_past_the_console_opens_nothing(admin: User, make_user: MakeUser) -> None:
    leaver = make_user("lea", "administrator")
    key, _row = people.create_key("deploys", scopes=[Scope.READ], author=leaver)
    User.objects.filter(pk=leaver.pk).update(is_active=False)
    assert Client().get("/api/v1/pages", headers={"Authorization": f"OAuth {key}"}).status_code == 401
    assert ApiKey.objects.get().made_by == leaver


# --- Programs ---------------------------------------------------------------------------------------------------------


def test_a_program_s_account_is_read_and_never_changed(client: Client, db: None) -> None:
    root = User.objects.create_superuser("root", email="root@acme.example", password=PASSWORD)
    sign_in_anew(client, root)
    page = client.get(page_of(clock_user()))
    assert 'name="_save"' not in page.text
    assert client.post(page_of(clock_user()), {"username": "clock", "is_active": "on"}).status_code == 403
    assert [group.name for group in clock_user().groups.all()] == ["clock"]
    assert allows(clock_user(), Verb.POST_UPDATE)
    with pytest.raises(InvalidInput, match="a program's account"):
        edit_staff(clock_user(), groups=(), author=root)
    for name in ("link", "second-factor", "provider"):
        assert f"/{name}/" not in page.text
    with pytest.raises(InvalidInput, match="a program's account"):
        note_link(clock_user(), author=root)


def test_nobody_takes_a_program_s_name_before_it_is_first_needed(console: Client) -> None:
    sources = [path for app in ("incidents", "status", "portal") for path in (ROOT / app).rglob("*.py")]
    used = {name for path in sources for name in re.findall(r'service_user\("(\w+)"', path.read_text())}
    assert used == SERVICE_USERS - {"setup"}, "each is named in PROGRAMS"
    for name in ("Clock", *sorted(used)):
        typed = {"username": name, "email": "eve@acme.example"}
        assert "A program has this name" in console.post(ADD, filled(console.get(ADD), **typed)).text
    assert not User.objects.filter(email="eve@acme.example").exists()
    assert clock_user().is_service


def test_nobody_is_signed_in_as_a_program_by_any_door(admin: User) -> None:
    user = clock_user()
    user.set_password(PASSWORD)
    user.is_staff, user.email = True, "clock@acme.example"
    user.save()
    sign_in(client := Client(), user)
    assert not is_in(client)
    client.force_login(user)
    assert client.get(ADMIN).status_code == 302
    assert confirm_password(client).status_code == 302
    assert not is_in(client)
