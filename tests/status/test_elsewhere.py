"""Real incidents of another status page, recorded and published: they read as they did there."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from datetime import datetime
from typing import Any

import feedparser
import pytest

from incidents.elsewhere.recording import Recorded, record_elsewhere
from incidents.models import Component, Incident, Page, User
from status.publication import files
from status.publication.publishing import differences, publish
from tests import statuspage
from tests.rows import everything

Read = Callable[[Page, str], str]
DOCUMENTS = statuspage.documents()


@pytest.fixture
def their_page(admin: User) -> tuple[Page, dict[str, Component]]:
    return statuspage.make_page(admin)


def record_all(page: Page, components: dict[str, Component], author: User) -> list[Recorded]:
    return [
        record_elsewhere(
            page, statuspage.record_of(document), source="statuspage", components=components, author=author
        )
        for document in DOCUMENTS
    ]


@pytest.mark.slow
@pytest.mark.timeout(600)  # two hundred months are published, and verified in the end
def test_every_document_page_feed_and_month_tells_them_as_they_were_and_twice_changes_nothing(
    their_page: tuple[Page, dict[str, Component]], author: User, published: Read
) -> None:
    recorded = record_all(*their_page, author)
    publish(their_page[0])
    assert len(recorded) == 22
    assert {found.unknown for found in recorded} == {()}
    page = recorded[0].incident.page
    for document in DOCUMENTS:
        ours = json.loads(published(page, f"api/v2/incidents/{document['incident']['id']}.json"))
        assert ours == as_we_say_it(document, ours), document["incident"]["id"]
        assert_shown(document["incident"], published(page, f"incidents/{document['incident']['id']}.html"))
    assert_listed(page, published)
    assert_open_data(page, published)
    assert_twice_changes_nothing(*their_page, author)
    assert_a_change_there_changes_its_months(*their_page, author, published)


def as_we_say_it(document: dict[str, Any], ours: dict[str, Any]) -> dict[str, Any]:
    """The document, but for what differs by design, which is taken from ours. Nothing else may differ."""
    expected = deepcopy(document)
    incident, own = expected["incident"], ours["incident"]
    expected["page"]["updated_at"] = incident["updated_at"]  # decision 3: its document is as of its own newest fact
    incident["shortlink"] = f"{expected['page']['url']}/incidents/{incident['id']}"  # theirs is a host of its own
    incident.setdefault("reminder_intervals", None)  # documents before 2023 lack it
    for update in incident["incident_updates"]:
        update["custom_tweet"] = update["tweet_id"] = None  # nothing is posted to Twitter
        rows = update["affected_components"]
        if rows:  # in page order, and not in the alphabet's
            order = [row["code"] for each in own["incident_updates"] if each["id"] == update["id"]
                     for row in each["affected_components"]]  # fmt: skip
            rows.sort(key=lambda row: order.index(row["code"]))
    # Components are as the incident left them (decision 3), and stay named when they are deleted; when a component
    # itself was changed is our clock's.
    known = {row["id"]: row for row in incident["components"]}
    assert known.keys() <= {row["id"] for row in own["components"]}
    incident["components"] = [
        (known.get(row["id"]) or row) | {name: row[name] for name in ("status", "updated_at", *LATER)}
        for row in own["components"]
    ]
    return expected


# Facts of the catalogue, which the documents tell as of the day they were fetched on
LATER = ("name", "description", "position", "start_date")


def assert_shown(incident: dict[str, Any], html: str) -> None:
    """Every text with its time, newest first; once, that it was recorded afterwards."""
    assert incident["name"] in html
    position = 0
    for update in incident["incident_updates"]:
        at = datetime.fromisoformat(update["display_at"])
        position = html.index(f"{at:%b} {at.day}, {at:%Y - %H:%M} UTC", position)
    assert html.count('<p class="posted">Posted') == len(incident["incident_updates"])
    assert html.count("Recorded here afterwards, on") == 1
    assert "Published" not in html
    assert "Edited" not in html


def assert_listed(page: Page, published: Read) -> None:
    """In the lists and the feeds, newest first."""
    newest = [document["incident"]["id"] for document in sorted(DOCUMENTS, key=posted_at, reverse=True)]
    listed = json.loads(published(page, "api/v2/incidents.json"))["incidents"]
    assert [row["id"] for row in listed] == newest
    assert json.loads(published(page, "api/v2/status.json"))["page"]["id"] == page.public_id
    for name in ("history.atom", "history.rss"):
        feed = feedparser.parse(published(page, name))
        assert [entry.link.rpartition("/")[2] for entry in feed.entries] == newest
        assert "(edited)" not in published(page, name)


def posted_at(document: dict[str, Any]) -> str:
    return str(document["incident"]["incident_updates"][-1]["display_at"])


def assert_open_data(page: Page, published: Read) -> None:
    index = json.loads(published(page, "data/index.json"))
    months = [json.loads(published(page, f"data/{month['month']}.json")) for month in index["months"]]
    found = {row["id"]: row for month in months for row in month["incidents"]}
    assert found.keys() == {document["incident"]["id"] for document in DOCUMENTS}
    for document in DOCUMENTS:
        theirs, row = document["incident"], found[document["incident"]["id"]]
        assert row["recorded_at"]
        for name in ("name", "status", "impact", "created_at", "started_at", "monitoring_at", "resolved_at"):
            assert row[name] == theirs[name], name
        assert [
            (each["id"], each["status"], each["body"], each["display_at"], each["published_at"], each["edited_at"])
            for each in row["updates"]
        ] == [
            (each["id"], each["status"], each["body"], each["display_at"], each["created_at"], None)
            for each in reversed(theirs["incident_updates"])
        ]


def assert_twice_changes_nothing(page: Page, components: dict[str, Component], author: User) -> None:
    rows, root = everything(), files.folder(page.public_id)
    bytes_before = {path: (root / path).read_bytes() for path in files.tracked(root)}
    again = record_all(page, components, author)
    assert not [found for found in again if found.is_new or found.is_changed]
    assert everything() == rows
    assert publish(page).written == []
    assert {path: (root / path).read_bytes() for path in files.tracked(root)} == bytes_before


def assert_a_change_there_changes_its_months(
    page: Page, components: dict[str, Component], author: User, published: Read
) -> None:
    document = deepcopy(DOCUMENTS[0])
    document["incident"]["incident_updates"][-1]["display_at"] = "2011-12-31T23:00:00.000Z"
    record = statuspage.record_of(document)
    record_elsewhere(page, record, source="statuspage", components=components, author=author)
    publish(page)
    assert document["incident"]["name"] in published(page, "history/2011-12.html")
    assert differences(page) == []
    assert Incident.objects.count() == 22
