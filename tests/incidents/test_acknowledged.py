"""What somebody was told is done stays done, whoever began before and comes after."""

from __future__ import annotations

from typing import Any

import pytest

from incidents import catalogue
from incidents.errors import DomainError, InvalidTransition
from incidents.incidents import declare_incident, delete_incident, edit_incident, post_update
from incidents.lifecycle import IncidentStatus
from incidents.models import Component, Incident, Page, Postmortem, User
from incidents.postmortems import writing
from incidents.restoration import restore_group, restore_postmortem
from incidents.signals import event_recorded
from status.models import Delivery, Recipient, Subscriber
from status.subscriptions import choices, csv_files, signups, subscribers
from status.subscriptions.choices import Choices
from tests.incidents.racing import race

pytestmark = [pytest.mark.postgresql, pytest.mark.django_db(transaction=True)]
ANN = "ann@example.com"


@pytest.fixture(autouse=True)
def unpublished(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_recorded, "receivers", [])  # that is not what is raced here


@pytest.mark.parametrize("to", ["group", "page"])
def test_a_restored_group_leaves_a_component_where_somebody_has_put_it_meanwhile(
    page: Page, other_page: Page, component: Component, admin: User, to: str
) -> None:
    group = catalogue.create_group(page, name="Core", components=[component], author=admin)
    other = catalogue.create_group(page, name="Edge", author=admin)
    catalogue.delete_group(group, author=admin)
    component.refresh_from_db()
    moved: Any = {"group": other} if to == "group" else {"page": other_page}

    def move() -> None:
        catalogue.edit_component(component, author=admin, **moved)

    outcome = race(lambda by: restore_group(group, author=by), admin, move)
    assert outcome.is_done, outcome
    component.refresh_from_db()
    assert (component.page, component.group) == ((page, other) if to == "group" else (other_page, None))


def test_a_restored_report_leaves_an_incident_to_the_report_that_was_begun_meanwhile(
    incident: Incident, author: User, admin: User
) -> None:
    post_update(incident, status=IncidentStatus.RESOLVED, body="Done.", author=author)
    given_up = writing.start_postmortem(incident, author=author)
    writing.delete_postmortem(given_up, reason="Not needed", author=author)
    incident.refresh_from_db()

    def begin() -> None:
        writing.start_postmortem(incident, author=author)

    outcome = race(lambda by: restore_postmortem(given_up, author=by), admin, begin)
    assert outcome.is_done, outcome
    incident.refresh_from_db()
    assert incident.postmortem == Postmortem.objects.exclude(pk=given_up.pk).get()


def test_an_incident_is_not_caused_by_one_that_is_being_deleted(incident: Incident, page: Page, author: User) -> None:
    cause = declare_incident(page, title="Cause", author=author)

    def delete() -> None:
        delete_incident(cause, reason="A mistake", author=author)

    outcome = race(lambda by: edit_incident(incident, caused_by=cause, author=by), author, delete)
    assert isinstance(outcome.refusal, InvalidTransition)


# --- Subscribers ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channel", ["email", "webhook"])
def test_who_signs_up_while_they_are_forgotten_has_signed_up(page: Page, admin: User, channel: str) -> None:
    hook = "https://hook.example.com"
    if channel == "email":
        subscribers.invite(page, address=ANN, choices=Choices(), author=admin)
    else:
        signups.subscribe_webhook(page, url=hook, contact=ANN, author=admin)

    def sign_up(by: User) -> None:
        if channel == "email":
            signups.subscribe(page, address=ANN, author=by)
        else:
            signups.subscribe_webhook(page, url=hook, contact=ANN, author=by)

    outcome = race(sign_up, admin, lambda: subscribers.forget(ANN, author=admin))
    assert outcome.is_done, outcome
    (gone,) = Recipient.objects.exclude(deleted_at=None)
    assert gone.state == Subscriber.State.UNSUBSCRIBED
    new = Subscriber.objects.get()
    assert (new.state, new.contact or new.address) == (Subscriber.State.UNCONFIRMED, ANN)
    assert [each.recipient_id for each in Delivery.objects.filter(state="due")] == [new.pk]


def test_who_was_forgotten_chooses_nothing(page: Page, admin: User) -> None:
    ann = subscribers.add_by_staff(page, address=ANN, author=admin)
    subscribers.forget(ANN, author=admin)
    with pytest.raises(DomainError):
        choices.choose(ann, Choices(), author=admin)


def test_a_file_is_imported_though_somebody_in_it_signs_up_meanwhile(page: Page, admin: User) -> None:
    def sign_up() -> None:
        signups.subscribe(page, address=ANN, author=admin)

    content = f"{ANN}\nbob@example.com\n"
    outcome = race(lambda by: csv_files.import_csv(page, content=content, author=by), admin, sign_up)
    assert outcome.is_done, outcome
    assert {row.address: row.state for row in Subscriber.objects.all()} == dict.fromkeys(
        [ANN, "bob@example.com"], Subscriber.State.ACTIVE
    )
