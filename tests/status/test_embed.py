"""The banner on other sites, in a browser, under the strictest policy that such a site may have."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.core.handlers.wsgi import WSGIHandler
from playwright.sync_api import Browser, expect

from incidents import catalogue
from incidents.models import Page as PageRow
from incidents.models import User
from status.publication import files
from status.publication.publishing import differences, publish
from status.rendering import documents, embed, snapshot
from tests import browser
from tests.status import factory

PAGE_ID = "b1c2d3f4g5h6"
OPEN = factory.incident("Payments <b>fail</b>")


class Quiet(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Tests are quiet."""


@contextmanager
def serving(application: Any) -> Iterator[str]:
    with make_server("127.0.0.1", 0, application, handler_class=Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def status_page(publication_root: Path) -> Iterator[str]:
    """The published files, as the embedded server gives them out; without a database."""
    show(factory.site())
    files.link({"_default": PAGE_ID})
    with serving(WSGIHandler()) as address:
        yield address


@pytest.fixture
def shop(status_page: str) -> Iterator[str]:
    """Somebody else's site."""
    script = f'<script src="{status_page}/embed.js"></script>'
    body = f'<!doctype html><html lang="en"><title>Shop</title><main><h1>Shop</h1></main>{script}'
    policy = f"default-src 'none'; script-src {status_page}; connect-src {status_page}"

    def application(_environ: Any, start: Any) -> list[bytes]:
        start("200 OK", [("Content-Type", "text/html; charset=utf-8"), ("Content-Security-Policy", policy)])
        return [body.encode()]

    with serving(application) as address:
        yield address


def show(site: snapshot.Site) -> None:
    files.write(files.folder(PAGE_ID), documents.of_site(site, None))


@pytest.mark.slow
@pytest.mark.browser
def test_it_shows_what_is_open_until_it_is_closed_or_over(status_page: str, shop: str, chromium: Browser) -> None:
    context = browser.new_context(chromium, viewport={"width": 375, "height": 600})
    tab = context.new_page()
    complaints: list[str] = []
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    tab.on("console", lambda message: complaints.append(message.text) if "favicon" not in message.text else None)
    banner = tab.get_by_role("region", name="Status of")

    def visit() -> None:
        with tab.expect_response(f"{status_page}/api/v2/summary.json"):
            tab.goto(shop)

    visit()
    expect(banner).to_have_count(0)
    ahead = factory.maintenance()
    show(
        factory.site(
            open_incidents=(OPEN,),
            upcoming_maintenances=(ahead,),
            embed=snapshot.Embed("top-right", "#ffe08a", "#221a00"),
        )
    )
    visit()
    link = banner.get_by_role("link", name="Payments <b>fail</b>")
    expect(link).to_have_attribute("href", f"{status_page}/incidents/{OPEN.id}")
    box = banner.bounding_box()
    assert box
    assert box["y"] == 16
    assert box["x"] >= 16
    assert box["x"] + box["width"] == 375 - 16
    assert banner.evaluate("box => getComputedStyle(box).backgroundColor") == "rgb(255, 224, 138)"

    found = Axe().run(tab).response["violations"]
    assert not found, found
    tab.keyboard.press("Tab")
    tab.keyboard.press("Tab")
    expect(banner.get_by_role("button", name="Close")).to_be_focused()
    tab.keyboard.press("Enter")
    expect(banner).to_have_count(0)
    visit()
    expect(banner).to_have_count(0)  # closed is closed, also on the next page

    started = factory.maintenance(updates=[factory.update("in_progress", "It begins.")])
    second = factory.incident("Search is slow")
    show(factory.site(open_incidents=(second, OPEN), active_maintenances=(started,)))
    visit()  # but something new is shown
    expect(banner).to_contain_text("Search is slow and 1 more")
    banner.get_by_role("link").focus()
    tab.keyboard.press("Escape")
    expect(banner).to_have_count(0)
    show(factory.site(active_maintenances=(started,)))
    visit()
    expect(banner).to_contain_text("Database upgrade")
    context.close()
    assert not complaints


def test_it_is_small_and_nothing_but_itself() -> None:
    script = embed.script(factory.site())
    assert len(script) < 5000
    assert not [word for word in (b"innerHTML", b"eval(", b".cssText", b"setAttribute", b"cookie") if word in script]
    named = replace(factory.page(), name="</script>\u2028Acme")
    assert b"\xe2\x80\xa8" not in embed.script(replace(factory.site(), page=named))


def test_what_staff_choose_is_published(page: PageRow, admin: User) -> None:
    publish(page)
    file = files.folder(page.public_id) / "embed.js"
    catalogue.edit_embed(page, position="top-left", incident_background="#123456", author=admin)
    publish(page)
    assert b'"top-left"' in file.read_bytes()
    assert b'"#123456"' in file.read_bytes()
    assert differences(page) == []
