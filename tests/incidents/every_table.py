"""A row in every tracked table, and one that was changed, written by services."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.utils import timezone

from incidents import catalogue, checking, metrics, templates
from incidents.elsewhere.recording import record_elsewhere
from incidents.incidents import correct_update, post_update
from incidents.lifecycle import IncidentStatus
from incidents.maintenance.plans import schedule_maintenance
from incidents.maintenance.series import repeat_maintenance
from incidents.models import Component, Incident, IncidentRole, Page, User
from incidents.people import create_key
from incidents.permissions import Scope
from incidents.planned import plan_update
from incidents.postmortems import action_items, checks, reviewing, writing
from incidents.roles import take_role
from status.subscriptions import csv_files, subscribers
from tests.elsewhere import RECORD
from tests.reports import publish_report


def fill(page: Page, component: Component, incident: Incident, *, author: User, admin: User) -> None:
    now = timezone.now()
    group = catalogue.create_group(page, name="Core", author=admin)
    catalogue.edit_component(component, group=group, author=admin)
    second = catalogue.create_page(name="Second", url="https://second.example", author=admin)
    catalogue.list_component(component, page=second, author=admin)
    window: dict[str, Any] = {"scheduled_for": now, "scheduled_until": now + timedelta(hours=1)}
    planned = schedule_maintenance(page, title="Disks", body="New ones.", author=author, **window)
    repeat_maintenance(planned, rule="FREQ=DAILY", author=author)
    update = post_update(incident, status=IncidentStatus.RESOLVED, body="Done.", author=author)
    correct_update(update, body="All done.", author=admin)
    postmortem = publish_report(incident, body="Why.", author=author)
    action_items.add_action_item(postmortem, text="Alert earlier", author=author)
    reviewing.comment_section(postmortem.live_sections()[0], text="Really?", author=author)
    writing.write_report(postmortem, body="On Monday, January 17, 2023 it rained.", author=author)
    (finding,) = checks.open_findings(postmortem)
    checking.dismiss_finding(postmortem, digest=finding.digest, reason="A quotation.", author=admin)
    take_role(incident, role=IncidentRole.Role.COMMANDER, author=author)
    plan: Any = {"status": IncidentStatus.INVESTIGATING, "body": "Again.", "next_update": None, "notify": True}
    due_at = timezone.now() + timedelta(hours=1)
    plan_update(incident, due_at=due_at, components=[(component, None)], author=author, **plan)
    create_key("robot", scopes=[Scope.INCIDENTS, Scope.COMPONENTS], author=admin)
    subscribers.add_by_staff(page, address="ann@example.com", author=admin)
    csv_files.import_csv(page, content="bob@example.com", author=admin)
    metrics.create_metric(page, name="Errors", author=admin)
    catalogue.edit_embed(page, author=admin)
    templates.create_template(page=page, name="Slow", body="b", components=[component], author=admin)
    record_elsewhere(page, RECORD, source="them", author=author)
