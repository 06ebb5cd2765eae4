"""What can be deleted comes back: as it was, where it was, with both in its history."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.apps import apps

from incidents import catalogue, deletion
from incidents.errors import InvalidInput, InvalidTransition
from incidents.incidents import declare_incident, delete_incident, post_update
from incidents.lifecycle import ComponentStatus, IncidentStatus
from incidents.metrics import create_metric, delete_metric
from incidents.models import (
    ActionItem,
    Component,
    ComponentGroup,
    ComponentListing,
    Incident,
    IncidentTemplate,
    Metric,
    Page,
    Postmortem,
    PostmortemSection,
    User,
)
from incidents.models.base import Tracked
from incidents.postmortems import action_items, writing
from incidents.templates import create_template, delete_template
from status import relay
from status.publication import files, publishing

Verbs = dict[type[Tracked], tuple[Callable[..., object], Callable[..., None]]]
VERBS: Verbs = {
    Page: (catalogue.delete_page, deletion.restore_page),
    Component: (catalogue.delete_component, deletion.restore_component),
    ComponentGroup: (catalogue.delete_group, deletion.restore_group),
    ComponentListing: (catalogue.delete_listing, deletion.restore_listing),
    Incident: (lambda row, author: delete_incident(row, author=author, reason="Wrong"), deletion.restore_incident),
    Metric: (delete_metric, deletion.restore_metric),
    IncidentTemplate: (delete_template, deletion.restore_template),
}
WITHOUT = {  # why it is not restored by a verb of its own
    "ApiKey": "a key is revoked, never deleted",
    "EmbedConfig": "a page's embed is changed, never deleted",
    "FindingDismissal": "it holds for one text",
    "IncidentRole": "a role is given up and taken",
    "IncidentUpdate": "an update is taken back, never deleted",
    "MaintenancePlan": "it goes and comes with its maintenance",
    "MaintenanceReminder": "the list of reminders is set as a whole",
    "MaintenanceSeries": "a series is over when what follows is cancelled",
    "Origin": "where a record came from is written once",
    "PlannedComponent": "it belongs to the planned update",
    "PlannedUpdate": "it is cancelled, and planned anew",
    "PostmortemComment": "a comment is settled, never deleted",
    "Recipient": "whose address was forgotten is unknown",
    "StaffChannel": "a channel is added anew",
    "Subscriber": "whose address was forgotten is unknown",
    "TemplateComponent": "it belongs to the template",
    "UpdateCadence": "a time is changed, never deleted",
}


@pytest.fixture
def deletable(page: Page, other_page: Page, admin: User, author: User) -> dict[type[Tracked], Any]:
    """One of each, where the public sees it."""
    group = catalogue.create_group(page, name="Core", author=admin)
    component = catalogue.create_component(page, name="API", group=group, author=admin)
    listing = catalogue.list_component(component, page=other_page, author=admin)
    incident = declare_incident(page, title="Errors", author=author)
    down = [(component, ComponentStatus.MAJOR_OUTAGE)]
    at = datetime.now(UTC) - timedelta(days=40)
    post_update(
        incident,
        status=IncidentStatus.IDENTIFIED,
        body="Down.",
        author=author,
        components=down,
        display_at=at,
    )
    metric = create_metric(page, name="Errors a minute", author=admin)
    template = create_template(name="Slow", body="Slow.", author=admin)
    found: list[Tracked] = [page, group, component, listing, incident, metric, template]
    return {type(row): row for row in found}


def published(*pages: Page) -> dict[str, bytes | None]:
    relay.relay()
    found: dict[str, bytes | None] = {}
    for page in pages:
        assert publishing.differences(page) == []
        root = files.folder(page.public_id)
        found |= {f"{page}/{path}": files.read(root, path) for path in files.tracked(root)}
    return found


@pytest.mark.parametrize("model", VERBS, ids=lambda model: model.__name__)
def test_what_was_deleted_is_published_as_before_once_it_is_restored(
    model: type[Tracked], page: Page, other_page: Page, admin: User, request: pytest.FixtureRequest
) -> None:
    delete, restore = VERBS[model]
    with time_machine.travel(datetime(2026, 3, 10, 12, tzinfo=UTC), tick=False):
        row = request.getfixturevalue("deletable")[model]
        before = published(page, other_page)
        delete(row, author=admin)
        without = published(page, other_page)
        assert (without != before) == (model is not IncidentTemplate)
        assert not [path for path in without if model is not Page and path.endswith(f"{row.public_id}.html")]
        restore(row, author=admin, reason="It was right")
        assert published(page, other_page) == before
    newest, gone = row.history.order_by("-history_id")[:2]
    assert (newest.deleted_at, newest.history_user, newest.history_change_reason) == (None, admin, "It was right")
    assert gone.deleted_at is not None
    with pytest.raises(InvalidTransition, match="nothing to restore"):
        restore(row, author=admin)


def test_whatever_has_deleted_at_is_restored_or_says_why_not() -> None:
    tracked = {model for model in apps.get_models() if issubclass(model, Tracked)}
    in_reports = {Postmortem, PostmortemSection, ActionItem}
    assert {model.__name__ for model in tracked - VERBS.keys() - in_reports} == WITHOUT.keys()


def test_a_report_and_what_is_in_it_comes_back(incident: Incident, author: User) -> None:
    post_update(incident, status=IncidentStatus.RESOLVED, body="Over.", author=author)
    report = writing.start_postmortem(incident, author=author)
    item = action_items.add_action_item(report, text="Alert earlier", author=author)
    section = report.live_sections()[0]
    headings = [each.heading for each in report.live_sections()]
    action_items.remove_action_item(item, author=author)
    writing.remove_section(section, author=author)
    assert not report.action_items.filter(deleted_at=None).exists()
    action_items.restore_action_item(item, author=author)
    writing.restore_section(section, author=author)
    assert [each.heading for each in report.live_sections()] == headings
    assert report.action_items.get(deleted_at=None) == item
    writing.delete_postmortem(report, reason="No need", author=author)
    writing.restore_postmortem(report, author=author)
    incident.refresh_from_db()
    assert incident.postmortem == report


def test_nothing_is_restored_into_what_is_deleted(deletable: dict[type[Tracked], Any], page: Page, admin: User) -> None:
    component = deletable[Component]
    catalogue.delete_component(component, author=admin)
    catalogue.delete_page(page, author=admin)
    with pytest.raises(InvalidTransition, match=r"“Acme”, where it belongs, is deleted. Restore that first."):
        deletion.restore_component(Component.objects.get(pk=component.pk), author=admin)


def test_a_page_whose_name_another_one_has_taken_stays_deleted(page: Page, admin: User) -> None:
    catalogue.delete_page(page, author=admin)
    catalogue.create_page(name="New", url=page.url, author=admin)
    with pytest.raises(InvalidInput, match="Another page has this host name"):
        deletion.restore_page(page, author=admin)
    page.refresh_from_db()
    assert page.deleted_at is not None


def test_a_component_that_has_another_group_since_stays_there(
    deletable: dict[type[Tracked], Any], page: Page, admin: User
) -> None:
    component, group = deletable[Component], deletable[ComponentGroup]
    catalogue.delete_group(group, author=admin)
    other = catalogue.create_group(page, name="Other", author=admin)
    component.refresh_from_db()
    catalogue.edit_component(component, group=other, author=admin)
    deletion.restore_group(group, author=admin)
    component.refresh_from_db()
    assert component.group == other
