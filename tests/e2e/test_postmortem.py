"""Two people write a postmortem in browsers of their own."""

from __future__ import annotations

import re

import pytest
from django.urls import reverse
from playwright.sync_api import expect
from pytest_django.live_server_helper import LiveServer

from incidents.models import Incident, PostmortemSection, User
from incidents.postmortems import writing
from tests.browser import sign_in, sign_out
from tests.e2e.conftest import NewContext
from tests.waiting import stretched

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def first_section(incident: Incident, author: User) -> PostmortemSection:
    return writing.start_postmortem(incident, author=author).live_sections()[0]


def editor(section: PostmortemSection) -> str:
    return reverse("admin:incidents_postmortem_change", args=[section.postmortem_id])


@pytest.mark.slow
def test_nothing_typed_is_lost_and_two_people_see_each_other(
    signed_in: NewContext, live_server: LiveServer, first_section: PostmortemSection, author: User, admin: User
) -> None:
    mine, theirs = (signed_in(user).new_page() for user in (author, admin))
    for tab in (mine, theirs):
        tab.goto(editor(first_section))
    public = f"#id_{first_section.pk}_public"
    section = f"#saved-{first_section.pk}"

    # It saves itself, and shows how customers will read it.
    mine.locator(public).press_sequentially("The *database* failed.")
    expect(mine.locator(f"{section} .saving")).to_have_text(re.compile("Saved at"), timeout=1000 * stretched(20))
    expect(mine.locator(f"{section} .prose em")).to_have_text("database")
    mine.reload()
    expect(mine.locator(public)).to_have_value("The *database* failed.")

    # The second one is shown the first one's text, and saves over it only when asked to.
    theirs.locator(public).fill("A disk was full.")
    expect(theirs.locator(f"{section} .conflict")).to_contain_text(
        "The *database* failed.", timeout=1000 * stretched(20)
    )
    expect(theirs.locator(public)).to_have_value("A disk was full.")
    theirs.get_by_role("button", name="Save mine over it").click()
    expect(theirs.locator(f"{section} .saving")).to_have_text(re.compile("Saved at"), timeout=1000 * stretched(20))
    first_section.refresh_from_db()
    assert first_section.public == "A disk was full."

    # The session ends while somebody types: it is kept in the browser, and saved when they are back.
    sign_out(theirs.context)
    theirs.locator(public).fill("A disk was full of logs.")
    expect(theirs.locator(f"{section} .saving")).to_contain_text("your session has ended", timeout=1000 * stretched(20))
    sign_in(theirs.context, admin, live_server.url)
    theirs.reload()
    expect(theirs.locator(public)).to_have_value("A disk was full of logs.")
    expect(theirs.locator(f"{section} .saving")).to_have_text(re.compile("Saved at"), timeout=1000 * stretched(20))
    first_section.refresh_from_db()
    assert first_section.public == "A disk was full of logs."
