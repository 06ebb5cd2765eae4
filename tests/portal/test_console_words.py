"""No form of the console makes a secret or an internal name public: all that are defined are walked."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django import forms
from django.contrib import admin
from django.test import Client, RequestFactory
from django.urls import get_resolver, reverse
from django.utils import timezone
from pytest_django import Settings

from incidents import catalogue, metrics, planned
from incidents.incidents import declare_incident, post_update
from incidents.lifecycle import IncidentStatus, Visibility
from incidents.maintenance.plans import schedule_maintenance
from incidents.models import Incident, Page, User
from incidents.postmortems import reviewing, writing
from portal.console.admin.base import RecordAdmin
from portal.console.forms.verb import VerbForm
from tests.incidents.html_forms import counts, filled
from tests.portal.signing_in import sign_in_anew
from tests.reports import publish_report, reader

Doors = dict[str, tuple[str, Any]]

LEAKS = {"token=Winter2024": "Take it out", "Vault Keeper down": "“Vault Keeper” is a component that only staff know"}
# Fields whose text the public never reads as it is; with a form's name, of that one alone
INTERNAL = {
    *("reason", "note", "withheld", "internal", "evidence", "break_glass", "text", "seen", "over", "fingerprint"),
    *("metadata", "identifier", "owner", "aliases", "time_zone", "url", "support_url", "support_email"),
    *("brand_colour", "tracker_url", "rule", "row_version", "language"),
    *("incident_background", "incident_text", "maintenance_background", "maintenance_text"),
    *("reminders", "ChannelForm.chat", "QuickNoteForm.done_by", "QuickNoteForm.when"),
    *("username", "first_name", "last_name", "email", "password", "address", "contact", "secret", "addresses"),
    *("KeyForm.name", "IncidentTemplate.name", "IncidentTemplate.title", "IncidentTemplate.body"),
    # Of a report, which is checked when it is approved and when it is published
    *("FactsForm.title", "AddSectionForm.title", "SectionForm.title", "SectionForm.public"),
    *("ActionItemForm.public_wording", "Postmortem.title"),
    # Rows that nobody edits by the form which Django makes for them
    *("ApiKey.name", "ApiKey.scope", "Delivery.answer", "Failure.key", "Failure.kind"),
    *("Nudge.key", "Nudge.path", "Nudge.subject", "Nudge.title"),
}


def all_forms() -> Iterator[tuple[str, type[forms.BaseForm]]]:
    """By name: the verbs' forms, wherever they are defined, and those of the rows that staff edit."""
    get_resolver().url_patterns  # noqa: B018  (imports all that has an address)
    found: list[type[VerbForm]] = [VerbForm]
    for form in found:
        found += form.__subclasses__()
        if hasattr(form, "heading"):
            yield f"{form.__module__.rpartition('.')[2]}.{form.__name__}", form
    request = RequestFactory().get("/")
    request.user = User(is_superuser=True)
    for model, rows in admin.site._registry.items():
        if isinstance(rows, RecordAdmin):
            yield model.__name__, rows.get_form(request)


def texts_of(form: type[forms.BaseForm]) -> list[str]:
    return [
        name
        for name, field in form.base_fields.items()  # type: ignore[attr-defined]  # of every form with fields
        if isinstance(field, forms.CharField) and not isinstance(field.widget, forms.HiddenInput)
    ]


def is_internal(form: str, name: str) -> bool:
    return name in INTERNAL or f"{form.rpartition('.')[2]}.{name}" in INTERNAL


@pytest.fixture
def forms_with_words(page: Page, incident: Incident, author: User, admin: User, settings: Settings) -> Doors:
    """Where each form with words that become public stands, and what else is typed into it."""
    settings.NOTIFY_HOLD = 3600
    now = timezone.now()
    window: Any = {"scheduled_for": now + timedelta(days=1), "scheduled_until": now + timedelta(days=1, hours=1)}
    typed = {name: f"{at:%Y-%m-%dT%H:%M}" for name, at in window.items()}
    later = {name: f"{at + timedelta(days=1):%Y-%m-%dT%H:%M}" for name, at in window.items()}
    soon = f"{now + timedelta(days=2):%Y-%m-%dT%H:%M}"
    update = post_update(incident, status=IncidentStatus.IDENTIFIED, body="A fault.", author=author)
    facts: Any = {"components": (), "next_update": None, "notify": True, "status": IncidentStatus.MONITORING}
    waiting = planned.plan_update(incident, due_at=now + timedelta(hours=1), body="Better.", author=author, **facts)
    inside = declare_incident(page, title="Disks", author=author, visibility=Visibility.INTERNAL)
    ahead, running = (
        schedule_maintenance(page, title="Disks", body="New ones.", **window, author=author) for _n in range(2)
    )
    post_update(running, status=IncidentStatus.IN_PROGRESS, body="Now.", author=author)
    over = declare_incident(page, title="Over", author=author)
    post_update(over, status=IncidentStatus.RESOLVED, body="Done.", author=author)
    report = publish_report(over, body="Why.", author=author)
    writing.write_report(report, body="Because of this.", author=author)
    reviewing.submit_postmortem(report, author=author)
    reviewing.approve_postmortem(report, fingerprint=report.fingerprint(), author=reader())
    component = catalogue.create_component(page, name="API", author=admin)
    group = catalogue.create_group(page, name="Edge", author=admin)
    metric = metrics.create_metric(page, name="Latency", author=admin)

    def of(row: Any, verb: str, *more: int) -> str:
        return reverse(f"admin:incidents_{row._meta.model_name}_{verb}", args=[row.pk, *more])

    titled = {"title": "Slow", "body": "It is slow."}
    return {
        "incident.DeclareForm": (reverse("admin:incidents_incident_add"), titled),
        "maintenance.MaintenanceForm": (reverse("admin:incidents_incident_schedule"), titled | typed),
        "update.UpdateForm": (of(incident, "update"), {}),
        "planned.ComposeForm": (reverse("room", args=[incident.public_id]), {}),
        "update.NoChangeForm": (of(incident, "no_change"), {}),
        "update.PublishIncidentForm": (of(inside, "publish"), {"public_title": "Slow", "body": "It is slow."}),
        "update.CorrectionForm": (of(incident, "correct", update.pk), {}),
        "planned.PlanUpdateForm": (of(incident, "plan"), {"due_at": soon, "body": "It is slow."}),
        "planned.PlannedForm": (of(incident, "planned", waiting.pk), {"due_at": soon}),
        "maintenance.MoveForm": (of(ahead, "move"), later),
        "maintenance.CancelForm": (of(ahead, "cancel"), {}),
        "maintenance.ExtendForm": (of(running, "extend"), {"expected_until": soon}),
        "postmortem.PublishPostmortemForm": (of(report, "publish"), {}),
        "Incident": (of(incident, "change"), {}),
        "Page": (of(page, "change"), {}),
        "Component": (of(component, "change"), {}),
        "ComponentGroup": (of(group, "change"), {}),
        "Metric": (of(metric, "change"), {}),
    }


def test_every_text_of_every_form_is_classified(forms_with_words: Doors) -> None:
    unknown = {
        f"{name}.{text}"
        for name, form in all_forms()
        for text in texts_of(form)
        if name not in forms_with_words and not is_internal(name, text)
    }
    assert not unknown, f"{sorted(unknown)}: give it a door here, or say why nobody outside reads it"


@pytest.mark.slow
@pytest.mark.usefixtures("vault")
def test_no_form_makes_a_secret_or_an_internal_name_public(
    client: Client, forms_with_words: Doors, admin: User
) -> None:
    sign_in_anew(client, admin)
    found = dict(all_forms())
    escaped = []
    for name, (address, typed) in forms_with_words.items():
        opened = client.get(address)
        values = filled(opened, "compose" if name == "planned.ComposeForm" else None, **typed)
        sent_to = reverse("room_update", args=[address.split("/")[-2]]) if name == "planned.ComposeForm" else address
        for text in texts_of(found[name]):
            if is_internal(name, text):
                continue
            assert text in values, f"{name} shows no {text}"
            for leak, sentence in LEAKS.items():
                before = counts()
                answer = client.post(sent_to, values | {text: leak})
                if answer.status_code != 200 or sentence not in answer.text or counts() != before:
                    escaped.append((name, text, leak, answer.status_code))
    assert not escaped, "\n".join(map(str, escaped))
