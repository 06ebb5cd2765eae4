"""Staff's own channels are no subscribers: no door for subscribers shows or changes one."""

from __future__ import annotations

import ast
from collections import defaultdict
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib import admin as site
from django.test import Client
from django.urls import reverse

from incidents.models import Page, User
from incidents.people import create_key
from incidents.permissions import Scope
from portal.console.admin.subscribers import VERBS
from status.delivery import quarantine, staff_channels
from status.models import Recipient, StaffChannel, Subscriber
from status.subscriptions import csv_files, subscribers
from tests.portal.world import World

pytestmark = pytest.mark.long

PLANTED = "planted"
# Lists that are about staff's channels as well, each with the reason
SHOWS_THEM = {
    "status.Nudge": "it lists them on a page of their own",
}
# Where both kinds of recipients may be named: their table, and the engine that sends to both
SEES_BOTH = ("status/models.py", "status/delivery/", "status/migrations/")


@pytest.fixture
def planted(page: Page, admin: User) -> list[StaffChannel]:
    """A mailbox and a chat of whoever is on call, and a mailbox in quarantine."""
    kinds = StaffChannel.Channel
    found = [
        staff_channels.add_channel(page, channel=kinds.STAFF, address="planted@acme.example", author=admin),
        staff_channels.add_channel(
            page, channel=kinds.CHAT, address="planted (Slack)", url="slack://planted", author=admin
        ),
        staff_channels.add_channel(page, channel=kinds.STAFF, address="planted-too@acme.example", author=admin),
    ]
    quarantine.quarantine(found[2], reason="550", author=admin)
    return found


def rows() -> list[Any]:
    return list(Recipient.objects.filter(channel__in=Recipient.OF_STAFF).order_by("pk").values())


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_no_operation_of_the_api_shows_or_changes_one(page: Page, admin: User, planted: list[StaffChannel]) -> None:
    world = World(page, admin)
    secret, _row = create_key("robot", scopes=[Scope.SUBSCRIBERS, Scope.READ, Scope.INCIDENTS], author=admin)
    client = Client(headers={"Authorization": f"OAuth {secret}"})
    before, answered = rows(), defaultdict[str, set[int]](set)
    ids = [channel.public_id for channel in planted]
    bodies: list[Any] = [{"subscribers": ["all"]}, *({"subscribers": [each]} for each in ids), {"component_ids": []}]
    queries = [{}, {"state": "all", "q": PLANTED}, {"state": "quarantined"}]
    operations = [
        (path, method) for path, methods in world.operations().items() for method in methods if "subscribers" in path
    ]
    # Those after which nobody is left come last.
    for path, method in sorted(operations, key=lambda each: each[1] == "delete" or "/unsubscribe" in each[0]):
        call = partial(getattr(client, method), content_type="application/json")
        for address in {path, *(path.replace(world.recipient.public_id, each) for each in ids)}:
            url = f"/api/v1/pages/{page.public_id}/{address}"
            for given in queries if method == "get" else bodies:
                answer = call(url, given)
                assert answer.status_code not in (401, 403, 429, 500), f"{method} {url}"
                shown = [each for each in (PLANTED, *ids) if each in answer.text and each not in str(given)]
                assert not shown, f"{method} {url} {given} shows a staff channel"
                if address != path:
                    assert answer.status_code == 404, f"{method} {url} finds a staff channel"
                answered[path].add(answer.status_code)
                assert rows() == before, f"{method} {url} {given} changes a staff channel"
    assert len(operations) > 15
    assert [path for path, codes in answered.items() if codes == {404}] == [], "each was reached"


@pytest.mark.slow
def test_no_list_or_form_of_the_console_shows_or_changes_one(
    client: Client, page: Page, admin: User, planted: list[StaffChannel]
) -> None:
    client.force_login(User.objects.create_superuser("root", password="correct horse battery"))
    before, lists = rows(), 0
    for model in site.site._registry:
        if model._meta.label in SHOWS_THEM:
            continue
        url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        for query in ({}, {"q": PLANTED}, {"channel__exact": "staff"}, {"channel__exact": "chat"}):
            lists += 1
            answer = client.get(url, query)
            shown = [channel for channel in planted if channel.address in answer.text]
            assert not shown, f"{url} {query} shows a staff channel"
    assert lists > 40
    for channel in planted:
        names = ["status_subscriber_change", "status_subscriber_history", *(name for _path, _form, name in VERBS)]
        for url in (reverse(f"admin:{name}", args=[channel.pk]) for name in names):
            for answer in (client.get(url), client.post(url, {"token": "x" * 32})):
                assert answer.status_code in (302, 403, 404), url
                assert PLANTED not in answer.text, url
    assert PLANTED not in client.get(reverse("admin:status_subscriber_export", args=[page.pk])).text
    assert rows() == before


def test_no_verb_on_many_or_on_an_address_reaches_one(page: Page, admin: User, planted: list[StaffChannel]) -> None:
    before = rows()
    subscribers.forget("planted@acme.example", author=admin)
    quarantine.quarantine_address("planted@acme.example", reason="550", author=admin)
    subscribers.drop_overdue()
    csv_files.import_csv(page, content="planted@acme.example\n", author=admin)
    assert Subscriber.objects.get().address == "planted@acme.example", "who may subscribe like everybody"
    subscribers.unsubscribe_many(list(Subscriber.objects.all()), author=admin)
    assert rows() == before
    assert PLANTED in csv_files.export_csv(page)
    subscribers.forget("planted@acme.example", author=admin)
    assert PLANTED not in csv_files.export_csv(page)
    assert rows() == before


def test_each_kind_filters_by_itself(page: Page, admin: User, planted: list[StaffChannel]) -> None:
    ann = subscribers.add_by_staff(page, address="ann@example.com", author=admin)
    assert set(Subscriber.objects.all()) == set(Subscriber.objects.active()) == {ann}
    assert set(StaffChannel.objects.all()) == set(planted)
    staff_channels.remove_channel(planted[0], author=admin)
    subscribers.forget("ann@example.com", author=admin)
    assert not Subscriber.objects.exists()
    assert set(StaffChannel.objects.all()) == set(planted[1:])
    assert not hasattr(page, "recipients"), "no way around"
    kept = Recipient.history.values_list("history_type", flat=True)
    assert sorted(kept) == ["+"] * 4 + ["~"] * 4, "what a proxy saves is kept in the one history"


def test_only_the_delivery_engine_sees_both_kinds() -> None:
    base = Path(django_settings.BASE_DIR)
    walked = 0
    for path in (each for package in ("incidents", "portal", "status") for each in (base / package).rglob("*.py")):
        name = str(path.relative_to(base))
        if name.startswith(SEES_BOTH):
            continue
        walked += 1
        for node in ast.walk(ast.parse(path.read_text())):
            names = (
                {alias.name for alias in node.names} if isinstance(node, ast.ImportFrom)
                else {node.attr} if isinstance(node, ast.Attribute)
                else {node.value} if isinstance(node, ast.Constant) else set()
            )  # fmt: skip
            assert not names & {"Recipient", "status.Recipient"}, f"{name} sees staff's channels: use Subscriber"
    assert walked > 200
