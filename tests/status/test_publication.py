"""What is written when something changes, and what is not."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks

from incidents import catalogue, isolation
from incidents.incidents import correct_update, declare_incident, delete_incident, edit_incident, post_update
from incidents.lifecycle import ComponentStatus, IncidentStatus
from incidents.models import Component, Incident, OutboxEvent, Page, User
from incidents.restoration import restore_incident
from status import relay
from status.publication import files, publishing, state
from status.publication.publishing import differences, publish
from tests.waiting import stretched

pytestmark = [pytest.mark.long, pytest.mark.both]

Read = Callable[[Page, str], str]
IDENTIFIED, RESOLVED = IncidentStatus.IDENTIFIED, IncidentStatus.RESOLVED
INVESTIGATING = IncidentStatus.INVESTIGATING


def test_an_update_is_on_disk_when_the_service_returns(
    page: Page,
    component: Component,
    incident: Incident,
    author: User,
    published: Read,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        post_update(
            incident,
            status=INVESTIGATING,
            body="Half of all calls fail.",
            author=author,
            components=[(component, ComponentStatus.PARTIAL_OUTAGE)],
        )
    paths = ["index.html", f"incidents/{incident.public_id}.html", "api/v2/summary.json", "history.atom", "history.rss"]
    for path in [*paths, "fragments/summary.html"]:
        assert "Half of all calls fail." in published(page, path)
    assert json.loads(published(page, "api/v2/status.json"))["status"]["indicator"] == "major"
    assert not OutboxEvent.objects.unpublished().exists()


def test_an_incident_without_an_update_is_nowhere_yet(page: Page, incident: Incident, published: Read) -> None:
    publish(page)
    assert incident.title not in published(page, "index.html")
    assert not (files.folder(page.public_id) / f"incidents/{incident.public_id}.html").exists()


def test_publishing_again_writes_nothing(page: Page, incident: Incident, author: User) -> None:
    post_update(incident, status=INVESTIGATING, body="Looking.", author=author)
    assert publish(page).written
    report = publish(page)
    assert (report.written, report.removed) == ([], [])


@pytest.mark.slow
def test_only_what_changed_is_written(page: Page, author: User) -> None:
    for number in range(3):
        old = declare_incident(page, title=f"Old {number}", author=author)
        post_update(old, status=INVESTIGATING, body="Looking.", author=author)
        post_update(old, status=RESOLVED, body="Done.", author=author)
    publish(page)
    new = declare_incident(page, title="New", author=author)
    post_update(new, status=INVESTIGATING, body="Looking.", author=author)
    written = set(publish(page).written)
    assert {path for path in written if path.startswith(("incidents/", "api/v2/incidents/"))} == {
        f"incidents/{new.public_id}.html",
        f"api/v2/incidents/{new.public_id}.json",
        "api/v2/incidents/unresolved.json",
    }
    assert not [path for path in written if path.startswith("assets/")]


def test_every_document_has_a_gzip_twin_with_the_same_content(page: Page, incident: Incident, author: User) -> None:
    post_update(incident, status=INVESTIGATING, body="Looking.", author=author)
    publish(page)
    root = files.folder(page.public_id)
    for path in files.tracked(root):
        assert gzip.decompress((root / f"{path}.gz").read_bytes()) == (root / path).read_bytes()


def test_a_deleted_incident_leaves_every_file(page: Page, incident: Incident, author: User, published: Read) -> None:
    incident = edit_incident(incident, author=author, title="Planted title")
    post_update(incident, status=INVESTIGATING, body="Looking.", author=author)
    publish(page)
    delete_incident(incident, author=author, reason="Posted on the wrong page")
    publish(page)
    root = files.folder(page.public_id)
    assert not [path for path in files.tracked(root) if "Planted title" in (root / path).read_text()]
    assert not list(root.rglob(f"{incident.public_id}*"))
    assert differences(page) == []


@pytest.mark.slow
def test_a_deleted_incident_takes_its_outage_along_and_restored_it_is_all_there_again(
    page: Page, incident: Incident, component: Component, author: User
) -> None:
    root = files.folder(page.public_id)
    down, now = [(component, ComponentStatus.MAJOR_OUTAGE)], datetime.now(UTC)
    before = now - timedelta(days=60)
    with time_machine.travel(now, tick=False):
        post_update(
            incident,
            status=INVESTIGATING,
            body="Down.",
            author=author,
            components=down,
            display_at=before,
            notify=False,
        )
        relay.relay()
        with_it = {path: files.read(root, path) for path in files.tracked(root)}
        delete_incident(incident, author=author, reason="A mistake")
        relay.relay()
        assert differences(page) == []
        assert "All Systems Operational" in (root / "index.html").read_text()
        assert not [path for path in root.glob("data/*.ndjson") if b'"type":"component_interval"' in path.read_bytes()]
        restore_incident(incident, author=author)
        relay.relay()
        assert differences(page) == []
        assert {path: files.read(root, path) for path in files.tracked(root)} == with_it


def test_a_correction_shows_the_new_text_and_says_that_it_was_edited(
    page: Page, incident: Incident, author: User, published: Read
) -> None:
    update = post_update(incident, status=INVESTIGATING, body="All calls fail.", author=author)
    publish(page)
    correct_update(update, body="Some calls fail.", author=author, reason="Too dark")
    publish(page)
    shown = published(page, f"incidents/{incident.public_id}.html")
    assert "Some calls fail." in shown
    assert "All calls fail." not in shown
    assert "Edited" in shown


@pytest.mark.slow
def test_a_renamed_component_is_renamed_in_old_incidents(
    page: Page, component: Component, incident: Incident, author: User, admin: User, published: Read
) -> None:
    affected = [(component, ComponentStatus.OPERATIONAL)]
    post_update(incident, status=RESOLVED, body="Done.", author=author, components=affected)
    publish(page)
    catalogue.edit_component(component, name="Public API", author=admin)
    publish(page)
    assert "Public API" in published(page, f"incidents/{incident.public_id}.html")
    assert differences(page) == []


@pytest.mark.slow
def test_the_file_of_an_ended_incident_does_not_change_when_its_component_does(
    page: Page, component: Component, incident: Incident, author: User
) -> None:
    affected = [(component, ComponentStatus.OPERATIONAL)]
    post_update(incident, status=RESOLVED, body="Done.", author=author, components=affected)
    publish(page)
    catalogue.set_component_status(component, status=ComponentStatus.MAJOR_OUTAGE, author=author)
    assert f"api/v2/incidents/{incident.public_id}.json" not in publish(page).written
    assert differences(page) == []


@pytest.mark.slow
def test_verify_names_a_file_that_was_changed_lost_or_added_and_rebuild_heals_it(
    page: Page, incident: Incident, author: User
) -> None:
    post_update(incident, status=INVESTIGATING, body="Looking.", author=author)
    publish(page)
    root = files.folder(page.public_id)
    (root / "index.html").write_text("tampered")
    (root / "history.atom").unlink()
    (root / "api/v2/status.json.gz").unlink()
    (root / "incidents/stray.html").write_text("stray")
    wrong = ["api/v2/status.json", "history.atom", "incidents/stray.html", "index.html"]
    assert differences(page) == wrong
    with pytest.raises(CommandError, match="4 published files"):
        call_command("publish", verify=True)
    call_command("publish", rebuild=True)
    assert differences(page) == []


def test_a_new_day_in_the_pages_zone_is_published_by_the_clock(page: Page, published: Read) -> None:
    with time_machine.travel(datetime(2026, 7, 1, 21, 30, tzinfo=UTC), tick=False):  # 23:30 in Rome
        publish(page)
        assert relay.relay() == 0
    with time_machine.travel(datetime(2026, 7, 1, 22, 30, tzinfo=UTC), tick=False):  # 0:30 in Rome
        assert relay.relay() == 1
        assert relay.relay() == 0
    assert "2026-07-02" in published(page, "index.html") or "Jul 2, 2026" in published(page, "index.html")


def test_a_page_that_cannot_be_written_stops_no_other_and_is_tried_again(page: Page, admin: User) -> None:
    other = catalogue.create_page(name="Other", url="https://other.example", author=admin)
    blocked = files.folder(page.public_id)
    blocked.parent.mkdir(parents=True)
    blocked.write_text("a file where the folder should be")
    assert relay.relay() == 1
    assert (files.folder(other.public_id) / "index.html").exists()
    blocked.unlink()
    with time_machine.travel(timezone.now() + isolation.PAUSES[0] + timedelta(seconds=1)):
        assert relay.relay() == 1
    assert not OutboxEvent.objects.unpublished().exists()


def test_a_failed_publication_does_not_fail_the_save(
    page: Page,
    incident: Incident,
    author: User,
    publication_root: Path,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    publication_root.write_text("a file where the folder should be")
    with django_capture_on_commit_callbacks(execute=True):
        post_update(incident, status=INVESTIGATING, body="Looking.", author=author)
    assert OutboxEvent.objects.unpublished().filter(incident=incident).exists()
    publication_root.unlink()
    later = declare_incident(page, title="Later", author=author)
    with django_capture_on_commit_callbacks(execute=True):
        post_update(later, status=INVESTIGATING, body="Also looking.", author=author)
    assert not OutboxEvent.objects.unpublished().exists()
    assert (files.folder(page.public_id) / f"incidents/{incident.public_id}.html").exists()


def test_the_heartbeat_stops_while_a_fact_is_not_out(page: Page, incident: Incident, author: User) -> None:
    publish(page)
    heartbeat = files.folder(page.public_id) / "heartbeat.json"
    post_update(incident, status=INVESTIGATING, body="Looking.", author=author)
    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=2), tick=False):
        before = heartbeat.read_bytes()
        relay.heartbeat()
        assert heartbeat.read_bytes() == before
        publish(page)
        assert heartbeat.read_bytes() != before


def test_the_heartbeat_stops_while_the_day_is_not_out(page: Page) -> None:
    with time_machine.travel(datetime(2026, 7, 1, 21, 30, tzinfo=UTC), tick=False):  # 23:30 in Rome
        publish(page)
    heartbeat = files.folder(page.public_id) / "heartbeat.json"
    before = heartbeat.read_bytes()
    with time_machine.travel(datetime(2026, 7, 1, 22, 30, tzinfo=UTC), tick=False):  # 0:30 in Rome
        relay.heartbeat()
        assert heartbeat.read_bytes() == before
        publish(page)
        assert heartbeat.read_bytes() != before


def test_a_heartbeat_that_cannot_be_written_stops_no_other_page_and_leaves_nothing_behind(
    page: Page, admin: User
) -> None:
    other = catalogue.create_page(name="Other", url="https://other.example", author=admin)
    relay.relay()
    blocked, beaten = (files.folder(each.public_id) / "heartbeat.json" for each in (page, other))
    blocked.unlink()
    blocked.mkdir()
    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=2), tick=False):
        before = beaten.read_bytes()
        relay.heartbeat()
        assert beaten.read_bytes() != before
    assert not list(blocked.parent.glob(".*.tmp"))


@pytest.fixture
def history(page: Page, component: Component, author: User) -> list[Incident]:
    """An incident in each of four months, published."""
    affected = [(component, ComponentStatus.OPERATIONAL)]
    found = []
    for days in (100, 70, 40, 10):
        at = datetime.now(UTC) - timedelta(days=days)
        old = declare_incident(page, title=f"{days} days ago", author=author)
        post_update(old, status=RESOLVED, body="Done.", author=author, components=affected, display_at=at)
        found.append(old)
    publish(page)
    return found


def incidents_in(written: list[str]) -> list[str]:
    return [path for path in written if path.startswith("incidents/")]


@pytest.mark.slow
def test_a_page_wide_change_is_on_the_page_at_once_and_in_its_history_by_the_clock(
    page: Page, component: Component, history: list[Incident], admin: User, published: Read
) -> None:
    catalogue.edit_component(component, name="Public API", author=admin)
    fast = publish(page, seconds=0)
    assert "Public API" in published(page, "index.html")
    assert not incidents_in(fast.written)
    assert relay.relay() == 0, "what is left is no news"
    assert all("Public API" in published(page, f"incidents/{old.public_id}.html") for old in history)
    assert differences(page) == []
    assert relay.relay() == 0


@pytest.mark.slow
def test_history_that_is_left_stays_left_when_there_are_news(
    page: Page, component: Component, history: list[Incident], author: User, admin: User, published: Read
) -> None:
    catalogue.edit_component(component, name="Public API", author=admin)
    publish(page, seconds=0)
    post_update(declare_incident(page, title="News", author=author), status=INVESTIGATING, body="Now.", author=author)
    assert len(incidents_in(publish(page, seconds=0).written)) == 1
    assert "News" in published(page, "index.html")
    assert len(incidents_in(publishing.publish_months_left(page, timeout=stretched(1), seconds=stretched(60)))) == len(
        history
    )
    assert differences(page) == []


@pytest.mark.slow
def test_after_an_upgrade_the_page_is_up_before_its_history_and_open_data(
    page: Page, history: list[Incident], author: User, published: Read
) -> None:
    root = files.folder(page.public_id)
    shutil.rmtree(root / "data")  # as a version left it that had no open data
    news = declare_incident(page, title="News", author=author)
    post_update(news, status=INVESTIGATING, body="Right now.", author=author)
    fast = publish(page, seconds=0)
    assert "Right now." in published(page, "index.html")
    assert len([path for path in fast.written if path.startswith("data/2")]) == 2  # of this month, in two forms
    assert publishing.is_due(page)
    relay.relay()
    assert not publishing.is_due(page)
    assert differences(page) == []


@pytest.mark.slow
def test_new_software_makes_everything_anew_by_itself(page: Page, history: list[Incident]) -> None:
    root = files.folder(page.public_id)
    noted = root / state.NAME
    old = f"incidents/{history[0].public_id}.html"
    for content in (json.loads(noted.read_text()) | {"version": "an older one"}, {"date": "as it was once kept"}):
        noted.write_text(json.dumps(content))
        files.write(root, {old: b"as it was made then"})
        assert publishing.is_due(page)
        relay.relay()
        assert b"Done." in (root / old).read_bytes()
        assert not publishing.is_due(page)


@pytest.mark.slow
def test_a_page_wide_change_takes_away_at_once_what_is_public_no_more(
    page: Page, other_page: Page, component: Component, incident: Incident, author: User, admin: User
) -> None:
    listing = catalogue.list_component(component, page=other_page, author=admin)
    affected = [(component, ComponentStatus.OPERATIONAL)]
    post_update(incident, status=RESOLVED, body="Done.", author=author, components=affected)
    publish(other_page)
    shown = files.folder(other_page.public_id) / f"incidents/{incident.public_id}.html"
    assert shown.exists()
    catalogue.delete_listing(listing, author=admin)
    publish(other_page, seconds=0)
    assert not shown.exists()
    publish(other_page)
    assert differences(other_page) == []


@pytest.mark.slow
def test_a_compressed_twin_with_another_content_is_named_and_healed(page: Page) -> None:
    publish(page)
    twin = files.folder(page.public_id) / "index.html.gz"
    right = twin.read_bytes()
    for wrong in (gzip.compress(b"what was taken back"), right[:-9], b""):
        twin.write_bytes(wrong)
        assert differences(page) == ["index.html"]
        assert publish(page).written == ["index.html"]
        assert twin.read_bytes() == right


def test_a_page_that_cannot_be_rendered_stops_no_other(page: Page, other_page: Page) -> None:
    Page.objects.filter(pk=page.pk).update(time_zone="Mars/Olympus")
    assert relay.relay() == 1
    assert (files.folder(other_page.public_id) / "index.html").exists()
    relay.heartbeat()
    Page.objects.filter(pk=page.pk).update(time_zone="Europe/Rome")
    with time_machine.travel(timezone.now() + isolation.PAUSES[0] + timedelta(seconds=1)):
        assert relay.relay() == 1


def test_today_is_the_day_in_the_pages_zone(page: Page) -> None:
    from status.projection import today

    with time_machine.travel(datetime(2026, 7, 1, 22, 30, tzinfo=UTC), tick=False):
        assert today(page) == date(2026, 7, 2)
