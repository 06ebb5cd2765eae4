"""A component that two pages show: what is said of it is said on both, as long as its home page is there."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from incidents import catalogue
from incidents.checking import letting_stand
from incidents.deletion import taken_along
from incidents.duties import Key, duties
from incidents.errors import InvalidInput, InvalidTransition, LeakFound
from incidents.incidents import declare_incident, post_update
from incidents.lifecycle import ComponentStatus, IncidentStatus, Visibility
from incidents.maintenance.plans import schedule_maintenance
from incidents.models import Component, Incident, Page, User
from incidents.restoration import restore_listing, restore_page
from status import relay
from status.models import Delivery
from status.publication import files, publishing
from status.subscriptions.choices import Choices
from status.subscriptions.left_behind import tell_left_behind, would_leave_behind
from status.subscriptions.subscribers import add_by_staff
from tests.rows import refused

pytestmark = [pytest.mark.both, pytest.mark.long]

MAJOR = ComponentStatus.MAJOR_OUTAGE


@pytest.fixture
def mail(page: Page, other_page: Page, component: Component, admin: User) -> Component:
    """At home on the other page, and listed on this one, as the component is listed on the other."""
    catalogue.list_component(component, page=other_page, author=admin)
    mail = catalogue.create_component(other_page, name="Mail", author=admin)
    catalogue.list_component(mail, page=page, author=admin)
    return mail


def tree(page: Page) -> dict[str, bytes | None]:
    """What is published of a page, which is what a full render gives."""
    relay.relay()
    assert publishing.differences(page) == []
    root = files.folder(page.public_id)
    return {path: files.read(root, path) for path in files.tracked(root)}


def said(published: dict[str, bytes | None]) -> tuple[str, dict[str, str], list[str]]:
    found = json.loads(published["api/v2/summary.json"] or b"")
    statuses = {row["name"]: row["status"] for row in found["components"]}
    return found["status"]["description"], statuses, [row["name"] for row in found["incidents"]]


@pytest.mark.slow
def test_what_is_at_home_on_a_deleted_page_is_on_no_other_page(
    page: Page, other_page: Page, component: Component, mail: Component, admin: User, author: User
) -> None:
    with time_machine.travel(timezone.now(), tick=False):
        incident = declare_incident(page, title="Errors", author=author)
        down = [(component, MAJOR), (mail, MAJOR)]
        post_update(incident, status=IncidentStatus.IDENTIFIED, body="Down.", author=author, components=down)
        before = tree(other_page)
        assert said(before) == (
            "Major System Outage",
            {component.name: "major_outage", "Mail": "major_outage"},
            ["Errors"],
        )
        assert taken_along(page)["listings on further pages"] == 1
        catalogue.delete_page(page, author=admin)
        after = tree(other_page)
        assert said(after) == ("All Systems Operational", {"Mail": "operational"}, [])
        assert not [path for path in after if incident.public_id in path]
        assert not [path for path, content in after.items() if component.public_id.encode() in (content or b"")]
        assert list(incident.pages()) == []
        restore_page(page, author=admin)
        assert tree(other_page) == before


def test_nothing_of_a_deleted_page_is_put_on_another_one(
    page: Page, other_page: Page, component: Component, admin: User
) -> None:
    listing = catalogue.list_component(component, page=other_page, author=admin)
    catalogue.delete_listing(listing, author=admin)
    catalogue.delete_page(page, author=admin)
    for act in (
        lambda: catalogue.list_component(component, page=other_page, author=admin),
        lambda: restore_listing(listing, author=admin),
    ):
        with refused(InvalidTransition, "deleted"):
            act()


@pytest.mark.slow
def test_a_maintenance_of_a_deleted_page_lies_over_no_component(
    page: Page, other_page: Page, mail: Component, admin: User, author: User
) -> None:
    now = timezone.now()
    planned = schedule_maintenance(
        page, title="Disks", body="New ones.", scheduled_for=now + timedelta(minutes=5),
        scheduled_until=now + timedelta(hours=1), components=[mail], author=author,
    )  # fmt: skip
    post_update(planned, status=IncidentStatus.IN_PROGRESS, body="Now.", author=author)
    assert said(tree(other_page))[1]["Mail"] == "under_maintenance"
    catalogue.delete_page(page, author=admin)
    assert said(tree(other_page))[1]["Mail"] == "operational"


def test_nobody_is_asked_to_speak_of_what_is_on_a_deleted_page(
    page: Page, other_page: Page, component: Component, mail: Component, admin: User, author: User
) -> None:
    here = declare_incident(page, title="Here", author=author)
    post_update(here, status=IncidentStatus.IDENTIFIED, body="Down.", author=author)
    there = declare_incident(other_page, title="There", author=author)
    down = [(component, MAJOR)]
    post_update(there, status=IncidentStatus.RESOLVED, body="Over.", author=author, components=down)

    def asked(key: Key) -> list[str]:
        return [row["title"] for duty in duties() if duty.key == key for row in duty.rows.values("title")]

    assert (asked(Key.SILENT), asked(Key.LEFT_DOWN)) == (["Here"], ["There"])
    catalogue.delete_page(page, author=admin)
    assert (asked(Key.SILENT), asked(Key.LEFT_DOWN)) == ([], [])


def test_who_follows_what_another_page_lent_is_notified_when_that_page_is_deleted(
    page: Page, other_page: Page, component: Component, mail: Component, admin: User
) -> None:
    lent = Choices(everything=False, components=[component])
    here = add_by_staff(page, address="here@example.com", choices=lent, author=admin)
    there = add_by_staff(other_page, address="there@example.com", choices=lent, author=admin)
    assert would_leave_behind(page) == 1
    catalogue.delete_page(page, author=admin)

    def notified() -> list[Any]:
        tell_left_behind()
        owed = Delivery.objects.filter(purpose=Delivery.Purpose.LEFT_BEHIND, state=Delivery.State.DUE)
        return [row.recipient_id for row in owed]

    assert notified() == [there.pk] != [here.pk]
    restore_page(page, author=admin)
    assert notified() == []


def test_what_a_page_lends_is_read_once_more_for_the_other_page_when_it_is_restored(
    page: Page, other_page: Page, admin: User
) -> None:
    """“Falcon” is public here, and for who reads the other page it is the name of something internal.

    So is “Heron”, which that page never showed.
    """
    falcon, _heron = (catalogue.create_component(page, name=name, author=admin) for name in ("Falcon", "Heron"))
    catalogue.list_component(falcon, page=other_page, author=admin)
    catalogue.delete_page(page, author=admin)
    for name in ("Falcon", "Heron"):
        catalogue.create_component(other_page, name=name, visibility=Visibility.INTERNAL, author=admin)
    with pytest.raises(LeakFound) as refusal:
        restore_page(page, author=admin)
    assert {found.quote for found in refusal.value.findings} == {"Falcon"}
    with letting_stand(dict.fromkeys(refusal.value.may_stand, "Customers know it.")):
        restore_page(page, author=admin)


def test_what_a_third_page_says_of_a_component_leaves_the_others_with_its_home_page(
    page: Page, other_page: Page, component: Component, mail: Component, admin: User, author: User
) -> None:
    third = catalogue.create_page(name="Third", url="https://third.example", author=admin)
    catalogue.list_component(component, page=third, author=admin)
    incident = declare_incident(third, title="There", author=author)
    down = [(component, MAJOR)]
    post_update(incident, status=IncidentStatus.IDENTIFIED, body="Down.", author=author, components=down)

    def shown() -> set[Page]:
        found = {each for each in (page, other_page, third) if Incident.objects.public().on(each).exists()}
        assert found == set(incident.pages())
        return found

    assert shown() == {page, other_page, third}
    catalogue.delete_page(page, author=admin)
    assert shown() == {third}


def test_nothing_is_said_of_a_component_whose_home_page_is_deleted(
    page: Page, other_page: Page, component: Component, mail: Component, admin: User, author: User
) -> None:
    catalogue.delete_page(page, author=admin)
    incident = declare_incident(other_page, title="There", author=author)
    with refused(InvalidInput, "not one of this page's"):
        down = [(component, MAJOR)]
        post_update(incident, status=IncidentStatus.IDENTIFIED, body="Down.", author=author, components=down)
