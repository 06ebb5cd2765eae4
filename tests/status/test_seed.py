"""The reference case: a real report comes out of the product the way it went in."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest
import time_machine
from django.core.management import call_command

from incidents.models import (
    ComponentStatusChange,
    Incident,
    IncidentUpdate,
    OutboxEvent,
    Page,
    Postmortem,
    PostmortemRevision,
    PostmortemSection,
    TimelineEntry,
)
from portal.embedded.replay import TITLE, replay_seed
from status.publication import files
from status.publication.publishing import publish

pytestmark = pytest.mark.long

REPORT = (Path(__file__).parent / "seed-incident-report.txt").read_text()
Read = Callable[[Page, str], str]


class Text(HTMLParser):
    """The visible text of a page, one line for each block."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = [""]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in {"p", "h1", "h2", "h3", "h4", "h5", "h6", "li", "article", "section", "footer", "div", "header"}:
            self.lines.append("")

    def handle_endtag(self, tag: str) -> None:
        self.handle_starttag(tag, [])

    def handle_data(self, data: str) -> None:
        self.lines[-1] += data


def text_of(html: str) -> list[str]:
    reader = Text()
    reader.feed(html[html.index("<main") : html.index("</main>")])
    return [line for line in (re.sub(r"\s+", " ", line).strip() for line in reader.lines) if line]


@pytest.fixture
def seed(db: None) -> Iterator[Page]:
    """It was replayed two weeks after it happened, so that few months are published."""
    with time_machine.travel(datetime(2023, 2, 1, 12, tzinfo=UTC)):
        page = replay_seed("https://status.commercelayer.example")
        publish(page)
        yield page


def incident_path(page: Page) -> str:
    return f"incidents/{Incident.objects.get(title=TITLE).public_id}.html"


def test_every_sentence_and_time_of_the_report_is_on_the_published_page_in_its_order(
    seed: Page, published: Read
) -> None:
    shown = "\n".join(text_of(published(seed, incident_path(seed))))
    position = 0
    for line in filter(None, REPORT.splitlines()):
        found = shown.find(line, position)
        assert found >= 0, f"{line!r} is missing, or not after what precedes it in the report"
        position = found + len(line)


def test_the_posted_lines_are_the_reports_newest_first(seed: Page, published: Read) -> None:
    shown = "\n".join(text_of(published(seed, incident_path(seed))))
    assert re.findall(r"Posted (\w+ \d+, \d{4} - \d\d:\d\d \w+)", shown) == [
        "Jan 19, 2023 - 14:51 CET",
        "Jan 17, 2023 - 17:45 CET",
        "Jan 17, 2023 - 17:31 CET",
        "Jan 17, 2023 - 17:20 CET",
        "Jan 17, 2023 - 17:02 CET",
    ]
    assert "This incident affected: Commerce API and Dashboard." in shown


def test_the_json_tells_the_same(seed: Page, published: Read) -> None:
    (incident,) = json.loads(published(seed, "api/v2/incidents.json"))["incidents"]
    assert (incident["name"], incident["status"], incident["impact"]) == (TITLE, "postmortem", "major")
    assert incident["started_at"] == "2023-01-17T17:02:00.000+01:00"
    assert incident["resolved_at"] == "2023-01-17T17:45:00.000+01:00"
    assert [update["status"] for update in incident["incident_updates"]] == [
        "postmortem",
        "resolved",
        "monitoring",
        "identified",
        "investigating",
    ]
    assert [component["name"] for component in incident["components"]] == ["Commerce API", "Dashboard"]
    assert json.loads(published(seed, "api/v2/status.json"))["status"]["indicator"] == "none"


@pytest.mark.slow
def test_the_feed_and_the_month_have_it(seed: Page, published: Read) -> None:
    for path in ("history.atom", "history.rss", "history/2023-01.html", "history.html"):
        assert TITLE in published(seed, path)


def test_what_only_staff_know_stays_inside(seed: Page) -> None:
    internal = [entry.text for entry in TimelineEntry.objects.all()] + ["Database maintenance"]
    assert len(internal) == 6
    for path in files.folder(seed.public_id).rglob("*"):
        if path.is_file() and path.suffix != ".gz":
            content = path.read_text()
            assert not [text for text in internal if text in content], path


def test_it_was_published_when_it_says_and_recorded_later_which_is_said_once(seed: Page, published: Read) -> None:
    assert IncidentUpdate.objects.published().count() == 4
    for update in IncidentUpdate.objects.published():
        assert update.published_at == update.display_at
        assert update.history.get().history_date > update.display_at
        assert update.author.username == "replay"
    shown = "\n".join(text_of(published(seed, incident_path(seed))))
    assert shown.count("Recorded here afterwards, on") == 1
    assert "Published" not in shown
    assert "Edited" not in shown


def test_replaying_twice_changes_nothing(seed: Page) -> None:
    def count() -> list[int]:
        tables = (
            *(Page, Incident, IncidentUpdate, ComponentStatusChange, TimelineEntry, OutboxEvent),
            *(Postmortem, PostmortemSection, PostmortemRevision),
        )
        histories = (Page.history, Incident.history, IncidentUpdate.history, Postmortem.history)
        return [table._base_manager.count() for table in tables] + [history.count() for history in histories]

    before = count()
    call_command("replay_seed", url="https://status.commercelayer.example")
    assert count() == before
    assert publish(seed).written == []


def test_replaying_asks_for_no_notification(seed: Page) -> None:
    assert not IncidentUpdate.objects.filter(deliver_notifications=True).exists()
