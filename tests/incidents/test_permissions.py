"""Who may do what."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

import pytest
import time_machine
from django.contrib.auth.models import Permission
from django.utils import timezone

import incidents
import status
from incidents.authorship import SERVICES
from incidents.errors import Forbidden, MissingAuthor
from incidents.history import seals
from incidents.models import OutboxEvent, User
from incidents.permissions import PUBLISHING, Verb, allows, require
from tests.incidents.locking import watching
from tests.incidents.postmortem_acts import Acts
from tests.rows import everything

pytestmark = pytest.mark.long

MAY = {
    "declare_incident": "responder communicator approver administrator clock",
    "note_timeline": "responder communicator approver administrator",
    "post_update": "communicator approver administrator clock",
    "correct_update": "communicator approver administrator",
    "set_component_status": "communicator approver administrator",
    "edit_postmortem": "responder communicator approver administrator",
    "approve_postmortem": "approver administrator",
    "publish_postmortem": "communicator approver administrator",
    "edit_catalogue": "administrator",
    "manage_subscribers": "administrator clock subscriptions",
    "manage_staff": "administrator",
    "read_audit": "administrator",
}
MakeUser = Callable[[str, str], User]


@pytest.mark.parametrize(
    "role", ["viewer", "responder", "communicator", "approver", "administrator", "clock", "subscriptions"]
)
def test_a_role_may_do_just_what_the_table_says(role: str, make_user: MakeUser) -> None:
    user = make_user("someone", role)
    assert {verb.value for verb in Verb if allows(user, verb)} == {
        verb for verb, may in MAY.items() if role in may.split()
    }


def test_an_inactive_user_may_do_nothing_and_a_superuser_everything(make_user: MakeUser) -> None:
    gone, root = make_user("gone", "administrator"), make_user("root", "viewer")
    gone.is_active, root.is_superuser = False, True
    for verb in Verb:
        assert not allows(gone, verb)
        assert allows(root, verb)


def test_a_refusal_names_the_right_that_is_missing(make_user: MakeUser) -> None:
    with pytest.raises(Forbidden, match=r"someone may not do this .* “post update”"):
        require(make_user("someone", "viewer"), Verb.POST_UPDATE)


@pytest.mark.slow
def test_a_service_refuses_whoever_lacks_just_its_right_and_writes_nothing(acts: Acts, make_user: MakeUser) -> None:
    lacking = {verb: make_user(f"without {verb}", "viewer") for verb in Verb}
    for verb, user in lacking.items():
        rights = Permission.objects.filter(content_type__app_label="incidents")
        user.user_permissions.set(rights.exclude(codename=verb))
    before = everything()
    for right, act in acts.values():
        with pytest.raises(Forbidden):
            act(lacking[right])
    assert everything() == before


@pytest.mark.slow
def test_what_is_no_right_to_publish_changes_nothing_that_the_public_reads(acts: Acts, make_user: MakeUser) -> None:
    """Whoever has none of PUBLISHING needs no second factor."""
    user = make_user("unseen", "viewer")
    rights = Permission.objects.filter(content_type__app_label="incidents")
    user.user_permissions.set(rights.exclude(codename__in=PUBLISHING))
    asked = [act for right, act in acts.values() if right not in PUBLISHING]
    before = OutboxEvent.objects.count()
    for act in asked:
        with suppress(Forbidden):
            act(user)
    assert OutboxEvent.objects.count() == before


@pytest.mark.slow
def test_a_service_with_its_right_does_its_work(acts: Acts, admin: User) -> None:
    for _right, act in acts.values():
        act(admin)
    with time_machine.travel(timezone.now() + timedelta(minutes=11)):
        assert seals.seal() > 0
    assert list(seals.verify()) == []


@pytest.mark.slow
@pytest.mark.postgresql
def test_a_service_locks_what_it_says_before_it_changes_anything(acts: Acts, admin: User) -> None:
    found = {}
    services = {service.function: service for service in SERVICES.values()}
    for function, (_right, act) in acts.items():
        service = services[function]
        with watching() as seen:
            act(admin)
        faults = [*dict.fromkeys(seen.faults)]
        if [model._meta.db_table for model in service.locks] != [model._meta.db_table for model in seen.models]:
            says = [model.__name__ for model in service.locks]
            faults.append(f"says that it locks {says}, and locks {[model.__name__ for model in seen.models]}")
        if faults:
            found[service.name] = faults
    assert not found, "\n".join(f"{name} {each}" for name, faults in found.items() for each in faults)


@pytest.mark.slow
def test_a_service_without_an_author_writes_nothing(acts: Acts) -> None:
    before = everything()
    for nobody in (None, User(username="unsaved", is_superuser=True)):
        for _right, act in acts.values():
            with pytest.raises(MissingAuthor):
                act(nobody)
    assert everything() == before


@pytest.mark.slow
def test_every_service_is_in_the_table_above(acts: Acts) -> None:
    """A new one, decorated with `service`, must be added to `acts`."""
    for app in (incidents, status):
        for module in pkgutil.walk_packages(app.__path__, f"{app.__name__}."):
            importlib.import_module(module.name)
    assert {service.function: service.right for service in SERVICES.values()} == {
        function: right for function, (right, _act) in acts.items()
    }
    assert set(Verb) - {Verb.READ_AUDIT} == {right for right, _act in acts.values()}  # to read the audit is no service
    assert set(Verb) == set(MAY)
