"""Role x action x door: what a role may not do is refused at the admin, in the room and by the API, and is logged."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.urls import reverse

from incidents import people
from incidents.incidents import post_update
from incidents.lifecycle import ComponentStatus, IncidentStatus
from incidents.models import ApiKey, Component, Incident, Page, User
from incidents.permissions import ROLES, STAFF_ROLES, Scope, Verb
from tests.incidents.html_forms import counts

pytestmark = pytest.mark.long

# Each action with the right that it takes, and the doors to it: the address, and what is sent there.
ACTIONS: dict[str, Verb] = {
    "declare": Verb.DECLARE_INCIDENT,
    "note": Verb.NOTE_TIMELINE,
    "update": Verb.POST_UPDATE,
    "correct": Verb.CORRECT_UPDATE,
    "delete": Verb.POST_UPDATE,
    "schedule": Verb.POST_UPDATE,
    "component": Verb.SET_COMPONENT_STATUS,
    "page": Verb.EDIT_CATALOGUE,
    "subscriber": Verb.MANAGE_SUBSCRIBERS,
    "account": Verb.MANAGE_STAFF,
    "audit": Verb.READ_AUDIT,
}
Door = tuple[str, dict[str, str]]
MakeUser = Callable[[str, str], User]


@pytest.fixture
def doors(page: Page, incident: Incident, component: Component, author: User) -> dict[str, list[Door]]:
    update = post_update(incident, status=IncidentStatus.INVESTIGATING, body="Said.", author=author)
    words = {"status": "identified", "body": "Words.", "seen": update.public_id}
    seen = {"text": "Seen.", "occurred_at": "2026-01-01T10:00"}
    record = "admin:incidents"

    def room(name: str) -> str:
        return reverse(f"room_{name}", args=[incident.public_id])

    keys = [incident.pk, update.pk]
    return {
        "declare": [(reverse(f"{record}_incident_add"), {"title": "New", "page": str(page.pk)})],
        "note": [
            (
                reverse(f"{record}_incident_note", args=[incident.pk]),
                seen,
            ),
            (room("note"), {"text": "Seen.", "when": "now", "kind": "observation"}),
        ],
        "update": [(reverse(f"{record}_incident_update", args=[incident.pk]), words), (room("update"), words)],
        "correct": [(reverse(f"{record}_incident_correct", args=keys), {"body": "Better words."})],
        "delete": [(reverse(f"{record}_incident_delete", args=[incident.pk]), {"reason": "Nothing."})],
        "schedule": [(reverse(f"{record}_incident_schedule"), {"title": "Disks", "body": "New ones."})],
        "component": [(reverse(f"{record}_component_status", args=[component.pk]), {"status": "major_outage"})],
        "page": [(reverse(f"{record}_page_change", args=[page.pk]), {"name": "Mine"})],
        "subscriber": [(reverse("admin:status_subscriber_add"), {"page": str(page.pk), "address": "a@example.com"})],
        "account": [(reverse(f"{record}_user_change", args=[author.pk]), {"username": "mine"})],
        "audit": [(reverse("audit"), {})],
    }


@pytest.mark.parametrize("role", STAFF_ROLES)
def test_what_a_role_may_not_do_is_refused_and_logged(
    client: Client,
    doors: dict[str, list[Door]],
    make_user: MakeUser,
    caplog: pytest.LogCaptureFixture,
    role: str,
) -> None:
    assert doors.keys() == ACTIONS.keys()
    client.force_login(make_user("vera", role))
    forbidden = [action for action, verb in ACTIONS.items() if verb not in ROLES[role]]
    before = counts()
    for action in forbidden:
        for address, sent in doors[action]:
            caplog.clear()
            answer = client.get(address) if action == "audit" else client.post(address, sent)
            assert answer.status_code == 403, (action, address)
            assert any("vera was refused" in record.message for record in caplog.records), (action, address)
    assert counts() == before


@pytest.mark.parametrize("role", STAFF_ROLES)
def test_what_a_role_may_do_is_not_refused(
    client: Client, doors: dict[str, list[Door]], make_user: MakeUser, role: str
) -> None:
    client.force_login(make_user("vera", role))
    for action in [action for action, verb in ACTIONS.items() if verb in ROLES[role] and action != "delete"]:
        for address, sent in doors[action]:
            answer = client.get(address) if action == "audit" else client.post(address, sent)
            assert answer.status_code in (200, 302), (action, address)


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("setting", ["default_transaction_read_only = on", "idle_in_transaction_session_timeout = 1"])
def test_no_door_takes_an_outage_for_a_failure_of_ours(
    client: Client, doors: dict[str, list[Door]], page: Page, incident: Incident, admin: User, setting: str
) -> None:
    """A server that only reads, as after a failover, and one that ends each transaction at its first pause."""
    key, _row = people.create_key("program", scopes=list(Scope), author=admin)
    client.force_login(admin)
    client.raise_request_exception = False
    is_read_only = "read_only" in setting
    staff = [("POST", *door) for found in doors.values() for door in found]
    strangers = [
        ("POST", "/subscribe", {"address": "a@example.com"}),
        ("POST", "/admin/account/login/", {"login": "ada", "password": "no"}),
        ("POST", "/admin/account/password/reset/", {"email": admin.email}),
    ]
    below = f"/api/v1/pages/{page.public_id}"
    programs = [
        ("POST", f"{below}/incidents", {"incident": {"name": "New"}}),
        ("PATCH", f"{below}/incidents/{incident.public_id}", {"incident": {"body": "Words."}}),
        ("DELETE", f"{below}/incidents/{incident.public_id}", {}),
        ("POST", f"{below}/components", {"component": {"name": "Mine"}}),
        ("POST", f"{below}/subscribers", {"subscriber": {"email": "a@example.com"}}),
    ]
    answers = []
    connection.close()
    for method, address, body in [*staff, *strangers, *programs]:
        with connection.cursor() as cursor:
            cursor.execute(f"SET {setting}")
        if address.startswith("/api/"):
            sent = {"content_type": "application/json", "headers": {"Authorization": f"OAuth {key}"}}
            answer = client.generic(method, address, json.dumps(body), **sent)  # type: ignore[arg-type]  # both are
            assert answer.json()["error"]
        else:
            answer = client.post(address, body)
        connection.close()
        answers.append(answer.status_code)
        # A pause may also come before a commit, and then nobody can say whether it was saved.
        assert answer.status_code in {200, 302, 503, 504} - ({504} if is_read_only else set()), (
            address,
            answer.content,
        )
    assert answers.count(503) > 10


@pytest.mark.parametrize("role", STAFF_ROLES)
def test_the_api_refuses_the_same(
    client: Client,
    page: Page,
    incident: Incident,
    component: Component,
    author: User,
    admin: User,
    caplog: pytest.LogCaptureFixture,
    role: str,
) -> None:
    """A key has scopes instead of roles: here its user is given a role's rights, so that the rows are the same."""
    post_update(incident, status=IncidentStatus.INVESTIGATING, body="Said.", author=author)
    key, _row = people.create_key("program", scopes=[Scope.READ], author=admin)
    ApiKey.objects.get(name="program").user.groups.set([Group.objects.get(name=role)])
    down = {"component": {"status": "major_outage"}}
    calls: list[tuple[Verb, str, str, object]] = [
        (Verb.DECLARE_INCIDENT, "POST", "incidents", {"incident": {"name": "New"}}),
        (Verb.POST_UPDATE, "PATCH", f"incidents/{incident.public_id}", {"incident": {"body": "Words."}}),
        (Verb.POST_UPDATE, "DELETE", f"incidents/{incident.public_id}", None),
        (Verb.POST_UPDATE, "PATCH", f"incidents/{incident.public_id}", {"incident": {"name": "Other"}}),
        (Verb.POST_UPDATE, "PATCH", f"incidents/{incident.public_id}", {"incident": {"impact_override": "critical"}}),
        (
            Verb.SET_COMPONENT_STATUS,
            "PATCH",
            f"components/{component.public_id}",
            down,
        ),
        (Verb.EDIT_CATALOGUE, "POST", "components", {"component": {"name": "Mine"}}),
    ]
    forbidden = [call for call in calls if call[0] not in ROLES[role]]
    before = counts()
    for _verb, method, path, body in forbidden:
        caplog.clear()
        answer = client.generic(
            method,
            f"/api/v1/pages/{page.public_id}/{path}",
            json.dumps(body) if body else "",
            content_type="application/json",
            headers={"Authorization": f"OAuth {key}"},
        )
        assert answer.status_code == 403, (method, path, answer.content)
        assert "error" in answer.json()
        assert any("was refused" in record.message for record in caplog.records), path
    assert counts() == before
    assert component.status == ComponentStatus.OPERATIONAL
