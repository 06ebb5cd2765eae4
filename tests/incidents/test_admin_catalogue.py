"""Pages, components, keys and people in the admin."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from incidents import catalogue
from incidents.incidents import post_update
from incidents.lifecycle import ComponentStatus, IncidentStatus
from incidents.models import ApiKey, Component, Incident, OutboxEvent, Page, User
from status.subscriptions.choices import Choices
from status.subscriptions.subscribers import add_by_staff
from tests.incidents.html_forms import filled
from tests.portal.signing_in import sign_in_anew

MakeComponent = Callable[..., Component]
PAGES, COMPONENTS, KEYS = "/admin/incidents/page/", "/admin/incidents/component/", "/admin/incidents/apikey/"


@pytest.fixture
def office(client: Client, admin: User) -> Client:
    sign_in_anew(client, admin)
    return client


def test_a_page_is_added_with_an_author_and_an_event_in_the_outbox(office: Client, admin: User) -> None:
    form = filled(office.get(f"{PAGES}add/"), name="Beta", url="https://Status.Beta.example/", time_zone="Europe/Rome")
    office.post(f"{PAGES}add/", form)
    page = Page.objects.get()
    assert (page.url, page.host) == ("https://Status.Beta.example", "status.beta.example")
    assert page.history.get().history_user == admin
    assert OutboxEvent.objects.get().page == page


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ({"time_zone": "Mars/Olympus"}, "is not a time zone"),
        ({"language": "xx"}, "is not a language we know"),
        ({"url": "status"}, "Enter a valid URL"),
        ({"url": "https://STATUS.acme.example"}, "Another page has this host name"),
    ],
)
def test_a_page_that_cannot_be_is_refused(office: Client, page: Page, typed: dict[str, str], sentence: str) -> None:
    form = filled(office.get(f"{PAGES}add/"), name="Beta", url="https://beta.example") | typed
    answer = office.post(f"{PAGES}add/", form)
    assert answer.status_code == 200
    assert sentence in answer.text
    assert Page.objects.count() == 1


def test_a_component_s_group_is_of_its_page(office: Client, page: Page, other_page: Page, admin: User) -> None:
    group = catalogue.create_group(other_page, name="Core", author=admin)
    form = filled(office.get(f"{COMPONENTS}add/"), name="API", page=page.pk, group=group.pk)
    answer = office.post(f"{COMPONENTS}add/", form)
    assert answer.context["adminform"].form.errors["group"] == ["The group belongs to another page."]
    assert not Component.objects.exists()
    office.post(f"{COMPONENTS}add/", form | {"page": str(other_page.pk)})
    assert str(Component.objects.get()) == "Core - API"


def test_a_deleted_component_leaves_the_list_and_stays_in_the_record(office: Client, component: Component) -> None:
    address = reverse("admin:incidents_component_delete", args=[component.pk])
    assert component.name in office.get(address).text
    office.post(address, {"post": "yes"})
    component.refresh_from_db()
    assert component.deleted_at is not None
    assert not office.get(COMPONENTS).context["cl"].queryset.exists()
    assert office.get(COMPONENTS, {"deleted": "yes"}).context["cl"].queryset.get() == component
    assert "Component: deleted" in office.get(reverse("admin:incidents_component_history", args=[component.pk])).text


@pytest.mark.long
def test_deleting_says_what_goes_with_it_and_a_button_restores_it(
    office: Client, page: Page, component: Component, incident: Incident, admin: User
) -> None:
    down = [(component, ComponentStatus.MAJOR_OUTAGE)]
    post_update(incident, status=IncidentStatus.IDENTIFIED, body="Down.", author=admin, components=down)
    only = Choices(everything=False, components=[component])
    add_by_staff(page, address="kim@example.com", choices=only, author=admin)
    address = reverse("admin:incidents_component_delete", args=[component.pk])
    shown = office.get(address).text
    assert "Open incidents and maintenances that name it: 1" in shown
    assert "Subscribers who follow nothing else, and are notified of it: 1" in shown
    change, restore = (
        reverse(f"admin:incidents_component_{verb}", args=[component.pk]) for verb in ("change", "restore")
    )
    assert restore not in office.get(change).text
    office.post(address, {"post": "yes"})
    assert restore in office.get(change).text
    assert "“API” is restored." in office.post(restore, {"reason": "Needed"}, follow=True).text
    component.refresh_from_db()
    assert component.deleted_at is None
    assert component.history.latest().history_change_reason == "Needed"
    assert "nothing to restore" in office.post(restore, {"reason": "Again"}).text


def test_a_status_is_set_by_hand_with_a_reason(office: Client, component: Component, admin: User) -> None:
    address = reverse("admin:incidents_component_status", args=[component.pk])
    assert address in office.get(COMPONENTS).text
    office.post(address, filled(office.get(address), status="degraded_performance", reason="Seen on the graphs"))
    change = component.status_changes.get()
    assert (change.status, change.reason, change.author) == ("degraded_performance", "Seen on the graphs", admin)
    assert component.status is ComponentStatus.DEGRADED_PERFORMANCE
    answer = office.post(address, filled(office.get(address), reason="Early", effective_at="2036-01-01T00:00"))
    assert "cannot begin in the future" in answer.text
    answer = office.post(address, filled(office.get(address), status="operational", reason="x" * 201))
    assert "at most 200 characters" in answer.text
    assert "This field is required" in office.post(address, filled(office.get(address), status="operational")).text
    assert component.status_changes.count() == 1


def test_those_without_the_right_read_the_catalogue_only(client: Client, author: User, component: Component) -> None:
    client.force_login(author)
    change = reverse("admin:incidents_component_change", args=[component.pk])
    assert 'name="name"' not in client.get(change).text
    assert client.post(change, {"name": "Other"}).status_code == 403
    assert client.get(f"{COMPONENTS}add/").status_code == 403
    assert client.post(reverse("admin:incidents_component_delete", args=[component.pk])).status_code == 403
    assert client.get(f"{KEYS}add/").status_code == 403


@pytest.mark.slow
def test_lists_ask_as_often_with_many_rows_as_with_few(
    office: Client, page: Page, admin: User, make_component: MakeComponent
) -> None:
    def queries(path: str) -> int:
        with CaptureQueriesContext(connection) as captured:
            assert office.get(path).status_code == 200
        return len(captured)

    def grow(number: int) -> None:
        group = catalogue.create_group(page, name=f"Group {number}", author=admin)
        make_component(f"Component {number}", group=group)
        office.post(f"{KEYS}add/", {"name": f"key {number}", "scopes": ["read"]})

    paths = [COMPONENTS, "/admin/incidents/componentgroup/", KEYS, "/admin/incidents/user/"]
    grow(0)
    for path in paths:  # what is asked once in a process and kept does not count
        queries(path)
    few = [queries(path) for path in paths]
    for number in range(1, 6):
        grow(number)
    assert [queries(path) for path in paths] == few


def test_a_key_is_shown_once_and_opens_nothing_after_it_is_revoked(office: Client) -> None:
    answer = office.post(f"{KEYS}add/", filled(office.get(f"{KEYS}add/"), name="Monitoring", scopes="incidents"))
    key = ApiKey.objects.get()
    shown = answer.context["secret"]
    assert ApiKey.digest_of(shown) == key.digest
    assert f'value="{shown}" readonly' in answer.text
    assert shown not in office.get(KEYS).text
    assert key.scope == "read incidents"
    assert list(key.user.groups.values_list("name", flat=True)) == ["API: incidents"]
    again = office.post(f"{KEYS}add/", {"name": "Monitoring", "scopes": ["admin"]})
    assert "There is a key of this name." in again.text
    office.post(reverse("admin:incidents_apikey_revoke", args=[key.pk]))
    key.refresh_from_db()
    assert key.revoked_at is not None


def test_outbox_events_are_only_read(office: Client, page: Page) -> None:
    events = "/admin/incidents/outboxevent/"
    assert "Page or its components edited" in office.get(events).text
    assert office.get(f"{events}add/").status_code == 403
    assert office.post(f"{events}{OutboxEvent.objects.get().pk}/delete/").status_code == 403


def test_people_are_made_inactive_instead_of_deleted(client: Client, author: User) -> None:
    root = User.objects.create_superuser("root", password="correct horse battery")
    sign_in_anew(client, root)
    people = "/admin/incidents/user/"
    assert client.get(f"{people}{author.pk}/delete/").status_code == 403
    change = f"{people}{author.pk}/change/"
    group = Group.objects.get(name="responder")
    client.post(change, {"username": author.username, "groups": [group.pk], "is_staff": "on"})
    author.refresh_from_db()
    assert not author.is_active
    assert list(author.groups.all()) == [group]
