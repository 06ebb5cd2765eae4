"""What SQL changes behind the portal's back, in any table that decides a right or proves who was notified, is named."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
import time_machine
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.db import connection
from django.utils import timezone

from incidents.history import coverage, seals
from incidents.incidents import declare_incident, post_update
from incidents.lifecycle import IncidentStatus
from incidents.models import ApiKey, Incident, OutboxEvent, Page, Seal, User
from incidents.people import create_key
from incidents.permissions import Scope
from status.delivery import owing
from status.models import Delivery, Recipient
from status.subscriptions import subscribers

pytestmark = pytest.mark.long

LATER = timedelta(minutes=11)
State = Delivery.State


def sql(statement: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return bool(cursor.rowcount)


def finish(state: Delivery.State, **which: object) -> None:
    """As the engine writes it down."""
    reason = "refused" if state is State.FAILED else ""
    Delivery.objects.due().filter(**which).update(state=state, reason=reason, finished_at=timezone.now())


def seal_all() -> None:
    with time_machine.travel(timezone.now() + LATER):
        while seals.seal():
            pass


@pytest.fixture
def everybody(page: Page, incident: Incident, author: User, admin: User) -> None:
    """An account with all that opens it, a key, three subscribers, and what they were sent: all of it sealed."""
    Authenticator.objects.create(user=author, type="totp", data={"secret": "ABC"})
    SocialAccount.objects.create(user=author, provider="oidc", uid="grace")
    EmailAddress.objects.create(user=author, email="grace@example.com", verified=True, primary=True)
    author.save()
    create_key("robot", scopes=[Scope.INCIDENTS], author=admin)
    for name in ("ann", "bob", "eve"):
        subscribers.add_by_staff(page, address=f"{name}@example.com", author=admin)
    subscribers.add_webhook(page, url="https://ann.example.com", contact="ann@example.com", author=admin)
    post_update(incident, status=IncidentStatus.INVESTIGATING, body="Looking.", author=author)
    owing.owe(OutboxEvent.objects.get(notify=True))
    subscribers.add_by_staff(page, address="zoe@example.com", author=admin)
    finish(State.SENT, recipient__address__in=["ann@example.com", "bob@example.com"])
    finish(State.FAILED, recipient__address="eve@example.com")
    seal_all()
    assert list(seals.verify()) == []


THE_ACCOUNT = "(SELECT id FROM incidents_user WHERE username = 'grace')"
ADMINISTRATORS = "(SELECT id FROM auth_group WHERE name = 'administrator')"
A_RIGHT = "(SELECT id FROM auth_permission WHERE codename = 'manage_staff')"
SENT = "(SELECT min(id) FROM status_delivery WHERE state = 'sent')"
FAILED = "(SELECT id FROM status_delivery WHERE state = 'failed')"
COPIED = "recipient_id, priority, state, reason, answer, attempts, due_at, created_at, finished_at"
TAMPERED = {
    "a role is added": (
        f"INSERT INTO incidents_user_groups (user_id, group_id) VALUES ({THE_ACCOUNT}, {ADMINISTRATORS})",
        "user, row",
    ),
    "a key's user becomes an administrator": (
        (
            f"UPDATE incidents_user_groups SET group_id = {ADMINISTRATORS}"
            " WHERE user_id = (SELECT user_id FROM incidents_apikey)"
        ),
        "user, row",
    ),
    "a right is given to one account": (
        f"INSERT INTO incidents_user_user_permissions (user_id, permission_id) VALUES ({THE_ACCOUNT}, {A_RIGHT})",
        "user, row",
    ),
    "a right is given to a role": (
        (
            "INSERT INTO auth_group_permissions (group_id, permission_id)"
            f" VALUES ((SELECT id FROM auth_group WHERE name = 'viewer'), {A_RIGHT})"
        ),
        "The group “viewer”",
    ),
    "a role is made": ("INSERT INTO auth_group (name) VALUES ('another')", "The group “another”"),
    "an account becomes a superuser's": ("UPDATE incidents_user SET is_superuser = NOT is_superuser", "user, row"),
    "a password is replaced": ("UPDATE incidents_user SET password = 'md5$a$b'", "user, row"),
    "a second factor is rewritten": ('UPDATE mfa_authenticator SET data = \'{"secret": "XYZ"}\'', "user, row"),
    "a second factor is taken away": ("DELETE FROM mfa_authenticator", "user, row"),
    "an address gets another owner": (
        "UPDATE account_emailaddress SET user_id = (SELECT id FROM incidents_user WHERE username = 'ada')",
        "user, row",
    ),
    "somebody else signs in by the provider": ("UPDATE socialaccount_socialaccount SET uid = 'eve'", "user, row"),
    "a key is revived": ("UPDATE incidents_apikey SET expires_at = NULL, scope = 'admin'", "API key, row"),
    "a key is replaced": ("UPDATE incidents_apikey SET digest = 'another'", "API key, row"),
    "a page waives approval": ("UPDATE incidents_page SET waives_approval = NOT waives_approval", "page, row"),
    "an address is rewritten": (
        "UPDATE status_recipient SET address = 'mallory@example.com' WHERE address = 'ann@example.com'",
        "recipient, row",
    ),
    "a secret is rewritten": (
        "UPDATE status_recipient SET secret = 'whsec_x' WHERE channel = 'webhook'",
        "recipient, row",
    ),
    "all deliveries are gone": ("DELETE FROM status_delivery", "was removed"),
    "one that was sent was not": (
        f"UPDATE status_delivery SET state = 'due', finished_at = NULL WHERE id = {SENT}",
        "was changed",
    ),
    "one that failed was sent": (f"UPDATE status_delivery SET state = 'sent' WHERE id = {FAILED}", "was changed"),
    "it went to somebody else": (
        f"UPDATE status_delivery SET recipient_id = (SELECT max(id) FROM status_recipient) WHERE id = {SENT}",
        "was changed",
    ),
    "one is slipped in": (
        (
            f"INSERT INTO status_delivery (purpose, {COPIED})"
            f" SELECT 'warning', {COPIED} FROM status_delivery WHERE id = {SENT}"
        ),
        "was slipped in",
    ),
    "they were notified of something else": ("UPDATE incidents_outboxevent SET update_id = NULL", "was changed"),
}


@pytest.mark.parametrize("what", TAMPERED)
@pytest.mark.usefixtures("everybody")
def test_what_is_tampered_with_is_named(what: str) -> None:
    statement, sentence = TAMPERED[what]
    assert sql(statement)
    found = list(seals.verify())
    assert any(sentence in each for each in found), found


def test_every_table_is_watched_or_it_is_said_why_not(monkeypatch: pytest.MonkeyPatch) -> None:
    assert coverage.undecided() == []
    assert all(coverage.NOT_WATCHED.values())
    monkeypatch.delitem(coverage.NOT_WATCHED, "status.Tally")
    assert coverage.undecided() == ["status.Tally"], "as for a new table"
    monkeypatch.setitem(coverage.NOT_WATCHED, "status.Tallies", "renamed")
    assert coverage.undecided() == ["status.Tallies", "status.Tally"]


@pytest.mark.usefixtures("everybody")
def test_a_message_that_failed_is_sent_again_and_both_is_sealed(admin: User) -> None:
    failed = Delivery.objects.filter(state=State.FAILED)
    assert owing.retry(failed, author=admin) == 1
    assert list(seals.verify()) == []
    with time_machine.travel(timezone.now() + LATER):
        finish(State.SENT)
        assert list(seals.verify()) == []
        seal_all()
    assert list(seals.verify()) == []
    marks = [key for row in Seal.objects.filter(table="status.delivery") for key, _mark in row.marks]
    assert len(marks) == Delivery.objects.exclude(finished_at=None).count() + 1


@pytest.mark.usefixtures("everybody")
def test_who_is_forgotten_breaks_no_seal_and_leaves_no_address(page: Page, admin: User) -> None:
    subscribers.forget("ann@example.com", author=admin)
    seal_all()
    assert list(seals.verify()) == []
    for row in [*Seal.objects.values(), *Recipient.history.values(), *Delivery.objects.values()]:
        assert "ann@example.com" not in str(row)


@pytest.mark.usefixtures("everybody")
def test_messages_are_sealed_in_the_order_in_which_they_finished(
    page: Page, author: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many at one moment, more than one seal holds; the first ones owed last."""
    monkeypatch.setattr(seals, "BATCH", 2)
    incident = declare_incident(page, title="Slow", author=author)
    post_update(incident, status=IncidentStatus.INVESTIGATING, body="Slow.", author=author)
    event = OutboxEvent.objects.filter(incident=incident).latest("pk")
    assert owing.owe(event) == 5
    finish(State.SENT)
    seal_all()
    assert list(seals.verify()) == []
    sealed = [key for row in Seal.objects.filter(table="status.delivery") for key, _mark in row.marks]
    assert sorted(sealed) == sorted(Delivery.objects.values_list("pk", flat=True))
    sql(f"DELETE FROM status_delivery WHERE id = {max(sealed)}")
    (sentence,) = seals.verify()
    assert f"delivery, row {max(sealed)} was removed" in sentence


def test_what_a_service_does_with_a_key_is_watched(admin: User, make_user: Callable[[str, str], User]) -> None:
    _secret, key = create_key("robot", scopes=[Scope.INCIDENTS, Scope.SUBSCRIBERS], author=admin)
    assert list(seals.verify()) == []
    assert key.user.groups.count() == 2
    assert ApiKey.history.get().mark == ""
    assert len(User.history.filter(id=key.user_id).latest().mark) == 32
