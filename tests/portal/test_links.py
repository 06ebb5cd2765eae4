"""A reader follows every address of every published page and of every subscriber's page; each leads somewhere.

Pages are found in the folder of the published ones and in the URLs of subscribers, so that a new kind of either is
walked without being named here. Both fronts are asked: the shipped nginx, and the embedded server.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import ConsoleMessage
from pytest_django.live_server_helper import LiveServer

from incidents import catalogue, metrics
from incidents.incidents import declare_incident, post_update
from incidents.lifecycle import ComponentStatus, IncidentStatus
from incidents.models import Incident, Page, User
from incidents.postmortems import publishing as reports
from portal.embedded.demo_data import load_demo
from portal.embedded.replay import replay_seed
from status import tokens
from status.models import Subscriber
from status.publication import files
from status.publication.publishing import publish
from status.subscriptions import signups, subscribers, urls
from tests.browser import chromium
from tests.front import Answer, ask, front
from tests.prefixes import is_the_applications
from tests.reports import publish_report

HOST = "status.example.com"
SITE = f"https://{HOST}"
DOT = "data:image/svg+xml;base64,PHN2ZyB4bWxucz0iaHR0cDovL3d3dy53My5vcmcvMjAwMC9zdmciLz4="
ADDRESSES = {"href", "src", "action", "hx-get", "hx-post", "data-htmx", "poster", "srcset", "data"}
# Kinds of published files, by folder; a page with everything has some of each.
KINDS = {"", "api", "assets", "badges", "charts", "data", "fragments", "history", "incidents", "postmortems"}

pytestmark = [pytest.mark.nginx, pytest.mark.timeout(300)]


class Addresses(HTMLParser):
    """What a page leads to or loads, and the anchors that it has."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.anchors = {""}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found |= {value or "" for name, value in attrs if name in ADDRESSES}
        self.anchors |= {value or "" for name, value in attrs if name == "id"}


@pytest.fixture
def whole_site(transactional_db: None, make_user: Callable[[str, str], User]) -> Page:
    """What the demonstration has (groups, months, a maintenance, a postmortem), and one of whatever it lacks."""
    author = make_user("root", "administrator")
    page = replay_seed(SITE)
    load_demo(page)
    look: Any = {"intro": "All that we run.", "brand_colour": "#1f56d0", "logo": DOT}
    catalogue.edit_page(
        page, **look, support_url="https://help.example.com", support_email="help@example.com", author=author
    )
    catalogue.edit_embed(page, author=author)
    metric = metrics.create_metric(page, name="Response time", suffix="ms", author=author)
    now = timezone.now()
    metrics.add_points({metric: {now - timedelta(minutes=n): 200.0 + n for n in range(90)}}, author=author)
    down = [(page.components.order_by("position")[0], ComponentStatus.PARTIAL_OUTAGE)]
    incident = declare_incident(page, title="Checkout fails", author=author)
    post_update(incident, status=IncidentStatus.INVESTIGATING, body="Looking.", components=down, author=author)
    over = Incident.objects.filter(page=page, status=IncidentStatus.RESOLVED, postmortem=None).order_by("pk")[0]
    report = publish_report(over, body="## Summary\n\nA disk was full.", author=author)
    reports.unpublish_postmortem(report, reason="A mistake.", author=author)
    publish(page)
    return page


@pytest.fixture
def recipients(whole_site: Page, admin: User) -> list[Subscriber]:
    """A mailbox that is still to be confirmed, and a webhook that is."""
    contact = "reader@example.com"
    signups.subscribe(whole_site, address="ann@example.com", author=admin)
    signups.subscribe_webhook(whole_site, url="https://hooks.example.com/", contact=contact, author=admin)
    mailbox, hook = Subscriber.objects.order_by("pk")
    assert hook.confirmation_sent_at
    subscribers.confirm(hook, asked_at=hook.confirmation_sent_at, author=admin)
    return [mailbox, hook]


@pytest.fixture
def nginx(tmp_path: Path, publication_root: Path, live_server: LiveServer) -> Iterator[str]:
    (tmp_path / "nginx").mkdir()
    server = front(tmp_path / "nginx", publication_root, web_port=int(live_server.url.rpartition(":")[2]))
    server.start()
    yield server.url
    server.stop()


def documents(page: Page) -> list[str]:
    root = files.folder(page.public_id)
    old = [f"assets/{path.name}" for path in (root / "assets").iterdir() if path.suffix != ".gz"]
    return sorted([*files.tracked(root), *old, "heartbeat.json"])


def address_of(document: str) -> str:
    """Where readers find it: pages without their ending, files with it."""
    if document == "index.html" or document.startswith("fragments/"):
        return "/" if document == "index.html" else f"/{document}"
    return f"/{document.removesuffix('.html')}"


def of_subscribers(recipients: list[Subscriber]) -> list[str]:
    """Every address that a subscriber can open, from the URL configuration."""
    found = []
    for each in urls.urlpatterns:
        name = str(each.name)
        is_by_token = "token" in each.pattern.converters
        found += [reverse(name, args=[token_of(one, name)]) for one in recipients] if is_by_token else [reverse(name)]
    return found


def token_of(recipient: Subscriber, name: str) -> str:
    if name == "subscription-confirm":
        assert recipient.confirmation_sent_at
        return tokens.confirmation(recipient.public_id, asked_at=recipient.confirmation_sent_at)
    return tokens.subscription(recipient.public_id)


def led_to(address: str, text: str, *, is_html: bool) -> set[str]:
    """The addresses of this site in a document."""
    found = Addresses(text).found if is_html else set(re.findall(rf"{SITE}[^\s\"'<>\\)]*", text))
    whole = {urljoin(SITE + address, each) for each in found}
    return {each.removeprefix(SITE) or "/" for each in whole if urlsplit(each).netloc == HOST}


def walked(url: str, pages: list[str]) -> tuple[set[str], list[str]]:
    """Every address that these lead to, and what is wrong with some."""
    answers: dict[str, Answer] = {}
    anchors: dict[str, set[str]] = {}
    wanted, named_on, lost = list(pages), dict.fromkeys(pages, "nothing"), []
    while wanted:
        address = wanted.pop()
        path, _hash, anchor = address.partition("#")
        is_new = path not in answers
        answer = answers[path] = ask(url, path, host=HOST) if is_new else answers[path]
        is_html = answer.headers.get("content-type", "").startswith("text/html")
        led: set[str] = set()
        if answer.status in (301, 302):
            led = {answer.headers["location"]}
        elif answer.status != 200:
            lost.append(f"{address}, named on {named_on[address]}: {answer.status}")
        elif is_new:
            text = answer.body.decode(errors="replace")
            anchors[path] = Addresses(text).anchors
            led = led_to(path, text, is_html=is_html)
        if is_html and path in anchors and anchor not in anchors[path] and not path.startswith("/fragments/"):
            lost.append(f"{address}, named on {named_on[address]}: there is no such anchor")
        wanted += sorted(led - named_on.keys())
        named_on |= dict.fromkeys(led - named_on.keys(), address)
    return set(named_on), lost


@pytest.mark.slow
def test_every_address_of_every_page_leads_somewhere(
    whole_site: Page, recipients: list[Subscriber], nginx: str, live_server: LiveServer
) -> None:
    found = documents(whole_site)
    assert {path.rpartition("/")[0].partition("/")[0] for path in found} == KINDS, "show a new kind here, and name it"
    for path in found:
        assert not is_the_applications(f"/{path}"), path
        assert not is_the_applications(address_of(path)), path
    pages = [address_of(path) for path in found] + of_subscribers(recipients)
    for url in (nginx, live_server.url):
        named, lost = walked(url, pages)
        assert lost == [], url
        assert len(named) > len(pages), "the pages lead nowhere"


@pytest.mark.slow
@pytest.mark.browser
def test_the_console_is_silent_on_every_page(whole_site: Page, recipients: list[Subscriber], nginx: str) -> None:
    """Nothing is refused by the content policy, nothing is missing, no script throws."""
    pages = [path for path in documents(whole_site) if path.endswith(".html") and not path.startswith("fragments/")]
    said: list[str] = []
    with chromium() as browser:
        context = browser.new_context(base_url=nginx)
        tab = context.new_page()

        def note(message: ConsoleMessage) -> None:
            said.append(f"{tab.url}: {message.type}: {message.text}")

        tab.on("console", note)
        tab.on("pageerror", lambda error: said.append(f"{tab.url}: {error}"))
        tab.on("requestfailed", lambda request: said.append(f"{tab.url}: {request.url}: {request.failure}"))
        for path in [*map(address_of, pages), *of_subscribers(recipients)]:
            tab.goto(path, wait_until="networkidle")
        context.close()
    assert said == []
