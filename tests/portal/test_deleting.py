"""Staff and programs read what goes with a deletion before it is done, and undo it where they did it."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from incidents import catalogue, metrics, templates
from incidents.deletion import taken_along
from incidents.incidents import declare_incident, post_update
from incidents.lifecycle import ComponentStatus, IncidentStatus, Visibility
from incidents.models import (
    ActionItem,
    Component,
    ComponentGroup,
    Incident,
    Metric,
    Page,
    Postmortem,
    PostmortemSection,
    User,
)
from incidents.models.base import Tracked
from incidents.postmortems import action_items, reviewing, writing
from incidents.restoration import RESTORES
from tests.incidents.html_forms import filled

Rows = dict[type[Tracked], Any]


@pytest.fixture
def to_delete(page: Page, other_page: Page, admin: User) -> Rows:
    """One of each that can be deleted."""
    group = catalogue.create_group(page, name="Core", author=admin)
    component = catalogue.create_component(page, name="API", group=group, author=admin)
    listing = catalogue.list_component(component, page=other_page, author=admin)
    incident = declare_incident(page, title="Errors", author=admin)
    down = [(component, ComponentStatus.MAJOR_OUTAGE)]
    post_update(incident, status=IncidentStatus.IDENTIFIED, body="Vault Keeper.", author=admin, components=down)
    metric = metrics.create_metric(page, name="Errors", author=admin)
    template = templates.create_template(page=page, name="Slow", body="Slow.", author=admin)
    report = writing.start_postmortem(incident, author=admin)
    section = report.live_sections()[0]
    reviewing.comment_section(section, text="Really?", author=admin)
    item = action_items.add_action_item(report, text="Alert earlier", author=admin)
    found: list[Tracked] = [page, group, component, listing, incident, metric, template, report, section, item]
    return {type(row): row for row in found}


def addresses(row: Tracked) -> tuple[str, str, str]:
    """Where staff delete it, find it deleted, and restore it."""
    if isinstance(row, (PostmortemSection, ActionItem)):
        noun = "section" if isinstance(row, PostmortemSection) else "measure"
        place = [row.postmortem_id, row.pk]
        return (
            reverse(f"admin:incidents_postmortem_remove_{noun}", args=place),
            reverse("admin:incidents_postmortem_change", args=place[:1]),
            reverse(f"admin:incidents_postmortem_restore_{noun}", args=place),
        )
    name = f"admin:incidents_{row._meta.model_name}"
    delete, change, restore = (reverse(f"{name}_{verb}", args=[row.pk]) for verb in ("delete", "change", "restore"))
    return delete, change, restore


@pytest.mark.slow
@pytest.mark.parametrize("model", RESTORES, ids=lambda model: model.__name__)
def test_staff_read_what_goes_with_it_and_restore_it(
    client: Client, to_delete: Rows, admin: User, model: type[Tracked]
) -> None:
    row = to_delete[model]
    client.force_login(admin)
    delete, place, restore = addresses(row)
    shown = client.get(delete).text
    for what, count in taken_along(row).items():
        assert f"{what[0].upper()}{what[1:]}: {count}" in shown
    assert restore not in client.get(place).text
    client.post(delete, filled(client.get(delete), **({"reason": "Wrong"} if 'name="reason"' in shown else {})))
    row.refresh_from_db()
    assert row.deleted_at is not None
    if model not in (PostmortemSection, ActionItem):
        listed = client.get(reverse(f"admin:incidents_{row._meta.model_name}_changelist"), {"deleted": "yes"})
        assert list(listed.context["cl"].queryset) == [row]
    assert restore in client.get(place).text
    client.post(restore, {"reason": "Right"})
    row.refresh_from_db()
    assert row.deleted_at is None


def test_a_restoration_that_would_give_a_name_away_asks_whether_it_may_stand(
    client: Client, to_delete: Rows, admin: User, other_page: Page
) -> None:
    row = to_delete[Incident]
    client.force_login(admin)
    delete, _place, restore = addresses(row)
    client.post(delete, {"reason": "Wrong"})
    catalogue.create_component(other_page, name="Vault Keeper", visibility=Visibility.INTERNAL, author=admin)
    refused = client.post(restore, filled(client.get(restore)))
    assert "“Vault Keeper” is a component that only staff know." in refused.text
    client.post(restore, filled(refused, let_stand="Customers know it."))
    row.refresh_from_db()
    assert row.deleted_at is None
    assert "Customers know it." in row.history.latest().history_change_reason


def test_a_program_restores_no_report_by_an_incident_that_had_left_it(
    client: Client, page: Page, incident: Incident, admin: User, root_key: str
) -> None:
    other = declare_incident(page, title="Other", author=admin)
    for each in (incident, other):
        post_update(each, status=IncidentStatus.IDENTIFIED, body="Down.", author=admin)
    incident.refresh_from_db()
    report = writing.start_postmortem(incident, author=admin)
    writing.cover_incident(report, other, author=admin)
    writing.uncover_incident(report, other, author=admin)
    writing.delete_postmortem(report, reason="No need", author=admin)
    address = f"/api/v1/pages/{page.public_id}/incidents/{{}}/postmortem/restore"
    key = {"authorization": f"OAuth {root_key}"}
    assert client.post(address.format(other.public_id), headers=key).status_code == 404
    assert client.post(address.format(incident.public_id), headers=key).status_code == 200


@pytest.mark.parametrize(
    "model", [Component, ComponentGroup, Metric, Incident, Postmortem, ActionItem], ids=lambda model: model.__name__
)
def test_a_program_restores_what_a_program_deletes(
    client: Client, to_delete: Rows, page: Page, other_page: Page, root_key: str, model: type[Tracked]
) -> None:
    incident = f"incidents/{to_delete[Incident].public_id}"
    places = {
        Component: f"components/{to_delete[Component].public_id}",
        ComponentGroup: f"component-groups/{to_delete[ComponentGroup].public_id}",
        Metric: f"metrics/{to_delete[Metric].public_id}",
        Incident: incident,
        Postmortem: f"{incident}/postmortem",
        ActionItem: f"{incident}/postmortem/action_items/{to_delete[ActionItem].public_id}",
    }
    address, key = f"/api/v1/pages/{page.public_id}/{places[model]}", {"authorization": f"OAuth {root_key}"}
    row = to_delete[model]
    assert client.post(f"{address}/restore", headers=key).status_code in (404, 409, 422)
    assert client.delete(address, headers=key).status_code in (200, 204)
    row.refresh_from_db()
    assert row.deleted_at is not None
    elsewhere = address.replace(page.public_id, other_page.public_id)
    assert client.post(f"{elsewhere}/restore", headers=key).status_code == 404
    answer = client.post(f"{address}/restore", headers=key)
    assert answer.status_code == 200, answer.text
    row.refresh_from_db()
    assert row.deleted_at is None
    assert client.get(address, headers=key).status_code in (200, 405)
