"""What the record says in public, worked out once more: row by row, without the projection and its queries.

`check` compares with it what is published of a page for people and programs: the banner and the sentences, badges, the
calendar, the open data, version 1 of the API; `recipients` says who is to be sent a message.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path
from typing import Any, NamedTuple

from icalendar import Calendar

from incidents.lifecycle import ComponentStatus, Impact, Kind
from incidents.models import (
    Component,
    ComponentListing,
    ComponentStatusChange,
    Incident,
    IncidentUpdate,
    OutboxEvent,
    Page,
)
from status.models import Delivery, Recipient
from status.publication import files

IMPACTS = ["none", "minor", "major", "critical"]
RUNNING = ("in_progress", "verifying")
ENDED = ("resolved", "completed")
EMPTY = {"none": "All Systems Operational"} | {
    "minor": "Minor Service Outage", "major": "Partial System Outage", "critical": "Major System Outage"
}  # fmt: skip


class Said(NamedTuple):
    """What one update said of one component."""

    at: datetime
    pk: int
    status: str


def updates_of(incident: Incident) -> list[IncidentUpdate]:
    """What the public reads of it, oldest first."""
    rows = [
        row for row in IncidentUpdate.objects.filter(incident=incident) if row.published_at and not row.withdrawn_at
    ]
    return sorted(rows, key=lambda row: (row.display_at, row.pk))


def is_public(incident: Incident) -> bool:
    return incident.visibility == "public" and incident.deleted_at is None and bool(updates_of(incident))


def named_by(incident: Incident) -> set[int]:
    changes = ComponentStatusChange.objects.filter(update__in=[row.pk for row in updates_of(incident)])
    return {change.component_id for change in changes}


class Truth:
    """Of one page, now."""

    def __init__(self, page: Page) -> None:
        self.page = page = Page.objects.get(pk=page.pk)
        listed = {
            row.component_id for row in ComponentListing.objects.all() if row.page_id == page.pk and not row.deleted_at
        }
        here = [row for row in Component.objects.all() if row.page_id == page.pk or row.pk in listed]
        self.ever = {row.pk: row for row in here if row.visibility == "public"}
        self.components = {pk: row for pk, row in self.ever.items() if row.deleted_at is None}
        everywhere = [row for row in Incident.objects.order_by("pk") if is_public(row)]
        self.named = {row.pk: named_by(row) for row in everywhere}
        self.incidents = [
            row for row in everywhere if row.page_id == page.pk or self.named[row.pk] & self.shared(listed, row)
        ]
        self.spans = [span for row in everywhere for span in self.covered(row)]

    def shared(self, listed: set[int], incident: Incident) -> set[int]:
        """Public components through which an incident of another page shows here."""
        lent = {row.component_id for row in ComponentListing.objects.all()}
        return {pk for pk in self.ever if pk in listed or pk in lent}

    def covered(self, incident: Incident) -> list[tuple[set[int], datetime, datetime | None]]:
        """The components that a maintenance is laid over, and when."""
        plan = getattr(incident, "plan", None)
        updates = updates_of(incident)
        begun = [row.display_at for row in updates if row.status in RUNNING]
        if not plan or not plan.shows_components or not begun:
            return []
        ended = [row.display_at for row in updates if row.status == "completed"]
        return [(self.named[incident.pk], min(begun), ended[0] if ended else None)]

    def status(self, component: int, at: datetime | None = None) -> str:
        said = [Said(datetime.min.replace(tzinfo=UTC), 0, "operational")]
        for change in ComponentStatusChange.objects.filter(component=component).select_related("update__incident"):
            if change.update and (change.update.withdrawn_at or change.update.incident.deleted_at):
                continue
            if at is None or change.effective_at <= at:
                said.append(Said(change.effective_at, change.pk, change.status))
        own = max(said).status
        now = at or datetime.now(UTC)
        is_covered = any(
            component in names and begin <= now and (end is None or now < end) for names, begin, end in self.spans
        )
        return "under_maintenance" if own == "operational" and is_covered else own

    def description(self) -> tuple[str, bool]:
        """The sentence for the whole, and whether an incident alone says so."""
        found = [self.status(pk) for pk in self.components]
        worst = EMPTY["none"], 0
        if found and all(each == "major_outage" for each in found):
            worst = "Major System Outage", 3
        elif "major_outage" in found or (found and all(each == "partial_outage" for each in found)):
            worst = "Partial System Outage", 2
        elif "partial_outage" in found:
            worst = "Minor Service Outage", 1
        elif found and all(each == "degraded_performance" for each in found):
            worst = "Degraded System Service", 1
        elif "degraded_performance" in found:
            worst = "Partially Degraded Service", 1
        elif "under_maintenance" in found:
            worst = "Service Under Maintenance", 0
        alone = [
            IMPACTS.index(row.impact_override or row.impact)
            for row in self.incidents
            if row.kind == Kind.REALTIME and row.status not in ENDED and not self.named[row.pk] & self.components.keys()
        ]
        if max(alone, default=0) > worst[1]:
            return EMPTY[IMPACTS[max(alone)]], True
        return worst[0], False


def check(page: Page) -> None:
    """Raises `AssertionError` where what is published is not what the record says."""
    truth, root = Truth(page), files.folder(page.public_id)
    if truth.page.deleted_at:
        shown = {path.name for path in root.rglob("*") if path.is_file()}
        assert {".gone.html", ".gone.json"} <= shown, "its addresses answer 410"
        assert not [name for name in shown if not name.startswith(".")]
        return
    check_index(truth, root)
    check_badges(truth, root)
    check_calendar(truth, root)
    for incident in truth.incidents:
        check_incident(truth, incident, (root / f"incidents/{incident.public_id}.html").read_text())
    for path in root.glob("data/2*.json"):
        check_data(truth, json.loads(path.read_text()))


def check_index(truth: Truth, root: Path) -> None:
    index = (root / "index.html").read_text()
    said = re.search(r'<h1 id="state">(.*?)</h1>', index)
    sentence, is_named = truth.description()
    assert said
    assert unescape(said[1]) == sentence
    assert ("Ongoing:" in index) == is_named
    for row in truth.incidents:
        if row.status not in ENDED:
            assert f'href="/incidents/{row.public_id}"' in index


def check_badges(truth: Truth, root: Path) -> None:
    assert truth.description()[0] in (root / "badge.svg").read_text()
    there = {path.stem for path in root.glob("badges/*.svg")}
    assert there == {row.public_id for row in truth.components.values()}
    for pk, row in truth.components.items():
        assert str(ComponentStatus(truth.status(pk)).label) in (root / f"badges/{row.public_id}.svg").read_text()


def check_calendar(truth: Truth, root: Path) -> None:
    wanted = {}
    for row in truth.incidents:
        if row.kind == Kind.MAINTENANCE:
            updates = updates_of(row)
            begun = min((each.display_at for each in updates if each.status in RUNNING), default=None)
            ended = next((each.display_at for each in updates if each.status == "completed"), None)
            start = begun or row.plan.scheduled_for
            end = ended if begun and ended else row.plan.expected_until or row.plan.scheduled_until
            wanted[row.public_id] = (
                start.replace(microsecond=0), max(end, start).replace(microsecond=0),
                "CANCELLED" if row.plan.cancelled_at else "CONFIRMED", row.public_title, row.plan.sequence,
            )  # fmt: skip
    calendar: Any = Calendar.from_ical((root / "maintenance.ics").read_bytes())
    found = {
        str(event["uid"]).partition("@")[0]: (
            event["dtstart"].dt, event["dtend"].dt, str(event["status"]), str(event["summary"]), int(event["sequence"])
        )
        for event in calendar.walk("VEVENT")
    }  # fmt: skip
    assert found == wanted


def named_in(sentence: str) -> Iterator[tuple[str, str]]:
    """Group and name of each component in "API, EU (Search, Web) and Dashboard"."""
    for part in re.split(r"(?:, | and )(?![^(]*\))", sentence):
        group, _, names = part.removesuffix(")").rpartition(" (")
        yield from ((group, name) for name in names.split(", "))


def check_incident(truth: Truth, incident: Incident, html: str) -> None:
    said = re.search(r"This (?:incident affected|maintenance affected|maintenance will affect): (.*?)\.</p>", html)
    assert sorted(named_in(unescape(said[1])) if said else []) == sorted(
        (row.group.name if row.group and row.page_id == truth.page.pk else "", row.name)
        for pk in truth.named[incident.pk]
        if (row := truth.ever.get(pk))
    )
    assert unescape(html).count(incident.public_title) >= 1
    for update in updates_of(incident):
        assert update.body in unescape(html)


def check_data(truth: Truth, data: Any) -> None:
    filed = [
        row for row in truth.incidents
        if f"{updates_of(row)[0].display_at.astimezone(truth.page.zone):%Y-%m}" == data["month"]
    ]  # fmt: skip
    assert {each["id"] for each in data["incidents"]} == {row.public_id for row in filed}
    updates = {row.public_id: [update.status for update in updates_of(row)] for row in filed}
    assert {each["id"]: [update["status"] for update in each["updates"]] for each in data["incidents"]} == updates
    shown = {row.public_id: pk for pk, row in truth.components.items() if row.showcase}
    start = datetime.fromisoformat(f"{data['month']}-01").replace(tzinfo=truth.page.zone).astimezone(UTC)
    end = (
        (start + timedelta(days=33))
        .astimezone(truth.page.zone)
        .replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    )
    until = min(end.astimezone(UTC), datetime.now(UTC))
    for public_id, pk in shown.items():
        is_notified = sorted(
            (
                datetime.fromisoformat(each["begin"]),
                datetime.fromisoformat(each["end"]) if each["end"] else until,
                each["status"],
            )
            for each in data["component_intervals"]
            if each["component_id"] == public_id
        )
        before = start
        for begin, after, status in [*is_notified, (until, until, "")]:
            if begin - before > timedelta(seconds=2):
                assert truth.status(pk, before + (begin - before) / 2) == "operational", (public_id, before, begin)
            if after - begin > timedelta(seconds=2):
                assert truth.status(pk, begin + (after - begin) / 2) == status, (public_id, begin, after)
            before = after


def check_v1(page: Page, get: Callable[[str], Any]) -> None:
    """`get` reads an address below the page's of version 1."""
    truth = Truth(page)
    if truth.page.deleted_at:
        assert "error" in get("components")
        return
    rows = {row["id"]: row for row in get("components")}
    assert {each: row["status"] for each, row in rows.items()} == {
        row.public_id: truth.status(pk) for pk, row in truth.components.items()
    }
    found = {row["id"]: row for row in get("incidents?limit=100")}
    at_home = [row for row in truth.incidents if row.page_id == page.pk]  # a program changes them there
    assert found.keys() == {row.public_id for row in at_home}
    for incident in at_home:
        row = found[incident.public_id]
        impact = "maintenance" if incident.kind == Kind.MAINTENANCE else incident.impact_override or incident.impact
        assert (row["name"], row["status"], row["impact"]) == (incident.public_title, incident.status, impact)
        here = {truth.ever[pk].public_id for pk in truth.named[incident.pk] & truth.ever.keys()}
        assert {each["id"] for each in row["components"]} == here
        bodies = [update.body for update in reversed(updates_of(incident))]
        assert [each["body"] for each in row["incident_updates"]] == bodies


def recipients(event: OutboxEvent) -> set[int]:
    """Who is to be sent a message about an event, by key."""
    page, incident, change = event.page, event.incident, event.component_change
    if not page.is_live or page.deleted_at or (event.update and event.update.withdrawn_at):
        return set()
    rows = [row for row in Recipient.objects.filter(page=page) if row.state == "active" and not row.deleted_at]
    if change:
        worst = max(_weight(change.old_status), _weight(change.status))
        return {
            row.pk for row in rows
            if row.channel == "webhook" and not row.postmortems_only and IMPACTS.index(row.minimum_impact) <= worst
            and (row.everything or row.follows.filter(component=change.component_id).exists())
        }  # fmt: skip
    assert incident is not None
    about = [incident]
    if event.is_report:
        about = list(Incident.objects.filter(postmortem=incident.postmortem_id))
    public = {row.pk for row in Component.objects.all() if row.visibility == "public" and not row.deleted_at}
    named = {pk for row in about for pk in _named_at_all(row)} & public
    found = set()
    for row in rows:
        follows = list(row.follows.all())
        asked = any(each.incident_id in {one.pk for one in about} for each in follows)
        wants = row.everything or any(each.component_id in named for each in follows)
        if incident.kind == Kind.REALTIME:
            wants &= IMPACTS.index(row.minimum_impact) <= IMPACTS.index(
                Impact(incident.impact_override or incident.impact)
            )
        if not event.is_report:
            wants &= not row.postmortems_only
        is_notified = Delivery.objects.filter(
            recipient=row, event__incident__in=about, state__in=["due", "sent"]
        ).exists()
        if wants or asked or is_notified:
            found.add(row.pk)
    return found


def _named_at_all(incident: Incident) -> set[int]:
    standing = [row.pk for row in IncidentUpdate.objects.filter(incident=incident) if not row.withdrawn_at]
    return {change.component_id for change in ComponentStatusChange.objects.filter(update__in=standing)}


def _weight(status: str) -> int:
    return {"degraded_performance": 1, "partial_outage": 2, "major_outage": 3}.get(status, 0)
