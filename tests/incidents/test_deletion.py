"""What can be deleted comes back: as it was, where it was, with both in its history."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, get_type_hints

import pytest
import time_machine
from django.apps import apps

from incidents import catalogue
from incidents.checking import letting_stand
from incidents.deletion import taken_along
from incidents.errors import InvalidInput, InvalidTransition, LeakFound
from incidents.incidents import declare_incident, delete_incident, post_update
from incidents.lifecycle import ComponentStatus, IncidentStatus, Visibility
from incidents.maintenance import clockwork
from incidents.maintenance.plans import schedule_maintenance
from incidents.metrics import create_metric, delete_metric
from incidents.models import (
    ActionItem,
    Component,
    ComponentGroup,
    ComponentListing,
    Incident,
    IncidentTemplate,
    Metric,
    OutboxEvent,
    Page,
    Postmortem,
    PostmortemSection,
    User,
)
from incidents.models.base import Tracked
from incidents.postmortems import action_items, reviewing, writing
from incidents.restoration import (
    RESTORES,
    restore_action_item,
    restore_group,
    restore_incident,
    restore_page,
    restore_postmortem,
    restore_section,
)
from incidents.templates import create_template, delete_template
from status import relay
from status.publication import files, publishing
from tests.incidents.conftest import NOON
from tests.incidents.registry import all_services
from tests.rows import everything

pytestmark = pytest.mark.long

DELETES: dict[type[Tracked], Callable[..., dict[str, int]]] = {
    Page: catalogue.delete_page,
    Component: catalogue.delete_component,
    ComponentGroup: catalogue.delete_group,
    ComponentListing: catalogue.delete_listing,
    Incident: partial(delete_incident, reason="Wrong"),
    Metric: delete_metric,
    IncidentTemplate: delete_template,
}
IN_REPORTS = {Postmortem, PostmortemSection, ActionItem}
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
    """One of each, where the public sees it and reads of Falcon."""
    page = catalogue.edit_page(page, intro="All about Falcon.", author=admin)
    group = catalogue.create_group(page, name="Core", description="Of Falcon.", author=admin)
    component = catalogue.create_component(page, name="API", description="Of Falcon.", group=group, author=admin)
    listing = catalogue.list_component(component, page=other_page, author=admin)
    incident = declare_incident(page, title="Errors", author=author)
    down = [(component, ComponentStatus.MAJOR_OUTAGE)]
    at = datetime.now(UTC) - timedelta(days=40)
    post_update(
        incident,
        status=IncidentStatus.IDENTIFIED,
        body="Falcon is down.",
        author=author,
        components=down,
        display_at=at,
    )
    metric = create_metric(page, name="Errors a minute", description="Of Falcon.", author=admin)
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


@pytest.mark.slow
@pytest.mark.parametrize("model", DELETES, ids=lambda model: model.__name__)
def test_what_was_deleted_is_published_as_before_once_it_is_restored(
    model: type[Tracked], page: Page, other_page: Page, admin: User, request: pytest.FixtureRequest
) -> None:
    restore = RESTORES[model]
    with time_machine.travel(datetime(2026, 3, 10, 12, tzinfo=UTC), tick=False):
        row = request.getfixturevalue("deletable")[model]
        before, along = published(page, other_page), taken_along(row)
        assert DELETES[model](row, author=admin) == along
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
    assert {model.__name__ for model in tracked - RESTORES.keys()} == WITHOUT.keys()


def test_every_verb_that_deletes_says_what_goes_along_and_has_one_that_restores() -> None:
    deleted = set()
    for service in all_services():
        if service.name.rpartition(".")[2].startswith("delete_"):
            hints = get_type_hints(inspect.unwrap(service.function))
            assert hints["return"] == dict[str, int], service.name
            deleted.add(next(iter(hints.values())))
    assert deleted == RESTORES.keys() == DELETES.keys() | IN_REPORTS


def test_a_report_and_what_is_in_it_comes_back(incident: Incident, author: User) -> None:
    post_update(incident, status=IncidentStatus.RESOLVED, body="Over.", author=author)
    report = writing.start_postmortem(incident, author=author)
    item = action_items.add_action_item(report, text="Alert earlier", author=author)
    section = report.live_sections()[0]
    headings = [each.heading for each in report.live_sections()]
    reviewing.comment_section(section, text="Really?", author=author)
    assert action_items.delete_action_item(item, author=author) == {}
    assert writing.delete_section(section, author=author) == {"comments": 1}
    assert not report.action_items.filter(deleted_at=None).exists()
    restore_action_item(item, author=author)
    restore_section(section, author=author)
    assert [each.heading for each in report.live_sections()] == headings
    assert report.action_items.get(deleted_at=None) == item
    along = {"sections": 7, "action items": 1, "incidents that stay, without a postmortem": 1}
    assert writing.delete_postmortem(report, reason="No need", author=author) == along
    restore_postmortem(report, author=author)
    incident.refresh_from_db()
    assert incident.postmortem == report


def test_a_page_whose_name_another_one_has_taken_stays_deleted(page: Page, admin: User) -> None:
    catalogue.delete_page(page, author=admin)
    catalogue.create_page(name="New", url=page.url, author=admin)
    with pytest.raises(InvalidInput, match="Another page has this host name"):
        restore_page(page, author=admin)
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
    restore_group(group, author=admin)
    component.refresh_from_db()
    assert component.group == other


@pytest.mark.parametrize("model", DELETES.keys() - {IncidentTemplate}, ids=lambda model: model.__name__)
def test_a_name_that_has_become_internal_since_is_read_once_more(
    model: type[Tracked], deletable: dict[type[Tracked], Any], other_page: Page, admin: User
) -> None:
    row = deletable[model]
    DELETES[model](row, author=admin)
    catalogue.create_component(other_page, name="Falcon", visibility=Visibility.INTERNAL, author=admin)
    before = everything()
    with pytest.raises(LeakFound, match="“Falcon”") as refusal:
        RESTORES[model](row, author=admin)
    assert everything() == before
    with letting_stand({found.digest: "Customers know it." for found in refusal.value.findings}):
        RESTORES[model](row, author=admin)
    row.refresh_from_db()
    assert row.deleted_at is None


@pytest.mark.parametrize(("deleted", "begun"), [("maintenance", False), ("maintenance", True), ("page", False)])
def test_a_maintenance_that_was_deleted_when_its_time_came_is_left_to_staff(
    page: Page, author: User, admin: User, at_noon: Any, deleted: str, begun: bool
) -> None:
    hour = timedelta(hours=1)
    planned = schedule_maintenance(
        page, title="Disks", body="New ones.", scheduled_for=NOON + 2 * hour, scheduled_until=NOON + 4 * hour,
        reminders=[60], starts_by_itself=True, ends_by_itself=True, author=author,
    )  # fmt: skip
    if begun:
        post_update(planned, status=IncidentStatus.IN_PROGRESS, body="Now.", author=author)
    if deleted == "page":
        catalogue.delete_page(page, author=admin)
    else:
        delete_incident(planned, reason="Wrong", author=author)
    at_noon.shift(5 * hour)
    assert clockwork.advance() == 0
    if deleted == "page":
        restore_page(page, author=admin)
    else:
        restore_incident(planned, author=author)
    said = OutboxEvent.objects.count()
    assert clockwork.advance() == 0
    planned.refresh_from_db()
    assert planned.status == (IncidentStatus.IN_PROGRESS if begun else IncidentStatus.SCHEDULED)
    assert OutboxEvent.objects.count() == said
    assert planned.plan.reminders.get().note == "The maintenance, or its page, was deleted at that time."


def test_a_maintenance_that_is_restored_in_time_starts_by_itself(page: Page, author: User, at_noon: Any) -> None:
    hour = timedelta(hours=1)
    planned = schedule_maintenance(
        page, title="Disks", body="New ones.", scheduled_for=NOON + 2 * hour, scheduled_until=NOON + 4 * hour,
        starts_by_itself=True, author=author,
    )  # fmt: skip
    delete_incident(planned, reason="Wrong", author=author)
    at_noon.shift(hour)
    restore_incident(planned, author=author)
    at_noon.shift(2 * hour)
    assert clockwork.advance() == 1
