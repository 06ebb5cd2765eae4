"""What the clock publishes first, and what waits for nothing."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from incidents import catalogue, isolation, restoration
from incidents.incidents import declare_incident, post_update
from incidents.lifecycle import ComponentStatus, IncidentStatus
from incidents.models import Component, Incident, OutboxEvent, Page, User
from portal.celery import EVERY
from status import relay, tasks
from status.models import Delivery
from status.publication import files, parts, publishing, state

pytestmark = pytest.mark.both

RESOLVED = IncidentStatus.RESOLVED


@pytest.mark.slow
def test_who_has_something_to_say_comes_first_then_who_cannot_be_read_yet(
    page: Page, other_page: Page, admin: User, author: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    third = catalogue.create_page(name="Third", url="https://third.example", author=admin)
    urgent = catalogue.create_page(name="Urgent", url="https://urgent.example", author=admin)
    for each in (page, other_page, third, urgent):
        publishing.publish(each)
    roots = {each: files.folder(each.public_id) for each in (page, other_page, third, urgent)}
    for root in roots.values():  # the software is new
        noted = json.loads((root / state.NAME).read_text())
        (root / state.NAME).write_text(json.dumps(noted | {"version": "older"}))
    (roots[third] / state.NAME).unlink()
    news = declare_incident(urgent, title="Errors", author=author)
    post_update(news, status=IncidentStatus.INVESTIGATING, body="Now.", author=author)
    monkeypatch.setattr(isolation, "TICK", 0)  # a tick has time for one page
    order: list[Page] = []
    for _tick in roots:
        left = {each for each in roots if publishing.has_news(each)}
        assert relay.relay() == 1
        order += left - {each for each in roots if publishing.has_news(each)}
    assert order == [urgent, third, page, other_page]


@pytest.mark.slow
def test_a_page_of_which_little_is_old_does_not_wait_for_the_history_of_another(
    page: Page, other_page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    for each, months in ((page, ("2026-01", "2026-02", "2026-03")), (other_page, ("2026-03",))):
        publishing.publish(each)
        root = files.folder(each.public_id)
        noted = json.loads((root / state.NAME).read_text())
        (root / state.NAME).write_text(json.dumps(noted | {"months_left": months}))
    monkeypatch.setattr(isolation, "TICK", 0.5)  # less than it waits for somebody else who publishes
    with files.locked(files.folder(page.public_id), timeout=0):
        relay.go_through_history()
    assert state.months_left(files.folder(other_page.public_id)) == ()
    assert len(state.months_left(files.folder(page.public_id))) == 3


def test_what_a_deleted_page_had_is_gone_at_once_and_its_files_are_deleted_by_the_clock(
    page: Page, admin: User, publication_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publishing.publish(page)
    catalogue.delete_page(page, author=admin)
    publishing.publish(page)
    root, aside = files.folder(page.public_id), publication_root / ".aside"
    assert {path.name.removesuffix(".gz") for path in root.iterdir()} == {".lock", *files.GONE}
    assert list(aside.glob("*/index.html"))
    with monkeypatch.context() as patch:
        patch.setattr(isolation, "TICK", -1)
        relay.go_through_history()
        assert list(aside.glob("*/index.html")), "when there is time"
    relay.go_through_history()
    assert list(aside.iterdir()) == []
    restoration.restore_page(page, author=admin)
    publishing.publish(page)
    assert (root / "index.html").exists()
    assert publishing.differences(page) == []


def test_a_tick_has_nothing_to_do_while_the_one_before_is_at_it(page: Page) -> None:
    for work in (relay.publish_news, relay.go_through_history, relay.draw, relay.heartbeat, relay.heal):
        publishing.publish(page)
        heartbeat = files.folder(page.public_id) / "heartbeat.json"
        heartbeat.unlink()
        (files.folder(page.public_id) / state.NAME).unlink()
        with files.locked(files.root() / ".ticks" / work.__name__, timeout=0):
            assert work() == 0
        assert not heartbeat.exists()
    assert relay.publish_news() == 1


@pytest.mark.usefixtures("ann")
def test_messages_are_owed_while_pages_are_being_published(page: Page, incident: Incident, author: User) -> None:
    publishing.publish(page)
    post_update(incident, status=IncidentStatus.INVESTIGATING, body="Now.", author=author)
    assert "status.tasks.owe" in EVERY
    ticking, root = files.root() / ".ticks" / "publish_news", files.folder(page.public_id)
    with files.locked(ticking, timeout=0), files.locked(root, timeout=0):
        tasks.owe.run()
    assert Delivery.objects.count() == 1
    assert OutboxEvent.objects.unpublished().exists()


@pytest.fixture
def month(page: Page, component: Component, author: User) -> list[Incident]:
    """Five incidents of a month that is over, published."""
    found = []
    at = datetime.now(UTC).replace(day=1) - timedelta(days=10)
    for number in range(5):
        row = declare_incident(page, title=f"Errors {number}", author=author)
        said = [(component, ComponentStatus.OPERATIONAL)]
        post_update(row, status=RESOLVED, body="Over.", author=author, components=said, display_at=at, notify=False)
        found.append(row)
    publishing.publish(page)
    return found


@pytest.mark.slow
def test_the_lock_is_free_between_some_incidents_of_a_month_and_the_next_and_a_change_in_between_is_made_in_all(
    page: Page, component: Component, month: list[Incident], admin: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "INCIDENTS_AT_ONCE", 2)
    root = files.folder(page.public_id)

    def go_on() -> state.State:
        publishing.publish_months_left(page, timeout=0, seconds=1e-9)
        known = state.read(root)
        assert known
        return known

    def begun(known: state.State) -> bool:
        return known.made_to == (f"{month[0].first_posted_at:%Y-%m}", month[1].pk)

    def rename(name: str) -> None:
        catalogue.edit_component(component, name=name, author=admin)
        publishing.publish(page, seconds=0)

    rename("Public API")
    for _step in range(9):
        if begun(go_on()):
            break
    assert not [row for row in month[2:] if "Public API" in (root / f"incidents/{row.public_id}.html").read_text()]
    rename("Newest API")
    publishing.publish(page)
    assert publishing.differences(page) == []
