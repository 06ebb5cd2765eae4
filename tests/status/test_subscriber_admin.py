"""What staff see and do with subscribers: find, add, import, export, release, forget; and "did Acme get it?"."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from incidents.incidents import post_update
from incidents.lifecycle import IncidentStatus
from incidents.models import Component, Incident, OutboxEvent, Page, User
from status.delivery import quarantine
from status.models import Delivery, Recipient, Subscriber
from status.subscriptions import choices, subscribers
from status.subscriptions.choices import Choices
from status.subscriptions.subscribers import State
from tests.incidents.html_forms import filled
from tests.rows import everything

MakeUser = Callable[[str, str], User]
LIST = "/admin/status/subscriber/"
DELIVERIES = "/admin/status/delivery/"
LEDGER = f"{DELIVERIES}ledger/"


@pytest.fixture
def make(page: Page, admin: User) -> Callable[[str], Subscriber]:
    return lambda address: subscribers.add_by_staff(page, address=address, author=admin)


@pytest.fixture
def ann_of_acme(make: Callable[[str], Subscriber]) -> Subscriber:
    return make("ann@acme.example")


@pytest.fixture
def sent_update(incident: Incident, ann_of_acme: Subscriber, author: User) -> Delivery:
    """Ann was sent an update."""
    post_update(incident, status=IncidentStatus.IDENTIFIED, body="A full disk.", author=author)
    event = OutboxEvent.objects.get(notify=True)
    return Delivery.objects.create(
        recipient=ann_of_acme,
        event=event,
        state=Delivery.State.SENT,
        answer="250 2.0.0 queued as 4F2A",
        due_at=event.created_at,
        finished_at=event.created_at + timedelta(seconds=7),
    )


def address(recipient: Recipient, verb: str) -> str:
    return f"{LIST}{recipient.pk}/{verb}/"


def upload(content: str | bytes) -> SimpleUploadedFile:
    return SimpleUploadedFile("them.csv", content.encode() if isinstance(content, str) else content)


# --- Subscribers ------------------------------------------------------------------------------------------------------


def test_they_are_found_by_address_and_domain_and_filtered_by_state(
    administrator: Client, ann_of_acme: Subscriber, make: Callable[[str], Subscriber], admin: User
) -> None:
    bob = make("bob@other.example")
    quarantine.quarantine(bob, reason="550 no such user", author=admin)
    assert list(administrator.get(LIST, {"q": "acme.example"}).context["cl"].queryset) == [ann_of_acme]
    assert list(administrator.get(LIST, {"q": "bob@"}).context["cl"].queryset) == [bob]
    quarantined = administrator.get(LIST, {"state__exact": "quarantined"})
    assert list(quarantined.context["cl"].queryset) == [bob]
    assert "550 no such user" in quarantined.text


def test_one_is_added_by_hand_and_a_bad_or_known_address_is_refused(administrator: Client, page: Page) -> None:
    form = filled(administrator.get(f"{LIST}add/"), address="Ann@ACME.example")
    assert administrator.post(f"{LIST}add/", form).status_code == 302
    assert Subscriber.objects.active().get().address == "ann@acme.example"
    before = everything()
    form = filled(administrator.get(f"{LIST}add/"), address="Ann@ACME.example")
    assert "subscribed already" in administrator.post(f"{LIST}add/", form).text
    assert "Write it like name@example.com." in administrator.post(f"{LIST}add/", form | {"address": "ann"}).text
    assert everything() == before


def test_release_and_forget_are_a_page_with_a_button(
    administrator: Client, ann_of_acme: Subscriber, admin: User
) -> None:
    assert address(ann_of_acme, "release") not in administrator.get(address(ann_of_acme, "change")).text
    quarantine.quarantine(ann_of_acme, reason="550", author=admin)
    assert address(ann_of_acme, "release") in administrator.get(address(ann_of_acme, "change")).text
    assert administrator.get(address(ann_of_acme, "release")).status_code == 200
    assert administrator.post(address(ann_of_acme, "release")).status_code == 302
    ann_of_acme.refresh_from_db()
    assert ann_of_acme.state == State.ACTIVE
    assert "Only a subscriber in quarantine" in administrator.post(address(ann_of_acme, "release")).text
    assert administrator.post(address(ann_of_acme, "forget")).status_code == 302
    assert administrator.get(LIST, {"q": "acme"}).context["cl"].result_count == 0
    assert administrator.post(address(ann_of_acme, "forget")).status_code == 404


def test_nothing_that_staff_did_keeps_the_address_of_who_is_forgotten(
    administrator: Client, sent_update: Delivery
) -> None:
    ann = sent_update.recipient
    for path in (LIST, address(ann, "change"), address(ann, "history"), DELIVERIES, f"{LIST}?q=ann@acme.example"):
        assert administrator.get(path).status_code == 200
    administrator.post(address(ann, "forget"))
    assert "ann@acme" not in str(everything())
    assert not LogEntry.objects.exists()
    assert "ann@acme" not in administrator.get(LIST).text + administrator.get(DELIVERIES).text


def test_a_subscribers_page_shows_choices_and_every_message_with_the_answer(
    administrator: Client, sent_update: Delivery, component: Component, admin: User
) -> None:
    choices.choose(Subscriber.objects.get(), Choices(False, [component]), author=admin)
    page = administrator.get(address(sent_update.recipient, "change")).text
    for words in ("API", "Identified: Errors", "Sent", "250 2.0.0 queued as 4F2A"):
        assert words in page
    assert 'name="_save"' not in page


# --- Files ------------------------------------------------------------------------------------------------------------


def test_a_file_is_imported_with_a_report_of_the_bad_lines(
    administrator: Client, page: Page, ann_of_acme: Subscriber
) -> None:
    form = filled(administrator.get(f"{LIST}import/"))
    content = "\ufeffaddress\r\nbob@acme.example\r\nno <b>address\r\nann@acme.example\r\n"
    answer = administrator.post(f"{LIST}import/", form | {"file": upload(content)})
    assert "1 address was added." in answer.text
    lines = re.findall(r"<tr><td>(\d+)</td><td><code>(.*?)</code></td><td>(.*?)\.", answer.text)
    assert lines == [
        ("3", "no &lt;b&gt;address", "This is not an e-mail address"),
        ("4", "ann@acme.example", "This address is subscribed already"),
    ]
    assert Subscriber.objects.active().count() == 2


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"b\xfccher@acme.example", "The file is not UTF-8."),
        (b"address,colour\na@acme.example,red", "There is no column"),
        (b"", "The submitted file is empty."),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_with_a_sentence(
    administrator: Client, page: Page, content: bytes, sentence: str
) -> None:
    form = filled(administrator.get(f"{LIST}import/"))
    assert sentence in administrator.post(f"{LIST}import/", form | {"file": upload(content)}).text
    assert not Subscriber.objects.exists()


def test_everybody_is_exported(administrator: Client, ann_of_acme: Subscriber, page: Page) -> None:
    answer = administrator.get(f"{LIST}export/{page.pk}/")
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.text.splitlines() == [
        "address,state,components,postmortems_only,minimum_impact",
        "ann@acme.example,active,,0,none",
    ]


# --- Deliveries -------------------------------------------------------------------------------------------------------


def test_did_acme_get_it(administrator: Client, sent_update: Delivery, make: Callable[[str], Subscriber]) -> None:
    other = make("eve@elsewhere.example")
    Delivery.objects.create(recipient=other, event=sent_update.event, due_at=timezone.now())
    answer = administrator.get(DELIVERIES, {"q": "acme.example"})
    assert list(answer.context["cl"].queryset) == [sent_update]
    for words in ("ann@acme.example", "Identified: Errors", "Sent", "250 2.0.0 queued as 4F2A"):
        assert words in answer.text
    assert "eve@elsewhere.example" not in answer.text


def test_the_chosen_deliveries_are_sent_again_or_cancelled(
    administrator: Client, sent_update: Delivery, make: Callable[[str], Subscriber]
) -> None:
    now = timezone.now()
    failed = Delivery.objects.create(recipient=make("bob@acme.example"), state="failed", due_at=now, finished_at=now)
    chosen = {"_selected_action": [sent_update.pk, failed.pk]}
    assert "1 delivery is due again." in administrator.post(DELIVERIES, chosen | {"action": "retry"}, follow=True).text
    assert "1 delivery is cancelled." in administrator.post(DELIVERIES, chosen | {"action": "cancel"}, follow=True).text
    failed.refresh_from_db()
    sent_update.refresh_from_db()
    assert (failed.state, failed.reason, sent_update.state) == ("cancelled", "staff", "sent")


def test_the_ledger_counts_of_each_fact_who_was_notified_and_how_long_it_took(
    administrator: Client, sent_update: Delivery, make: Callable[[str], Subscriber]
) -> None:
    now = timezone.now()
    states = ("due", "due", "failed", "cancelled", "sent", "quarantined")
    for number, name in enumerate(states):
        state, reason = ("cancelled", name) if name == "quarantined" else (name, "")
        finished_at = None if state == "due" else now
        Delivery.objects.create(
            recipient=make(f"n{number}@acme.example"),
            event=sent_update.event,
            state=state,
            reason=reason,
            due_at=now,
            finished_at=sent_update.finished_at if state == "sent" else finished_at,
        )
    page = administrator.get(LEDGER).text
    cells = [re.sub("<[^>]*>", "", cell) for cell in re.findall(r"<td>(.*?)</td>", page)]
    assert cells[1:] == ["Identified: Errors", "Acme", "2", "2", "1", "1", "1", "7 s"]

    assert administrator.get(LEDGER).text.count('name="event"') == 1
    answer = administrator.post(LEDGER, {"event": sent_update.event_id, "retry": "yes"}, follow=True)
    assert "2 deliveries are due again." in answer.text, "what failed, and what quarantine held back"
    answer = administrator.post(LEDGER, {"event": sent_update.event_id, "cancel": "yes"}, follow=True)
    assert "4 deliveries are cancelled." in answer.text


# --- Rights -----------------------------------------------------------------------------------------------------------


@pytest.mark.long
def test_only_who_manages_subscribers_sees_them(client: Client, make_user: MakeUser, sent_update: Delivery) -> None:
    client.force_login(make_user("mia", "communicator"))
    assert "subscriber" not in client.get("/admin/").text.lower()
    ann = sent_update.recipient
    before = everything()
    for path in (LIST, DELIVERIES, LEDGER, address(ann, "change"), f"{LIST}export/{ann.page_id}/", f"{LIST}import/"):
        assert client.get(path).status_code == 403, path
    for path in (f"{LIST}add/", f"{LIST}import/", address(ann, "release"), address(ann, "forget")):
        assert client.post(path, {"reason": "x"}).status_code == 403, path
    client.post(DELIVERIES, {"_selected_action": [sent_update.pk], "action": "cancel"})
    after = everything()
    assert {name: rows for name, rows in after.items() if name != "portal_session"} == {
        name: rows for name, rows in before.items() if name != "portal_session"
    }


def test_the_lists_are_in_the_overview_and_ask_as_often_with_many_rows_as_with_few(
    administrator: Client, sent_update: Delivery, make: Callable[[str], Subscriber]
) -> None:
    assert LIST in administrator.get("/admin/").text

    def queries(path: str) -> int:
        with CaptureQueriesContext(connection) as captured:
            assert administrator.get(path).status_code == 200
        return len(captured)

    paths = [LIST, DELIVERIES, LEDGER, address(sent_update.recipient, "change")]
    for path in paths:  # what is asked once in a process and kept does not count
        queries(path)
    few = [queries(path) for path in paths]
    for number in range(5):
        for recipient in (make(f"n{number}@acme.example"), sent_update.recipient):
            Delivery.objects.create(recipient=recipient, due_at=timezone.now())
        Delivery.objects.create(recipient=recipient, due_at=timezone.now())
    assert [queries(path) for path in paths] == few


@pytest.mark.long
def test_no_page_needs_inline_script_or_style(administrator: Client, sent_update: Delivery) -> None:
    verbs = ("change", "history", "release", "forget")
    for path in (
        LIST,
        f"{LIST}add/",
        f"{LIST}import/",
        DELIVERIES,
        LEDGER,
        *(address(sent_update.recipient, v) for v in verbs),
    ):
        page = administrator.get(path).text
        assert not re.findall(r"<style|<script>|<[^>]+\s(?:style|on[a-z]+)=", page), path
