"""Staff are nudged: of a promise before it is broken, and of what must not be forgotten; each thing once, by mail."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
import time_machine
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from incidents import planned, promises
from incidents.incidents import declare_incident, post_update
from incidents.lifecycle import IncidentStatus, Severity
from incidents.models import Incident, IncidentRole, Page, User
from incidents.roles import take_role
from status.delivery import engine, nudges, owing, places, staff_channels
from status.models import Delivery, Nudge, StaffChannel, Subscriber
from status.subscriptions import csv_files
from tests.concurrency import together
from tests.incidents.html_forms import filled
from tests.sink import Sink
from tests.ticks import tick

pytestmark = [pytest.mark.long, pytest.mark.both]

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
IDENTIFIED, RESOLVED = IncidentStatus.IDENTIFIED, IncidentStatus.RESOLVED
Role = IncidentRole.Role


@pytest.fixture
def on_call(page: Page, admin: User) -> StaffChannel:
    return staff_channels.add_channel(
        page, channel=StaffChannel.Channel.STAFF, address="oncall@acme.example", author=admin
    )


@pytest.fixture
def promised(incident: Incident, on_call: StaffChannel, author: User, admin: User) -> Iterator[Any]:
    """Grace speaks for the incident, Ada commands it, and the next update is promised for 12:30."""
    for user in (author, admin):
        user.email = f"{user.username}@acme.example"
        user.save()
    take_role(incident, role=Role.COMMS_LEAD, author=author)
    take_role(incident, role=Role.COMMANDER, author=admin)
    with time_machine.travel(NOON, tick=False) as clock:
        say(incident, author, 30)
        yield clock


def say(incident: Incident, author: User, within: int | None = None, status: IncidentStatus = IDENTIFIED) -> None:
    due_at = promises.due_at(Severity(incident.severity), status, within) if within else None
    post_update(incident, status=status, body="News.", author=author, next_update_due_at=due_at, notify=False)


def nudged() -> list[tuple[str, str]]:
    rows = Delivery.objects.filter(purpose="nudge").order_by("pk").values_list("nudge__key", "recipient__address")
    return [(key, address.partition("@")[0]) for key, address in rows]


@pytest.mark.slow
def test_a_promise_is_nudged_before_at_and_after_its_time_up_the_ladder(promised: Any, sink: Sink) -> None:
    for minute in range(60):
        promised.move_to(NOON + minute * MINUTE)
        nudges.nudge()
        nudges.nudge()
        engine.deliver(Subscriber.Channel.EMAIL)
        if minute == 24:
            assert nudged() == []
        if minute == 25:
            assert nudged() == [("promise_soon", "grace")]
    assert nudged() == [
        ("promise_soon", "grace"), ("promise_due", "grace"), ("promise_late", "ada"), ("promise_broken", "oncall"),
    ]  # fmt: skip
    assert [mail.recipient.partition("@")[0] for mail in sink.received] == ["grace", "grace", "ada", "oncall"]
    first = sink.received[0].message
    assert first["Subject"] == "[Acme] The next update of “Errors” is due soon."
    assert "List-Unsubscribe" not in first
    text = first.get_body(("plain",))
    assert text is not None
    incident = Incident.objects.get()
    assert f"/admin/incidents/incident/{incident.pk}/no-change/" in text.get_content()
    assert "Mar 10, 2026 - 13:30 CET / Mar 10, 2026 - 12:30 UTC" in text.get_content()


def test_a_kept_promise_is_not_nudged_and_what_is_still_due_is_dropped_with_a_note(
    promised: Any, incident: Incident, author: User, sink: Sink
) -> None:
    promised.move_to(NOON + 25 * MINUTE)
    nudges.nudge()
    say(incident, author, 30)
    engine.deliver(Subscriber.Channel.EMAIL)
    assert sink.received == []
    assert Delivery.objects.get().reason == Delivery.WITHDRAWN
    ada = Client()
    ada.force_login(User.objects.get(username="ada"))
    assert "It was done before anybody was notified." in ada.get(reverse("admin:status_nudge_changelist")).text
    promised.move_to(NOON + 40 * MINUTE)
    assert nudges.nudge() == 0


def test_a_clock_that_was_away_tells_what_still_matters_once(promised: Any, sink: Sink) -> None:
    promised.move_to(NOON + 90 * MINUTE)
    assert (nudges.nudge(), nudges.nudge()) == (4, 0)
    assert nudged() == [("promise_due", "grace"), ("promise_late", "ada"), ("promise_broken", "oncall")]
    assert "was late" in Nudge.objects.get(key="promise_soon").note


def test_without_a_comms_lead_the_commander_is_nudged_and_without_either_whoever_is_on_call(
    page: Page, incident: Incident, author: User, on_call: StaffChannel, admin: User
) -> None:
    author.email = "grace@acme.example"
    author.save()
    with time_machine.travel(NOON, tick=False) as clock:
        say(incident, author, 10)
        clock.shift(5 * MINUTE)
        nudges.nudge()
        take_role(incident, role=Role.COMMANDER, author=author)
        clock.shift(5 * MINUTE)
        nudges.nudge()
        author.email = "new@acme.example"  # the account is where an address is kept
        author.save()
        clock.shift(5 * MINUTE)
        nudges.nudge()
    assert nudged() == [("promise_soon", "oncall"), ("promise_due", "new"), ("promise_late", "new")]
    assert StaffChannel.objects.filter(user=author).count() == 1


def test_when_there_is_nobody_to_tell_the_nudge_says_so(incident: Incident, author: User) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        say(incident, author, 10)
        clock.shift(5 * MINUTE)
        assert nudges.nudge() == 1
    assert "add a staff channel" in Nudge.objects.get().note
    assert nudged() == []


@pytest.mark.slow
@pytest.mark.usefixtures("on_call")
def test_what_must_not_be_forgotten(page: Page, incident: Incident, author: User, sink: Sink) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        declare_incident(page, title="Unsaid", author=author, severity=Severity.SEV1)
        say(declare_incident(page, title="Silent", author=author), author)
        say(declare_incident(page, title="Watched", author=author), author, 600, IncidentStatus.MONITORING)
        ended = declare_incident(page, title="Ended", author=author, severity=Severity.SEV2)
        say(ended, author, status=RESOLVED)
        say(incident, author, 600)
        facts: Any = {"status": IDENTIFIED, "body": "Later.", "components": (), "next_update": 0, "notify": False}
        planned.plan_update(incident, due_at=NOON + 2 * MINUTE, author=author, **facts)
        say(incident, author, 600)
        found: list[tuple[int, str, str]] = []
        for after in (1, 2, 5, 60, 240, 2880):
            clock.move_to(NOON + after * MINUTE)
            planned.post_due()
            nudges.nudge()
            rows = Nudge.objects.exclude(key__startswith="promise").order_by("pk")
            found += [(after, row.key, row.title) for row in rows[len(found) :]]
    assert found == [
        (2, "planned_held", "Errors"), (5, "first_word", "Unsaid"), (60, "silent", "Silent"),
        (240, "watched_long", "Watched"), (2880, "postmortem_missing", "Ended"),
    ]  # fmt: skip


def test_staff_are_no_subscribers(
    page: Page, incident: Incident, promised: Any, on_call: StaffChannel, author: User
) -> None:
    promised.move_to(NOON + 25 * MINUTE)
    nudges.nudge()
    event = incident.events.select_related("page", "incident", "update").latest("pk")
    assert not owing.recipients_of(event).exists()
    assert not Subscriber.objects.active().exists()
    assert "acme.example" not in csv_files.export_csv(page)
    assert StaffChannel.objects.count() == 2


@pytest.mark.slow
@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_two_clocks_nudge_once(promised: Any, incident: Incident) -> None:
    promised.move_to(NOON + 90 * MINUTE)
    for _round in range(3):
        together(nudges.nudge, nudges.nudge)
    assert Nudge.objects.count() == 4
    assert len(nudged()) == 3


@pytest.mark.slow
def test_the_statements_of_a_tick_do_not_grow_with_what_is_due(page: Page, author: User, on_call: StaffChannel) -> None:
    def statements(count: int) -> int:
        with time_machine.travel(NOON, tick=False) as clock:
            for number in range(count):
                say(declare_incident(page, title=f"Number {number}", author=author), author, 30)
            clock.shift(26 * MINUTE)
            with CaptureQueriesContext(connection) as captured:
                assert nudges.nudge() >= count
        return len(captured)

    few, many = statements(2), statements(40)
    assert many <= few + 2


@pytest.mark.slow
@pytest.mark.usefixtures("promised")
def test_manage_tick_nudges_too(promised: Any, sink: Sink) -> None:
    promised.move_to(NOON + 25 * MINUTE)
    call_command("tick", stdout=StringIO())
    assert Nudge.objects.count() == 1
    assert len(sink.received) == 1


def test_an_administrator_adds_and_removes_channels_and_reads_who_was_nudged(
    client: Client, promised: Any, admin: User, author: User
) -> None:
    promised.move_to(NOON + 40 * MINUTE)
    nudges.nudge()
    client.force_login(admin)
    add = reverse("admin:status_nudge_channel_add")
    client.post(add, filled(client.get(add), address="night@acme.example"))
    again = client.post(add, filled(client.get(add), address="night@acme.example")).content.decode()
    assert "There is one of this name or address already." in again
    channels = client.get(reverse("admin:status_nudge_channels")).content.decode()
    assert all(f"{name}@acme.example" in channels for name in ("night", "oncall", "grace"))
    listed = client.get(reverse("admin:status_nudge_changelist")).content.decode()
    assert "The promised update of “Errors” is late." in listed
    late = client.get(reverse("admin:status_nudge_changelist"), {"duty": "promise_late"}).content.decode()
    assert "The promised update of “…” is late." in late
    assert "The next update of “Errors”" not in late
    assert client.get(reverse("admin:status_delivery_changelist")).status_code == 200
    night = StaffChannel.objects.get(address="night@acme.example")
    client.post(reverse("admin:status_nudge_channel_remove", args=[night.pk]), {})
    assert "night@acme.example" not in client.get(reverse("admin:status_nudge_channels")).content.decode()
    assert "acme.example" not in client.get(reverse("admin:status_subscriber_changelist")).content.decode()
    client.force_login(author)
    assert client.get(reverse("admin:status_nudge_channels")).status_code == 403


@pytest.mark.slow
@pytest.mark.usefixtures("on_call")
def test_a_tick_takes_few_statements_beyond_its_transitions(page: Page, admin: User) -> None:
    """`make bench NAME=tick` does this with 1,000 items, of which each hundred may take five."""
    few, many = (tick(page, admin, items) for items in (8, 40))
    beyond = (many.statements - many.of_transitions) - (few.statements - few.of_transitions)
    assert beyond <= 5 * (many.items - few.items) / 100 + 1


def test_a_mailbox_is_tested_and_shows_what_the_server_answered(
    client: Client, on_call: StaffChannel, admin: User, sink: Sink
) -> None:
    staff_channels.send_test(on_call, author=admin)
    engine.deliver(Subscriber.Channel.EMAIL)
    assert [mail.message["Subject"] for mail in sink.received] == [
        "[Acme] This is a test of your channel, sent by ada."
    ]
    client.force_login(admin)
    assert "Sent" in client.get(reverse("admin:status_nudge_channels")).text.partition("Test of")[2]


def test_nudges_lead_to_the_consoles_own_addresses() -> None:
    assert places.INCIDENT.format("b1c2d3f4g5h6") == reverse("room", args=["b1c2d3f4g5h6"])
    assert places.POSTMORTEM.format(7) == reverse("admin:incidents_postmortem_change", args=[7])
    assert places.NO_CHANGE.format(7) == reverse("admin:incidents_incident_no_change", args=[7])
    assert reverse("admin:status_nudge_channels") == places.CHANNELS
