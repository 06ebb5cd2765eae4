"""What must be true holds in the database, whoever writes: raw SQL past every line of Python, on both databases."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.apps import apps
from django.db import IntegrityError, connection, models, transaction
from django.utils import timezone

from incidents import catalogue, checking, metrics, templates, timeline
from incidents.elsewhere.recording import record_elsewhere
from incidents.errors import InvalidInput, refusal_of
from incidents.incidents import declare_incident, post_update
from incidents.lifecycle import ComponentStatus, IncidentStatus
from incidents.maintenance.plans import schedule_maintenance
from incidents.maintenance.series import repeat_maintenance
from incidents.models import (
    Component,
    ComponentStatusChange,
    Failure,
    Incident,
    IncidentRole,
    IncidentUpdate,
    Page,
    Submission,
    TimelineEntry,
    User,
)
from incidents.planned import plan_update
from incidents.postmortems import action_items, checks, publishing, reviewing, writing
from incidents.roles import take_role
from tests.elsewhere import RECORD
from tests.reports import approved, publish_report

pytestmark = [pytest.mark.long, pytest.mark.both]

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)

# Each constraint, and the statements that it must refuse; every table below has at least one row.
REFUSED = {
    "page_host_unique": ["UPDATE incidents_page SET host = 'status.acme.example'"],
    "component_visibility": ["UPDATE incidents_component SET visibility = 'secret'"],
    "component_listed_once_per_page": [
        "UPDATE incidents_componentlisting SET page_id = (SELECT min(id) FROM incidents_page)"
    ],
    "component_once_per_update": [
        "UPDATE incidents_componentstatuschange SET component_id = (SELECT min(id) FROM incidents_component)"
    ],
    "component_status_known": [
        "UPDATE incidents_componentstatuschange SET status = 'broken'",
        "UPDATE incidents_componentstatuschange SET old_status = ''",
    ],
    "origin_once": ["UPDATE incidents_origin SET source = 'them'"],
    "incident_kind": ["UPDATE incidents_incident SET kind = 'drill'"],
    "incident_status": ["UPDATE incidents_incident SET status = 'postmortem'"],
    "incident_impact": ["UPDATE incidents_incident SET impact = 'severe'"],
    "incident_visibility": ["UPDATE incidents_incident SET visibility = ''"],
    "incident_has_title": ["UPDATE incidents_incident SET title = ''"],
    "incident_has_public_title": ["UPDATE incidents_incident SET public_title = ''"],
    "incident_impact_ends_after_it_began": [
        "UPDATE incidents_incident SET impact_began_at = '2026-03-10 12:00', impact_ended_at = '2026-03-10 11:59'"
    ],
    "incident_that_ended_promises_nothing": [
        "UPDATE incidents_incident SET status = 'resolved', next_update_due_at = '2026-03-10 12:00'"
    ],
    "update_promises_to_the_public": [
        "UPDATE incidents_incidentupdate SET next_update_due_at = '2026-03-10 12:00', published_at = NULL",
        "UPDATE incidents_incidentupdate SET next_update_due_at = '2026-03-10 12:00', status = 'completed'",
    ],
    "planned_status": ["UPDATE incidents_plannedupdate SET status = 'done'"],
    "planned_has_body": ["UPDATE incidents_plannedupdate SET body = ''"],
    "planned_update_when_posted": ["UPDATE incidents_plannedupdate SET state = 'posted'"],
    "component_once_per_plan": [
        "UPDATE incidents_plannedcomponent SET component_id = (SELECT min(id) FROM incidents_component)"
    ],
    "clock_is_one_row": ["INSERT INTO incidents_clock (id, skew, ticked_at) VALUES (2, 0, '2026-03-10 12:00')"],
    "cadence_once": ["UPDATE incidents_updatecadence SET status = 'monitoring', severity = 'sev1'"],
    "cadence_severity": ["UPDATE incidents_updatecadence SET severity = 'sev5'"],
    "cadence_status": ["UPDATE incidents_updatecadence SET status = 'resolved'"],
    "cadence_is_a_time": ["UPDATE incidents_updatecadence SET minutes = 0"],
    "role_known": ["UPDATE incidents_incidentrole SET role = 'deputy'"],
    "role_has_one_holder": ["UPDATE incidents_incidentrole SET renounced_at = NULL"],
    "role_renounced_after_assumed": ["UPDATE incidents_incidentrole SET renounced_at = '2000-01-01 00:00'"],
    "update_status": ["UPDATE incidents_incidentupdate SET status = 'done'"],
    "update_has_body": ["UPDATE incidents_incidentupdate SET body = ''"],
    "maintenance_ends_after_it_starts": ["UPDATE incidents_maintenanceplan SET scheduled_until = scheduled_for"],
    "maintenance_expected_to_end_after_it_starts": [
        "UPDATE incidents_maintenanceplan SET expected_until = scheduled_for"
    ],
    "maintenance_occurrence_once": [
        "UPDATE incidents_maintenanceplan SET occurrence = '20260310T120000' WHERE series_id IS NOT NULL"
    ],
    "maintenance_occurrence_of_series": [
        "UPDATE incidents_maintenanceplan SET occurrence = ''",
        "UPDATE incidents_maintenanceplan SET series_id = NULL",
    ],
    "maintenance_series_lasts": ["UPDATE incidents_maintenanceseries SET duration = NOTHING"],
    "maintenance_reminder_once": ["UPDATE incidents_maintenancereminder SET minutes = 60"],
    "maintenance_reminder_before_start": ["UPDATE incidents_maintenancereminder SET minutes = 0"],
    "timeline_range_has_an_end": [
        "UPDATE incidents_timelineentry SET ended_at = NULL",
        "UPDATE incidents_timelineentry SET ended_at = occurred_at",
        "UPDATE incidents_timelineentry SET precision = 'exact'",
    ],
    "timeline_conclusion_has_outcome": ["UPDATE incidents_timelineentry SET attempt_id = id, outcome = ''"],
    "submission_once": ["UPDATE incidents_submission SET token = 'same'"],
    "user_email_once": [
        "UPDATE incidents_user SET email = 'a@acme.example'",
        "UPDATE incidents_user SET email = CASE username WHEN 'ada' THEN 'A@acme.example' ELSE 'a@acme.example' END",
    ],
    "postmortem_has_title": ["UPDATE incidents_postmortem SET title = ''"],
    "postmortem_approval_goes_with_state": [
        "UPDATE incidents_postmortem SET state = 'draft'",
        "UPDATE incidents_postmortem SET state = 'lost'",
        "UPDATE incidents_postmortem SET approved_by_id = NULL",
        "UPDATE incidents_postmortem SET approved_hash = ''",
    ],
    "postmortem_four_eyes": ["UPDATE incidents_postmortem SET edited_by_id = approved_by_id"],
    "postmortem_revision_four_eyes": ["UPDATE incidents_postmortemrevision SET edited_by_id = approved_by_id"],
    "postmortem_revision_number": ["UPDATE incidents_postmortemrevision SET number = 1"],
    "postmortem_amendment_says_what": [
        "UPDATE incidents_postmortemrevision SET what_changed = '', number = number + 7"
    ],
    "postmortem_section_once": ["UPDATE incidents_postmortemsection SET key = 'summary'"],
    "postmortem_section_has_heading": ["UPDATE incidents_postmortemsection SET heading = ''"],
    "postmortem_section_key": ["UPDATE incidents_postmortemsection SET key = 'weather'"],
    "postmortem_comment_has_text": ["UPDATE incidents_postmortemcomment SET text = ''"],
    "postmortem_reading_of_reader": [
        "UPDATE incidents_postmortemreading SET reader_id = (SELECT min(reader_id) FROM incidents_postmortemreading)"
    ],
    "action_item_kind": ["UPDATE incidents_actionitem SET kind = 'wishful'"],
    "action_item_has_text": ["UPDATE incidents_actionitem SET text = ''"],
    "action_item_state_has_its_facts": [
        "UPDATE incidents_actionitem SET state = 'done'",
        "UPDATE incidents_actionitem SET state = 'dropped'",
        "UPDATE incidents_actionitem SET done_on = '2026-03-10'",
        "UPDATE incidents_actionitem SET state = 'gone'",
    ],
    "action_item_commitment_has_wording": ["UPDATE incidents_actionitem SET public_wording = ''"],
    "finding_dismissed_once": ["UPDATE incidents_findingdismissal SET digest = '0'"],
    "finding_dismissed_with_reason": ["UPDATE incidents_findingdismissal SET reason = ''"],
    "failure_once": ["UPDATE incidents_failure SET key = '0'"],
    "failure_is_parked_or_due": ["UPDATE incidents_failure SET parked_at = NULL, due_at = NULL"],
    "finding_that_is_a_secret_stands": ["UPDATE incidents_findingdismissal SET rule = 'secret'"],
    "timeline_outcome_of_mitigation": ["UPDATE incidents_timelineentry SET kind = 'decision'"],
    "template_status": ["UPDATE incidents_incidenttemplate SET update_status = 'done'"],
    "metric_axis_goes_up": ["UPDATE incidents_metric SET y_min = 1, y_max = 1"],
    "metric_decimal_places": ["UPDATE incidents_metric SET decimal_places = 7"],
    "metric_point_once": ["UPDATE incidents_metricpoint SET at = '2026-03-10 12:00'"],
    "template_has_body": ["UPDATE incidents_incidenttemplate SET body = ''"],
    "component_once_per_template": [
        "UPDATE incidents_templatecomponent SET component_id = (SELECT min(id) FROM incidents_component)"
    ],
}
UNIQUE = [
    "UPDATE incidents_incident SET public_id = '0bcdfghjklmn'",
    "UPDATE incidents_incidentupdate SET public_id = '0bcdfghjklmn'",
    "UPDATE incidents_component SET public_id = '0bcdfghjklmn'",
    "UPDATE incidents_page SET public_id = '0bcdfghjklmn'",
    "UPDATE incidents_maintenanceplan SET incident_id = (SELECT min(id) FROM incidents_incident)",
    "UPDATE incidents_postmortem SET public_id = '0bcdfghjklmn'",
]


@pytest.fixture
def pairs(
    page: Page, other_page: Page, component: Component, make_component: Callable[..., Component],
    incident: Incident, author: User, admin: User,
) -> None:  # fmt: skip
    """At least two rows in each table that has a uniqueness to break."""
    dashboard = make_component("Dashboard")
    third = catalogue.create_page(name="Third", url="https://third.example", author=admin)
    for where in (other_page, third):
        catalogue.list_component(component, page=where, author=admin)
    affected = [(component, ComponentStatus.MAJOR_OUTAGE), (dashboard, ComponentStatus.MAJOR_OUTAGE)]
    post_update(incident, status=IncidentStatus.RESOLVED, body="Done.", author=author, components=affected)
    postmortem = publish_report(incident, body="Why.", author=author)
    action_items.add_action_item(
        postmortem, text="Alert earlier", is_commitment=True, public_wording="We alert earlier.", author=author
    )
    approved(incident, "Why indeed.", author)
    publishing.publish_postmortem(postmortem, what_changed="Indeed.", author=author)
    reviewing.comment_section(postmortem.live_sections()[0], text="Really?", author=author)
    for who in (author, admin):
        reviewing.record_reading(postmortem, author=who)
    with time_machine.travel(NOON - timedelta(days=2), tick=False):
        for _time in range(2):
            until = NOON + timedelta(hours=1)
            planned = schedule_maintenance(
                page, title="Disks", body="New ones.", author=author, scheduled_for=NOON, scheduled_until=until
            )
        repeat_maintenance(planned, rule="FREQ=WEEKLY", author=author)
    post_update(planned, status=IncidentStatus.COMPLETED, body="Done.", author=author)
    publish_report(planned, body="Why.", author=author)
    wrong = writing.start_postmortem(declare_incident(page, title="Wrong", author=author), author=author)
    writing.write_report(wrong, body="On Monday, January 17, 2023. On Friday, January 18, 2023.", author=author)
    for finding in checks.open_findings(wrong):
        checking.dismiss_finding(wrong, digest=finding.digest, reason="A quotation.", author=admin)
    metric = metrics.create_metric(page, name="Errors", author=admin)
    now = timezone.now()
    metrics.add_points({metric: {now: 1.0, now - timedelta(minutes=2): 2.0}}, author=author)
    templates.create_template(page=page, name="Slow", body="Slow.", components=[component, dashboard], author=admin)
    said: Any = {"status": IncidentStatus.INVESTIGATING, "body": "Again.", "next_update": None, "notify": True}
    both = [(component, None), (dashboard, None)]
    plan_update(incident, author=author, due_at=timezone.now() + timedelta(hours=1), components=both, **said)
    for who in (author, admin):
        take_role(incident, role=IncidentRole.Role.COMMANDER, author=who)
    timeline.note(
        incident,
        text="Restarted.",
        occurred_at=NOON,
        ended_at=NOON + timedelta(minutes=5),
        precision=TimelineEntry.Precision.RANGE,
        kind=TimelineEntry.Kind.MITIGATION,
        outcome=TimelineEntry.Outcome.PARTIAL,
        author=author,
    )
    for key in ("1", "2"):
        Failure.objects.create(kind="owe", key=key, reason="No.", parked_at=NOON)
    record_elsewhere(page, RECORD, source="them", author=author)
    others = [replace(each, id=f"other {each.id}") for each in RECORD.updates]
    record_elsewhere(page, replace(RECORD, updates=others), source="others", author=author)
    for token in ("one", "other"):
        Submission.objects.create(author=author, token=token, digest="")


@pytest.mark.slow
@pytest.mark.usefixtures("pairs")
def test_the_database_refuses_what_may_not_be() -> None:
    for name, statements in REFUSED.items():
        for statement in statements:
            with pytest.raises(IntegrityError) as refused, transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(statement.replace("NOTHING", "0" if connection.vendor == "sqlite" else "interval '0'"))
            is_named = connection.vendor == "postgresql" or "CHECK" in str(refused.value)  # SQLite names columns
            assert not is_named or name in str(refused.value), statement
            assert refusal_of(refused.value), name


@pytest.mark.slow
@pytest.mark.usefixtures("pairs")
def test_a_public_id_and_a_one_to_one_row_are_unique_in_the_database() -> None:
    for statement in UNIQUE:
        with (
            pytest.raises(IntegrityError, match=r"(?i)unique") as refused,
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(statement)
        assert refusal_of(refused.value), statement


def test_what_breaks_a_constraint_is_refused_in_its_words(page: Page, other_page: Page, admin: User) -> None:
    with pytest.raises(InvalidInput, match=r"^Another page has this host name\.$") as refused:
        catalogue.edit_page(other_page, url=page.url, author=admin)
    assert refused.value.field == "host"


def test_every_constraint_of_the_record_has_its_statement_above() -> None:
    declared = {c.name for model in apps.get_app_config("incidents").get_models() for c in model._meta.constraints}
    assert declared == set(REFUSED)


@pytest.mark.slow
@pytest.mark.usefixtures("pairs")
@pytest.mark.django_db(transaction=True)
def test_what_others_point_at_is_not_deleted() -> None:
    for table in ("page", "component", "incident", "incidentupdate", "user"):
        with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"DELETE FROM incidents_{table}")
    for model in (Page, Component, Incident, IncidentUpdate, User):
        with pytest.raises(models.ProtectedError):
            model._base_manager.all().delete()


@pytest.mark.slow
@pytest.mark.usefixtures("pairs")
@pytest.mark.parametrize("model", [ComponentStatusChange, TimelineEntry])
def test_an_append_only_row_is_neither_changed_nor_deleted(
    model: type[ComponentStatusChange | TimelineEntry],
) -> None:
    row = model.objects.order_by("pk")[0]
    for act in (
        lambda: model.objects.update(author=None),
        lambda: model.objects.filter(pk=row.pk).delete(),
        row.save,
        row.delete,
    ):
        with pytest.raises(TypeError, match="append-only"):
            act()
    row.refresh_from_db()


def test_a_new_row_is_published_nowhere_by_itself(incident: Incident) -> None:
    """The defaults are the careful ones."""
    update = IncidentUpdate(incident=incident, body="x", display_at=timezone.now())
    assert update.published_at is None
    assert incident.first_posted_at is None
