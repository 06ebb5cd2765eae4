"""Who is notified of what: one delivery for each recipient that an event concerns, written once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext

from incidents import catalogue
from incidents.authorship import authored_by
from incidents.errors import InvalidTransition
from incidents.incidents import correct_update, declare_incident, post_update, withdraw_update
from incidents.lifecycle import ComponentStatus, Impact, IncidentStatus, Visibility
from incidents.models import Component, Incident, OutboxEvent, Page, User
from portal.embedded.replay import replay_seed
from status import relay
from status.delivery.mails import events
from status.models import Delivery, Follow, Subscriber
from status.publication.publishing import differences, publish
from tests.reports import publish_report

pytestmark = pytest.mark.long

INVESTIGATING, IDENTIFIED, RESOLVED = IncidentStatus.INVESTIGATING, IncidentStatus.IDENTIFIED, IncidentStatus.RESOLVED
MakeRecipient = Callable[..., Subscriber]


@pytest.fixture
def make_recipient(page: Page, author: User) -> MakeRecipient:
    def make(address: str, *follows: Component | Incident, **facts: object) -> Subscriber:
        recipient = Subscriber(
            **({"page": page, "address": address, "state": Subscriber.State.ACTIVE, "everything": not follows} | facts)
        )
        with authored_by(author):
            recipient.save()
        for thing in follows:
            Follow.objects.create(recipient=recipient, **{thing._meta.model_name or "": thing})
        return recipient

    return make


def notified() -> list[tuple[str, str]]:
    """Who is owed what, in order."""
    due = Delivery.objects.due().order_by("id").select_related("recipient", "event__update")
    return [(row.recipient.address, row.event.update.status if row.event and row.event.update else "") for row in due]


def test_everybody_active_is_owed_an_update_once(
    page: Page, incident: Incident, author: User, make_recipient: MakeRecipient
) -> None:
    make_recipient("ann@example.com")
    for state in (Subscriber.State.UNCONFIRMED, Subscriber.State.QUARANTINED, Subscriber.State.UNSUBSCRIBED):
        make_recipient(f"{state}@example.com", state=state)
    update = post_update(incident, status=INVESTIGATING, body="Looking.", author=author)
    assert (relay.owe(), relay.owe()) == (1, 0)
    OutboxEvent.objects.update(owed_at=None)
    assert relay.owe() == 0
    (delivery,) = Delivery.objects.all()
    assert (delivery.recipient.address, delivery.state) == ("ann@example.com", "due")
    assert update.published_at is not None
    assert delivery.due_at - update.published_at >= timedelta(seconds=30 + 2.5)  # a taking back may be under way


def test_who_chose_components_is_notified_of_those_alone(
    page: Page, make_component: Callable[..., Component], author: User, make_recipient: MakeRecipient
) -> None:
    api, site = make_component("API"), make_component("Site")
    make_recipient("all@example.com")
    make_recipient("api@example.com", api)
    make_recipient("site@example.com", site)
    incident = declare_incident(page, title="Errors", author=author)
    affected = [(api, ComponentStatus.PARTIAL_OUTAGE)]
    post_update(incident, status=INVESTIGATING, body="Looking.", author=author, components=affected)
    relay.owe()
    assert notified() == [("all@example.com", "investigating"), ("api@example.com", "investigating")]


def test_a_minimum_impact_and_postmortems_only_are_kept(
    page: Page, incident: Incident, component: Component, author: User, make_recipient: MakeRecipient
) -> None:
    make_recipient("major@example.com", minimum_impact=Impact.MAJOR)
    make_recipient("reports@example.com", postmortems_only=True)
    degraded = [(component, ComponentStatus.DEGRADED_PERFORMANCE)]
    post_update(incident, status=INVESTIGATING, body="Slow.", author=author, components=degraded)
    relay.owe()
    assert notified() == []
    worse = [(component, ComponentStatus.PARTIAL_OUTAGE)]
    post_update(incident, status=IDENTIFIED, body="Worse.", author=author, components=worse)
    relay.owe()
    assert notified() == [("major@example.com", "identified")]
    post_update(incident, status=RESOLVED, body="Done.", author=author)
    publish_report(incident, body="Why.", author=author)
    relay.owe()
    assert ("reports@example.com", "") in notified()


def test_a_step_that_is_past_is_cancelled_before_it_is_sent(
    incident: Incident, author: User, make_recipient: MakeRecipient
) -> None:
    make_recipient("ann@example.com")
    for status in (INVESTIGATING, IDENTIFIED, RESOLVED):
        post_update(incident, status=status, body="Words.", author=author)
    relay.owe()
    assert notified() == [("ann@example.com", "resolved")]
    assert (
        list(Delivery.objects.exclude(state="due").values_list("state", "reason")) == [("cancelled", "coalesced")] * 2
    )


def test_a_message_that_a_worker_holds_is_not_cancelled(
    incident: Incident, author: User, make_recipient: MakeRecipient
) -> None:
    make_recipient("ann@example.com")
    post_update(incident, status=INVESTIGATING, body="Looking.", author=author)
    relay.owe()
    now = datetime.now(UTC)
    Delivery.objects.update(claimed_at=now, due_at=now + timedelta(minutes=5))
    post_update(incident, status=RESOLVED, body="Done.", author=author)
    relay.owe()
    assert notified() == [("ann@example.com", "investigating"), ("ann@example.com", "resolved")]


def test_whoever_was_notified_of_an_incident_is_notified_of_its_end(
    incident: Incident, component: Component, author: User, make_recipient: MakeRecipient
) -> None:
    recipient = make_recipient("ann@example.com")
    affected = [(component, ComponentStatus.PARTIAL_OUTAGE)]
    post_update(incident, status=INVESTIGATING, body="Looking.", author=author, components=affected)
    relay.owe()
    Delivery.objects.update(state=Delivery.State.SENT, finished_at=datetime.now(UTC))
    with authored_by(author):
        recipient.change(minimum_impact=Impact.CRITICAL)
    post_update(incident, status=RESOLVED, body="Done.", author=author)
    relay.owe()
    assert notified() == [("ann@example.com", "resolved")]


def test_who_follows_one_incident_hears_of_that_one(
    page: Page, incident: Incident, author: User, make_recipient: MakeRecipient
) -> None:
    make_recipient("ann@example.com", incident)
    other = declare_incident(page, title="Other", author=author)
    post_update(other, status=INVESTIGATING, body="Other.", author=author)
    relay.owe()
    assert notified() == []
    post_update(incident, status=RESOLVED, body="Done.", author=author)
    relay.owe()
    assert notified() == [("ann@example.com", "resolved")]


def test_what_is_silent_internal_corrected_or_replayed_owes_nothing(
    page: Page, incident: Incident, author: User, make_recipient: MakeRecipient
) -> None:
    for number in range(100):
        make_recipient(f"{number}@example.com")
    update = post_update(incident, status=INVESTIGATING, body="Looking.", author=author, notify=False)
    correct_update(update, body="Looking hard.", author=author)
    hidden = declare_incident(page, title="Hidden", author=author, visibility=Visibility.INTERNAL)
    post_update(hidden, status=INVESTIGATING, body="Hidden.", author=author)
    replay_seed("https://status.commercelayer.example")
    relay.owe()
    assert not Delivery.objects.exists()
    correct_update(update, body="Really looking.", author=author, notify=True)
    assert relay.owe() == 100


def test_two_pages_tell_their_own_recipients(page: Page, incident: Incident, author: User, admin: User) -> None:
    from incidents import catalogue

    other = catalogue.create_page(name="Other", url="https://other.example", author=admin)
    with authored_by(author):
        Subscriber(page=other, address="ann@example.com", state=Subscriber.State.ACTIVE).save()
    post_update(incident, status=INVESTIGATING, body="Looking.", author=author)
    assert relay.owe() == 0


def test_owing_takes_the_same_queries_for_few_and_many(
    incident: Incident, author: User, make_recipient: MakeRecipient
) -> None:
    def cost(status: IncidentStatus) -> int:
        post_update(incident, status=status, body="Words.", author=author)
        with CaptureQueriesContext(connection) as queries:
            relay.owe()
        return len(queries)

    make_recipient("first@example.com")
    cost(INVESTIGATING)
    with_one = cost(IDENTIFIED)
    for number in range(50):
        make_recipient(f"{number}@example.com")
    assert cost(IncidentStatus.MONITORING) == with_one


# --- Taking back ------------------------------------------------------------------------------------------------------


def test_an_update_taken_back_leaves_everything_as_before_and_tells_nobody(
    page: Page, incident: Incident, component: Component, author: User, make_recipient: MakeRecipient
) -> None:
    make_recipient("ann@example.com")
    slow = [(component, ComponentStatus.DEGRADED_PERFORMANCE)]
    post_update(incident, status=INVESTIGATING, body="Slow.", author=author, components=slow)
    down = [(component, ComponentStatus.MAJOR_OUTAGE)]
    wrong = post_update(incident, status=IDENTIFIED, body="Wrong words.", author=author, components=down)
    relay.owe()
    publish(page)
    withdraw_update(wrong, author=author)
    relay.owe()
    publish(page)
    incident.refresh_from_db()
    assert (incident.status, incident.impact) == (INVESTIGATING, Impact.MINOR)
    assert component.status is ComponentStatus.DEGRADED_PERFORMANCE
    assert incident.latest_update() != wrong
    assert differences(page) == []
    assert wrong.history.first().withdrawn_at is not None
    assert Delivery.objects.get(event__update=wrong).reason == "undone"


@pytest.mark.slow
def test_taking_back_the_first_update_takes_the_incident_off_the_page(
    page: Page, incident: Incident, author: User
) -> None:
    first = post_update(incident, status=INVESTIGATING, body="Wrong words.", author=author)
    publish(page)
    withdraw_update(first, author=author)
    publish(page)
    incident.refresh_from_db()
    assert not incident.is_public
    assert differences(page) == []
    again = post_update(incident, status=INVESTIGATING, body="Right words.", author=author)
    publish(page)
    assert again.published_at is not None
    assert differences(page) == []


def test_what_changed_since_stays_when_an_update_is_taken_back(
    incident: Incident, component: Component, author: User
) -> None:
    from incidents.catalogue import set_component_status

    down = [(component, ComponentStatus.MAJOR_OUTAGE)]
    wrong = post_update(incident, status=INVESTIGATING, body="Wrong.", author=author, components=down)
    set_component_status(component, status=ComponentStatus.PARTIAL_OUTAGE, author=author)
    withdraw_update(wrong, author=author)
    assert component.status is ComponentStatus.PARTIAL_OUTAGE


def test_only_the_newest_update_is_taken_back_and_only_while_it_is_held(incident: Incident, author: User) -> None:
    first = post_update(incident, status=INVESTIGATING, body="First.", author=author)
    second = post_update(incident, status=IDENTIFIED, body="Second.", author=author)
    with pytest.raises(InvalidTransition, match="newest"):
        withdraw_update(first, author=author)
    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=31)), pytest.raises(InvalidTransition, match="late"):
        withdraw_update(second, author=author)
    withdraw_update(second, author=author)
    with pytest.raises(InvalidTransition, match="newest"):
        withdraw_update(second, author=author)


def test_nobody_is_notified_of_a_page_that_nobody_sees(
    page: Page, incident: Incident, author: User, admin: User, make_recipient: MakeRecipient
) -> None:
    make_recipient("ann@example.com")
    event = post_update(incident, status=INVESTIGATING, body="Looking.", author=author).events.get()
    assert events.event_mail(event)
    catalogue.edit_page(page, is_live=False, author=admin)
    assert relay.owe() == 0
    assert events.event_mail(OutboxEvent.objects.get(pk=event.pk)) is None  # owed before
    catalogue.edit_page(page, is_live=True, author=admin)
    assert relay.owe() == 0  # what it says by now is no news
