"""The page of one incident, or of one maintenance."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from status.rendering import pages
from status.rendering.snapshot import Cause
from tests.status import factory
from tests.status.reading import words


def test_the_seed_reads_like_the_report_it_was() -> None:
    page, incident = factory.seed()
    document = pages.incident(page, incident)
    assert words(document).startswith(
        "Underline infrastructure issue impacting live services Incident Report for Commerce Layer"
    )
    read = words(document)
    places = [
        read.index(text)
        for text in (
            "Postmortem Summary Some users experienced HTTP 500 errors",
            "Leadup A maintenance activity",
            "Root Cause We have identified",
            "Corrective and Preventative Measures During",
            "Posted Jan 19, 2023 - 14:51 CET",
            "Resolved The issue can be considered as completely resolved. Posted Jan 17, 2023 - 17:45 CET",
            "Monitoring Fix has been deployed and services' behavior",
            "Posted Jan 17, 2023 - 17:31 CET",
            "Identified The issue has been identified",
            "Posted Jan 17, 2023 - 17:20 CET",
            "Investigating An issue generated on one of our",
            "Posted Jan 17, 2023 - 17:02 CET",
            "This incident affected: Commerce API and Dashboard.",
        )
    ]
    assert places == sorted(places)
    assert "Published on" not in read
    assert b'<time datetime="2023-01-17T17:02:00+01:00">Jan 17, 2023 - 17:02 CET</time>' in document


@pytest.mark.parametrize(
    ("zone", "at", "shown"),
    [
        ("Europe/Rome", datetime(2023, 1, 7, 16, 2, tzinfo=UTC), "Jan 7, 2023 - 17:02 CET"),
        ("Europe/Rome", datetime(2023, 7, 17, 15, 2, tzinfo=UTC), "Jul 17, 2023 - 17:02 CEST"),
        ("America/New_York", datetime(2023, 1, 1, 1, 0, tzinfo=UTC), "Dec 31, 2022 - 20:00 EST"),
        ("Etc/UTC", datetime(2023, 9, 5, 0, 0, tzinfo=UTC), "Sep 5, 2023 - 00:00 UTC"),
    ],
)
def test_a_time_is_in_the_page_s_zone_with_its_abbreviation_on_that_date(zone: str, at: datetime, shown: str) -> None:
    incident = factory.incident(updates=[factory.update("investigating", "We look.", at)])
    assert f"Posted {shown}" in words(pages.incident(factory.page(time_zone=zone), incident))


def test_an_update_that_stays_where_it_was_is_titled_update() -> None:
    later, sooner = factory.NOW, factory.NOW - timedelta(minutes=20)
    incident = factory.incident(
        updates=[
            factory.update("investigating", "Still looking.", later),
            factory.update("investigating", "We.", sooner),
        ]
    )
    assert re.findall(r"<h2>(.*?)</h2>", pages.incident(factory.page(), incident).decode()) == [
        "Update",
        "Investigating",
    ]


def test_a_back_dated_update_says_when_it_was_published() -> None:
    shown = datetime(2023, 1, 17, 16, 2, tzinfo=UTC)
    on_time = factory.update("identified", "We know.", shown + timedelta(hours=1))
    for late, is_said in ((timedelta(minutes=66), True), (timedelta(minutes=5), False)):
        update = factory.update("investigating", "We look.", shown, published_at=shown + late)
        read = words(pages.incident(factory.page(), factory.incident(updates=[on_time, update])))
        assert ("Posted Jan 17, 2023 - 17:02 CET · Published on Jan 17, 2023 - 18:08 CET" in read) is is_said


def test_an_incident_written_down_afterwards_says_so_once() -> None:
    shown = datetime(2023, 1, 17, 16, 2, tzinfo=UTC)
    later = datetime(2023, 1, 17, 17, 17, tzinfo=UTC)
    updates = [
        factory.update("resolved", "Done.", shown + timedelta(minutes=43), published_at=later),
        factory.update("investigating", "We look.", shown, published_at=later - timedelta(minutes=9)),
    ]
    read = words(pages.incident(factory.page(), factory.incident(updates=updates)))
    assert read.count("Published") == 1
    assert "Published later than the times shown, on Jan 17, 2023 - 18:17 CET" in read


def test_a_corrected_text_says_so() -> None:
    update = factory.update("investigating", "We look.", edited_at=factory.NOW + timedelta(hours=1))
    read = words(pages.incident(factory.page(), factory.incident(updates=[update])))
    assert "Posted Nov 22, 2026 - 10:30 CET · Edited Nov 22, 2026 - 11:30 CET" in read


def test_the_cause_is_linked() -> None:
    cause = Cause(id="0123456789bc", name="Database upgrade", is_maintenance=True)
    document = pages.incident(factory.page(), factory.incident(caused_by=cause))
    assert 'Caused by the maintenance <a href="/incidents/0123456789bc">Database upgrade</a>' in document.decode()


def test_a_maintenance_that_takes_longer_says_so_and_until_when() -> None:
    late = factory.maintenance(
        start=factory.NOW - timedelta(hours=3),
        updates=[factory.update("in_progress", "It takes longer.")],
        is_overrunning=True,
        expected_until=factory.NOW + timedelta(hours=1),
    )
    read = words(pages.incident(factory.page(), late))
    assert "Overrunning Planned for Nov 22, 2026 - 07:30 CET until Nov 22, 2026 - 09:30 CET" in read
    assert "now expected to end Nov 22, 2026 - 11:30 CET" in read


def test_a_cancelled_maintenance_says_so_and_took_no_time() -> None:
    cancelled = factory.maintenance(
        updates=[factory.update("completed", "Not needed."), factory.update("scheduled", "We plan it.")],
        is_cancelled=True,
    )
    read = words(pages.incident(factory.page(), cancelled))
    assert "Cancelled Planned for" in read
    assert "Completed" not in read
    assert "lasted" not in read


def test_a_maintenance_that_was_over_lasted_from_when_it_began() -> None:
    began = factory.NOW - timedelta(minutes=90)
    over = factory.maintenance(
        start=began,
        updates=[
            factory.update("completed", "Done."),
            factory.update("in_progress", "Now.", began),
            factory.update("scheduled", "We plan it.", began - timedelta(days=5)),
        ],
        began_at=began,
    )
    read = words(pages.incident(factory.page(), over))
    assert "lasted 1 h 30 min" in read
    assert "Took place Nov 22, 2026 - 09:00 CET until Nov 22, 2026 - 10:30 CET" in read


def test_a_maintenance_that_was_never_announced_is_named_as_a_cause_without_a_name() -> None:
    caused = factory.incident(caused_by=Cause(id="", name="", is_maintenance=True))
    document = pages.incident(factory.page(), caused)
    assert "Caused by a maintenance that was not announced." in words(document)
    assert b'href="/incidents/"' not in document


def test_a_maintenance_tells_its_window() -> None:
    maintenance = factory.maintenance(components=(factory.component("API"),))
    read = words(pages.incident(factory.page(), maintenance))
    assert "Planned for Nov 24, 2026 - 10:30 CET until Nov 24, 2026 - 12:30 CET" in read
    assert "This maintenance will affect: API." in read


def test_an_incident_is_polled_while_it_is_open() -> None:
    page, over = factory.seed()
    still = factory.incident()
    assert f'hx-get="/incidents/{still.id}" hx-trigger="every 30s' in pages.incident(page, still).decode()
    assert b"hx-get" not in pages.incident(page, over)
