"""Two people write a postmortem in browsers of their own."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connections
from django.test import Client
from django.urls import reverse
from playwright.sync_api import Browser, Page, expect, sync_playwright
from pytest_django.live_server_helper import LiveServer

from incidents.models import Incident, PostmortemSection, User
from incidents.postmortems import writing
from tests.services import CHROMIUM

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def summary(incident: Incident, author: User) -> PostmortemSection:
    return writing.start_postmortem(incident, author=author).live_sections()[0]


@pytest.fixture
def chromium(summary: PostmortemSection, live_server: LiveServer) -> Iterator[Browser]:
    # Playwright runs an event loop in this thread, in which Django would refuse to use the database.
    arguments = ["--disable-gpu", "--disable-dev-shm-usage", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()
        connections.close_all()  # those that were opened beside the event loop


def log_in(tab: Page, user: User, site: str) -> None:
    client = Client()
    client.force_login(user)
    cookie: Any = {"name": "sessionid", "value": client.cookies["sessionid"].value, "url": site}
    tab.context.add_cookies([cookie])


def editor(section: PostmortemSection) -> str:
    return reverse("admin:incidents_postmortem_change", args=[section.postmortem_id])


def test_nothing_typed_is_lost_and_two_people_see_each_other(
    chromium: Browser, live_server: LiveServer, summary: PostmortemSection, author: User, admin: User
) -> None:
    mine, theirs = (chromium.new_context(base_url=live_server.url).new_page() for _each in range(2))
    for tab, user in ((mine, author), (theirs, admin)):
        log_in(tab, user, live_server.url)
        tab.goto(editor(summary))
    public = f"#id_{summary.pk}_public"
    told = f"#told-{summary.pk}"

    # It saves itself, and shows how customers will read it.
    mine.locator(public).press_sequentially("The *database* failed.")
    expect(mine.locator(f"{told} .saving")).to_have_text(re.compile("Saved at"), timeout=20_000)
    expect(mine.locator(f"{told} .prose em")).to_have_text("database")
    mine.reload()
    expect(mine.locator(public)).to_have_value("The *database* failed.")

    # The second one is shown the first one's text, and saves over it only when asked to.
    theirs.locator(public).fill("A disk was full.")
    expect(theirs.locator(f"{told} .conflict")).to_contain_text("The *database* failed.", timeout=20_000)
    expect(theirs.locator(public)).to_have_value("A disk was full.")
    theirs.get_by_role("button", name="Save mine over it").click()
    expect(theirs.locator(f"{told} .saving")).to_have_text(re.compile("Saved at"), timeout=20_000)
    summary.refresh_from_db()
    assert summary.public == "A disk was full."

    # The session ends while somebody types: it is kept in the browser, and saved when they are back.
    theirs.context.clear_cookies(name="sessionid")
    theirs.locator(public).fill("A disk was full of logs.")
    expect(theirs.locator(f"{told} .saving")).to_contain_text("your session has ended", timeout=20_000)
    log_in(theirs, admin, live_server.url)
    theirs.reload()
    expect(theirs.locator(public)).to_have_value("A disk was full of logs.")
    expect(theirs.locator(f"{told} .saving")).to_have_text(re.compile("Saved at"), timeout=20_000)
    summary.refresh_from_db()
    assert summary.public == "A disk was full of logs."
