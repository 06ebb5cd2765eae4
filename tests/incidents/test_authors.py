"""Nothing is done in nobody's name, and every change has a history row with its author."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.apps import apps

from incidents.authorship import authored_by
from incidents.errors import MissingAuthor
from incidents.models import Component, Incident, IncidentUpdate, Page, User
from incidents.models.base import Tracked
from tests.incidents import every_table
from tests.rows import everything

ROOT = Path(__file__).resolve().parents[2]


def tracked_models() -> list[type[Tracked]]:
    return [model for model in apps.get_models() if issubclass(model, Tracked)]


@pytest.mark.slow
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
    every_table.fill(page, component, incident, author=author, admin=admin)
    update = IncidentUpdate.objects.get(body="All done.")
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


PAST_THE_HISTORY = {
    *("bulk_create", "bulk_update", "abulk_create", "abulk_update", "aupdate"),
    *("raw", "_raw_delete", "save_base"),
}


def writes_past_the_history(source: str) -> Iterator[str]:
    """Calls that write without a history row, but for those of QuerySets that begin at a model without a history."""
    untracked = {model.__name__ for model in apps.get_models() if not hasattr(model, "history")}
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


@pytest.mark.long
def test_no_code_writes_past_the_history() -> None:
    paths = [path for app in ("incidents", "status", "portal") for path in (ROOT / app).rglob("*.py")]
    sources = {
        path: path.read_text()
        for path in paths
        if "migrations" not in path.parts and path != ROOT / "incidents/models/base.py"  # it writes history rows
    }
    found = {str(path): calls for path, source in sources.items() if (calls := list(writes_past_the_history(source)))}
    assert found == {}


@pytest.mark.parametrize(
    "source",
    [
        "Incident.objects.filter(pk=1).update(title='x')",
        "incident.updates.update(**facts)",
        "page.components.all().update(position=1)",
        "Component.objects.bulk_create(rows)",
        "User.objects.filter(pk=1).update(last_name='x')",
        "component.save_base(raw=True)",
    ],
)
def test_code_that_would_write_past_the_history_is_found(source: str) -> None:
    assert list(writes_past_the_history(source)) == [source]
