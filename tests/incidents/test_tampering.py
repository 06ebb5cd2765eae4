"""What SQL changes behind the portal's back, in any table that decides a right or proves who was notified, is named."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import timedelta
from itertools import zip_longest
from typing import Any

import pytest
import time_machine
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.db import connection, transaction
from django.db.models import Field, Model
from django.utils import timezone

from incidents import catalogue, timeline
from incidents.authorship import authored_by
from incidents.history import coverage, seals
from incidents.incidents import declare_incident, post_update
from incidents.lifecycle import ComponentStatus, IncidentStatus
from incidents.models import ApiKey, Component, Incident, OutboxEvent, Page, Seal, User
from incidents.models.base import Tracked
from incidents.people import create_key
from incidents.permissions import Scope
from status import relay
from status.delivery import owing, staff_channels
from status.models import Delivery, Nudge, Recipient, StaffChannel
from status.subscriptions import subscribers
from status.subscriptions.choices import Choices
from tests.incidents import every_table

pytestmark = pytest.mark.long

LATER = timedelta(minutes=11)
State = Delivery.State


def sql(statement: str, *parameters: Any) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return bool(cursor.rowcount)


def finish(state: Delivery.State, **which: object) -> None:
    """As the engine writes it down."""
    reason = "refused" if state is State.FAILED else ""
    Delivery.objects.due().filter(**which).update(state=state, reason=reason, finished_at=timezone.now())


def seal_all() -> None:
    with time_machine.travel(timezone.now() + LATER):
        while seals.seal():
            pass


def open_account(user: User) -> None:
    """By all that opens one."""
    Authenticator.objects.create(user=user, type="totp", data={"secret": "ABC"})
    SocialAccount.objects.create(user=user, provider="oidc", uid="grace")
    EmailAddress.objects.create(user=user, email="grace@example.com", verified=True, primary=True)
    user.save()


@pytest.fixture
def everybody(page: Page, incident: Incident, author: User, admin: User) -> None:
    """An account with all that opens it, a key, subscribers, staff on call, what they were sent: all of it sealed."""
    open_account(author)
    create_key("robot", scopes=[Scope.INCIDENTS], author=admin)
    for name in ("ann", "bob", "eve"):
        subscribers.add_by_staff(page, address=f"{name}@example.com", author=admin)
    subscribers.add_webhook(page, url="https://ann.example.com", contact="ann@example.com", author=admin)
    subscribers.invite(page, address="dora@example.com", choices=Choices(), author=admin)
    on_call: Any = {"channel": StaffChannel.Channel.STAFF, "address": "oncall@acme.example"}
    staff_channels.send_test(staff_channels.add_channel(page, **on_call, author=admin), author=admin)
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
    "when it was sent is changed": (
        f"UPDATE status_delivery SET finished_at = created_at WHERE id = {SENT}",
        "was changed",
    ),
    "what failed was not even tried": (
        f"UPDATE status_delivery SET state = 'cancelled' WHERE id = {FAILED}",
        "was changed",
    ),
    "why it failed is changed": (
        f"UPDATE status_delivery SET reason = 'given_up' WHERE id = {FAILED}",
        "was changed",
    ),
    "a nudge that is due is gone": (
        "DELETE FROM status_delivery WHERE purpose = 'nudge'",
        "does not have the messages",
    ),
    "a confirmation that is due is gone": (
        "DELETE FROM status_delivery WHERE purpose = 'confirmation'",
        "does not have the messages",
    ),
    "what is still due is gone": ("DELETE FROM status_delivery WHERE state = 'due'", "does not have the messages"),
    "one is owed to somebody else, too": (
        (
            "INSERT INTO status_delivery (event_id, recipient_id, purpose, priority, state, reason, answer, attempts,"
            " due_at, created_at) SELECT event_id, (SELECT max(id) FROM status_recipient), purpose, priority, 'due',"
            f" '', '', 0, due_at, created_at FROM status_delivery WHERE id = {SENT}"
        ),
        "does not have the messages",
    ),
    "nobody is to be notified": (
        "UPDATE incidents_outboxevent SET owed_at = created_at WHERE owed_at IS NULL",
        "does not have the messages",
    ),
    "an identity provider is added": (
        (
            "INSERT INTO socialaccount_socialapp (provider, name, client_id, secret, key, provider_id, settings)"
            " VALUES ('openid_connect', 'Evil', 'c', 's', '', 'evil', '{}')"
        ),
        "social application, row",
    ),
    "a subscriber is gone": ("DELETE FROM status_recipient WHERE address = 'zoe@example.com'", "recipient, row"),
    "they were notified of something else": ("UPDATE incidents_outboxevent SET update_id = NULL", "was changed"),
}


@pytest.mark.slow
@pytest.mark.usefixtures("everybody")
def test_what_is_tampered_with_is_named() -> None:
    unnamed = {}
    for what, (statement, sentence) in TAMPERED.items():
        with transaction.atomic():
            assert sql(statement), what
            found = list(seals.verify())
            transaction.set_rollback(True)
        if not any(sentence in each for each in found):
            unnamed[what] = found
    assert not unnamed


@pytest.mark.slow
def test_every_table_is_watched_or_it_is_said_why_not(monkeypatch: pytest.MonkeyPatch) -> None:
    assert coverage.undecided() == []
    assert all(coverage.NOT_WATCHED.values())
    monkeypatch.delitem(coverage.NOT_WATCHED, "status.Tally")
    assert coverage.undecided() == ["status.Tally"], "as for a new table"
    monkeypatch.setitem(coverage.NOT_WATCHED, "status.Tallies", "renamed")
    assert coverage.undecided() == ["status.Tallies", "status.Tally"]


def tampered(row: Model, field: Field[Any, Any]) -> Any:
    """Another value that the column may have; what the database would refuse is allowed here."""
    value = getattr(row, field.attname)
    match field.get_internal_type():
        case "BooleanField":
            return not value
        case "DateTimeField" | "DateField":
            return (value or timezone.now()) + timedelta(days=1)
        case "DurationField":
            return (value or timedelta()) + timedelta(days=1)
        case "JSONField":
            return {"tampered": True}
        case "CharField" | "TextField":
            return "y" if value == "x" else "x"
        case _:
            return (value or 0) + 1000


class Undo(Exception):
    pass


def silent(rows: dict[Model, str]) -> set[str]:
    """Columns that can be changed while no sentence begins as it should; of each row one at a time."""
    found = set()
    columns = [[field for field in row._meta.concrete_fields if not field.primary_key] for row in rows]
    for fields in zip_longest(*columns):
        changed = [(row, field) for row, field in zip(rows, fields, strict=True) if field]
        with suppress(Undo), transaction.atomic():
            for row, field in changed:
                value = field.get_db_prep_save(tampered(row, field), connection)
                table = row._meta.db_table
                assert sql(f'UPDATE {table} SET "{field.column}" = %s WHERE {row._meta.pk.column} = %s', value, row.pk)
            named = list(seals.verify())
            for row, field in changed:
                if not any(each.startswith(rows[row]) for each in named):
                    found.add(f"{row._meta.label}.{field.name}")
            raise Undo
    return found


def allow_anything() -> None:
    """Until the test ends, no table asks what stands in a row."""
    sql("SET CONSTRAINTS ALL IMMEDIATE")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT conrelid::regclass, conname FROM pg_constraint WHERE contype IN ('c', 'f') AND conrelid > 0"
        )
        for table, name in cursor.fetchall():
            cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name} CASCADE")


def first_rows(models: Iterable[type[Model]]) -> list[Model]:
    rows = {model: model._base_manager.order_by("pk").first() for model in models}
    assert not [model.__name__ for model, row in rows.items() if row is None], "not written here"
    return [row for row in rows.values() if row]


@pytest.fixture
def rows(page: Page, component: Component, incident: Incident, author: User, admin: User) -> dict[Model, str]:
    """A row of every watched table, sealed, each with how a sentence about it begins."""
    open_account(author)
    every_table.fill(page, component, incident, author=author, admin=admin)
    catalogue.set_component_status(component, status=ComponentStatus.MAJOR_OUTAGE, author=author)
    timeline.note(incident, text="Seen.", occurred_at=timezone.now(), author=author)
    relay.owe()
    finish(State.SENT)
    Nudge.objects.create(page=page, key="late", subject=incident.public_id, title="t", path="/", due_at=timezone.now())
    tracked = first_rows(seals.tracked_models())
    for row in tracked:
        with authored_by(admin):
            row.change() if isinstance(row, Tracked) else row.save()  # its first history row is not its newest one
    seal_all()
    assert list(seals.verify()) == []
    allow_anything()
    others = first_rows([*(each.model for each in seals.sealed_models()), *seals.finished_models()])
    return {row: f"{row._meta.verbose_name}, row {row.pk} " for row in (*tracked, *others)}


@pytest.mark.slow
@pytest.mark.postgresql
def test_every_column_of_every_watched_table_is_watched_or_it_is_said_why_not(rows: dict[Model, str]) -> None:
    found = silent(rows) | silent({Seal.objects.get(number=1): "Seal"})
    assert found == coverage.COLUMNS_NOT_WATCHED.keys()


@pytest.mark.slow
@pytest.mark.postgresql
def test_a_row_that_is_removed_from_any_watched_table_is_named(rows: dict[Model, str]) -> None:
    for row in rows:
        assert sql(f"DELETE FROM {row._meta.db_table} WHERE {row._meta.pk.column} = %s", row.pk)
    named = list(seals.verify())
    assert [noun for noun in rows.values() if not any(each.startswith(f"{noun}was removed") for each in named)] == []


@pytest.mark.slow
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


@pytest.mark.slow
@pytest.mark.usefixtures("everybody")
def test_who_is_forgotten_breaks_no_seal_and_leaves_no_address(page: Page, admin: User) -> None:
    subscribers.forget("ann@example.com", author=admin)
    seal_all()
    assert list(seals.verify()) == []
    for row in [*Seal.objects.values(), *Recipient.history.values(), *Delivery.objects.values()]:
        assert "ann@example.com" not in str(row)


@pytest.mark.slow
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
    sealed_away, miscounted = seals.verify()
    assert f"delivery, row {max(sealed)} was removed" in sealed_away
    assert miscounted.endswith("does not have the messages that were owed.")


def test_what_a_service_does_with_a_key_is_watched(admin: User, make_user: Callable[[str, str], User]) -> None:
    _secret, key = create_key("robot", scopes=[Scope.INCIDENTS, Scope.SUBSCRIBERS], author=admin)
    assert list(seals.verify()) == []
    assert key.user.groups.count() == 2
    assert ApiKey.history.get().mark == ""
    assert len(User.history.filter(id=key.user_id).latest().mark) == 32
