"""Which document of a site, an incident, a month or a metric has which bytes; open data is in `open_data`.

Paths are relative to a page's folder.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from status.rendering import (
    api_v2,
    assets,
    badges,
    branding,
    calendars,
    charts,
    embed,
    feeds,
    next_updates,
    pages,
)
from status.rendering.snapshot import Incident, Metric, Month, Page, Site

Documents = dict[str, bytes]


def of_site(site: Site, newest: Month | None) -> Documents:
    """The documents that every change may touch. Their number and their size do not grow with history."""
    return {
        **assets.ASSETS,
        **branding.documents(site.page),
        **badges.documents(site),
        "embed.js": embed.script(site),
        "index.html": pages.index(site),
        "fragments/summary.html": pages.summary_fragment(site),
        "history.html": pages.history(newest.page if newest else site.page, newest),
        "uptime.html": pages.uptime_formula(site.page),
        "404.html": pages.not_found(site.page),
        "history.atom": feeds.atom(site),
        "history.rss": feeds.rss(site),
        "maintenance.ics": calendars.feed(site),
        "api/next-updates.json": next_updates.document(site),
        "api/v2/summary.json": api_v2.summary(site),
        "api/v2/status.json": api_v2.status(site),
        "api/v2/components.json": api_v2.components(site),
        "api/v2/incidents.json": api_v2.incidents(site),
        "api/v2/incidents/unresolved.json": api_v2.incidents_unresolved(site),
        "api/v2/scheduled-maintenances.json": api_v2.scheduled_maintenances(site),
        "api/v2/scheduled-maintenances/upcoming.json": api_v2.scheduled_maintenances_upcoming(site),
        "api/v2/scheduled-maintenances/active.json": api_v2.scheduled_maintenances_active(site),
    }


def of_incident(page: Page, incident: Incident) -> Documents:
    """An incident's own documents are as of its own newest fact: what happens elsewhere leaves them as they are."""
    page = replace(page, updated_at=incident.updated_at)
    html, json, ics = paths_of_incident(incident.id)
    found = {html: pages.incident(page, incident), json: api_v2.incident(page, incident)}
    if incident.is_maintenance:
        found[ics] = calendars.maintenance(page, incident)
    # It is the same, whichever of its incidents it is written with.
    if report := incident.postmortem:
        found[path_of_report(report.id)] = pages.report(page, report)
    elif withdrawn := incident.withdrawn:
        found[path_of_report(withdrawn.id)] = pages.withdrawn_report(page, withdrawn)
    return found


def paths_of_incident(public_id: str) -> tuple[str, str, str]:
    """All that it may have; a calendar entry only a maintenance."""
    return f"incidents/{public_id}.html", f"api/v2/incidents/{public_id}.json", f"incidents/{public_id}.ics"


def path_of_report(public_id: str) -> str:
    return f"postmortems/{public_id}.html"


def of_month(month: Month) -> Documents:
    """A month without incidents has none."""
    return {path_of_month(month.month): pages.month(month)} if month.incidents else {}


def path_of_month(month: str) -> str:
    return f"history/{month}.html"


def of_metrics(page: Page, metrics: Iterable[Metric]) -> Documents:
    """The charts. They change with every measurement, and nothing else does."""
    return {charts.path_of(metric.id): charts.chart(page, metric) for metric in metrics}
