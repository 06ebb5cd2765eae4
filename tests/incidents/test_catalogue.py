"""Pages, components, groups and listings, and a component's status over time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from incidents import catalogue
from incidents.errors import InvalidInput, InvalidTransition
from incidents.incidents import post_update
from incidents.lifecycle import ComponentStatus, IncidentStatus, Visibility
from incidents.models import Component, Incident, OutboxEvent, Page, User

pytestmark = pytest.mark.both

MakeComponent = Callable[..., Component]
UP, SLOW, MAJOR = ComponentStatus.OPERATIONAL, ComponentStatus.DEGRADED_PERFORMANCE, ComponentStatus.MAJOR_OUTAGE
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)


@contextmanager
def touching(*pages: Page) -> Iterator[None]:
    """What is done inside tells just these pages, each once, that something changed."""
    newest = OutboxEvent.objects.values_list("pk", flat=True).first() or 0
    yield
    noted = OutboxEvent.objects.filter(pk__gt=newest).values_list("page", flat=True)
    assert sorted(noted) == sorted(page.pk for page in pages)


# --- Pages ------------------------------------------------------------------------------------------------------------


def test_a_page_goes_by_the_host_name_in_its_address(admin: User) -> None:
    page = catalogue.create_page(name="Acme", url="https://Status.Acme.example:8443/", author=admin)
    page.refresh_from_db()
    assert (page.host, page.url) == ("status.acme.example", "https://Status.Acme.example:8443")


def test_two_pages_do_not_share_a_host_name_unless_one_is_deleted(page: Page, admin: User) -> None:
    second: Any = {"name": "Second", "url": "http://STATUS.acme.example/"}
    with pytest.raises(InvalidInput, match="Another page has this host name"):
        catalogue.create_page(**second, author=admin)
    catalogue.delete_page(page, author=admin)
    made = catalogue.create_page(**second, author=admin)
    assert list(Page.objects.live()) == [made]


@pytest.mark.parametrize(
    ("fields", "field", "sentence"),
    [
        ({"url": "status.acme.example"}, "url", "valid URL"),
        ({"url": "ftp://status.acme.example"}, "url", "valid URL"),
        ({"url": "javascript:alert(1)"}, "url", "valid URL"),
        ({"support_url": "javascript:alert(1)"}, "support_url", "valid URL"),
        ({"time_zone": "Rome"}, "time_zone", "is not a time zone. Write it like Europe/Rome"),
        ({"time_zone": "../../etc/passwd"}, "time_zone", "is not a time zone"),
        ({"language": "xx"}, "language", "is not a language we know"),
        ({"name": ""}, "name", "blank"),
    ],
)
def test_a_page_that_could_not_be_shown_is_refused(
    page: Page, admin: User, fields: dict[str, str], field: str, sentence: str
) -> None:
    facts: Any = fields
    with touching(), pytest.raises(InvalidInput, match=sentence) as refused:
        catalogue.edit_page(page, author=admin, **facts)
    assert refused.value.field == field


# --- Components, groups, listings -------------------------------------------------------------------------------------


def test_a_component_is_grouped_on_its_own_page_only(
    component: Component, other_page: Page, page: Page, admin: User
) -> None:
    foreign, own = (catalogue.create_group(home, name="Core", author=admin) for home in (other_page, page))
    with touching(), pytest.raises(InvalidInput, match="belongs to another page") as refused:
        catalogue.edit_component(component, group=foreign, author=admin)
    assert refused.value.field == "group"
    with touching(page):
        catalogue.edit_component(component, group=own, author=admin)


def test_a_component_is_listed_once_on_a_further_page(component: Component, other_page: Page, admin: User) -> None:
    with touching(other_page):
        listing = catalogue.list_component(component, page=other_page, author=admin)
    assert list(Component.objects.on(other_page)) == [component]
    with touching(), pytest.raises(InvalidInput):
        catalogue.list_component(component, page=other_page, author=admin)
    with touching(other_page):
        catalogue.delete_listing(listing, author=admin)
    assert not Component.objects.on(other_page).exists()
    catalogue.list_component(component, page=other_page, author=admin)
    assert list(Component.objects.on(other_page)) == [component]


def test_what_changes_a_component_touches_every_page_that_lists_it(
    component: Component, page: Page, other_page: Page, admin: User
) -> None:
    catalogue.list_component(component, page=other_page, author=admin)
    with touching(page, other_page):
        catalogue.edit_component(component, name="Public API", author=admin)
    with touching(page, other_page):
        catalogue.set_component_status(component, status=SLOW, author=admin)
    with touching(page, other_page):
        catalogue.delete_component(component, author=admin)


def test_a_component_that_moves_touches_the_page_it_leaves_and_the_one_it_joins(
    component: Component, page: Page, other_page: Page, admin: User
) -> None:
    with touching(page, other_page):
        catalogue.edit_component(component, page=other_page, author=admin)
    assert not Component.objects.on(page).exists()


def test_a_listing_that_moves_touches_both_pages(component: Component, other_page: Page, admin: User) -> None:
    third = catalogue.create_page(name="Third", url="https://third.example", author=admin)
    listing = catalogue.list_component(component, page=other_page, author=admin)
    with touching(other_page, third):
        catalogue.edit_listing(listing, page=third, author=admin)


def test_a_component_is_not_listed_at_home_and_its_listing_ends_with_it(
    component: Component, page: Page, other_page: Page, admin: User
) -> None:
    listing = catalogue.list_component(component, page=other_page, author=admin)
    with pytest.raises(InvalidInput, match="at home on this page"):
        catalogue.list_component(component, page=page, author=admin)
    with pytest.raises(InvalidInput, match="at home on this page"):
        catalogue.edit_listing(listing, page=page, author=admin)
    catalogue.delete_component(component, author=admin)
    with pytest.raises(InvalidTransition, match="was deleted"):
        catalogue.edit_listing(listing, position=2, author=admin)


def test_the_components_of_a_deleted_group_stay_without_it(component: Component, page: Page, admin: User) -> None:
    group = catalogue.create_group(page, name="Core", components=[component], author=admin)
    with touching(page):
        catalogue.delete_group(group, author=admin)
    component.refresh_from_db()
    assert component.group_id is None
    assert component.deleted_at is None
    assert component.history.latest().history_user == admin


def test_deleting_a_group_touches_the_pages_that_list_its_components(
    make_component: MakeComponent, page: Page, other_page: Page, admin: User
) -> None:
    group = catalogue.create_group(page, name="Core", author=admin)
    catalogue.list_component(make_component("API", group=group), page=other_page, author=admin)
    with touching(page, other_page):
        catalogue.delete_group(group, author=admin)


def test_what_is_deleted_stays_in_the_record(component: Component, admin: User) -> None:
    catalogue.delete_component(component, author=admin)
    assert not Component.objects.live().exists()
    assert Component.objects.get().deleted_at is not None


# --- The status of a component over time ------------------------------------------------------------------------------


def test_a_status_is_said_once(component: Component, page: Page, admin: User) -> None:
    with touching(page):
        change = catalogue.set_component_status(component, status=SLOW, author=admin, reason="A slow disk")
    assert change is not None
    assert (change.old_status, change.status, change.author, change.reason) == (UP, SLOW, admin, "A slow disk")
    with touching():
        assert catalogue.set_component_status(component, status=SLOW, author=admin) is None


def test_an_internal_component_changes_in_silence(make_component: MakeComponent, admin: User) -> None:
    hidden = make_component("Queue", visibility=Visibility.INTERNAL)
    with touching():
        catalogue.set_component_status(hidden, status=MAJOR, author=admin)
    assert hidden.status is MAJOR


def test_a_status_does_not_begin_in_the_future(component: Component, admin: User) -> None:
    later = timezone.now() + timedelta(seconds=30)
    with touching(), pytest.raises(InvalidInput, match="in the future") as refused:
        catalogue.set_component_status(component, status=MAJOR, author=admin, effective_at=later)
    assert refused.value.field == "effective_at"
    assert not component.status_changes.exists()


@time_machine.travel(NOON, tick=False)
def test_an_interval_of_the_past_is_corrected_and_what_surrounds_it_stays(
    component: Component, page: Page, admin: User
) -> None:
    now = timezone.now()

    def ago(hours: int) -> datetime:
        return now - timedelta(hours=hours)

    for hours, status in ((8, ComponentStatus.MAJOR_OUTAGE), (5, ComponentStatus.PARTIAL_OUTAGE)):
        catalogue.set_component_status(component, status=status, author=admin, effective_at=ago(hours))
    events = OutboxEvent.objects.count()
    degraded = ComponentStatus.DEGRADED_PERFORMANCE
    catalogue.set_component_status(
        component, status=degraded, author=admin, reason="Wrong", effective_at=ago(7), ended_at=ago(3)
    )
    statuses = [component.status_at(ago(hours)).value for hours in (9, 8, 7, 5, 4, 3, 0)]
    assert statuses == [
        "operational",
        "major_outage",
        *["degraded_performance"] * 3,
        "partial_outage",
        "partial_outage",
    ]
    assert {(row.author, row.reason) for row in component.status_changes.order_by("-id")[:3]} == {(admin, "Wrong")}
    assert OutboxEvent.objects.count() == events + 1, "its pages are published anew"
    for wrong in (ago(7), ago(-1)):
        with pytest.raises(InvalidInput, match="lies after its start and not in the future"):
            catalogue.set_component_status(
                component, status=degraded, author=admin, effective_at=ago(7), ended_at=wrong
            )


def test_a_back_dated_status_corrects_the_past_and_leaves_what_came_after(component: Component, admin: User) -> None:
    def say(status: ComponentStatus, hours_ago: float) -> None:
        instant = NOON - timedelta(hours=hours_ago)
        catalogue.set_component_status(component, status=status, author=admin, effective_at=instant)

    def at(hours_ago: float) -> ComponentStatus:
        return component.status_at(NOON - timedelta(hours=hours_ago))

    say(SLOW, 4)
    say(UP, 2)
    say(MAJOR, 3)
    assert [at(hours) for hours in (5, 4, 3.5, 3, 2.5, 2, 0)] == [UP, SLOW, SLOW, MAJOR, MAJOR, UP, UP]
    say(UP, 3)  # of two for one instant the later said holds
    assert [at(hours) for hours in (3.5, 3, 2.5)] == [SLOW, UP, UP]


@time_machine.travel(NOON, tick=False)
def test_an_update_and_a_bare_change_tell_one_story(component: Component, incident: Incident, author: User) -> None:
    catalogue.set_component_status(component, status=SLOW, author=author, effective_at=NOON - timedelta(hours=1))
    update = post_update(
        incident,
        status=IncidentStatus.IDENTIFIED,
        body="Down.",
        author=author,
        components=[(component, MAJOR)],
        display_at=NOON - timedelta(minutes=30),
    )
    assert update.component_changes.get().old_status == SLOW
    assert Component.objects.with_status(NOON - timedelta(minutes=45)).get().current == SLOW
    assert component.status is MAJOR


Said = list[tuple[int, ComponentStatus]]


@pytest.mark.slow
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(said=st.lists(st.tuples(st.integers(0, 12), st.sampled_from(ComponentStatus)), max_size=12))
@time_machine.travel(NOON, tick=False)
def test_whatever_is_said_in_whatever_order_the_newest_word_on_an_instant_holds(
    make_component: MakeComponent, admin: User, said: Said
) -> None:
    component = make_component("API")
    kept: Said = []

    def expected(hour: int) -> ComponentStatus:
        before = [(at, order) for order, (at, _status) in enumerate(kept) if at <= hour]
        return kept[max(before)[1]][1] if before else UP

    for hour, status in said:
        instant = NOON - timedelta(hours=12 - hour)
        change = catalogue.set_component_status(component, status=status, author=admin, effective_at=instant)
        assert (change is None) is (expected(hour) is status)
        if change:
            assert change.old_status == expected(hour)
            kept.append((hour, status))
    for hour in range(13):
        instant = NOON - timedelta(hours=12 - hour)
        assert component.status_at(instant) is expected(hour)
        assert Component.objects.with_status(instant).get(pk=component.pk).current == expected(hour)


def test_a_reason_longer_than_its_column_is_refused_with_a_sentence(component: Component, author: User) -> None:
    with pytest.raises(InvalidInput, match="at most 200"):
        catalogue.set_component_status(
            component, status=ComponentStatus.MAJOR_OUTAGE, author=author, reason="because " * 30
        )
    assert not component.status_changes.exists()
