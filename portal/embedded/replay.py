"""One real incident, recorded as its company reported it.

Commerce Layer's public report of January 17, 2023: texts and times are the report's, statuses of components
are read from its words (some users, API and Dashboard affected).
"""

from __future__ import annotations

from datetime import UTC, date, datetime

from django.db import transaction

from incidents import catalogue, timeline
from incidents.elsewhere.recording import record_elsewhere
from incidents.elsewhere.records import AffectedComponent, PostmortemRecord, Record, Update
from incidents.incidents import declare_incident, edit_incident, post_update
from incidents.lifecycle import ComponentStatus, Impact, IncidentStatus, Kind, Severity, Visibility
from incidents.models import Incident, Page, TimelineEntry
from incidents.people import service_user
from status.publication import publisher

PAGE_NAME = "Commerce Layer"
TITLE = "Underline infrastructure issue impacting live services"
SOURCE = "commercelayer.io"

COMPONENTS = [("Commerce API", "Core API, Commerce Layer API"), ("Dashboard", "")]  # with what staff call them

UPDATES = [
    (
        (16, 2),
        IncidentStatus.INVESTIGATING,
        ComponentStatus.PARTIAL_OUTAGE,
        (
            "An issue generated on one of our backend cloud infrastructure components impacted our Core API and "
            "Dashboard environment. We are currently working to restore normal service functionality."
        ),
    ),
    (
        (16, 20),
        IncidentStatus.IDENTIFIED,
        ComponentStatus.PARTIAL_OUTAGE,
        "The issue has been identified, a fix is currently being implemented on the backend infrastructure.",
    ),
    (
        (16, 31),
        IncidentStatus.MONITORING,
        ComponentStatus.OPERATIONAL,
        (
            "Fix has been deployed and services' behavior is going back to normal. We are keeping the status monitored "
            "until complete recovery from the issue."
        ),
    ),
    (
        (16, 45),
        IncidentStatus.RESOLVED,
        ComponentStatus.OPERATIONAL,
        "The issue can be considered as completely resolved.",
    ),
]

POSTMORTEM = """\
## Summary

Some users experienced HTTP 500 errors in response to Commence Layer API calls on January 17 between 4:02PM and \
4:30PM UTC. A maintenance activity on one of our databases has triggered the issue. Our monitoring tool detected the \
event and alerts have been sent promptly to our internal communication system. We fixed the issue by closing stalled \
DB connections and re-starting the API backend processes that were affected.

## Leadup

A maintenance activity was performed on one of our databases around 4:01PM UTC on January 17, 2023. It was completed \
without any errors in a few seconds, but shortly thereafter HTTP 500 errors began to appear in API backend logs and \
alerts began to appear on our internal communication system.

## Fault

There were a number of API calls that returned errors. Upon investigation, the symptoms were caused by a backend \
runtime environment that was unable to connect to the database through connection pooling.

## Detection

Our real-time monitoring system detected the first error at 4:01PM UTC and immediately sent alerts to our internal \
communication channels. By 4:02PM UTC, our System Administrators were already investigating the issue.

## Root Cause

We have completed the investigation with our cloud service provider. We have identified an inconsistency in the db \
connection pooling service that may happen during some special backup tasks. We have now in place a different way to \
connect to the DB which will avoid any problems in the future during similar operations.

## Mitigation and resolution

Between 4:05PM UTC 4:20PM UTC the Team attempted a few restarts of the affected runtime environment. This ended up \
with a partial mitigation of the issue. After that, they realized they needed to take a more aggressive approach, \
which led to a cold restart of the runtime environment and killing all database processes. By 4:30PM UTC all API \
calls stopped receiving errors and after another 15 minutes the Team deemed the incident as resolved.

## Corrective and Preventative Measures

During the post-mortem analysis we found and tested a procedure that allows us to repeat the same DB activity without \
any errors.
"""


def _at(hour: int, minute: int) -> datetime:
    return datetime(2023, 1, 17, hour, minute, tzinfo=UTC)


def _record() -> Record:
    updates = []
    before = ComponentStatus.OPERATIONAL
    for (hour, minute), status, after, body in UPDATES:
        at = _at(hour, minute)
        affected = [AffectedComponent(name, name, before, after) for name, _aliases in COMPONENTS]
        updates.append(Update(f"{hour}:{minute}", status, body, at, at, at, affected))
        before = after
    published_at = datetime(2023, 1, 19, 13, 51, tzinfo=UTC)
    return Record(
        id="2023-01-17",
        title=TITLE,
        created_at=updates[0].created_at,
        updated_at=published_at,
        updates=updates,
        impact=Impact.MAJOR,
        began_at=_at(16, 2),
        ended_at=_at(16, 30),
        report=PostmortemRecord("2023-01-17", TITLE, POSTMORTEM, display_at=published_at, published_at=published_at),
    )


@transaction.atomic
def replay_seed(url: str) -> Page:
    """The page, its two components and the incident; what exists already is left as it is, but for the page's address.

    Nobody is notified.
    """
    publisher.identity()  # a folder that cannot be there is said before anything is saved
    author = service_user("replay", role="administrator")
    page = Page.objects.live().filter(name=PAGE_NAME).first()
    if page is None:
        page = catalogue.create_page(name=PAGE_NAME, url=url, time_zone="Europe/Rome", author=author)
        for name, aliases in COMPONENTS:
            first_day = date(2023, 1, 1)
            catalogue.create_component(page, name=name, aliases=aliases, start_date=first_day, author=author)
    else:
        catalogue.edit_page(page, url=url, author=author)
    components = {component.name: component for component in page.components.all()}
    recorded = record_elsewhere(page, _record(), source=SOURCE, components=components, author=author)
    if recorded.is_new:
        _note_what_staff_knew(recorded.incident)
    return page


def _note_what_staff_knew(incident: Incident) -> None:
    author = service_user("replay", role="administrator")
    maintenance = declare_incident(
        incident.page,
        title="Database maintenance",
        author=author,
        kind=Kind.MAINTENANCE,
        visibility=Visibility.INTERNAL,
    )
    post_update(
        maintenance,
        status=IncidentStatus.COMPLETED,
        body="It was completed without any errors in a few seconds.",
        author=author,
        display_at=_at(16, 1),
        notify=False,
    )
    edit_incident(
        incident,
        author=author,
        severity=Severity.SEV2,
        caused_by=maintenance,
        detected_at=_at(16, 1),
        acknowledged_at=_at(16, 2),
    )
    _note_timeline(incident)


def _note_timeline(incident: Incident) -> None:
    author = service_user("replay", role="administrator")
    kinds, precisions = TimelineEntry.Kind, TimelineEntry.Precision
    timeline.note(
        incident,
        author=author,
        text="Maintenance on the primary database, completed without errors in a few seconds.",
        occurred_at=_at(16, 1),
        precision=precisions.APPROXIMATE,
    )
    timeline.note(
        incident,
        author=author,
        kind=kinds.ALERT,
        text="Monitoring detected the first HTTP 500 and alerted the internal channels.",
        occurred_at=_at(16, 1),
    )
    timeline.note(
        incident,
        author=author,
        kind=kinds.MITIGATION,
        outcome=TimelineEntry.Outcome.PARTIAL,
        text="A few restarts of the affected runtime environment.",
        occurred_at=_at(16, 5),
        ended_at=_at(16, 20),
        precision=precisions.RANGE,
    )
    timeline.note(
        incident,
        author=author,
        kind=kinds.DECISION,
        text="Take a more aggressive approach.",
        occurred_at=_at(16, 20),
        precision=precisions.APPROXIMATE,
    )
    timeline.note(
        incident,
        author=author,
        kind=kinds.MITIGATION,
        outcome=TimelineEntry.Outcome.FULL,
        text="Cold restart of the runtime environment; all database processes killed.",
        occurred_at=_at(16, 20),
        ended_at=_at(16, 30),
        precision=precisions.RANGE,
    )
