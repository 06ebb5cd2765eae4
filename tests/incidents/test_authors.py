"""Nothing is done in nobody's name, and every change has a history row with its author."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.utils import timezone

from incidents import catalogue, checking, metrics, templates
from incidents.authorship import authored_by
from incidents.elsewhere.recording import record_elsewhere
from incidents.errors import MissingAuthor
from incidents.incidents import correct_update, post_update
from incidents.lifecycle import IncidentStatus
from incidents.maintenance.plans import schedule_maintenance
from incidents.maintenance.series import repeat_maintenance
from incidents.models import (
    Component,
    Incident,
    IncidentRole,
    Page,
    UpdateCadence,
    User,
)
from incidents.models.base import Tracked
from incidents.people import create_key
from incidents.permissions import Scope
from incidents.planned import plan_update
from incidents.postmortems import action_items, checks, reviewing, writing
from incidents.roles import take_role
from status.subscriptions import csv_files, subscribers
from tests.elsewhere import RECORD
from tests.reports import publish_report
from tests.rows import everything

ROOT = Path(__file__).resolve().parents[2]


def tracked_models() -> list[type[Tracked]]:
    return [model for model in apps.get_models() if issubclass(model, Tracked)]


@pytest.mark.django_db(transaction=True)
def test_a_row_saved_outside_a_service_is_refused_before_it_is_written(component: Component) -> None:
    """In autocommit mode too, as in the shell."""
    before = everything()
    component.name = "Renamed by nobody"
    with pytest.raises(MissingAuthor):
        component.save()
    with pytest.raises(MissingAuthor):
        Component(page=component.page, name="Made by nobody").save()
    with pytest.raises(MissingAuthor):
        component.delete()
    assert everything() == before


def test_in_somebodys_name_a_row_is_saved_and_the_name_ends_with_the_block(component: Component, admin: User) -> None:
    with authored_by(admin):
        component.description = "Changed in the shell"
        component.save(update_fields=["description"])
    assert component.history.latest().history_user == admin
    with pytest.raises(MissingAuthor):
        component.save(update_fields=["description"])


@pytest.mark.long
def test_every_change_of_every_tracked_row_has_a_history_row_with_its_author(
    page: Page, component: Component, incident: Incident, author: User, admin: User
) -> None:
    now = timezone.now()
    group = catalogue.create_group(page, name="Core", author=admin)
    catalogue.edit_component(component, group=group, author=admin)
    second = catalogue.create_page(name="Second", url="https://second.example", author=admin)
    catalogue.list_component(component, page=second, author=admin)
    window: dict[str, Any] = {"scheduled_for": now, "scheduled_until": now + timedelta(hours=1)}
    planned = schedule_maintenance(page, title="Disks", body="New ones.", author=author, **window)
    repeat_maintenance(planned, rule="FREQ=DAILY", author=author)
    update = post_update(incident, status=IncidentStatus.RESOLVED, body="Done.", author=author)
    correct_update(update, body="All done.", author=admin)
    postmortem = publish_report(incident, body="Why.", author=author)
    action_items.add_action_item(postmortem, text="Alert earlier", author=author)
    reviewing.comment_section(postmortem.live_sections()[0], text="Really?", author=author)
    writing.write_report(postmortem, body="On Monday, January 17, 2023 it rained.", author=author)
    (finding,) = checks.open_findings(postmortem)
    checking.dismiss_finding(postmortem, digest=finding.digest, reason="A quotation.", author=admin)
    take_role(incident, role=IncidentRole.Role.COMMANDER, author=author)
    plan: Any = {"status": IncidentStatus.INVESTIGATING, "body": "Again.", "next_update": None, "notify": True}
    due_at = timezone.now() + timedelta(hours=1)
    plan_update(incident, due_at=due_at, components=[(component, None)], author=author, **plan)
    with authored_by(admin):
        UpdateCadence.objects.get_or_create(severity="sev1", status="monitoring")
    create_key("robot", scopes=[Scope.INCIDENTS, Scope.COMPONENTS], author=admin)
    subscribers.add_by_staff(page, address="ann@example.com", author=admin)
    csv_files.import_csv(page, content="bob@example.com", author=admin)
    metrics.create_metric(page, name="Errors", author=admin)
    catalogue.edit_embed(page, author=admin)
    templates.create_template(page=page, name="Slow", body="b", components=[component], author=admin)
    record_elsewhere(page, RECORD, source="them", author=author)

    for model in tracked_models():
        history = model.history.order_by("history_id")
        assert history.exists(), f"{model.__name__} is not exercised here"
        assert not history.filter(history_user=None).exists()
        latest = {row.id: row for row in history}
        assert set(latest) == set(model._base_manager.values_list("pk", flat=True))
        for row in model._base_manager.all():
            assert latest[row.pk].updated_at == row.updated_at
    assert list(update.history.values_list("history_user__username", flat=True)) == ["ada", "grace"]
    assert set(Component.history.values_list("history_user__username", flat=True)) == {"ada"}


def test_a_tracked_model_has_no_many_to_many_field() -> None:
    """Its changes would leave no history."""
    assert Incident in tracked_models()
    assert not [field for model in tracked_models() for field in model._meta.many_to_many]


PAST_THE_HISTORY = {"bulk_create", "bulk_update", "abulk_create", "abulk_update", "aupdate", "raw", "_raw_delete"}


def writes_past_the_history(source: str) -> Iterator[str]:
    """Calls of QuerySet methods that write without a history row, but for those that begin at an untracked model."""
    untracked = {model.__name__ for model in apps.get_models()} - {model.__name__ for model in tracked_models()}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            # A dict's `update` takes a dict here, or the upper-case names of settings; a row's fields are lower-case.
            fields = [keyword.arg for keyword in node.keywords if keyword.arg is None or keyword.arg.islower()]
            root: ast.AST = node.func
            while isinstance(root, ast.Attribute | ast.Call):
                root = root.func if isinstance(root, ast.Call) else root.value
            is_untracked = isinstance(root, ast.Name) and root.id in untracked
            if (node.func.attr in PAST_THE_HISTORY or (node.func.attr == "update" and fields)) and not is_untracked:
                yield ast.unparse(node)


def test_no_code_writes_past_the_history() -> None:
    for app in ("incidents", "status", "portal"):
        for path in (ROOT / app).rglob("*.py"):
            if "migrations" not in path.parts and path != ROOT / "incidents/models/base.py":  # it writes history rows
                assert list(writes_past_the_history(path.read_text())) == [], path


@pytest.mark.parametrize(
    "source",
    [
        "Incident.objects.filter(pk=1).update(title='x')",
        "incident.updates.update(**facts)",
        "page.components.all().update(position=1)",
        "Component.objects.bulk_create(rows)",
    ],
)
def test_code_that_would_write_past_the_history_is_found(source: str) -> None:
    assert list(writes_past_the_history(source)) == [source]
