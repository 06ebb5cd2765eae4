"""Programs that change something at the same moment as another program or staff, through HTTP."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from incidents import catalogue
from incidents.incidents import edit_incident
from incidents.lifecycle import Impact, Visibility
from incidents.maintenance import plans
from incidents.models import ActionItem, Component, Incident, MaintenancePlan, Page, User
from incidents.postmortems import action_items
from incidents.postmortems.writing import start_postmortem
from incidents.signals import event_recorded
from status.subscriptions import subscribers
from status.subscriptions.choices import Choices, choose
from tests.concurrency import together
from tests.incidents.racing import race

TURNS = 50 * int(os.environ.get("RACES", "1"))
Patch = Callable[..., Callable[[], int]]
Patching = Callable[[str, object], Callable[[User], object]]

pytestmark = [pytest.mark.postgresql, pytest.mark.django_db(transaction=True), pytest.mark.timeout(6 * TURNS)]


@pytest.fixture
def patch(page: Page, component: Component, key: str, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Patch:
    """Makes a program's PATCH of the component, which returns the status of its answer when it is sent."""
    settings.API_RATE = 100 * TURNS
    monkeypatch.setattr(event_recorded, "receivers", [])  # nothing is published: that is not what is raced here
    path = f"/api/v1/pages/{page.public_id}/components/{component.public_id}"

    def later(**facts: str) -> Callable[[], int]:
        client = Client(headers={"Authorization": f"OAuth {key}"})
        return lambda: client.patch(path, {"component": facts}, content_type="application/json").status_code

    return later


@pytest.mark.slow
def test_of_two_programs_that_change_two_fields_both_are_heard(component: Component, patch: Patch) -> None:
    for turn in range(TURNS):
        name, description = f"API {turn}", f"Version {turn}"
        assert together(patch(name=name), patch(description=description)) == [200, 200]
        component.refresh_from_db()
        assert (component.name, component.description) == (name, description)


@pytest.mark.slow
def test_what_staff_hide_or_delete_stays_so_whatever_a_program_writes_meanwhile(
    component: Component, patch: Patch, admin: User
) -> None:
    answers = set()
    for turn in range(TURNS):
        mine = Component.objects.get(pk=component.pk)

        def hide(row: Component = mine) -> object:
            return catalogue.edit_component(row, visibility=Visibility.INTERNAL, author=admin)

        def delete(row: Component = mine) -> object:
            return catalogue.delete_component(row, author=admin)

        answer, _row = together(patch(description=f"Version {turn}"), hide if turn % 2 else delete)
        answers.add(answer)
        component.refresh_from_db()
        assert component.visibility == Visibility.INTERNAL if turn % 2 else component.deleted_at
        Component.objects.filter(pk=component.pk).update(visibility=Visibility.PUBLIC, deleted_at=None)
    assert answers <= {200, 404, 409, 422}


# --- One waits for the other ------------------------------------------------------------------------------------------


@pytest.fixture
def patching(page: Page, root_key: str, monkeypatch: pytest.MonkeyPatch) -> Patching:
    """Makes a program's PATCH of something on the page, as an act that is raced."""
    monkeypatch.setattr(event_recorded, "receivers", [])

    def later(path: str, body: object) -> Callable[[User], object]:
        client, path = Client(headers={"Authorization": f"OAuth {root_key}"}), f"/api/v1/pages/{page.public_id}/{path}"

        def patch(_by: User) -> None:
            answer = client.patch(path, body, content_type="application/json")
            assert answer.status_code == 200, answer.content

        return patch

    return later


@pytest.mark.slow
def test_a_program_that_renames_an_incident_keeps_the_internal_title_that_staff_have_just_given_it(
    ongoing: Incident, author: User, patching: Patching
) -> None:
    def retitle() -> None:
        edit_incident(ongoing, title="Queue grows", public_title=ongoing.public_title, author=author)

    outcome = race(patching(f"incidents/{ongoing.public_id}", {"incident": {"name": "Errors"}}), author, retitle)
    assert outcome.is_done, outcome
    ongoing.refresh_from_db()
    assert (ongoing.title, ongoing.public_title) == ("Queue grows", "Errors")


@pytest.mark.slow
def test_a_program_that_moves_the_end_of_a_maintenance_keeps_the_start_and_the_plan_that_staff_have_just_set(
    page: Page, author: User, patching: Patching
) -> None:
    start, hour = timezone.now() + timedelta(days=1), timedelta(hours=1)
    window: dict[str, Any] = {"scheduled_for": start, "scheduled_until": start + hour}
    ahead = plans.schedule_maintenance(page, title="Disks", body="New ones.", **window, author=author)
    moved: dict[str, Any] = {"scheduled_for": start + 5 * hour, "scheduled_until": start + 6 * hour}

    def move() -> None:
        plans.move_maintenance(ahead, **moved, body="Later.", author=author)
        plans.plan_maintenance(ahead, ends_by_itself=True, author=author)

    ends = {"scheduled_until": (start + 7 * hour).isoformat(), "scheduled_auto_completed": False}
    outcome = race(patching(f"incidents/{ahead.public_id}", {"incident": ends}), author, move)
    assert outcome.is_done, outcome
    plan = MaintenancePlan.objects.get(incident=ahead)
    assert (plan.scheduled_for, plan.scheduled_until) == (start + 5 * hour, start + 7 * hour)
    assert not plan.ends_by_itself, "the program has said so, after staff"


@pytest.mark.slow
def test_a_program_that_chooses_components_keeps_what_the_reader_has_just_chosen(
    page: Page, component: Component, admin: User, patching: Patching
) -> None:
    ann = subscribers.add_by_staff(page, address="ann@example.com", author=admin)

    def choose_rarely() -> None:
        choose(ann, Choices(postmortems_only=True, minimum_impact=Impact.MAJOR), author=admin)

    chosen = {"subscriber": {"component_ids": [component.public_id]}}
    outcome = race(patching(f"subscribers/{ann.public_id}", chosen), admin, choose_rarely)
    assert outcome.is_done, outcome
    ann.refresh_from_db()
    assert (ann.everything, ann.postmortems_only, ann.minimum_impact) == (False, True, Impact.MAJOR)


@pytest.mark.slow
@pytest.mark.parametrize("state", [{}, {"state": "done"}])
def test_a_program_gives_other_evidence_of_what_is_done(
    resolved: Incident, author: User, patching: Patching, state: dict[str, str]
) -> None:
    report = start_postmortem(resolved, author=author)
    item = action_items.add_action_item(report, text="Watch it", author=author)
    action_items.move_action_item(item, state=ActionItem.State.DONE, evidence="A test", author=author)
    path = f"incidents/{resolved.public_id}/postmortem/action_items/{item.public_id}"
    patching(path, {"action_item": state | {"evidence": "An alert"}})(author)
    item.refresh_from_db()
    assert (item.state, item.evidence) == (ActionItem.State.DONE, "An alert")
