"""A form that adds something adds it once, and one that changes something overwrites nothing that nobody has read."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.db import models
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from incidents import catalogue
from incidents.incidents import post_update
from incidents.lifecycle import IncidentStatus
from incidents.maintenance.plans import schedule_maintenance
from incidents.metrics import create_metric
from incidents.models import (
    Component,
    ComponentGroup,
    Incident,
    IncidentTemplate,
    Page,
    UpdateCadence,
    User,
)
from incidents.planned import plan_update
from incidents.postmortems.action_items import add_action_item
from incidents.postmortems.writing import start_postmortem
from incidents.templates import create_template
from tests.concurrency import together
from tests.incidents.html_forms import address, counts, filled

pytestmark = [pytest.mark.long, pytest.mark.both]

PASSWORD = "correct horse battery"
TWICE = "This was sent twice. It was done once."
THEIRS = "Somebody changed this while you typed"
TOMORROW = datetime(2036, 3, 10, 12, tzinfo=UTC)
# Of each form that adds a row: the name of its address, what it adds, and what is typed
ADDS: dict[str, tuple[str, dict[str, object]]] = {
    "incidents_apikey_add": ("incidents.ApiKey", {"name": "robot", "scopes": "read"}),
    "incidents_component_add": ("incidents.Component", {"name": "Mail"}),
    "incidents_componentgroup_add": ("incidents.ComponentGroup", {"name": "Office"}),
    "incidents_componentlisting_add": ("incidents.ComponentListing", {}),
    "incidents_embedconfig_add": ("incidents.EmbedConfig", {}),
    "incidents_incident_add": ("incidents.Incident", {"title": "Errors"}),
    "incidents_incident_schedule": (
        "incidents.MaintenancePlan",
        {"title": "Disks", "scheduled_for": "2036-03-10T12:00", "scheduled_until": "2036-03-10T13:00", "body": "New."},
    ),
    "incidents_incidenttemplate_add": ("incidents.IncidentTemplate", {"name": "Slow", "body": "It is slow."}),
    "incidents_metric_add": ("incidents.Metric", {"name": "Latency"}),
    "incidents_page_add": ("incidents.Page", {"name": "Gamma", "url": "https://status.gamma.example"}),
    "incidents_user_add": ("incidents.User", {"username": "eve", "email": "eve@acme.example"}),
    "status_nudge_channel_add": ("status.Subscriber", {"address": "oncall@acme.example"}),
    "status_subscriber_add": ("status.Subscriber", {"address": "ann@example.com"}),
}
# Of each row that has a form to change it: what one person types and what another one does
CHANGES: dict[str, tuple[str, str, str]] = {
    "incidents.Component": ("owner", "Ops", "Web"),
    "incidents.ComponentGroup": ("name", "Offices", "Places"),
    "incidents.ComponentListing": ("position", "2", "3"),
    "incidents.EmbedConfig": ("incident_background", "#111111", "#222222"),
    "incidents.Incident": ("title", "Errors 500", "Errors 502"),
    "incidents.IncidentTemplate": ("name", "Slow", "Slower"),
    "incidents.Metric": ("suffix", "s", "ms"),
    "incidents.Page": ("name", "Acme Ltd", "Acme Inc"),
    "incidents.UpdateCadence": ("minutes", "25", "35"),
    "incidents.User": ("first_name", "Grace", "Gracia"),
}


@pytest.fixture
def known_rows(
    page: Page, other_page: Page, component: Component, incident: Incident, author: User, admin: User
) -> dict[str, Any]:
    """A row of everything that has a form to change it."""
    group = catalogue.create_group(page, name="Office", author=admin)
    listing = catalogue.list_component(component, page=other_page, author=admin)
    metric = create_metric(page, name="Latency", author=admin)
    look = catalogue.edit_embed(page, author=admin)
    template = create_template(name="Known", body="We know why.", author=admin)
    usual = UpdateCadence.objects.all()[0]
    known: list[Any] = [component, group, listing, incident, metric, page, author, look, template, usual]
    return {row._meta.label: row for row in known}


def address_of(model: type[models.Model], view: str, *args: object) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{view}", args=args)


@pytest.mark.slow
def test_the_tables_name_every_form_of_the_admin(root_client: Client, known_rows: dict[str, Any]) -> None:
    adds = {
        f"{model._meta.app_label}_{model._meta.model_name}_add"
        for model in admin.site._registry
        if root_client.get(address_of(model, "add")).status_code == 200
    }
    assert adds == ADDS.keys() - {"incidents_incident_schedule", "status_nudge_channel_add"}
    assert known_rows.keys() == CHANGES.keys()
    unchangeable = {"incidents.ApiKey", "incidents.Failure", "incidents.OutboxEvent", "incidents.Postmortem"}
    of_subscribers = {"status.Delivery", "status.Nudge", "status.Subscriber"}
    assert {each._meta.label for each in admin.site._registry} == {*CHANGES, *unchangeable, *of_subscribers}


@pytest.mark.parametrize("name", sorted(ADDS))
def test_a_form_that_is_sent_twice_adds_one_row(
    root_client: Client, page: Page, other_page: Page, component: Component, name: str
) -> None:
    label, typed = ADDS[name]
    known = {"page": other_page.pk if "listing" in name else page.pk, "component": component.pk, "scopes": "read"}
    path, table = reverse(f"admin:{name}"), apps.get_model(label)._base_manager
    form = filled(root_client.get(path)) | {key: str(value) for key, value in (known | typed).items()}
    before = table.count()
    answer = root_client.post(path, form)
    assert table.count() == before + 1, answer.text
    again = root_client.post(path, form, follow=True)
    assert TWICE in again.text
    assert table.count() == before + 1


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_two_that_arrive_at_once_add_one_row(page: Page, admin: User) -> None:
    path, browsers = "/admin/incidents/componentgroup/add/", [Client(), Client()]
    for browser in browsers:
        browser.force_login(admin)
    form = filled(browsers[0].get(path), name="Office", page=page.pk)
    answers = together(*(lambda browser=each: browser.post(path, form) for each in browsers))
    assert [answer.status_code for answer in answers] == [302, 302]
    assert ComponentGroup.objects.get().name == "Office"


def test_what_was_refused_is_sent_again_and_other_words_are_not_lost(root_client: Client, page: Page) -> None:
    path = "/admin/incidents/componentgroup/add/"
    form = filled(root_client.get(path), page=page.pk)
    before = counts()
    assert root_client.post(path, form).status_code == 200, "it has no name"
    assert counts() == before
    assert root_client.post(path, form | {"name": "Office"}).status_code == 302
    answer = root_client.post(path, form | {"name": "Home"})
    assert "This form was sent before, with other words" in answer.text
    assert root_client.post(path, filled(answer)).status_code == 302
    assert set(ComponentGroup.objects.values_list("name", flat=True)) == {"Office", "Home"}


def check_two_tabs(staff: Client, path: str, name: str, one: str, other: str) -> None:
    """What the first tab saved, the second one is shown before it saves."""
    first, second = filled(staff.get(path)), filled(staff.get(path))
    assert staff.post(path, first | {name: one}).status_code == 302
    before = counts()
    answer = staff.post(path, second | {name: other})
    assert THEIRS in answer.text, answer.text
    assert counts() == before
    assert filled(staff.get(path))[name] == one
    again = filled(answer)
    assert again[name] == other, "nothing typed is lost"
    assert staff.post(path, again).status_code == 302
    assert filled(staff.get(path))[name] == other


@pytest.mark.slow
@pytest.mark.parametrize("label", sorted(CHANGES))
def test_the_later_of_two_tabs_is_shown_what_the_earlier_one_saved(
    root_client: Client, known_rows: dict[str, Any], label: str
) -> None:
    check_two_tabs(root_client, address_of(type(known_rows[label]), "change", known_rows[label].pk), *CHANGES[label])


@pytest.mark.slow
def test_what_each_of_two_tabs_changed_stays(root_client: Client, component: Component) -> None:
    path = address_of(Component, "change", component.pk)
    first, second = filled(root_client.get(path)), filled(root_client.get(path))
    root_client.post(path, first | {"owner": "Ops", "description": "What programs call."})
    root_client.post(path, second | {"aliases": "Core", "showcase": ""})
    component.refresh_from_db()
    assert (component.owner, component.aliases, component.description) == ("Ops", "Core", "What programs call.")


def test_the_components_of_a_template_are_kept_too(
    root_client: Client, page: Page, component: Component, make_component: Callable[..., Component], admin: User
) -> None:
    template = create_template(page=page, name="Slow", body="It is slow.", components=(), author=admin)
    path, other = address_of(IncidentTemplate, "change", template.pk), make_component("Mail")
    first, second = filled(root_client.get(path)), filled(root_client.get(path))
    root_client.post(path, {**first, "components": [component.pk]})
    root_client.post(path, second | {"name": "Renamed"})
    template.refresh_from_db()
    assert (template.name, list(template.components())) == ("Renamed", [component])
    answer = root_client.post(path, {**second, "name": "Renamed", "components": [other.pk]})
    assert THEIRS in answer.text
    assert list(template.components()) == [component]


@pytest.mark.slow
def test_the_verbs_that_change_something_are_as_careful(
    root_client: Client, page: Page, component: Component, incident: Incident, author: User, admin: User
) -> None:
    update = post_update(incident, status=IncidentStatus.RESOLVED, body="Over.", author=author)
    report = start_postmortem(incident, author=author)
    item = add_action_item(report, text="Watch the pool.", author=author)
    planned = plan_update(
        incident, status=IncidentStatus.MONITORING, body="Later.", due_at=timezone.now() + timedelta(days=1),
        components=(), next_update=None, notify=True, author=author,
    )  # fmt: skip
    maintenance = schedule_maintenance(
        page, title="Disks", body="New ones.", scheduled_for=TOMORROW, scheduled_until=TOMORROW + timedelta(hours=1),
        author=author,
    )  # fmt: skip
    forms = {
        reverse("admin:incidents_incident_correct", args=[incident.pk, update.pk]): ("body", "Done.", "Ended."),
        reverse("admin:incidents_incident_planned", args=[incident.pk, planned.pk]): ("body", "Soon.", "Sooner."),
        reverse("admin:incidents_postmortem_facts", args=[report.pk]): ("title", "Why", "How"),
        reverse("admin:incidents_postmortem_edit_measure", args=[report.pk, item.pk]): ("text", "Watch.", "Look."),
        address(maintenance, "automation"): ("reminders", "30 min", "20 min"),
        address(maintenance, "move"): ("scheduled_until", "2036-03-10T15:00", "2036-03-10T16:00"),
    }
    for path, typed in forms.items():
        check_two_tabs(root_client, path, *typed)
    status = reverse("admin:incidents_component_status", args=[component.pk])
    first, second = filled(root_client.get(status), reason="Seen"), filled(root_client.get(status), reason="Heard")
    root_client.post(status, first | {"status": "major_outage"})
    assert THEIRS in root_client.post(status, second | {"status": "degraded_performance"}).text
    assert component.status == "major_outage"
