"""The README's five minutes, as a newcomer takes them: `make demo`'s process tree, a browser, and a killed worker."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import NewContext
from tests.embedded import children, running
from tests.front import ask
from tests.servers import free_port
from tests.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.timeout(240)]


def test_five_minutes(tmp_path: Path, new_context: NewContext) -> None:
    port = free_port()
    site = f"http://127.0.0.1:{port}"
    page = new_context().new_page()

    def public(path: str) -> str:
        answer = ask(site, path)
        assert answer.status == 200, path
        return answer.body.decode()

    def post_update(status: str, message: str, component_status: str = "") -> None:
        page.select_option("#compose [name=status]", status)
        page.fill("#compose [name=body]", message)
        if component_status:
            page.get_by_label("Commerce API").select_option(component_status)
        page.get_by_role("button", name="Post update").click()
        expect(page.get_by_text("The update is posted.")).to_be_visible()

    with running(tmp_path, "demo", port) as demo:
        # 1. Read
        page.goto(f"{site}/history/2023-01")
        page.get_by_role("link", name="Underline infrastructure issue impacting live services").click()
        expect(page.get_by_text("This incident affected: Commerce API and Dashboard.")).to_be_visible()

        # 2. Subscribe, and confirm by the link in the mail
        page.goto(site)
        page.get_by_label("E-mail address").fill("ann@example.com")
        page.get_by_role("button", name="Subscribe").click()
        expect(page.get_by_text("Look into your mailbox")).to_be_visible()
        until(lambda: "ann@example.com" in public("/demo/mail"))
        page.goto(f"{site}/demo/mail")
        page.get_by_role("link", name="Please confirm your subscription").first.click()
        page.get_by_role("link", name=f"{site}/subscriptions/").first.click()
        page.get_by_role("button", name="Confirm").click()

        # 3. Declare: a title, a message, a component with its status
        page.goto(f"{site}/admin/")
        page.fill("[name=login]", "demo")
        page.fill("[name=password]", "demo")
        page.get_by_role("button", name="Sign in").click()
        page.goto(f"{site}/admin/incidents/incident/add/")
        page.fill("[name=title]", "Checkout fails")
        page.fill("[name=body]", "About a third of all checkouts fail.")
        page.get_by_label("Commerce API").select_option("major_outage")
        page.get_by_role("button", name="Declare incident").click()
        expect(page.get_by_role("link", name="Move to identified")).to_be_visible()
        incident_address = page.url
        for path in ("/", "/fragments/summary.html", "/api/v2/summary.json", "/history.atom", "/history.rss"):
            assert "About a third of all checkouts fail." in public(path)
        assert json.loads(public("/api/v2/status.json"))["status"]["indicator"] == "major"

        # 4. Update, from two tabs at once
        second = page.context.new_page()
        second.goto(f"{incident_address}")
        second.fill("#compose [name=body]", "The second tab's words.")
        post_update("identified", "A queue is full; we are adding workers.")
        second.get_by_role("button", name="Post update").click()
        expect(second.get_by_text("Someone posted while you typed").first).to_be_visible()
        expect(second.locator("#compose [name=body]")).to_have_value("The second tab's words.")
        assert "The second tab's words." not in public("/")
        assert "A queue is full; we are adding workers." in public("/")
        second.close()
        page.reload()  # what the closed tab left behind is not lost
        expect(page.locator("#compose [name=body]")).to_have_value("The second tab's words.")
        page.get_by_role("button", name="Discard it").click()

        # 5. Read the mail, ten seconds later; then kill the worker and the clock: the page still changes
        until(lambda: "Identified: Checkout fails" in public("/demo/mail"))
        (celery,) = children(demo, "celery")
        os.kill(celery, signal.SIGKILL)
        post_update("monitoring", "More workers run; checkouts work.", "operational")
        assert "More workers run; checkouts work." in public("/")
        until(lambda: children(demo, "celery") not in ([], [celery]))

        # 6. Resolve, and publish the postmortem
        post_update("resolved", "Checkouts have worked for half an hour.")
        page.get_by_role("link", name="Start the postmortem").click()
        page.get_by_role("button", name="Start postmortem").click()
        summary = page.locator("section.section").first
        summary.locator("[name=public]").fill("A queue was too small for 20 minutes.")
        expect(summary.locator(".saving")).to_contain_text("Saved at")
        page.get_by_role("link", name="Submit for review").click()
        page.get_by_role("button", name="Submit for review").click()
        page.get_by_role("link", name="Read and review").click()
        page.fill("[name=break_glass]", "Nobody else is here.")
        page.get_by_role("button", name="Approve this text").click()
        page.get_by_role("link", name="Publish postmortem").click()
        page.get_by_role("button", name="Publish postmortem").click()
        expect(page.get_by_text("It is published.")).to_be_visible()
        listed = json.loads(public("/api/v2/incidents.json"))["incidents"]
        (listed_one,) = [row for row in listed if "Checkout" in row["name"]]
        assert listed_one["status"] == "postmortem"
        assert "A queue was too small for 20 minutes." in public(f"/incidents/{listed_one['id']}")

        # 7. Look behind it
        page.locator(".postmortem").get_by_role("link", name="Checkout fails").click()
        page.get_by_role("link", name="History").first.click()
        history = page.locator("#content").inner_text()
        for words in ("Checkout fails", "A queue is full", "postmortem", "demo"):
            assert words.lower() in history.lower()

    assert (tmp_path / "demo" / "portal.sqlite3").exists()
