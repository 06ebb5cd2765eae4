"""With everything dead but the front server, the page is served and says since when nothing was updated."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine
from playwright.sync_api import expect

from incidents import catalogue
from incidents.incidents import declare_incident, post_update
from incidents.lifecycle import IncidentStatus
from incidents.models import User
from status.publication import publishing
from tests import browser
from tests.front import ask, front
from tests.servers import Server, free_port

STOPPED_AT = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=12)


@pytest.fixture
def survivor(tmp_path: Path, publication_root: Path, admin: User) -> Iterator[Server]:
    """The front server on what was published before all other processes ended."""
    with time_machine.travel(STOPPED_AT, tick=False):
        page = catalogue.create_page(name="Acme", url="https://status.acme.example", time_zone="UTC", author=admin)
        incident = declare_incident(page, title="Errors in the API", author=admin)
        post_update(incident, status=IncidentStatus.INVESTIGATING, body="We are looking into it.", author=admin)
        publishing.publish(page)
    server = front(tmp_path, publication_root, web_port=free_port())
    server.start()
    yield server
    server.stop()


@pytest.mark.nginx
def test_staff_and_programs_are_answered_by_the_front_server(survivor: Server) -> None:
    for path, kind in {"/admin/": "text/html", "/api/v1/pages/x/incidents": "application/json"}.items():
        answer = ask(survivor.url, path)
        assert answer.status == 503
        assert answer.headers["content-type"].startswith(kind)
        assert answer.headers["retry-after"]


@pytest.mark.slow
@pytest.mark.nginx
@pytest.mark.browser
def test_the_page_says_since_when_it_has_not_been_updated(survivor: Server) -> None:
    with browser.chromium() as chromium:
        tab = browser.new_context(chromium).new_page()
        tab.goto(survivor.url)
        expect(tab.get_by_text("Errors in the API").first).to_be_visible()
        stale = tab.locator("#stale")
        expect(stale).to_be_visible()
        expect(stale).to_contain_text(f"{STOPPED_AT:%b %d, %Y - %H:%M}")
