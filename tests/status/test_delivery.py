"""What is due reaches the mailbox, and the ledger says what became of it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.mail.backends import filebased
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from incidents.authorship import authored_by
from incidents.incidents import declare_incident, delete_incident, post_update
from incidents.lifecycle import IncidentStatus
from incidents.models import Incident, OutboxEvent, Page, User
from status import relay
from status.delivery import engine
from status.delivery.channels import CHANNELS, sent_by
from status.delivery.engine import Outcome, State
from status.delivery.protocol import LEASE
from status.models import Delivery, Subscriber
from status.subscriptions.signups import subscribe
from status.subscriptions.subscribers import add_by_staff, subscriber, unsubscribe
from tests.servers import free_port
from tests.sink import Sink
from tests.waiting import stretched

pytestmark = pytest.mark.both

BY_MAIL = sent_by(CHANNELS[Subscriber.Channel.EMAIL].send)


@pytest.fixture(autouse=True)
def at_once(settings: Settings) -> None:
    settings.NOTIFY_HOLD = 0


@pytest.fixture
def readers(page: Page, admin: User) -> list[Subscriber]:
    return [add_by_staff(page, address=f"reader-{number}@example.com", author=admin) for number in range(5)]


@pytest.fixture
def post_and_owe(incident: Incident, author: User) -> Callable[[str], OutboxEvent]:
    """Posts an update and writes down who is owed it."""

    def act(status: str) -> OutboxEvent:
        post_update(incident, status=IncidentStatus(status), body="News.", author=author)
        relay.owe()
        return OutboxEvent.objects.latest("id")

    return act


PostAndOwe = Callable[[str], OutboxEvent]


def states() -> set[tuple[str, str]]:
    return set(Delivery.objects.values_list("state", "reason"))


def subjects(sink: Sink, address: str) -> list[str]:
    return [mail.message["Subject"] for mail in sink.received if mail.recipient == address]


def test_each_recipient_is_sent_the_update_once(
    sink: Sink, readers: list[Subscriber], post_and_owe: PostAndOwe
) -> None:
    post_and_owe("investigating")
    assert engine.deliver(Subscriber.Channel.EMAIL) == 5
    assert engine.deliver(Subscriber.Channel.EMAIL) == 0
    assert sorted(mail.recipient for mail in sink.received) == [reader.address for reader in readers]
    assert set(sink.ids().values()) == {1}
    row = Delivery.objects.filter(recipient=readers[0]).get()
    assert (row.state, row.attempts) == (State.SENT, 1)
    assert row.answer.startswith("250 2.0.0 taken as")
    assert row.finished_at


def test_nothing_goes_out_before_it_is_due(
    sink: Sink, readers: list[Subscriber], post_and_owe: PostAndOwe, settings: Settings
) -> None:
    settings.NOTIFY_HOLD = 30
    post_and_owe("investigating")
    assert engine.deliver(Subscriber.Channel.EMAIL) == 0
    assert sink.sessions == 0


def test_each_mailbox_is_notified_in_order(sink: Sink, readers: list[Subscriber], post_and_owe: PostAndOwe) -> None:
    post_and_owe("investigating")
    held = engine.claim(BY_MAIL, 3)  # a worker has these and is slow
    post_and_owe("identified")
    engine.deliver(Subscriber.Channel.EMAIL)
    assert [subjects(sink, row.address) for row in held] == [[], [], []]
    engine.release(held, "")
    assert engine.deliver(Subscriber.Channel.EMAIL) == 3  # and with them gone, the next ones
    engine.deliver(Subscriber.Channel.EMAIL)
    for row in held:
        assert subjects(sink, row.address) == ["[Acme] Investigating: Errors", "[Acme] Identified: Errors"]


def test_two_workers_never_have_the_same_delivery(readers: list[Subscriber], post_and_owe: PostAndOwe) -> None:
    post_and_owe("investigating")
    first, second = engine.claim(BY_MAIL, 3), engine.claim(BY_MAIL, 3)
    assert (len(first), len(second)) == (3, 2)
    assert not {row.pk for row in first} & {row.pk for row in second}


def test_what_a_dead_worker_had_is_sent_again_under_the_same_id(
    sink: Sink, readers: list[Subscriber], post_and_owe: PostAndOwe
) -> None:
    post_and_owe("investigating")
    engine.deliver(Subscriber.Channel.EMAIL)
    before = sink.ids()
    # As if it had been killed between the server's yes and the record.
    Delivery.objects.update(state=State.DUE, due_at=timezone.now() + LEASE, finished_at=None, attempts=1)
    assert engine.deliver(Subscriber.Channel.EMAIL) == 0
    Delivery.objects.update(due_at=timezone.now())
    assert engine.deliver(Subscriber.Channel.EMAIL) == 5
    assert sink.ids() == before + before


def test_a_bad_address_is_quarantined_and_stops_no_other(
    sink: Sink, readers: list[Subscriber], post_and_owe: PostAndOwe
) -> None:
    sink.answers["RCPT TO:<reader-2@"] = "550 5.1.1 <reader-2@example.com>: no such user"
    post_and_owe("investigating")
    assert engine.deliver(Subscriber.Channel.EMAIL) == 4
    bad = readers[2]
    bad.refresh_from_db()
    row = Delivery.objects.get(recipient=bad)
    assert (row.state, row.reason, row.answer) == (State.FAILED, "refused", "550 5.1.1 <…>: no such user")
    assert (bad.state, bad.reason) == (Subscriber.State.QUARANTINED, "550 5.1.1 <…>: no such user")
    post_and_owe("identified")
    assert not Delivery.objects.filter(recipient=bad, state=State.DUE).exists()


def test_an_answer_is_recorded_whatever_bytes_it_has(
    sink: Sink, readers: list[Subscriber], post_and_owe: PostAndOwe
) -> None:
    sink.answers["CONTENT"] = "250 2.0.0 taken \0 \udcff ¡as! 1"
    post_and_owe("investigating")
    assert engine.deliver(Subscriber.Channel.EMAIL) == 5
    assert set(Delivery.objects.values_list("answer", flat=True)) == {"250 2.0.0 taken \ufffd ¡as! 1"}


def test_a_refusal_that_is_about_us_costs_nobody_a_subscription(
    sink: Sink, readers: list[Subscriber], post_and_owe: PostAndOwe
) -> None:
    sink.answers["RCPT"] = "554 5.7.1 relay access denied"
    post_and_owe("investigating")
    engine.deliver(Subscriber.Channel.EMAIL)
    assert set(Subscriber.objects.values_list("state", flat=True)) == {Subscriber.State.ACTIVE}
    assert states() == {(State.DUE, "")}


@pytest.mark.slow
def test_who_is_put_off_is_tried_again_later_and_given_up_after_a_day(
    sink: Sink, readers: list[Subscriber], post_and_owe: PostAndOwe
) -> None:
    sink.answers["RCPT TO:<reader-1@"] = "451 4.7.1 greylisted"
    post_and_owe("investigating")
    assert engine.deliver(Subscriber.Channel.EMAIL) == 4
    waits = []
    rows = Delivery.objects.filter(recipient=readers[1])
    for _try in range(60):
        row = rows.get()
        if row.state == State.FAILED:
            break
        assert (row.answer, row.claimed_at) == ("451 4.7.1 greylisted", None)
        wait = row.due_at - timezone.now()
        waits.append(round(wait.total_seconds() / 60))
        rows.update(due_at=row.due_at - wait, created_at=row.created_at - wait)  # time goes by
        engine.deliver(Subscriber.Channel.EMAIL)
    assert waits[:7] == [1, 2, 5, 15, 30, 60, 60]
    assert sum(waits) < 24 * 60 <= sum(waits) + 60
    assert (row.reason, row.answer) == ("given_up", "451 4.7.1 greylisted")
    readers[1].refresh_from_db()
    assert readers[1].state == Subscriber.State.ACTIVE


def test_a_server_that_is_down_costs_no_attempt_and_no_time(
    sink: Sink, readers: list[Subscriber], post_and_owe: PostAndOwe, settings: Settings
) -> None:
    settings.EMAIL_PORT = free_port()
    post_and_owe("investigating")
    for _tick in range(4):
        assert engine.deliver(Subscriber.Channel.EMAIL) == 0
    assert set(Delivery.objects.values_list("state", "attempts", "claimed_at")) == {(State.DUE, 0, None)}
    settings.EMAIL_PORT = sink.port
    assert engine.deliver(Subscriber.Channel.EMAIL) == 5


def test_a_server_that_is_down_for_a_day_is_the_reason_kept(
    readers: list[Subscriber], post_and_owe: PostAndOwe, sink: Sink, settings: Settings
) -> None:
    settings.EMAIL_PORT = free_port()
    post_and_owe("investigating")
    Delivery.objects.update(created_at=timezone.now() - timedelta(hours=25))
    engine.deliver(Subscriber.Channel.EMAIL)
    assert states() == {(State.FAILED, "given_up")}
    assert "refused" in Delivery.objects.all()[0].answer


def test_who_left_meanwhile_is_sent_nothing(sink: Sink, readers: list[Subscriber], post_and_owe: PostAndOwe) -> None:
    post_and_owe("investigating")
    unsubscribe(readers[0], author=subscriber())
    assert engine.deliver(Subscriber.Channel.EMAIL) == 4
    assert subjects(sink, readers[0].address) == []


def test_what_was_taken_off_the_page_is_not_sent(
    sink: Sink, readers: list[Subscriber], post_and_owe: PostAndOwe, incident: Incident, author: User
) -> None:
    post_and_owe("investigating")
    delete_incident(incident, author=author, reason="a test")
    assert engine.deliver(Subscriber.Channel.EMAIL) == 0
    assert states() == {(State.CANCELLED, "withdrawn")}
    assert sink.sessions == 0


def test_incident_mail_goes_before_everything_else(
    sink: Sink, page: Page, readers: list[Subscriber], post_and_owe: PostAndOwe, settings: Settings
) -> None:
    settings.SMTP_CONNECTIONS = 1
    subscribe(page, address="new@example.com", author=subscriber())
    post_and_owe("investigating")
    assert engine.deliver(Subscriber.Channel.EMAIL) == 6
    assert sink.received[-1].recipient == "new@example.com"
    assert sink.received[-1].message["Subject"] == "[Acme] Please confirm your subscription"


def test_an_address_that_is_none_is_refused_without_a_word_to_the_server(
    sink: Sink, readers: list[Subscriber], post_and_owe: PostAndOwe
) -> None:
    Subscriber.objects.filter(pk=readers[0].pk).update(address="a@example.com>\r\nRCPT TO:<b@example.com")
    post_and_owe("investigating")
    assert engine.deliver(Subscriber.Channel.EMAIL) == 4
    assert Delivery.objects.get(recipient=readers[0]).reason == "refused"
    assert not any("b@example.com" in command for command in sink.commands)


def test_the_owner_of_a_webhook_is_warned_by_mail(sink: Sink, page: Page, admin: User) -> None:
    hook = Subscriber(
        page=page,
        channel=Subscriber.Channel.WEBHOOK,
        address="example.com #1",
        contact="owner@example.com",
        state=Subscriber.State.ACTIVE,
        failing_since=timezone.now(),
    )
    with authored_by(admin):
        hook.save()
    row = Delivery.objects.create(recipient=hook, purpose=Delivery.Purpose.WARNING, due_at=timezone.now())
    assert engine.deliver(Subscriber.Channel.EMAIL) == 1
    (mail,) = sink.received
    assert (mail.recipient, mail.message["To"]) == ("owner@example.com", "owner@example.com")
    assert mail.message["Subject"] == "[Acme] Your webhook does not answer"
    assert b"example.com #1" in mail.content

    sink.answers["RCPT"] = "550 5.1.1 no such user"
    Delivery.objects.filter(pk=row.pk).update(state=State.DUE, finished_at=None)
    engine.deliver(Subscriber.Channel.EMAIL)
    hook.refresh_from_db()
    assert hook.state == Subscriber.State.ACTIVE  # the mailbox is gone, the webhook is not


def test_the_rate_is_kept(sink: Sink, readers: list[Subscriber], post_and_owe: PostAndOwe, settings: Settings) -> None:
    settings.SMTP_RATE = 10
    post_and_owe("investigating")
    began_at = timezone.now()
    engine.deliver(Subscriber.Channel.EMAIL)
    assert timezone.now() - began_at > timedelta(seconds=0.38)  # five messages, four pauses


def test_a_fact_that_it_was_sent_outlives_a_cancellation(readers: list[Subscriber], post_and_owe: PostAndOwe) -> None:
    post_and_owe("investigating")
    first, second = engine.claim(BY_MAIL, 2)
    rows = Delivery.objects.filter(pk__in=[first.pk, second.pk])
    rows.update(state=State.CANCELLED, reason="undone", finished_at=timezone.now())
    engine.record(
        [(first, Outcome(State.SENT, answer="250 ok")), (second, Outcome(State.DUE, pause=timedelta(minutes=1)))]
    )
    found = {row.pk: (row.state, row.reason, row.answer) for row in rows}
    assert found == {first.pk: (State.SENT, "", "250 ok"), second.pk: (State.CANCELLED, "undone", "")}


def test_other_backends_are_handed_the_same_mail(
    readers: list[Subscriber], post_and_owe: PostAndOwe, settings: Settings, tmp_path: Path
) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    settings.EMAIL_FILE_PATH = tmp_path / "mail"
    post_and_owe("investigating")
    assert engine.deliver(Subscriber.Channel.EMAIL) == 5
    (file,) = (tmp_path / "mail").iterdir()
    content = file.read_text()
    assert content.count("List-Unsubscribe-Post: List-Unsubscribe=One-Click") == 5
    assert "To: reader-0@example.com" in content


def test_a_full_disk_costs_no_attempt(
    readers: list[Subscriber], post_and_owe: PostAndOwe, settings: Settings, tmp_path: Path
) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    settings.EMAIL_FILE_PATH = tmp_path / "mail"
    post_and_owe("investigating")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(filebased.EmailBackend, "_get_filename", lambda backend: "/dev/full")
        assert engine.deliver(Subscriber.Channel.EMAIL) == 0
    assert set(Delivery.objects.values_list("state", "attempts", "claimed_at")) == {(State.DUE, 0, None)}
    assert engine.deliver(Subscriber.Channel.EMAIL) == 5


def test_a_message_that_cannot_be_written_stops_no_other_and_is_tried_again(
    sink: Sink, page: Page, other_page: Page, readers: list[Subscriber], post_and_owe: PostAndOwe, admin: User
) -> None:
    post_and_owe("investigating")
    Page.objects.filter(pk=page.pk).update(time_zone="Mars/Olympus")
    elsewhere = declare_incident(other_page, title="Errors", author=admin)
    add_by_staff(other_page, address="ann@example.com", author=admin)
    post_update(elsewhere, status=IncidentStatus.INVESTIGATING, body="News.", author=admin)
    relay.owe()
    assert engine.deliver(Subscriber.Channel.EMAIL) == 1
    assert [mail.recipient for mail in sink.received] == ["ann@example.com"]
    row = Delivery.objects.filter(recipient=readers[0]).get()
    assert (row.state, row.attempts, row.claimed_at) == (State.DUE, 1, None)
    assert "Mars/Olympus" in row.answer
    assert row.due_at > timezone.now()
    Page.objects.filter(pk=page.pk).update(time_zone="Europe/Rome")
    Delivery.objects.due().update(due_at=timezone.now())
    assert engine.deliver(Subscriber.Channel.EMAIL) == 5


def test_a_recipient_that_the_server_does_not_stand_is_put_off(
    sink: Sink, readers: list[Subscriber], post_and_owe: PostAndOwe, settings: Settings
) -> None:
    settings.EMAIL_TIMEOUT, settings.SMTP_CONNECTIONS = 0.3, 1
    sink.answers["RCPT TO:<reader-0@"] = ""
    post_and_owe("investigating")
    assert engine.deliver(Subscriber.Channel.EMAIL) == 4
    row = Delivery.objects.get(recipient=readers[0])
    assert (row.state, row.attempts, row.answer) == (State.DUE, 1, "the mail server did not answer in time")
    assert row.due_at > timezone.now()


@pytest.mark.slow
@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_workers_that_claim_at_the_same_moment_share_and_do_not_wait(
    readers: list[Subscriber], post_and_owe: PostAndOwe
) -> None:
    post_and_owe("investigating")
    found: list[list[int]] = []
    barrier = threading.Barrier(5)

    def work() -> None:
        barrier.wait(stretched(10))
        found.append([row.pk for row in engine.claim(BY_MAIL, 1)])
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    taken = [key for keys in found for key in keys]
    assert len(set(taken)) == len(taken)
    assert len(taken) + len(engine.claim(BY_MAIL, 5)) == 5
