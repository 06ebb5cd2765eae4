"""Of each loop of the clock three good rows and, before them, one that cannot be dealt with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.core import mail
from django.core.mail import EmailMessage
from django.db import connection
from django.utils import timezone

from incidents import metrics, people
from incidents.authorship import authored_by
from incidents.incidents import declare_incident
from incidents.lifecycle import IncidentStatus
from incidents.maintenance.plans import schedule_maintenance
from incidents.maintenance.series import repeat_maintenance
from incidents.models import (
    Component,
    Incident,
    MaintenancePlan,
    MaintenanceSeries,
    Metric,
    MetricFeed,
    OutboxEvent,
    Page,
    PlannedUpdate,
    Seal,
    User,
)
from incidents.planned import plan_update
from portal.accounts import mails
from portal.models import AccountMail
from status.delivery import staff_channels
from status.models import Delivery, Follow, Nudge, Recipient, SignUp, StaffChannel, Subscriber, Tally
from status.publication import files, publishing, state
from status.subscriptions.subscribers import add_by_staff

PLUG = "a plug, for ann@example.com"
NOWHERE = "Nowhere/Nothing"


@dataclass
class World:
    """What a case is made of: it plants three good rows and a bad one, which comes first."""

    page: Page
    author: User
    admin: User
    repairs: list[Callable[[], object]] = field(default_factory=list)

    def pages(self) -> list[Page]:
        """Four, of which `break_page` breaks the first one."""
        with authored_by(self.admin):
            more = [Page.objects.create(name=f"P{n}", host=f"p{n}.acme.example") for n in range(3)]
        return [self.page, *more]

    def break_page(self) -> None:
        zone = self.page.time_zone
        Page.objects.filter(pk=self.page.pk).update(time_zone=NOWHERE)
        self.repairs.append(lambda: Page.objects.filter(pk=self.page.pk).update(time_zone=zone))

    def incidents(self) -> list[Incident]:
        return [declare_incident(self.page, title=f"Errors {number}", author=self.author) for number in range(4)]

    def refuse(self, words: str, key: object = None) -> None:
        """Where no row can be bad enough: let statements with these words (and this key) fail."""

        def refusing(execute: Callable[..., Any], sql: str, parameters: Any, *rest: Any) -> Any:
            if words in sql and (key is None or key in (parameters or ())):
                raise ValueError(PLUG)
            return execute(sql, parameters, *rest)

        connection.execute_wrappers.append(refusing)
        self.repairs.append(lambda: connection.execute_wrappers.remove(refusing))

    def repair(self) -> None:
        while self.repairs:
            self.repairs.pop()()


@pytest.fixture
def world(page: Page, author: User, admin: User) -> Iterator[World]:
    people.clock_user()
    world = World(page, author, admin)
    yield world
    world.repair()


def beats(pages: list[Page]) -> int:
    return sum((files.folder(page.public_id) / "heartbeat.json").exists() for page in pages)


# Each plants its rows, and answers how to count the good ones that are done: three.


def publish(world: World) -> Callable[[], int]:
    pages = world.pages()
    (files.folder(world.page.public_id) / state.NAME).unlink()
    world.break_page()
    return lambda: beats(pages[1:])


def history(world: World) -> Callable[[], int]:
    pages = world.pages()
    for page in pages:
        publishing.publish(page)
        root = files.folder(page.public_id)
        known = state.read(root)
        assert known
        state.write(root, replace(known, months_left=(f"{known.date:%Y-%m}",)))
    world.break_page()
    return lambda: sum(not state.months_left(files.folder(page.public_id)) for page in pages[1:])


def chart(world: World) -> Callable[[], int]:
    for page in world.pages():
        publishing.publish(page)
        with authored_by(world.admin):
            metric = Metric.objects.create(page=page, name="Latency")
        metrics.add_points({metric: {timezone.now(): 1.0}}, author=world.admin)
    world.break_page()
    return lambda: MetricFeed.objects.exclude(charted_at=None).count()


def owe(world: World) -> Callable[[], int]:
    kind = OutboxEvent.Kind.UPDATE_POSTED
    bad = OutboxEvent.objects.create(page=world.page, kind=kind, notify=True)  # about nothing
    for incident in (incidents := world.incidents())[1:]:
        OutboxEvent.objects.create(page=world.page, kind=kind, notify=True, incident=incident)
    world.repairs.append(lambda: OutboxEvent.objects.filter(pk=bad.pk).update(incident=incidents[0]))
    return lambda: OutboxEvent.objects.filter(notify=True).exclude(owed_at=None).count()


def heartbeat(world: World) -> Callable[[], int]:
    pages = world.pages()
    for page in pages:
        publishing.publish(page)
        (files.folder(page.public_id) / "heartbeat.json").unlink()
    world.break_page()
    return lambda: beats(pages[1:])


def heal(world: World) -> Callable[[], int]:
    pages = world.pages()
    found = [files.folder(page.public_id) / "index.html" for page in pages[1:]]
    for page in pages:
        publishing.publish(page)
    for file in found:
        file.write_bytes(file.read_bytes().swapcase())
    world.break_page()
    return lambda: sum(b"<title>" in file.read_bytes() for file in found)


def tally(world: World) -> Callable[[], int]:
    Page.objects.filter(pk=world.page.pk).update(shows_totals=True)
    facts: Any = {"page": world.page, "kind": OutboxEvent.Kind.UPDATE_POSTED, "notify": True}
    bad, *_good = (
        OutboxEvent.objects.create(**facts, incident=incident, owed_at=timezone.now()) for incident in world.incidents()
    )
    world.refuse('INSERT INTO "status_tally"', bad.pk)
    return Tally.objects.exclude(event=bad.pk).count


def sign_up(world: World) -> Callable[[], int]:
    for number in range(4):
        SignUp.objects.create(page=world.page, channel=Subscriber.Channel.EMAIL, address=f"r{number}@example.com")
    world.refuse('INSERT INTO "status_recipient"', "r0@example.com")
    return Subscriber.objects.exclude(address="r0@example.com").count


def account_mail(world: World) -> Callable[[], int]:
    for _number in range(4):
        mails.owe(EmailMessage("Hello", "Hello.", to=["grace@acme.example"]))
    bad = AccountMail.objects.earliest("pk")
    readable, bad.content = bad.content, "no key fits this"
    bad.save()
    world.repairs.append(lambda: AccountMail.objects.update(content=readable))
    return lambda: len(mail.outbox)


def unconfirmed(world: World) -> Callable[[], int]:
    old = timezone.now() - timedelta(days=90)
    with authored_by(world.admin):
        rows = [
            Subscriber.objects.create(page=world.page, address=f"r{number}@example.com", created_at=old)
            for number in range(4)
        ]
        taken = Subscriber.objects.create(  # the name that the first one would get
            page=world.page, address=f"forgotten {rows[0].public_id}", state=Subscriber.State.UNSUBSCRIBED
        )
    world.repairs.append(lambda: Recipient.objects.filter(pk=taken.pk).update(address="free"))
    return Recipient.objects.filter(pk__in=[row.pk for row in rows[1:]]).exclude(deleted_at=None).count


def planned(world: World) -> Callable[[], int]:
    later = timezone.now() + timedelta(hours=1)
    text: Any = {"status": IncidentStatus.IDENTIFIED, "body": "A disk.", "components": (), "notify": False}
    bad, *_good = (
        plan_update(incident, due_at=later, latest_minutes=1440, next_update=None, author=world.author, **text)
        for incident in world.incidents()
    )
    PlannedUpdate.objects.update(due_at=timezone.now() - timedelta(minutes=1))
    Incident.objects.filter(pk=bad.incident_id).update(severity="sev9")
    world.repairs.append(lambda: Incident.objects.filter(pk=bad.incident_id).update(severity="sev3"))
    return PlannedUpdate.objects.filter(state=PlannedUpdate.State.POSTED).exclude(pk=bad.pk).count


def maintenance(world: World) -> Callable[[], int]:
    soon = timezone.now() + timedelta(days=1)
    text: Any = {"body": "New.", "author": world.author, "notify": False, "reminders": ()}
    plan = partial(schedule_maintenance, world.page, scheduled_for=soon, scheduled_until=soon + timedelta(hours=1))
    series = repeat_maintenance(plan(title="Weekly", **text), rule="FREQ=WEEKLY", author=world.author)
    now = timezone.now()
    MaintenanceSeries.objects.update(rule="FREQ=NEVER", due_at=now - timedelta(minutes=5))
    world.repairs.append(lambda: MaintenanceSeries.objects.filter(pk=series.pk).update(rule="FREQ=WEEKLY"))
    ours = [plan(title=f"Disks {number}", starts_by_itself=True, **text).pk for number in range(3)]
    MaintenancePlan.objects.filter(incident__in=ours).update(scheduled_for=now - timedelta(minutes=1))
    return Incident.objects.filter(pk__in=ours, status=IncidentStatus.IN_PROGRESS).count


def nudge(world: World) -> Callable[[], int]:
    shared = "oncall@acme.example"
    staff_channels.add_channel(world.page, channel=StaffChannel.Channel.STAFF, address=shared, author=world.admin)
    users = [User.objects.create_user(f"u{number}", f"u{number}@acme.example") for number in range(4)]
    later = timezone.now() + timedelta(hours=1)
    text: Any = {"status": IncidentStatus.IDENTIFIED, "body": "A disk.", "components": (), "notify": False}
    for incident, user in zip(world.incidents(), users, strict=True):
        held = plan_update(incident, due_at=later, next_update=None, author=world.author, **text)
        PlannedUpdate.objects.filter(pk=held.pk).update(
            author=user, state=PlannedUpdate.State.HELD, updated_at=timezone.now() - timedelta(minutes=1)
        )
    # One of staff has the address of a mailbox for whoever is on call, which is there once.
    User.objects.filter(pk=users[0].pk).update(email=shared)
    world.repairs.append(lambda: User.objects.filter(pk=users[0].pk).update(email="u0@acme.example"))
    return Nudge.objects.filter(deliveries__recipient__user__in=users[1:]).count


def seal_tables(world: World) -> Callable[[], int]:
    world.incidents()
    add_by_staff(world.page, address="ann@example.com", author=world.admin)
    world.refuse('FROM "incidents_historicalpage"')
    tables = ("incidents.historicalincident", "incidents.historicaluser", "status.historicalrecipient")
    return lambda: sum(Seal.objects.filter(table=table).exists() for table in tables)


def sweep(world: World) -> Callable[[], int]:
    old = timezone.now() - timedelta(days=90)
    world.refuse('"incidents_submission"')
    with authored_by(world.admin):
        metric = Metric.objects.create(page=world.page, name="Latency")
    for number in range(3):
        metric.points.create(at=old + timedelta(minutes=number), value=1)
    return lambda: 3 - metric.points.count()


def left_behind(world: World) -> Callable[[], int]:
    with authored_by(world.admin):
        component = Component.objects.create(page=world.page, name="API", deleted_at=timezone.now())
        rows = [_reader(world, number, everything=False) for number in range(4)]
    for row in rows:
        Follow.objects.create(recipient=row, component=component)
    world.refuse('INSERT INTO "status_delivery"', rows[0].pk)
    return Delivery.objects.filter(recipient__in=rows[1:]).count


def here_again(world: World) -> Callable[[], int]:
    with authored_by(world.admin):
        rows = [_reader(world, number, left_behind_at=timezone.now()) for number in range(4)]
    world.refuse('UPDATE "status_recipient"', rows[0].pk)
    return Subscriber.objects.filter(pk__in=[row.pk for row in rows[1:]], left_behind_at=None).count


def _reader(world: World, number: int, **facts: Any) -> Subscriber:
    active = Subscriber.State.ACTIVE
    return Subscriber.objects.create(page=world.page, address=f"r{number}@example.com", state=active, **facts)


CASES: dict[str, Callable[[World], Callable[[], int]]] = {
    "publish": publish,
    "history": history,
    "chart": chart,
    "owe": owe,
    "heartbeat": heartbeat,
    "heal": heal,
    "tally": tally,
    "sign_up": sign_up,
    "account_mail": account_mail,
    "unconfirmed": unconfirmed,
    "planned": planned,
    "maintenance": maintenance,
    "left_behind": left_behind,
    "here_again": here_again,
    "nudge": nudge,
    "seal": seal_tables,
    "sweep": sweep,
}
