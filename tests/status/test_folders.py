"""One database and two folders: only one of them is published in, and the other says so."""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client
from pytest_django import Settings

from incidents.incidents import post_update
from incidents.lifecycle import IncidentStatus
from incidents.models import Clock, Failure, Incident, OutboxEvent, Page, User
from status import relay
from status.models import Publisher
from status.publication import files, publisher, publishing

pytestmark = pytest.mark.both


@pytest.fixture
def go_to(settings: Settings, tmp_path: Path) -> Callable[[str], Path]:
    """Be the host that has this folder."""

    def go(name: str) -> Path:
        settings.PUBLICATION_ROOT = tmp_path / name
        return tmp_path / name

    return go


def test_what_is_posted_at_a_host_with_another_folder_is_left_to_the_one_that_readers_read(
    page: Page, incident: Incident, author: User, go_to: Callable[[str], Path]
) -> None:
    go_to("first")
    publishing.publish(page)
    go_to("second")
    post_update(incident, status=IncidentStatus.INVESTIGATING, body="Looking.", author=author)
    assert relay.relay() == 0
    with pytest.raises(publisher.NotOurs):
        publishing.publish(page)
    assert not (files.root() / "pages").exists()
    assert OutboxEvent.objects.unpublished().exists()
    go_to("first")
    assert relay.relay() == 1
    assert "Looking." in (files.folder(page.public_id) / "index.html").read_text()


@pytest.mark.slow
def test_a_folder_that_is_not_published_in_says_so_until_it_is_the_one(
    page: Page, admin: User, client: Client, go_to: Callable[[str], Path], settings: Settings
) -> None:
    settings.METRICS_TOKEN = "t" * 20

    def said() -> tuple[bool, bool]:
        """Whether /readyz and /metrics, and the console, say so."""
        client.force_login(admin)
        numbers = client.get("/metrics", headers={"Authorization": f"Bearer {settings.METRICS_TOKEN}"}).text
        is_elsewhere = client.get("/readyz").json()["folder"] != "ok"
        assert f"\nportal_publishes_here {int(not is_elsewhere)}\n" in numbers
        return is_elsewhere, "another folder" in client.get("/admin/").text

    def beats() -> bool:
        """Whether the page is confirmed here."""
        file = files.folder(page.public_id) / "heartbeat.json"
        file.unlink(missing_ok=True)
        relay.note_folder()
        relay.heartbeat()
        return file.exists()

    Clock.tick()
    go_to("first")
    publishing.publish(page)
    assert (said(), beats()) == ((False, False), True)
    go_to("second")
    assert (said(), beats()) == ((True, True), False)
    assert "publish --here" in Failure.objects.get(kind=publisher.FAILURE).reason, "also where only a worker has it"
    go_to("first")
    assert (said(), beats()) == ((False, False), True)
    assert Failure.objects.filter(kind=publisher.FAILURE).exists(), "the other one still is wrong"

    go_to("second")
    call_command("publish", here=True, stdout=StringIO())
    relay.relay()
    assert publishing.differences(page) == []
    assert (said(), beats(), Failure.objects.exists()) == ((False, False), True, False)
    go_to("first")
    assert (said(), beats()) == ((True, True), False)
    call_command("publish", here=True, stdout=StringIO())
    assert relay.relay() == 1, "it does not trust what it had"


def test_a_folder_is_known_by_what_it_holds_and_not_by_its_path(page: Page, go_to: Callable[[str], Path]) -> None:
    here = go_to("here")
    publishing.publish(page)
    here.rename(here.with_name("moved"))
    go_to("moved")
    publisher.check_folder()
    assert publisher.why_not() == ""


@pytest.mark.slow
def test_what_was_being_published_when_another_folder_became_the_one_is_published_there(
    page: Page, incident: Incident, author: User, go_to: Callable[[str], Path]
) -> None:
    go_to("second")
    other = publisher.identity()
    go_to("first")
    publishing.publish(page)
    post_update(incident, status=IncidentStatus.INVESTIGATING, body="Looking.", author=author)

    def move(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        result = execute(sql, *rest)
        if 'FROM "incidents_incidentupdate"' in sql:  # the snapshot is being read
            Publisher.objects.exclude(root=other).update(root=other)
        return result

    with connection.execute_wrapper(move):
        publishing.publish(page, seconds=0)
    assert OutboxEvent.objects.unpublished().exists()
    go_to("second")
    assert relay.relay() == 1
    assert "Looking." in (files.folder(page.public_id) / "index.html").read_text()
