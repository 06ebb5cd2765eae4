"""Programs that change a component at the same moment as another program or staff, through HTTP."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from django.test import Client
from pytest_django import Settings

from incidents import catalogue
from incidents.lifecycle import Visibility
from incidents.models import Component, Page, User
from incidents.signals import event_recorded
from tests.concurrency import together

TURNS = 50 * int(os.environ.get("RACES", "1"))
Patch = Callable[..., Callable[[], int]]

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


def test_of_two_programs_that_change_two_fields_both_are_heard(component: Component, patch: Patch) -> None:
    for turn in range(TURNS):
        name, description = f"API {turn}", f"Version {turn}"
        assert together(patch(name=name), patch(description=description)) == [200, 200]
        component.refresh_from_db()
        assert (component.name, component.description) == (name, description)


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
