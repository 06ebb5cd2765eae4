"""Every service against somebody who changes or deletes, at the same moment, the row that it locks.

Each race is held where it matters. One transaction changes the row and stays open; the service begins with what it
read before that, and is seen to wait for the row; then the first one commits. What it changed must stand after the
service has done its work, or has refused to. A service that is in no race must say here why it needs none.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from types import CellType, FunctionType
from typing import Any, cast

import pytest
from django.db import connection, connections, models, transaction
from django.test.utils import CaptureQueriesContext

from incidents import catalogue, metrics, people, templates
from incidents.authorship import SERVICES, Service, authored_by
from incidents.errors import DomainError
from incidents.incidents import edit_incident
from incidents.models import (
    Component,
    ComponentGroup,
    ComponentListing,
    Incident,
    IncidentTemplate,
    Metric,
    Page,
    Postmortem,
    User,
)
from incidents.models.base import Tracked
from incidents.planned import post_planned
from incidents.postmortems import writing
from incidents.signals import event_recorded
from tests.incidents.postmortem_acts import Acts
from tests.waiting import until

pytestmark = [pytest.mark.postgresql, pytest.mark.django_db(transaction=True)]

ROUNDS = int(os.environ.get("RACES", "1"))  # of the whole walk

# What somebody else changes of a row meanwhile; none of the services that are raced sets the same field.
EDITS: dict[type[models.Model], tuple[Callable[..., Any], str, Callable[[int], Any]]] = {
    Page: (catalogue.edit_page, "support_email", "help{}@acme.example".format),
    Component: (catalogue.edit_component, "aliases", "Name {}".format),
    ComponentGroup: (catalogue.edit_group, "description", "Group {}".format),
    Metric: (metrics.edit_metric, "identifier", "metric.{}".format),
    IncidentTemplate: (templates.edit_template, "title", "Slow {}".format),
    Incident: (edit_incident, "metadata", lambda number: {"ticket": {"id": number}}),
    Postmortem: (writing.edit_postmortem, "due_on", lambda number: date(2026, 1, 1) + timedelta(days=number)),
    User: (people.edit_staff, "first_name", "Grace {}".format),
}
# What can be deleted, and then is changed no more
DELETABLE = {Page, Component, ComponentGroup, ComponentListing, Metric, IncidentTemplate, Incident, Postmortem}
# Which do nothing more to what is deleted, and say nothing of it
HARMLESS = {
    catalogue.delete_page,
    catalogue.delete_component,
    catalogue.delete_group,
    catalogue.delete_listing,
    metrics.delete_metric,
    templates.delete_template,
    post_planned,
}
NEW = "it locks only what it has just written"
ONE = "it is one statement, which looks at the rows anew"
UNRACED = {
    "incidents.catalogue.create_page": NEW,
    "incidents.people.create_staff": NEW,
    "incidents.people.create_key": NEW,
    "incidents.postmortems.reviewing.record_reading": NEW,
    "status.delivery.staff_channels.mailbox_for": NEW,
    "incidents.isolation.try_again": ONE,
    "status.delivery.owing.cancel": ONE,
    "status.delivery.owing.retry": ONE,
    "status.subscriptions.signups.ask": NEW,
    "status.subscriptions.signups.ask_for_webhook": NEW,
    "status.subscriptions.subscribers.add_by_staff": NEW,
    "status.subscriptions.subscribers.add_webhook": NEW,
    "status.subscriptions.subscribers.forget": ONE,
    "status.subscriptions.subscribers.invite": NEW,
}


@dataclass
class Outcome:
    waited_with: str = ""  # the statement
    refusal: DomainError | None = None
    error: Exception | None = None


def as_read_now(act: Callable[[Any], object]) -> Callable[[Any], object]:
    """The same call with rows that were read by somebody else, now."""
    function = cast(FunctionType, act)
    cells = [cell.cell_contents for cell in function.__closure__ or ()]
    rows = [type(cell)._base_manager.get(pk=cell.pk) if isinstance(cell, models.Model) else cell for cell in cells]
    return FunctionType(function.__code__, function.__globals__, closure=tuple(map(CellType, rows)))


def locked_row(model: type[models.Model], act: Callable[[Any], object], by: User) -> models.Model | None:
    """Which row of `model` this call locks first; None if it was not there before the call."""
    with transaction.atomic(), CaptureQueriesContext(connection) as queries:
        as_read_now(act)(by)
        transaction.set_rollback(True)
    table = model._meta.db_table
    locking = re.compile(
        rf'^SELECT .* FROM "{table}" .*?"{table}"\."id" (?:= |IN \()(\d+).* FOR NO KEY UPDATE', re.DOTALL
    )
    found = next(filter(None, (locking.search(query["sql"]) for query in queries)), None)
    return model._base_manager.filter(pk=found[1]).first() if found else None


def race(act: Callable[[Any], object], by: User, meanwhile: Callable[[], object]) -> Outcome:
    """Begin `act` while a transaction that has done `meanwhile` is open; commit that one when `act` waits for it."""
    outcome, mine, pids = Outcome(), as_read_now(act), list[int]()

    def run() -> None:
        connection.ensure_connection()
        pids.append(connection.connection.info.backend_pid)
        try:
            mine(by)
        except DomainError as refusal:
            outcome.refusal = refusal
        except Exception as error:  # noqa: BLE001  (it is shown with the service's name)
            outcome.error = error
        finally:
            connections.close_all()

    def is_held() -> bool:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_stat_clear_snapshot()")
            cursor.execute(
                "SELECT query FROM pg_stat_activity WHERE pid = ANY(%s) AND wait_event_type = 'Lock'", [pids]
            )
            if row := cursor.fetchone():
                outcome.waited_with = row[0]
        return bool(outcome.waited_with) or not thread.is_alive()

    thread = threading.Thread(target=run)
    with transaction.atomic():
        meanwhile()
        thread.start()
        until(is_held)
    thread.join()
    return outcome


def faults(service: Service, act: Callable[[Any], object], by: User, row: models.Model, number: int) -> Iterator[str]:
    """What goes wrong when `row`, which the service locks, is deleted meanwhile, and when it is edited."""
    model, table = type(row), row._meta.db_table
    fresh = model._base_manager.filter(pk=row.pk)

    def waits(outcome: Outcome) -> bool:  # the end of a long statement is not shown
        return outcome.waited_with.startswith("SELECT") and f'"{table}"' in outcome.waited_with

    def delete() -> None:
        with authored_by(by):
            cast(Tracked, fresh.get()).lock().mark_deleted()

    if getattr(row, "deleted_at", None):  # it is about to be restored
        outcome = race(act, by, lambda: fresh.select_for_update(no_key=True).get())
        if not waits(outcome) or outcome.error or outcome.refusal:
            yield f"does not wait for the row, or fails: {outcome}"
        return

    if model in DELETABLE:
        outcome = race(act, by, delete)
        if not waits(outcome):
            yield "does not wait for who deletes the row"
        if outcome.error or (outcome.refusal is None and service.function not in HARMLESS):
            yield f"changes what was deleted: {outcome.error or 'it is done'}"
        if fresh.filter(deleted_at=None).exists():
            yield "undoes a deletion"
        fresh.update(deleted_at=None)

    edit, name, value = EDITS.get(model, (None, "", str))

    def change() -> None:
        other = fresh.select_for_update(no_key=True).get()
        if edit:
            edit(other, author=by, **{name: value(number)})

    outcome = race(act, by, change)
    if not waits(outcome):
        yield "does not wait for who edits the row"
    if outcome.error or outcome.refusal:
        yield f"fails: {outcome.error or outcome.refusal}"
    if edit and getattr(fresh.get(), name) != value(number):
        yield f"undoes an edit of {name}"


@pytest.mark.timeout(600)
@pytest.mark.parametrize("_round", range(ROUNDS))
def test_nothing_that_was_acknowledged_is_undone_by_who_comes_at_the_same_moment(
    acts: Acts, admin: User, monkeypatch: pytest.MonkeyPatch, _round: int
) -> None:
    monkeypatch.setattr(event_recorded, "receivers", [])  # nothing is published: that is not what is raced here
    found: dict[str, list[str]] = {}
    unraced, raced = set[str](), 0
    for service in SERVICES.values():
        if service.function not in acts:
            found[service.name] = ["is not in the walk: add a call of it to the acts"]
    names = {service.function: service for service in SERVICES.values()}
    for number, (function, (_right, act)) in enumerate(acts.items(), start=1):
        service = names[function]
        row = locked_row(service.locks, act, admin) if service.locks else None
        if row is None:
            unraced.add(service.name)
            act(admin)
            continue
        raced += 1
        if said := list(faults(service, act, admin, row, number)):
            found[service.name] = said
    for name in unraced ^ UNRACED.keys():
        found[name] = ["locks no row that was there, and UNRACED does not say why" if name in unraced else "is raced"]
    assert not found
    assert raced >= 50
