"""What comes back is what this very deletion took along; what is deleted already is not deleted again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from incidents import catalogue, metrics
from incidents.checking import leaks, letting_stand
from incidents.deletion import taken_along
from incidents.errors import InvalidInput, InvalidTransition, LeakFound
from incidents.incidents import declare_incident, delete_incident, post_update
from incidents.lifecycle import STATUSES, ComponentStatus, IncidentStatus, Kind, Visibility
from incidents.maintenance.plans import schedule_maintenance
from incidents.models import Component, ComponentGroup, ComponentListing, Incident, Page, Postmortem, User
from incidents.models.base import Tracked
from incidents.people import service_user
from incidents.planned import plan_update
from incidents.postmortems import action_items, writing
from incidents.restoration import (
    RESTORES,
    restore_component,
    restore_group,
    restore_incident,
    restore_listing,
    restore_page,
    restore_postmortem,
    restore_section,
)
from incidents.templates import create_template, delete_template
from tests.incidents.conftest import NOON
from tests.reports import approved
from tests.rows import refused


@pytest.fixture
def group(page: Page, component: Component, admin: User) -> ComponentGroup:
    return catalogue.create_group(page, name="Core", components=[component], author=admin)


def group_of(component: Component) -> ComponentGroup | None:
    return Component.objects.get(pk=component.pk).group


# --- What may come back -----------------------------------------------------------------------------------------------


def test_a_secret_that_a_program_published_stands_when_a_person_says_why(page: Page, admin: User) -> None:
    catalogue.edit_page(page, programs_may_publish_unchecked=True, author=admin)
    program = service_user("robot", role="communicator")
    incident = declare_incident(page, title="Errors", author=program)
    body = "The key AKIAIOSFODNN7EXAMPLE of our documentation is refused."
    post_update(incident, status=IncidentStatus.IDENTIFIED, body=body, author=program)
    delete_incident(incident, reason="Wrong", author=admin)
    with pytest.raises(LeakFound, match="looks like a password") as refusal:
        restore_incident(incident, author=admin)
    with letting_stand(dict.fromkeys(refusal.value.may_stand, "It is an example.")):
        restore_incident(incident, author=admin)
    assert "It is an example." in incident.history.latest().history_change_reason


def test_the_texts_of_its_incidents_keep_no_page_from_coming_back(incident: Incident, page: Page, admin: User) -> None:
    post_update(incident, status=IncidentStatus.IDENTIFIED, body="Falcon is down.", author=admin)
    catalogue.create_component(page, name="Falcon", visibility=Visibility.INTERNAL, author=admin)
    catalogue.delete_page(page, author=admin)
    restore_page(page, author=admin)
    assert page.deleted_at is None


def test_a_page_comes_back_in_as_many_statements_however_much_was_on_it(page: Page, admin: User, at_noon: Any) -> None:
    window: Any = {"scheduled_for": NOON + timedelta(days=1), "scheduled_until": NOON + timedelta(days=2)}
    statements = []
    for _round in range(2):
        schedule_maintenance(page, title="Disks", body="New ones.", author=admin, **window)
        incident = declare_incident(page, title="Errors", author=admin)
        post_update(incident, status=IncidentStatus.IDENTIFIED, body="Slow.", author=admin)
        catalogue.delete_page(page, author=admin)
        with CaptureQueriesContext(connection) as seen:
            restore_page(page, author=admin)
        statements.append(len(seen))
    assert statements[0] == statements[1]


def test_whatever_stands_on_a_page_is_read_once_more(page: Page, other_page: Page, admin: User) -> None:
    words: Any = {"description": "Of Falcon.", "author": admin}
    lent = catalogue.create_component(other_page, name="Mail", **words)
    catalogue.list_component(lent, page=page, author=admin)
    parts = [
        catalogue.create_component(page, name="Search", **words),
        catalogue.create_group(page, name="Core", **words),
        metrics.create_metric(page, name="Errors", **words),
        lent,
    ]
    catalogue.delete_page(page, author=admin)
    catalogue.create_component(other_page, name="Falcon", visibility=Visibility.INTERNAL, author=admin)
    with pytest.raises(LeakFound) as refusal:
        restore_page(page, author=admin)
    assert {found.section for found in refusal.value.findings} == {f"{part.public_id}_description" for part in parts}


def test_nothing_is_restored_into_what_is_deleted(
    page: Page, other_page: Page, component: Component, group: ComponentGroup, incident: Incident, admin: User
) -> None:
    metric = metrics.create_metric(page, name="Errors", author=admin)
    template = create_template(page=page, name="Slow", body="Slow.", author=admin)
    here = catalogue.create_component(other_page, name="Mail", author=admin)
    on_page = catalogue.list_component(here, page=page, author=admin)
    of_component = catalogue.list_component(component, page=other_page, author=admin)
    for listing in (on_page, of_component):
        catalogue.delete_listing(listing, author=admin)
    catalogue.delete_component(component, author=admin)
    catalogue.delete_group(group, author=admin)
    metrics.delete_metric(metric, author=admin)
    delete_template(template, author=admin)
    delete_incident(incident, reason="Wrong", author=admin)
    with pytest.raises(InvalidTransition, match="“API”, where it belongs, is deleted"):
        restore_listing(of_component, author=admin)
    catalogue.delete_page(page, author=admin)
    rows: list[Tracked] = [component, group, on_page, metric, template, incident]
    for row in rows:
        with pytest.raises(InvalidTransition, match=r"“Acme”, where it belongs, is deleted. Restore that first."):
            RESTORES[type(row)](type(row)._base_manager.get(pk=row.pk), author=admin)


# --- What this deletion took along ------------------------------------------------------------------------------------


def test_a_component_that_staff_took_out_of_a_group_stays_out_of_it(
    component: Component, group: ComponentGroup, admin: User
) -> None:
    catalogue.delete_group(group, author=admin)
    restore_group(group, author=admin)
    assert group_of(component) == group
    catalogue.edit_component(component, group=None, author=admin)
    catalogue.delete_group(group, author=admin)
    restore_group(group, author=admin)
    assert group_of(component) is None


def test_a_component_that_was_deleted_before_its_group_is_in_it_again(
    component: Component, group: ComponentGroup, admin: User
) -> None:
    catalogue.delete_component(component, author=admin)
    catalogue.delete_group(group, author=admin)
    restore_group(group, author=admin)
    restore_component(component, author=admin)
    assert group_of(component) == group


def test_a_report_is_about_what_it_was_about_when_it_was_given_up(incident: Incident, page: Page, author: User) -> None:
    other = declare_incident(page, title="Other", author=author)
    report = writing.start_postmortem(incident, author=author)
    writing.cover_incident(report, other, author=author)
    writing.uncover_incident(report, other, author=author)
    writing.delete_postmortem(report, reason="No need", author=author)
    restore_postmortem(report, author=author)
    assert list(report.incidents.all()) == [incident]
    writing.delete_postmortem(report, reason="No need", author=author)
    writing.start_postmortem(incident, author=author)
    with refused(InvalidTransition, "Each of its incidents has another postmortem by now"):
        restore_postmortem(report, author=author)


def test_an_approval_was_of_the_incidents_too(incident: Incident, page: Page, author: User) -> None:
    other = declare_incident(page, title="Other", author=author)
    report = writing.start_postmortem(incident, author=author)
    writing.cover_incident(report, other, author=author)
    approved(incident, "Why both broke.", author)
    for left_for_another, state in (([], Postmortem.State.APPROVED), ([other], Postmortem.State.DRAFT)):
        report.refresh_from_db()
        writing.delete_postmortem(report, reason="No need", author=author)
        for each in left_for_another:
            each.refresh_from_db()
            writing.start_postmortem(each, author=author)
        restore_postmortem(report, author=author)
        assert Postmortem.objects.get(pk=report.pk).state == state


def test_who_restores_a_section_edits_the_report(incident: Incident, author: User, admin: User) -> None:
    report = writing.start_postmortem(incident, author=author)
    section = report.live_sections()[0]
    writing.delete_section(section, author=author)
    restore_section(section, author=admin)
    report.refresh_from_db()
    assert report.edited_by == admin


def test_an_incident_takes_along_what_was_said_and_what_was_to_be_said(
    incident: Incident, component: Component, author: User, at_noon: Any
) -> None:
    down = [(component, ComponentStatus.MAJOR_OUTAGE)]
    for body in ("Down.", "Still down."):
        post_update(incident, status=IncidentStatus.IDENTIFIED, body=body, author=author, components=down)
    later: Any = {"due_at": NOON + timedelta(hours=1), "next_update": None, "notify": True, "components": []}
    plan_update(incident, status=IncidentStatus.MONITORING, body="Up.", author=author, **later)
    assert taken_along(incident) == {
        "updates": 2,
        "components that read as without it": 1,
        "planned updates that wait, and are held back": 1,
    }


# --- Deleted once -----------------------------------------------------------------------------------------------------


def test_what_is_deleted_is_not_deleted_again(
    page: Page, other_page: Page, component: Component, group: ComponentGroup, incident: Incident, admin: User
) -> None:
    report = writing.start_postmortem(incident, author=admin)
    section = report.live_sections()[0]
    item = action_items.add_action_item(report, text="Alert earlier", author=admin)
    listing = catalogue.list_component(component, page=other_page, author=admin)
    metric = metrics.create_metric(page, name="Errors", author=admin)
    template = create_template(page=page, name="Slow", body="Slow.", author=admin)
    deletions: dict[Tracked, Callable[[], object]] = {
        section: lambda: writing.delete_section(section, author=admin),
        item: lambda: action_items.delete_action_item(item, author=admin),
        report: lambda: writing.delete_postmortem(report, reason="No need", author=admin),
        incident: lambda: delete_incident(incident, reason="Wrong", author=admin),
        listing: lambda: catalogue.delete_listing(listing, author=admin),
        group: lambda: catalogue.delete_group(group, author=admin),
        component: lambda: catalogue.delete_component(component, author=admin),
        metric: lambda: metrics.delete_metric(metric, author=admin),
        template: lambda: delete_template(template, author=admin),
        page: lambda: catalogue.delete_page(page, author=admin),
    }
    assert {type(row) for row in deletions} == RESTORES.keys()
    for delete in deletions.values():
        delete()
        with pytest.raises(InvalidTransition, match="was deleted"):  # so nothing was written
            delete()


# --- On a further page ------------------------------------------------------------------------------------------------


def test_a_component_is_listed_on_no_page_where_its_name_is_internal(
    page: Page, other_page: Page, make_component: Any, admin: User
) -> None:
    third = catalogue.create_page(name="Third", url="https://third.example", author=admin)
    falcon = make_component("Falcon")
    listing = catalogue.list_component(falcon, page=third, author=admin)
    catalogue.create_component(other_page, name="Falcon", visibility=Visibility.INTERNAL, author=admin)
    with pytest.raises(LeakFound, match="“Falcon”"):
        catalogue.list_component(falcon, page=other_page, author=admin)
    with pytest.raises(LeakFound, match="“Falcon”"):
        catalogue.edit_listing(listing, page=other_page, author=admin)
    with refused(LeakFound, "“Falcon”"):
        catalogue.edit_component(falcon, page=other_page, author=admin)
    catalogue.edit_listing(listing, position=2, author=admin)


def test_a_component_is_read_for_every_page_that_shows_it(page: Page, other_page: Page, admin: User) -> None:
    """“Falcon” is the name of something public here, and of something internal for whoever reads the other page."""
    catalogue.create_component(page, name="Falcon", author=admin)
    catalogue.create_component(other_page, name="Falcon", visibility=Visibility.INTERNAL, author=admin)
    search = catalogue.create_component(page, name="Search", visibility=Visibility.INTERNAL, author=admin)
    catalogue.list_component(search, page=other_page, author=admin)
    catalogue.edit_component(search, description="Fed by Falcon.", author=admin)
    with refused(LeakFound, "“Falcon”"):
        catalogue.edit_component(search, visibility=Visibility.PUBLIC, author=admin)
    catalogue.edit_component(search, visibility=Visibility.PUBLIC, description="", author=admin)
    with refused(LeakFound, "“Falcon”"):
        catalogue.edit_component(search, description="Fed by Falcon.", author=admin)
    with letting_stand({leak.digest: "Customers know it." for leak in leaks(other_page, description="Fed by Falcon.")}):
        catalogue.edit_component(search, description="Fed by Falcon.", author=admin)
    catalogue.delete_component(search, author=admin)
    with refused(LeakFound, "“Falcon”"):
        restore_component(search, author=admin)


def test_a_component_that_moves_to_where_it_is_listed_is_there_once(
    page: Page, other_page: Page, component: Component, admin: User
) -> None:
    listing = catalogue.list_component(component, page=other_page, author=admin)
    catalogue.edit_component(component, page=other_page, author=admin)
    assert list(Component.objects.on(other_page)) == [component]
    assert ComponentListing.objects.live().count() == 0
    with refused(InvalidInput, "shown there already"):
        restore_listing(listing, author=admin)


@pytest.mark.parametrize("kind", Kind)
def test_a_component_of_which_something_open_speaks_does_not_move(
    page: Page, other_page: Page, component: Component, author: User, admin: User, kind: Kind
) -> None:
    incident = declare_incident(page, title="Errors", kind=kind, author=author)
    open_status, end = STATUSES[kind][0], STATUSES[kind][-1]
    post_update(incident, status=open_status, body="Look.", author=author, components=[(component, None)])
    with refused(InvalidTransition, "“Errors” is not over .* or list the component on the other page"):
        catalogue.edit_component(component, page=other_page, author=admin)
    catalogue.edit_component(component, page=page, description="Of customers.", author=admin)
    post_update(incident, status=end, body="Over.", author=author)
    catalogue.edit_component(component, page=other_page, author=admin)


def test_an_open_incident_comes_back_to_no_page_that_its_component_has_left(
    other_page: Page, component: Component, incident: Incident, author: User, admin: User
) -> None:
    down = [(component, ComponentStatus.MAJOR_OUTAGE)]
    post_update(incident, status=IncidentStatus.IDENTIFIED, body="Down.", author=author, components=down)
    delete_incident(incident, reason="Wrong", author=author)
    catalogue.edit_component(component, page=other_page, author=admin)
    with refused(InvalidTransition, "is not on this page any more. List it here first"):
        restore_incident(incident, author=author)
    catalogue.list_component(component, page=incident.page, author=admin)
    restore_incident(incident, author=author)
    assert set(incident.pages()) == {incident.page, other_page}


@pytest.mark.parametrize("is_over", [True, False], ids=["over", "of an internal component"])
def test_an_incident_that_leaves_nothing_red_comes_back_wherever_its_component_is(
    other_page: Page, component: Component, incident: Incident, author: User, admin: User, is_over: bool
) -> None:
    status = IncidentStatus.RESOLVED if is_over else IncidentStatus.IDENTIFIED
    post_update(incident, status=status, body="Look.", author=author, components=[(component, None)])
    delete_incident(incident, reason="Wrong", author=author)
    visibility = Visibility.PUBLIC if is_over else Visibility.INTERNAL
    catalogue.edit_component(component, page=other_page, visibility=visibility, author=admin)
    restore_incident(incident, author=author)
    assert incident.deleted_at is None


def test_a_component_is_listed_once_on_a_page(component: Component, other_page: Page, admin: User) -> None:
    catalogue.list_component(component, page=other_page, author=admin)
    with pytest.raises(InvalidInput, match="is listed on this page already"):
        catalogue.list_component(component, page=other_page, author=admin)
