from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from xml.etree import ElementTree as ET

import feedparser
import pytest

from status.rendering import feeds
from status.rendering.snapshot import Incident, Site
from tests.status import factory

Renderer = Callable[[Site], bytes]
BOTH = pytest.mark.parametrize("render", [feeds.atom, feeds.rss], ids=["atom", "rss"])
ATOM = "{http://www.w3.org/2005/Atom}"


def read(document: bytes) -> Any:
    """What an independent reader of feeds makes of it."""
    feed = feedparser.parse(document, sanitize_html=False, resolve_relative_uris=False)
    assert not feed.bozo, feed.bozo_exception
    return feed


def html(entry: Any) -> str:
    return str(entry.content[0].value if "content" in entry else entry.summary)


def site_with(*incidents: Incident, **fields: Any) -> Site:
    return factory.site(recent_incidents=incidents, **fields)


def seed_site() -> Site:
    page, incident = factory.seed()
    return site_with(incident, page=page)


@BOTH
def test_a_reader_understands_the_feed_of_a_busy_and_of_an_empty_page(render: Renderer) -> None:
    busy = read(render(factory.busy_site()))
    assert busy.version == ("atom10" if render is feeds.atom else "rss20")
    assert busy.feed.title == "Acme Status - Incident History"
    assert busy.feed.link == "https://status.example.com"
    assert [link.href for link in busy.feed.links if link.rel == "self"] == [
        f"https://status.example.com/history.{render.__name__}"
    ]
    assert len(busy.entries) == 4
    empty = read(render(factory.site()))
    assert empty.entries == []
    assert empty.feed.title == "Acme Status - Incident History"


@BOTH
def test_an_entry_was_published_with_the_first_post_and_updated_with_the_last(render: Renderer) -> None:
    _page, incident = factory.seed()
    (entry,) = read(render(seed_site())).entries
    assert entry.title == "Underline infrastructure issue impacting live services"
    assert entry.link == f"https://status.example.com/incidents/{incident.id}"
    assert entry.published_parsed[:6] == (2023, 1, 17, 16, 2, 0)
    assert entry.updated_parsed[:6] == (2023, 1, 19, 13, 51, 0)


@BOTH
def test_the_feed_was_updated_with_its_newest_post(render: Renderer) -> None:
    later = factory.NOW + timedelta(days=1)
    incident = factory.incident()
    site = site_with(incident, page=factory.page(updated_at=later))
    assert read(render(site)).feed.updated_parsed[:6] == (2026, 11, 22, 9, 30, 0)


def test_ids_have_statuspage_s_form_and_stay_when_the_title_changes() -> None:
    incident = factory.incident()
    feed = read(feeds.atom(site_with(incident)))
    assert feed.feed.id == "tag:status.example.com,2005:/history"
    assert feed.entries[0].id == f"tag:status.example.com,2005:Incident/{incident.id}"
    renamed = read(feeds.atom(site_with(replace(incident, name="Another title"))))
    assert renamed.entries[0].id == feed.entries[0].id


def test_an_atom_feed_has_statuspage_s_elements_in_its_order() -> None:
    root = ET.fromstring(feeds.atom(seed_site()))
    assert [child.tag.removeprefix(ATOM) for child in root] == [
        *("id", "link", "link", "title", "updated", "author", "entry")
    ]
    entry = root.find(f"{ATOM}entry")
    assert entry is not None
    assert [child.tag.removeprefix(ATOM) for child in entry] == [
        *("id", "published", "updated", "link", "title", "content")
    ]
    assert root.get("{http://www.w3.org/XML/1998/namespace}lang") == "en"


@BOTH
def test_an_entry_tells_the_whole_story_newest_first(render: Renderer) -> None:
    story = html(read(render(seed_site())).entries[0])
    posts = [
        "<strong>Postmortem</strong> - ",
        "<strong>Resolved</strong> - The issue can be considered as completely resolved.",
        "<strong>Monitoring</strong> - Fix has been deployed",
        "<strong>Identified</strong> - The issue has been identified",
        "<strong>Investigating</strong> - An issue generated on one of our backend",
    ]
    places = [story.index(post) for post in posts]
    assert places == sorted(places)
    assert "<small>Jan <var data-var='date'>17</var>, <var data-var='time'>17:02</var> CET</small>" in story
    assert "Root Cause</h" in story


@BOTH
def test_times_carry_the_abbreviation_of_their_date(render: Renderer) -> None:
    update = factory.update("resolved", "Over.", datetime(2026, 7, 3, 10, 0, tzinfo=UTC))
    (entry,) = read(render(site_with(factory.incident(updates=[update])))).entries
    assert "Jul <var data-var='date'>3</var>, <var data-var='time'>12:00</var> CEST" in html(entry)


@BOTH
def test_an_update_that_repeats_the_status_and_one_that_was_corrected_say_so(render: Renderer) -> None:
    updates = [
        factory.update("investigating", "Still looking.", edited_at=factory.NOW),
        factory.update("investigating", "Looking.", factory.NOW - timedelta(hours=1)),
    ]
    story = html(read(render(site_with(factory.incident(updates=updates)))).entries[0])
    assert "<strong>Update</strong> - Still looking." in story
    assert "<strong>Investigating</strong> - Looking." in story
    assert story.count("(edited)") == 1


@BOTH
def test_a_maintenance_names_its_window(render: Renderer) -> None:
    (entry,) = read(render(factory.site(recent_maintenances=(factory.maintenance(),)))).entries
    assert "Nov 24, 2026 - 10:30 CET &ndash; Nov 24, 2026 - 12:30 CET" in html(entry)
    assert "<strong>Scheduled</strong> - We will upgrade the database." in html(entry)


@BOTH
def test_bodies_are_sanitised_and_titles_are_text(render: Renderer) -> None:
    body = "<script>alert(1)</script> [go](javascript:alert(2)) <img src=x onerror=alert(3)> ![i](https://a.example/b)"
    incident = factory.incident("A < B & <b>C</b>", [factory.update("investigating", body)])
    root = ET.fromstring(render(site_with(incident)))
    names = [text for element in root.iter() if (text := element.text) and text.startswith("A <")]
    assert names == ["A < B & <b>C</b>"]
    story = html(read(render(site_with(incident))).entries[0])
    assert "<script" not in story
    assert "<img" not in story
    assert 'href="javascript' not in story


@BOTH
def test_a_body_that_does_not_begin_with_a_paragraph_stays_whole(render: Renderer) -> None:
    incident = factory.incident(updates=[factory.update("investigating", "- one\n- two")])
    story = html(read(render(site_with(incident))).entries[0])
    assert "<strong>Investigating</strong> - </p><ul>" in story


@BOTH
def test_characters_that_xml_cannot_carry_do_not_break_the_feed(render: Renderer) -> None:
    incident = factory.incident("Bell \x07 rings", [factory.update("investigating", "Form\x0cfeed \x1b[31m \ufffe 😀")])
    (entry,) = read(render(site_with(incident))).entries
    assert entry.title == "Bell  rings"
    assert "😀" in html(entry)


@BOTH
def test_the_25_newest_incidents_and_maintenances_are_listed_newest_first(render: Renderer) -> None:
    def post(hours: int) -> list[Any]:
        return [factory.update("resolved", "Over.", factory.NOW - timedelta(hours=hours))]

    site = factory.site(
        recent_incidents=tuple(factory.incident(f"{ago}", post(ago)) for ago in range(0, 60, 2)),
        recent_maintenances=tuple(factory.maintenance(f"{ago}", updates=post(ago)) for ago in range(1, 60, 2)),
    )
    assert [entry.title for entry in read(render(site)).entries] == [f"{ago}" for ago in range(25)]


@BOTH
def test_a_feed_speaks_the_language_of_its_page(render: Renderer) -> None:
    update = factory.update("resolved", "Vorbei.", datetime(2026, 5, 3, 10, 0, tzinfo=UTC))
    site = site_with(factory.incident(updates=[update]), page=factory.page(language="de"))
    feed = read(render(site))
    assert feed.feed.language == "de"
    assert "Mai <var data-var='date'>3</var>" in html(feed.entries[0])
