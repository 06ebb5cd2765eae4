"""Every list of the admin asks the database as often for 1,000 rows as for 10."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from django.contrib import admin
from django.db import connection, models
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from incidents import catalogue, people
from incidents.lifecycle import IncidentStatus
from incidents.models import Failure, Incident, Page, User
from incidents.models.base import new_public_id
from incidents.permissions import Scope
from incidents.templates import create_template
from portal.embedded.demo_data import load_demo
from portal.embedded.replay import replay_seed
from status.models import Delivery
from status.subscriptions import subscribers

pytestmark = pytest.mark.long

number = count()

# There once for each of some other rows; or made with a row beside it, or by the clock, of which a copy says nothing
NOT_COPIED = {
    *("incidents.ComponentListing", "incidents.EmbedConfig", "incidents.UpdateCadence"),
    *("incidents.Metric", "status.Nudge"),
}


@pytest.fixture
def one_of_each(root_client: Client, other_page: Page, admin: User) -> None:
    """What the demonstration has, and a row of what it lacks."""
    load_demo(replay_seed("https://status.example.com"))
    page = Page.objects.exclude(pk=other_page.pk).get()
    component = page.components.all()[0]
    catalogue.list_component(component, page=other_page, author=admin)
    create_template(name="Known", body="We know why.", author=admin)
    people.create_key("robot", scopes=[Scope.READ], author=admin)
    Failure.objects.create(kind="owe", key="7", reason="No.", parked_at=timezone.now())
    recipient = subscribers.add_by_staff(page, address="reader@example.com", author=admin)
    event = Incident.objects.filter(status=IncidentStatus.RESOLVED)[0].events.all()[0]
    Delivery.objects.create(recipient=recipient, event=event, due_at=timezone.now())


@pytest.mark.parametrize("verb", ["change", "delete"])
def test_no_form_saves_or_deletes_a_row_past_the_services(db: None, verb: str) -> None:
    """What Django's own page would do is done by a service, on a page of ours, or is offered to nobody."""
    request = RequestFactory().get("/")
    request.user = User.objects.create_superuser("root")
    own = {"change": ("save_model", "change_view"), "delete": ("delete_model", "delete_view")}[verb]
    for model, rows in admin.site._registry.items():
        if all(getattr(type(rows), name) is getattr(admin.ModelAdmin, name) for name in own):
            assert not getattr(rows, f"has_{verb}_permission")(request), model


def copies(row: Any, wanted: int) -> Iterator[Any]:
    """So many rows like this one, which differ from it in what must differ."""
    fields = [field for field in row._meta.concrete_fields if not field.primary_key]
    unique = {field.name for field in fields if field.unique}
    for constraint in _constraints(type(row)):
        if isinstance(constraint, models.UniqueConstraint):
            unique |= {name for name in constraint.fields if _can_differ(row._meta.get_field(name))}
    for _copy in range(wanted):
        values = {field.attname: getattr(row, field.attname) for field in fields}
        for field in fields:
            if field.name == "public_id":
                values[field.attname] = new_public_id()
            elif field.name in unique:
                values[field.attname] = (
                    None if field.is_relation else f"{next(number):09}.{values[field.attname]}"[: field.max_length]
                )
        yield type(row)(**values)


def _constraints(model: type[models.Model]) -> Any:
    concrete: Any = model._meta.concrete_model  # a proxy names none of them
    return concrete._meta.constraints


def _can_differ(field: Any) -> bool:
    return field.null if field.is_relation else isinstance(field, models.CharField) and not field.choices


def _has_copies(model: type[models.Model]) -> bool:
    """Not what there is once for each of some other rows."""
    rules = [rule for rule in _constraints(model) if isinstance(rule, models.UniqueConstraint) and rule.fields]
    can_differ = all(any(_can_differ(model._meta.get_field(name)) for name in rule.fields) for rule in rules)
    return can_differ and not any(field.one_to_one for field in model._meta.concrete_fields)


def lists() -> list[type[models.Model]]:
    return sorted(admin.site._registry, key=lambda model: model._meta.label)


@pytest.mark.slow
def test_every_list_asks_as_often_for_a_thousand_rows_as_for_ten(root_client: Client, one_of_each: None) -> None:
    few, many, left_out = {}, {}, set()

    def queries(model: type[models.Model]) -> int:
        with CaptureQueriesContext(connection) as captured:
            address = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
            assert root_client.get(address).status_code == 200, address
        return len(captured)

    def fill(model: type[models.Model], wanted: int) -> int:
        row = model._base_manager.first()
        lacking = wanted - model._base_manager.count()
        if row is None or not _has_copies(model):
            return 0
        return len(model._base_manager.bulk_create(copies(row, lacking), batch_size=200)) if lacking > 0 else 1

    for model in lists():
        if not fill(model, 10):
            left_out.add(model._meta.label)
            continue
        queries(model)
        few[model._meta.label] = queries(model)
        fill(model, 1000)
        assert model._base_manager.count() >= 1000
        many[model._meta.label] = queries(model)
    assert many == few
    assert left_out == NOT_COPIED
