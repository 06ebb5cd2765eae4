"""Service users, and the keys of programs."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group

from incidents.errors import InvalidInput
from incidents.incidents import post_update
from incidents.lifecycle import IncidentStatus
from incidents.models import (
    ApiKey,
    Incident,
    IncidentUpdate,
    User,
)
from incidents.people import create_key, revoke_key, service_user
from incidents.permissions import Scope, Verb, allows, install_roles
from tests.rows import everything


def test_a_service_user_is_made_once_and_cannot_sign_in(admin: User) -> None:
    first = service_user("clock", role="communicator")
    assert service_user("clock", role="viewer") == first
    assert [group.name for group in first.groups.all()] == ["communicator"]
    assert first.is_service
    assert not first.has_usable_password()


def test_a_key_is_kept_as_a_digest_and_writes_in_its_own_name(admin: User, incident: Incident) -> None:
    key, row = create_key("robot", scopes=[Scope.INCIDENTS, Scope.COMPONENTS], author=admin)
    assert key not in str(everything())
    assert ApiKey.objects.get(digest=ApiKey.digest_of(key)) == row
    update = post_update(incident, status=IncidentStatus.IDENTIFIED, body="A fault.", author=row.user)
    assert (update.author.username, str(update.history.get().history_user)) == ("key:robot", "key:robot")
    revoke_key(row, author=admin)
    first = row.revoked_at
    revoke_key(row, author=admin)
    row.refresh_from_db()
    assert row.revoked_at == first is not None


def test_an_update_counts_as_the_authors_also_when_another_wrote_before(
    incident: Incident, author: User, admin: User
) -> None:
    for who in (author, admin):
        post_update(incident, status=IncidentStatus.IDENTIFIED, body=f"By {who}.", author=who)
    assert [row.author for row in IncidentUpdate.objects.order_by("pk")] == [author, admin]
    assert [row.history_user for row in IncidentUpdate.history.order_by("history_id")] == [author, admin]


def test_a_key_is_named_once_and_its_history_has_who_made_and_revoked_it(admin: User) -> None:
    _key, row = create_key("deploys", scopes=[Scope.INCIDENTS, Scope.COMPONENTS], author=admin)
    with pytest.raises(InvalidInput, match="another name"):
        create_key("deploys", scopes=[Scope.READ], author=admin)
    revoke_key(row, author=admin)
    assert [record.history_user for record in row.history.all()] == [admin, admin]


def test_a_service_user_is_not_there_without_its_rights(db: None) -> None:
    install_roles()
    with pytest.raises(Group.DoesNotExist):
        service_user("night-watch", role="a role that is not installed yet")
    assert allows(service_user("night-watch", role="clock"), Verb.POST_UPDATE)
