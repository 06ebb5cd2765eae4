"""Postmortems, maintenance by itself, the timeline, deliveries and the audit over the API."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from incidents import catalogue
from incidents.models import MaintenancePlan, OutboxEvent, Page, User
from incidents.people import create_key
from incidents.permissions import Scope
from status.delivery import owing
from status.models import Delivery
from status.subscriptions import subscribers

pytestmark = pytest.mark.long

Call = Callable[..., Any]
WINDOW = {"scheduled_for": "2030-01-10T20:00:00Z", "scheduled_until": "2030-01-10T22:00:00Z"}


@pytest.fixture
def over(call: Call) -> str:
    """The path of an incident that is resolved."""
    opened = call("POST", "incidents", {"incident": {"name": "Slow", "status": "resolved"}}).json()
    return f"incidents/{opened['id']}"


# --- Postmortems ---
@pytest.fixture
def another(send: Call, page: Page, make_user: Callable[[str, str], User]) -> Call:
    """A key for everything that another administrator made."""
    key, _row = create_key("reviews", scopes=[Scope.ADMIN], author=make_user("bob", "administrator"))
    return lambda method, path, body=None: send(method, f"pages/{page.public_id}/{path}", body, key=key)


@pytest.mark.slow
def test_a_postmortem_is_written_approved_by_another_s_key_published_and_taken_back(
    call: Call, root: Call, another: Call, over: str
) -> None:
    path = f"{over}/postmortem"
    assert call("GET", path).status_code == 404
    draft = {"postmortem": {"body_draft": "## Summary\n\nIt was DNS.\n\n## Leadup\n\nA change."}}
    written = call("PUT", path, draft).json()
    assert (written["body"], written["body_draft"]) == (None, draft["postmortem"]["body_draft"])
    assert call("GET", over).json()["postmortem_body"] is None
    assert call("PUT", f"{path}/publish", {"postmortem": {}}).status_code == 422
    assert call("PUT", f"{path}/submit").json()["state"] == "in_review"
    assert call("PUT", f"{path}/approve", {"postmortem": {"fingerprint": "x"}}).status_code == 403
    assert root("PUT", f"{path}/approve", {"postmortem": {"fingerprint": "x"}}).status_code == 409
    fingerprint = {"postmortem": {"fingerprint": root("GET", path).json()["fingerprint"]}}
    alone = root("PUT", f"{path}/approve", fingerprint)
    assert alone.status_code == 422, "two keys of one maker are one person"
    assert "somebody else approves it" in alone.json()["error"]
    approved = another("PUT", f"{path}/approve", fingerprint)
    assert approved.status_code == 200, approved.content
    published = call("PUT", f"{path}/publish", {"postmortem": {"notify_subscribers": False}}).json()
    assert (published["state"], published["body"]) == ("published", draft["postmortem"]["body_draft"])
    assert published["notify_subscribers"] is False
    incident = call("GET", over).json()
    assert (incident["status"], incident["postmortem_body"]) == ("resolved", draft["postmortem"]["body_draft"])
    assert incident["postmortem_published_at"] is not None
    reverted = call("PUT", f"{path}/revert").json()
    assert (reverted["body"], reverted["body_draft"]) == (None, draft["postmortem"]["body_draft"])
    assert call("PUT", f"{path}/revert").status_code == 422


def test_a_draft_is_given_up_without_an_answer(call: Call, over: str) -> None:
    call("PUT", f"{over}/postmortem", {"postmortem": {"body_draft": "It was DNS."}})
    gone = call("DELETE", f"{over}/postmortem")
    assert (gone.status_code, gone.content, gone.has_header("Content-Type")) == (204, b"", False)
    assert call("GET", f"{over}/postmortem").status_code == 404


def test_a_page_may_waive_approval_and_the_record_says_so(call: Call, page: Page, over: str, admin: User) -> None:
    catalogue.edit_page(page, waives_approval=True, author=admin)
    call("PUT", f"{over}/postmortem", {"postmortem": {"body_draft": "## Summary\n\nIt was DNS."}})
    published = call("PUT", f"{over}/postmortem/publish")
    assert published.status_code == 200, published.content
    assert page.postmortems.get().revisions.get().break_glass == "This page waives approval."


def test_action_items_are_noted_and_moved(call: Call, over: str) -> None:
    call("PUT", f"{over}/postmortem", {"postmortem": {"body_draft": "It was DNS."}})
    path = f"{over}/postmortem/action_items"
    item = call("POST", path, {"action_item": {"text": "Watch DNS", "due_on": "2030-01-01"}}).json()
    assert call("GET", path).json() == {"next": None, "results": [item]}
    one = f"{path}/{item['id']}"
    done = call("PATCH", one, {"action_item": {"state": "done", "evidence": "https://tracker.example/1"}})
    assert (done.status_code, done.json()["state"]) == (200, "done")
    assert call("PATCH", one, {"action_item": {"state": "unknown"}}).status_code == 422


# --- Maintenance ---
def test_what_a_maintenance_does_by_itself_is_shown_and_changed(call: Call) -> None:
    flags = {"scheduled_auto_in_progress": True, "scheduled_auto_completed": "t", "scheduled_remind_prior": False}
    made = call("POST", "incidents", {"incident": {"name": "Disks", **WINDOW, **flags}})
    assert made.status_code == 201, made.content
    shown = made.json()
    assert {name: bool(value) for name, value in flags.items()} == {name: shown[name] for name in flags}
    assert shown["auto_transition_to_maintenance_state"] is True
    path = f"incidents/{shown['id']}"
    change = {"scheduled_remind_prior": True, "auto_transition_deliver_notifications_at_end": False, **WINDOW}
    changed = call("PATCH", path, {"incident": change}).json()
    assert changed["scheduled_remind_prior"] is True
    assert changed["auto_transition_deliver_notifications_at_end"] is False
    assert len(changed["incident_updates"]) == 1
    plan = MaintenancePlan.objects.get()
    assert (plan.starts_by_itself, plan.ends_by_itself, plan.tells_at_end) == (True, True, False)


def test_a_maintenance_reminds_when_a_program_says(call: Call) -> None:
    def minutes() -> list[int]:
        standing = MaintenancePlan.objects.get().reminders.filter(deleted_at=None)
        return sorted(standing.values_list("minutes", flat=True))

    made = call("POST", "incidents", {"incident": {"name": "Disks", **WINDOW, "reminder_intervals": "[1, 72, 0.5]"}})
    assert made.status_code == 201, made.content
    assert (made.json()["reminder_intervals"], made.json()["scheduled_remind_prior"]) == ("[0.5, 1, 72]", True)
    assert minutes() == [30, 60, 72 * 60]
    path = f"incidents/{made.json()['id']}"
    for sent, shown in (("12", "[12, 24]"), ([1, 24], None), ("[]", "[]")):
        answer = call("PATCH", path, {"incident": {"reminder_intervals": sent}})
        assert (answer.status_code, answer.json()["reminder_intervals"]) == (200, shown), answer.content
    assert minutes() == []
    plans = MaintenancePlan.history.count()
    again = call("PATCH", path, {"incident": call("GET", path).json()})
    assert (again.status_code, MaintenancePlan.history.count()) == (200, plans), "as it was read, it changes nothing"
    for wrong in ("[0]", "soon", "[-1]", '["a"]', "[1e999]", {"a": 1}, [[1]], 99, "[" * 9999):
        assert call("PATCH", path, {"incident": {"reminder_intervals": wrong}}).status_code == 422, wrong
    refused = call("POST", "incidents", {"incident": {"name": "Slow", "reminder_intervals": "[1]"}})
    assert (refused.status_code, "promise" in refused.json()["error"]) == (422, True)


def test_the_window_of_a_maintenance_is_moved_with_an_update(call: Call) -> None:
    path = f"incidents/{call('POST', 'incidents', {'incident': {'name': 'Disks', **WINDOW}}).json()['id']}"
    later = {"scheduled_for": "2030-01-11T20:00:00Z", "scheduled_until": "2030-01-11T22:00:00Z", "body": "A day later."}
    moved = call("PATCH", path, {"incident": later}).json()
    assert moved["scheduled_for"] == "2030-01-11T20:00:00.000Z"
    assert moved["incident_updates"][0]["body"] == "A day later."
    assert call("PATCH", path, {"incident": {"scheduled_until": "2030-01-11T10:00:00Z"}}).status_code == 422


def test_an_incident_of_the_past_is_written_down_and_nobody_is_notified(call: Call) -> None:
    old = {"name": "Old", "backfilled": True, "backfill_date": "2023-01-17", "body": "It was over."}
    made = call("POST", "incidents", {"incident": {**old, "metadata": {"ticket": {"id": 7}}}})
    assert made.status_code == 201, made.content
    shown = made.json()
    assert (shown["status"], shown["metadata"]) == ("resolved", {"ticket": {"id": 7}})
    assert shown["incident_updates"][0]["display_at"] == "2023-01-17T11:00:00.000Z"
    assert not OutboxEvent.objects.filter(notify=True).exists()
    path = f"incidents/{shown['id']}"
    assert call("PATCH", path, {"incident": {"metadata": {}}}).json()["metadata"] == {}
    assert call("DELETE", path).json()["id"] == shown["id"]
    assert call("GET", path).status_code == 404


# --- Timeline, deliveries, audit ---
@pytest.mark.slow
def test_our_lists_go_on_by_a_cursor_that_nothing_new_moves(call: Call, root: Call, over: str) -> None:
    report = f"{over}/postmortem"
    call("PUT", report, {"postmortem": {"body_draft": "It was DNS."}})

    def write(number: int) -> None:
        note = {"text": f"Seen {number}", "occurred_at": "2026-01-01T10:00:00Z"}
        assert call("POST", f"{over}/timeline", {"timeline_entry": note}).status_code == 201
        assert call("POST", f"{report}/action_items", {"action_item": {"text": f"Do {number}"}}).status_code == 201

    for number in range(5):
        write(number)
    for path in (f"{over}/timeline", f"{report}/action_items", f"{over}/audit"):
        whole = root("GET", path)
        wanted = whole.json()["results"]
        assert not whole.has_header("Link")
        found, following = [], f"{path}?limit=2"
        while following:
            answer = root("GET", following)
            assert len(answer.json()["results"]) <= 2
            found += answer.json()["results"]
            write(len(found))
            address = answer.json()["next"]
            assert answer.get("Link") == (f'<{address}>; rel="next"' if address else None)
            following = address and address.split("/", 7)[7]
        assert found == wanted, "what came meanwhile moved nothing"
        for wrong in ("cursor=nonsense", "cursor=-1", f"cursor={2**70}", "limit=0"):
            assert root("GET", f"{path}?{wrong}").status_code == 422
        assert root("GET", f"{path}?cursor=0").json() == {"next": None, "results": []}


def test_a_timeline_entry_that_contradicts_itself_is_refused(call: Call, over: str) -> None:
    wrong = {"text": "x", "occurred_at": "2026-01-01T11:00:00Z", "outcome": "full"}
    assert call("POST", f"{over}/timeline", {"timeline_entry": wrong}).status_code == 422


def test_it_says_who_was_notified_of_an_update_and_what_became_of_it(
    call: Call, root: Call, page: Page, admin: User
) -> None:
    subscribers.add_by_staff(page, address="ann@example.com", author=admin)
    opened = call("POST", "incidents", {"incident": {"name": "Slow"}}).json()
    for event in OutboxEvent.objects.unowed():
        owing.owe(event)
    path = f"incidents/{opened['id']}/incident_updates/{opened['incident_updates'][0]['id']}/deliveries"
    (row,) = root("GET", path).json()["results"]
    assert (row["channel"], row["state"], row["id"]) == ("email", "due", Delivery.objects.get().pk)
    assert "example.com" not in str(row)
    assert call("GET", path).status_code == 403


def test_the_audit_names_the_key_that_wrote(call: Call, root: Call, over: str) -> None:
    call("PATCH", over, {"incident": {"name": "Slower"}})
    entries = root("GET", f"{over}/audit").json()["results"]
    assert {entry["author"] for entry in entries} == {"key:deploys"}
    assert {"name": "Title", "old": "Slow", "new": "Slower"} in entries[0]["changes"]
    assert call("GET", f"{over}/audit").status_code == 403
