"""Every service against somebody who changes or deletes, at the same moment, the row that it locks.

Each race is held where it matters. One transaction changes the row and stays open; the service begins with what it
read before that, and is seen to wait for the row; then the first one commits. What it changed must stand after the
service has done its work, or has refused to. A service that is in no race must say here why it needs none.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from typing import Any

import pytest
from django.db import models, transaction

from incidents import catalogue, metrics, people, restoration, templates
from incidents.authorship import Service, authored_by
from incidents.incidents import delete_incident, edit_incident
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
from incidents.planned import post_planned
from incidents.postmortems import writing
from incidents.signals import event_recorded
from status.models import Recipient
from status.subscriptions import subscribers
from tests.incidents.locking import watching
from tests.incidents.postmortem_acts import Acts
from tests.incidents.racing import Outcome, as_read_now, race
from tests.incidents.registry import all_services

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
HARMLESS: set[tuple[Callable[..., Any], type[models.Model]]] = {
    (catalogue.edit_component, ComponentListing),
    (catalogue.delete_page, Page),
    (catalogue.delete_component, Component),
    (catalogue.delete_group, ComponentGroup),
    (catalogue.delete_group, Component),
    (catalogue.delete_listing, ComponentListing),
    (restoration.restore_group, Component),
    (restoration.restore_incident, Component),
    (restoration.restore_page, Incident),
    (restoration.restore_postmortem, Incident),
    (metrics.delete_metric, Metric),
    (templates.delete_template, IncidentTemplate),
    (delete_incident, Component),
    (writing.delete_postmortem, Incident),
    (writing.uncover_incident, Incident),
    (post_planned, Incident),
}
NEW = "it locks only what it has just written"
ONE = "it is one statement, which looks at the rows anew"
UNRACED = {
    "incidents.catalogue.create_page": NEW,
    "incidents.people.create_staff": NEW,
    "incidents.isolation.try_again": ONE,
    "status.delivery.owing.cancel": ONE,
    "status.delivery.owing.retry": ONE,
    "status.subscriptions.csv_files.import_csv": NEW,
    "status.subscriptions.signups.ask": NEW,
    "status.subscriptions.signups.ask_for_webhook": NEW,
}


def held_rows(act: Callable[[Any], object], by: User) -> list[models.Model]:
    """Of each model that this call locks, the row that it locks first, of those that were there before."""
    with transaction.atomic(), watching() as seen:
        as_read_now(act)(by)
        transaction.set_rollback(True)
    first = dict(reversed(seen.held))
    return [model._base_manager.get(pk=key) for model, key in first.items()]


def faults(service: Service, act: Callable[[Any], object], by: User, row: models.Model, number: int) -> Iterator[str]:
    """What goes wrong when `row`, which the service locks, is deleted meanwhile, and when it is edited."""
    model, table = type(row), row._meta.db_table
    fresh = model._base_manager.filter(pk=row.pk)
    was = fresh.values().get()

    def waits(outcome: Outcome) -> bool:  # the end of a long statement is not shown
        return outcome.waited_with.startswith("SELECT") and f'"{table}"' in outcome.waited_with

    def delete() -> None:
        with authored_by(by):
            gone: Any = fresh.get()
            gone.lock()
            if model is Recipient:
                subscribers.erase(gone)
            else:
                gone.mark_deleted()

    if was.get("deleted_at"):  # it is about to be restored
        outcome = race(act, by, lambda: fresh.select_for_update(no_key=True).get(), row)
        if not waits(outcome) or outcome.error or outcome.refusal:
            yield f"does not wait for the row, or fails: {outcome}"
        return

    if model in DELETABLE or (model is Recipient and was["channel"] not in Recipient.OF_STAFF):
        outcome = race(act, by, delete, row)
        gone = fresh.values("deleted_at", *(("address", "state") if model is Recipient else ())).get()
        if not waits(outcome):
            yield "does not wait for who deletes the row"
        # Who is forgotten can begin anew, and nobody says that they were here.
        is_harmless = model is Recipient or (service.function, model) in HARMLESS
        if outcome.error or not (outcome.refusal or is_harmless):
            yield f"changes what was deleted: {outcome.error or 'it is done'}"
        if outcome.after and any(outcome.after[name] != value for name, value in gone.items()):
            yield "undoes a deletion"
        fresh.update(**was)

    edit, name, value = EDITS.get(model, (None, "", str))
    if (page := getattr(row, "page", None)) and page.deleted_at:
        edit = None  # nobody edits what is on a deleted page

    def change() -> None:
        other = fresh.select_for_update(no_key=True).get()
        if edit:
            edit(other, author=by, **{name: value(number)})

    outcome = race(act, by, change, row)
    if not waits(outcome):
        yield "does not wait for who edits the row"
    if outcome.error or outcome.refusal:
        yield f"fails: {outcome.error or outcome.refusal}"
    elif edit and outcome.after[name] != value(number):
        yield f"undoes an edit of {name}"


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("_round", range(ROUNDS))
def test_nothing_that_was_acknowledged_is_undone_by_who_comes_at_the_same_moment(
    acts: Acts, admin: User, monkeypatch: pytest.MonkeyPatch, _round: int
) -> None:
    monkeypatch.setattr(event_recorded, "receivers", [])  # nothing is published: that is not what is raced here
    found: dict[str, list[str]] = {}
    unraced, raced = set[str](), 0
    names = {service.function: service for service in all_services()}
    for function in names.keys() - acts.keys():
        found[names[function].name] = ["is not in the walk: add a call of it to the acts"]
    for number, (function, (_right, act)) in enumerate(acts.items(), start=1):
        service = names[function]
        try:
            rows = held_rows(act, admin)
            said = [
                f"{type(row).__name__}: {each}" for row in rows for each in faults(service, act, admin, row, number)
            ]
            if not rows:
                unraced.add(service.name)
            act(admin)
        except Exception as error:  # noqa: BLE001  (it is shown with the service's name)
            said = [f"fails: {error!r}"]
        raced += len(rows)
        if said:
            found[service.name] = said
    for name in unraced ^ UNRACED.keys():
        found[name] = ["locks no row that was there, and UNRACED does not say why" if name in unraced else "is raced"]
    assert not found, "\n".join(f"{name} {each}" for name, said in found.items() for each in said)
    assert raced >= 100
