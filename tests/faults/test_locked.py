"""On the embedded database a writer that does not end cannot hold up the site either."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
from playwright.sync_api import expect

from tests import browser
from tests.faults.load import request
from tests.faults.site import Site, serve
from tests.waiting import stretched


@pytest.fixture(scope="module")
def embedded_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with serve(tmp_path_factory.mktemp("embedded"), database="") as running:
        yield running


@contextmanager
def locked(site: Site) -> Iterator[None]:
    """While the block runs, another writer holds the database."""
    with closing(sqlite3.connect(site.folder / "portal.sqlite3", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


@pytest.mark.slow
def test_a_locked_database_refuses_writes_soon_and_lets_everybody_read(embedded_site: Site) -> None:
    assert request(embedded_site, "write").status == 200
    with locked(embedded_site):
        for count in range(2):  # without and with an Idempotency-Key
            refused = request(embedded_site, "write", count=count)
            assert (refused.status, bool(refused.retry_after)) == (503, True)
            assert refused.seconds < stretched(4)
        for kind in ("public", "health", "staff"):
            read = request(embedded_site, kind)
            assert read.status == 200
            assert read.seconds < stretched(1)
    assert request(embedded_site, "write").status == 200


@pytest.mark.slow
@pytest.mark.browser
def test_what_staff_typed_is_sent_again_with_one_button(embedded_site: Site) -> None:
    with browser.chromium() as chromium:
        context = browser.new_context(chromium)
        address = f"http://127.0.0.1:{embedded_site.port}"
        context.add_cookies([{"name": "sessionid", "value": embedded_site.session, "url": address}])
        tab = context.new_page()
        tab.goto(address + embedded_site.note)
        tab.get_by_label("What happened").fill("The pool is stalled.\nWe restart it.")
        with locked(embedded_site):
            tab.locator("#content").get_by_role("button").last.click()
            expect(tab.get_by_text("Nothing was saved")).to_be_visible()
        tab.get_by_role("button", name="Send it again").click()
        expect(tab.get_by_text("The pool is stalled.")).to_be_visible()
        assert tab.url == f"{address}/admin/incident/{embedded_site.incidents[0]}/"
