from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from status.rendering import assets, pages
from tests import browser
from tests.status import factory
from tests.waiting import until

pytestmark = pytest.mark.browser

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
TYPES = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml", "json": "application/json"}


@dataclass
class Host:
    """A web server for published documents, with the strict policy that they are made for."""

    address: str = ""
    documents: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def beat(self, at: datetime) -> None:
        self.documents["/heartbeat.json"] = json.dumps({"at": at.isoformat().replace("+00:00", "Z")}).encode()


@pytest.fixture
def host() -> Iterator[Host]:
    host = Host(documents={f"/{path}": content for path, content in assets.ASSETS.items()})

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            host.asked.append(self.path)
            content = host.documents.get(self.path)
            self.send_response(404 if content is None else 200)
            self.send_header("Content-Type", TYPES.get(self.path.rsplit(".")[-1], "text/html; charset=utf-8"))
            self.send_header("Content-Security-Policy", POLICY)
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            self.wfile.write(content or b"")

        def date_time_string(self, timestamp: float | None = None) -> str:
            return super().date_time_string(factory.NOW.timestamp())

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    host.address = f"http://127.0.0.1:{server.server_port}"
    host.documents["/"] = pages.index(factory.busy_site())
    host.documents["/fragments/summary.html"] = pages.summary_fragment(factory.busy_site())
    host.beat(factory.NOW)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield host
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def tab(chromium: Browser) -> Iterator[Page]:
    """A browser tab at `NOW`, whose clock the test moves; it must not complain about anything."""
    context = browser.new_context(chromium, timezone_id="America/New_York")
    tab = context.new_page()
    tab.clock.install(time=factory.NOW)
    complaints: list[str] = []
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    tab.on("console", lambda message: complaints.append(message.text) if "Security" in message.text else None)
    yield tab
    context.close()
    assert not complaints


def wait_for_htmx(tab: Page) -> None:
    def is_there() -> bool:
        tab.clock.run_for(20_000)
        return bool(tab.evaluate("'htmx' in window"))  # wait_for_function would break the policy

    until(is_there, 10)


def poll(tab: Page) -> None:
    with tab.expect_response(lambda response: "/fragments/" in response.url or "/incidents/" in response.url):
        tab.clock.run_for(31_000)
    tab.clock.run_for(1_000)  # htmx settles what it swapped in


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_are_accessible_and_fit_a_small_phone(host: Host, chromium: Browser, scheme: Any) -> None:
    seed_page, seed = factory.seed()
    host.documents["/incident"] = pages.incident(seed_page, seed)
    host.documents["/month"] = pages.month(factory.month("2023-01", [seed], page=seed_page, previous="2022-12"))
    host.documents["/uptime"] = pages.uptime_formula(seed_page)
    host.documents["/quiet"] = pages.index(factory.site([factory.component("API")]))
    for state in ("major", "critical", "maintenance"):
        host.documents[f"/{state}"] = pages.index(factory.site(indicator=state))
    long = factory.component("W" * 120, "degraded_performance")
    wide = factory.incident(
        "W" * 120, [factory.update("identified", f"{'W' * 120}\n\n# {'W' * 120}")], components=(long,)
    )
    host.documents["/wide"] = pages.index(factory.site([long], open_incidents=(wide,)))
    host.documents["/wide-incident"] = pages.incident(factory.page(name="W" * 120), wide)
    context = browser.new_context(chromium, color_scheme=scheme)
    tab = context.new_page()
    for path in (
        "/",
        "/quiet",
        "/major",
        "/critical",
        "/maintenance",
        "/incident",
        "/month",
        "/uptime",
        "/wide",
        "/wide-incident",
    ):
        tab.set_viewport_size({"width": 1280, "height": 800})
        tab.goto(host.address + path)
        found = Axe().run(tab)
        assert found.violations_count == 0, found.generate_report()
        tab.set_viewport_size({"width": 320, "height": 568})
        assert tab.evaluate("document.documentElement.scrollWidth") == 320
    context.close()


def test_the_first_view_loads_the_page_its_style_its_script_and_its_icon_only(host: Host, tab: Page) -> None:
    tab.goto(host.address)
    tab.wait_for_load_state("networkidle")
    wanted = {"/", "/heartbeat.json", *(assets.url(name) for name in ("status.css", "status.js"))}
    assert wanted <= {*host.asked} <= {*wanted, assets.url("minor.svg")}
    wait_for_htmx(tab)
    assert assets.url("htmx.js") in host.asked


@pytest.mark.slow
def test_news_appear_by_themselves_and_leave_the_reader_where_they_were(host: Host, tab: Page) -> None:
    site = factory.busy_site()
    tab.goto(host.address)
    wait_for_htmx(tab)
    tab.get_by_text("Edge network").click()
    tab.get_by_role("link", name="Database upgrade").focus()
    host.documents["/fragments/summary.html"] = pages.summary_fragment(
        replace(site, indicator="critical", description="Major System Outage")
    )
    poll(tab)
    expect(tab.get_by_role("heading", level=1)).to_have_text("Major System Outage")
    expect(tab).to_have_title("✕ Major System Outage – Acme Status")
    expect(tab.locator("link[rel=icon]")).to_have_attribute("href", assets.url("critical.svg"))
    expect(tab.get_by_role("status")).to_have_text("Major System Outage")
    expect(tab.get_by_role("link", name="Database upgrade")).to_be_focused()
    expect(tab.locator("details").nth(0)).to_have_attribute("open", "")
    expect(tab.locator("details").nth(1)).not_to_have_attribute("open", "")


def test_polling_touches_nothing_while_there_is_nothing_new(host: Host, tab: Page) -> None:
    tab.goto(host.address)
    wait_for_htmx(tab)
    tab.evaluate("window.before = document.querySelector('#main').firstElementChild")
    for _ in range(2):
        poll(tab)
    assert host.asked.count("/fragments/summary.html") >= 2
    assert tab.evaluate("window.before.isConnected")


def test_nothing_is_polled_while_nobody_looks(host: Host, tab: Page) -> None:
    tab.add_init_script("Object.defineProperty(document, 'hidden', { get: () => window.isHidden ?? false })")
    tab.goto(host.address)
    wait_for_htmx(tab)
    tab.evaluate("window.isHidden = true")
    asked: list[str] = []  # from now on: what was on its way before may still reach the server
    tab.on("request", lambda request: asked.append(request.url))
    tab.clock.run_for(300_000)
    assert asked == []
    tab.evaluate("window.isHidden = false")
    with tab.expect_response("**/fragments/summary.html"):
        tab.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


@pytest.mark.slow
def test_an_open_incident_follows_its_own_page_until_it_is_over(host: Host, tab: Page) -> None:
    incident = factory.incident()
    host.documents[f"/incidents/{incident.id}"] = pages.incident(factory.page(), incident)
    tab.goto(f"{host.address}/incidents/{incident.id}")
    wait_for_htmx(tab)
    over = factory.update("resolved", "It is over.", factory.NOW + timedelta(minutes=1))
    long_one = factory.incident(updates=[over, *incident.updates])
    host.documents[f"/incidents/{incident.id}"] = pages.incident(factory.page(), long_one)
    poll(tab)
    expect(tab.get_by_role("heading", level=2).first).to_have_text("Resolved")
    asked = len(host.asked)
    tab.clock.run_for(120_000)
    assert not [path for path in host.asked[asked:] if path.startswith("/incidents/")]


def test_a_fresh_page_is_as_of_its_last_heartbeat(host: Host, tab: Page) -> None:
    host.beat(factory.NOW + timedelta(minutes=2))
    tab.goto(host.address)
    expect(tab.locator(".as-of")).to_have_text("As of Nov 22, 2026 - 10:32 CET")
    expect(tab.get_by_role("alert")).to_be_hidden()


def test_a_page_whose_heart_has_stopped_says_since_when(host: Host, tab: Page) -> None:
    old = factory.page(updated_at=factory.NOW - timedelta(hours=1))
    host.documents["/"] = pages.index(factory.site(page=old))
    host.beat(factory.NOW - timedelta(minutes=6))
    tab.goto(host.address)
    expect(tab.get_by_role("alert")).to_contain_text("This page has not been updated since Nov 22, 2026 - 10:24 CET.")


def test_a_page_that_changed_after_its_heart_stopped_is_fresh(host: Host, tab: Page) -> None:
    host.beat(factory.NOW - timedelta(hours=1))
    tab.goto(host.address)
    tab.wait_for_load_state("networkidle")
    expect(tab.get_by_role("alert")).to_be_hidden()
    expect(tab.locator(".as-of")).to_have_text("As of Nov 22, 2026 - 10:30 CET")


@pytest.mark.slow
def test_a_server_that_is_gone_is_announced_and_its_return_too(host: Host, tab: Page) -> None:
    tab.goto(host.address)
    expect(tab.get_by_role("alert")).to_be_hidden()
    tab.route("**/heartbeat.json", lambda route: route.abort())
    tab.wait_for_load_state("networkidle")
    tab.clock.run_for(61_000)
    expect(tab.get_by_role("alert")).to_be_hidden()  # once may be an accident
    tab.clock.run_for(5_000)
    expect(tab.get_by_role("alert")).to_contain_text("not been updated since Nov 22, 2026 - 10:30 CET")
    tab.unroute("**/heartbeat.json")
    tab.clock.run_for(61_000)
    expect(tab.get_by_role("alert")).to_be_hidden()


@pytest.mark.slow
def test_earlier_months_come_below_the_ones_before(host: Host, tab: Page) -> None:
    for name, previous in (("2026-11", "2026-10"), ("2026-10", "2023-01"), ("2023-01", None)):
        host.documents[f"/history/{name}"] = pages.month(factory.month(name, previous=previous))
    tab.goto(f"{host.address}/history/2026-11")
    months = tab.get_by_role("main").get_by_role("heading", level=2)
    tab.get_by_role("link", name="Earlier").hover()
    wait_for_htmx(tab)
    for count, month in ((2, "October 2026"), (3, "January 2023")):
        tab.get_by_role("link", name="Earlier").click()
        tab.clock.run_for(1_000)
        expect(months).to_have_count(count)
        expect(months.last).to_have_text(month)
        expect(months.last).to_be_focused()
    expect(tab.get_by_role("link", name="Earlier")).to_have_count(0)
    assert tab.url.endswith("/history/2026-11")


def test_a_bad_day_tells_itself_to_pointer_and_keyboard(host: Host, tab: Page) -> None:
    tab.goto(host.address)
    day = tab.locator(".bars :is(a, g)").first
    day.focus()
    expect(tab.locator("#tip")).to_contain_text("Oct 12, 2026: Major outage 28 min")
    expect(day).to_have_accessible_name("Oct 12, 2026: Major outage 28 min, 98.05% uptime")


def test_everything_reads_and_leads_on_without_javascript(host: Host, chromium: Browser) -> None:
    host.documents["/history/2026-11"] = pages.month(factory.month("2026-11", previous="2026-10"))
    host.documents["/history/2026-10"] = pages.month(factory.month("2026-10"))
    context = browser.new_context(chromium, java_script_enabled=False)
    tab = context.new_page()
    tab.goto(host.address)
    expect(tab.get_by_role("heading", level=1)).to_have_text("Minor Service Outage")
    expect(tab.get_by_text("This page has not been updated")).to_be_hidden()
    tab.goto(f"{host.address}/history/2026-11")
    tab.get_by_role("link", name="Earlier").click()
    expect(tab.get_by_role("main").get_by_role("heading", level=2)).to_have_text("October 2026")
    context.close()


def test_a_promised_update_is_counted_down_to_and_past(host: Host, tab: Page) -> None:
    due_at = factory.NOW + timedelta(minutes=12)
    promising = factory.update("identified", "We know.", next_update_due_at=due_at)
    host.documents["/promise"] = pages.incident(factory.page(), factory.incident("Slow", [promising]))
    del host.documents["/heartbeat.json"]  # its answer would say what time it is, and here it is always the same
    tab.goto(f"{host.address}/promise")
    due = tab.locator(".due time")
    assert due.get_attribute("data-until") == "(in 12 minutes)"
    tab.clock.run_for(5 * 60_000 + 10_000)
    assert due.get_attribute("data-until") == "(in 7 minutes)"
    tab.clock.run_for(10 * 60_000)
    assert due.get_attribute("data-until") == "(3 minutes ago)"
