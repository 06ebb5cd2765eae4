"""Snapshots for tests of what outsiders read: small, whole and the same on every run.

Each function takes any field of its dataclass by keyword. Without one it makes what a reader expects to see:
ids follow from names, times from `NOW`. `seed()` is the report of January 17, 2023; `busy_site()` has a bit of all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from typing import Any

from incidents.postmortems.headings import key_of, split
from status.rendering.snapshot import (
    AffectedComponent,
    Component,
    Day,
    Group,
    Incident,
    IncidentUpdate,
    Month,
    Page,
    PastDay,
    Postmortem,
    Section,
    Site,
    Uptime,
)

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
TODAY = NOW.date()
_ALPHABET = "0123456789bcdfghjklmnpqrstvwxyz"


def public_id(*words: object) -> str:
    """12 characters, always the same for the same words."""
    digest = sha256(repr(words).encode()).digest()
    return "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in digest[:12])


def page(**fields: Any) -> Page:
    return replace(
        Page(
            id=public_id("page"),
            name="Acme",
            url="https://status.example.com",
            time_zone="Europe/Rome",
            language="en",
            support_url="https://example.com/support",
            support_email="",
            intro="",
            brand_colour="",
            logo="",
            updated_at=NOW,
        ),
        **fields,
    )


def component(name: str = "API", status: str = "operational", **fields: Any) -> Component:
    return replace(
        Component(
            id=public_id("component", name),
            page_id=public_id("page"),
            group_id=None,
            group_name="",
            name=name,
            description=None,
            status=status,
            position=1,
            showcase=True,
            only_show_if_degraded=False,
            start_date=None,
            created_at=NOW - timedelta(days=400),
            updated_at=NOW - timedelta(days=400),
        ),
        **fields,
    )


def group(name: str, components: Sequence[Component], **fields: Any) -> Group:
    """A group of these components; give them its id, `public_id("group", name)`, yourself."""
    return replace(
        Group(
            id=public_id("group", name),
            page_id=public_id("page"),
            name=name,
            description=None,
            status="operational",
            position=1,
            component_ids=tuple(each.id for each in components),
            created_at=NOW - timedelta(days=400),
            updated_at=NOW - timedelta(days=400),
        ),
        **fields,
    )


def day(on: date, **fields: Any) -> Day:
    """A day of uptime 1.0, or of what the seconds given leave of it."""
    seconds = {"major_outage": 0.0, "partial_outage": 0.0, "degraded_performance": 0.0, "under_maintenance": 0.0}
    seconds |= {name: fields.pop(name) for name in tuple(fields) if name in seconds}
    uptime = 1 - (seconds["major_outage"] + 0.3 * seconds["partial_outage"]) / 86400
    return replace(Day(date=on, **seconds, uptime=uptime), **fields)


def uptime(component: Component, bad: Sequence[Day] = (), today: date = TODAY, **fields: Any) -> Uptime:
    """90 good days up to `today`, with the bad ones in their places."""
    by_date = {each.date: each for each in bad}
    dates = [today - timedelta(days=ago) for ago in range(89, -1, -1)]
    days = tuple(by_date.get(on, day(on)) for on in dates)
    known = [each.uptime for each in days if each.uptime is not None]
    ratio = sum(known) / len(known) if known else None
    return replace(Uptime(component_id=component.id, days=days, ratio=ratio), **fields)


def affected(component: Component, old: str, new: str) -> AffectedComponent:
    return AffectedComponent(code=component.id, name=component.name, old_status=old, new_status=new)


def update(status: str, body: str, at: datetime = NOW, **fields: Any) -> IncidentUpdate:
    return replace(
        IncidentUpdate(
            id=public_id("update", status, body, at),
            incident_id="",  # `incident` fills it in
            status=status,
            body=body,
            display_at=at,
            published_at=at,
            created_at=at,
            updated_at=at,
            edited_at=None,
            next_update_due_at=None,
            deliver_notifications=True,
            affected_components=(),
        ),
        **fields,
    )


def postmortem(body: str, at: datetime, **fields: Any) -> Postmortem:
    """A report of the sections that this Markdown has."""
    return replace(
        Postmortem(
            id=public_id("postmortem", body),
            title="Requests fail",
            time_zone="Etc/UTC",
            about=(),
            sections=tuple(Section(key_of(heading).value, heading, text) for heading, text in split(body)),
            commitments=(),
            amendments=(),
            display_at=at,
            published_at=at,
            created_at=at,
            updated_at=at,
            deliver_notifications=True,
        ),
        **fields,
    )


def incident(name: str = "Requests fail", updates: Sequence[IncidentUpdate] = (), **fields: Any) -> Incident:
    """An incident with these updates (newest first); its status and times follow from them."""
    public = public_id("incident", name)
    said = tuple(replace(each, incident_id=public) for each in updates or [update("investigating", "We look into it.")])
    newest, first = said[0], said[-1]
    watched = [each.display_at for each in said if each.status in ("monitoring", "verifying")]
    return replace(
        Incident(
            id=public,
            page_id=public_id("page"),
            name=name,
            status=newest.status,
            impact="minor",
            created_at=first.created_at,
            updated_at=newest.updated_at,
            started_at=first.display_at,
            monitoring_at=watched[-1] if watched else None,
            resolved_at=newest.display_at if newest.status in ("resolved", "completed") else None,
            updates=said,
            components=(),
            postmortem=None,
            withdrawn=None,
            caused_by=None,
            scheduled_for=None,
            scheduled_until=None,
        ),
        **fields,
    )


def maintenance(
    name: str = "Database upgrade",
    start: datetime = NOW + timedelta(days=2),
    hours: float = 2,
    updates: Sequence[IncidentUpdate] = (),
    **fields: Any,
) -> Incident:
    """A scheduled maintenance of this window; announced only, unless updates say more."""
    said = updates or [update("scheduled", "We will upgrade the database.", NOW - timedelta(days=1))]
    window = {"scheduled_for": start, "scheduled_until": start + timedelta(hours=hours)}
    return incident(name, said, **{"impact": "maintenance", **window, **fields})


def site(components: Sequence[Component] = (), **fields: Any) -> Site:
    """A quiet page, with 90 good days for each showcased component."""
    today: date = fields.get("today", TODAY)
    past = tuple(PastDay(date=today - timedelta(days=ago), incidents=()) for ago in range(15))
    return replace(
        Site(
            page=page(),
            today=today,
            indicator="none",
            description="All Systems Operational",
            groups=(),
            components=tuple(components),
            uptimes=tuple(uptime(each, today=today) for each in components if each.showcase),
            open_incidents=(),
            active_maintenances=(),
            upcoming_maintenances=(),
            recent_incidents=(),
            recent_maintenances=(),
            past_days=past,
            last_month=None,
        ),
        **fields,
    )


def month(name: str = "2026-11", incidents: Sequence[Incident] = (), **fields: Any) -> Month:
    return replace(Month(page=page(), month=name, incidents=tuple(incidents), previous=None, next=None), **fields)


SEED_POSTMORTEM = """\
## Summary

Some users experienced HTTP 500 errors in response to Commence Layer API calls on January 17 between 4:02PM and \
4:30PM UTC. A maintenance activity on one of our databases has triggered the issue.

## Leadup

A maintenance activity was performed on one of our databases around 4:01PM UTC on January 17, 2023.

## Root Cause

We have identified an inconsistency in the db connection pooling service that may happen during some special backup \
tasks.

## Corrective and Preventative Measures

During the post-mortem analysis we found and tested a procedure that allows us to repeat the same DB activity \
without any errors.
"""


def seed() -> tuple[Page, Incident]:
    """The report that this product is measured by, abridged in its postmortem only."""
    api, dashboard = component("Commerce API"), component("Dashboard", position=2)
    on = datetime(2023, 1, 17, tzinfo=UTC)
    updates = [
        update("resolved", "The issue can be considered as completely resolved.", on.replace(hour=16, minute=45)),
        update(
            "monitoring",
            "Fix has been deployed and services' behavior is going back to normal. We are keeping the status "
            "monitored until complete recovery from the issue.",
            on.replace(hour=16, minute=31),
        ),
        update(
            "identified",
            "The issue has been identified, a fix is currently being implemented on the backend infrastructure.",
            on.replace(hour=16, minute=20),
        ),
        update(
            "investigating",
            "An issue generated on one of our backend cloud infrastructure components impacted our Core API and "
            "Dashboard environment. We are currently working to restore normal service functionality.",
            on.replace(hour=16, minute=2),
            affected_components=(
                affected(api, "operational", "partial_outage"),
                affected(dashboard, "operational", "partial_outage"),
            ),
        ),
    ]
    said = postmortem(SEED_POSTMORTEM, datetime(2023, 1, 19, 13, 51, tzinfo=UTC))
    report = incident(
        "Underline infrastructure issue impacting live services",
        updates,
        status="postmortem",
        impact="major",
        components=(api, dashboard),
        postmortem=said,
        updated_at=said.updated_at,
    )
    return page(name="Commerce Layer", updated_at=said.published_at), report


def busy_site() -> Site:
    """12 components in and out of groups with marks on their bars, an open incident, maintenances and a past."""
    core, edge = public_id("group", "Core"), public_id("group", "Edge network")
    names = {
        core: ["API", "Checkout", "Webhooks", "Search"],
        edge: ["Europe", "North America", "South America", "Asia Pacific"],
        None: ["Dashboard", "Documentation", "Login", "Support desk"],
    }
    words = {"Checkout": "partial_outage", "Asia Pacific": "under_maintenance"}
    components = [
        component(name, words.get(name, "operational"), group_id=key, position=index)
        for key, members in names.items()
        for index, name in enumerate(members, 1)
    ]
    by_name = {each.name: each for each in components}
    uptimes = []
    for index, each in enumerate(components):
        marks = [
            day(TODAY - timedelta(days=3 + 7 * index % 80), partial_outage=840.0 + 60 * index),
            day(TODAY - timedelta(days=17 + 5 * index % 60), degraded_performance=2400.0),
        ]
        if index % 3 == 0:
            marks.append(day(TODAY - timedelta(days=41), major_outage=1680.0))
        if each.status == "partial_outage":
            marks.append(day(TODAY, partial_outage=1920.0))
        if each.status == "under_maintenance":
            marks.append(day(TODAY, under_maintenance=3600.0))
        uptimes.append(uptime(each, marks))
    checkout, asia = by_name["Checkout"], by_name["Asia Pacific"]
    opened = incident(
        "Card payments are declined in some countries",
        [
            update("identified", "A card network rejects our certificate. We are **rolling back** its renewal.", NOW),
            update("investigating", "Some card payments are declined. We look into it.", NOW - timedelta(minutes=18)),
        ],
        impact="major",
        components=(checkout,),
    )
    active = maintenance(
        "Router replacement in Singapore",
        NOW - timedelta(hours=1),
        3,
        [
            update("in_progress", "Scheduled maintenance is currently in progress.", NOW - timedelta(hours=1)),
            update("scheduled", "We replace two routers, one after the other.", NOW - timedelta(days=6)),
        ],
        components=(asia,),
    )
    upcoming = maintenance(components=(by_name["API"], by_name["Dashboard"]))
    past = incident(
        "Webhooks were delivered late",
        [
            update("resolved", "The backlog is delivered, and nothing was lost.", NOW - timedelta(days=3, hours=1)),
            update("monitoring", "Deliveries catch up.", NOW - timedelta(days=3, hours=2)),
            update("investigating", "Webhooks arrive late.", NOW - timedelta(days=3, hours=3, minutes=12)),
        ],
        components=(by_name["Webhooks"],),
    )
    quiet = site(components)
    return replace(
        quiet,
        indicator="minor",
        description="Minor Service Outage",
        groups=(
            group("Core", components[:4], status="partial_outage", position=1),
            group("Edge network", components[4:8], status="under_maintenance", position=2),
        ),
        uptimes=tuple(uptimes),
        open_incidents=(opened,),
        active_maintenances=(active,),
        upcoming_maintenances=(upcoming,),
        recent_incidents=(opened, past),
        recent_maintenances=(upcoming, active),
        past_days=tuple(
            replace(each, incidents=(past,)) if each.date == (NOW - timedelta(days=3)).date() else each
            for each in quiet.past_days
        ),
        last_month="2026-11",
    )
