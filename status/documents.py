"""The manifest: which published file has which bytes. Paths are relative to a page's folder."""

from __future__ import annotations

from dataclasses import replace

from status import api_v2, assets, feeds, next_updates, pages
from status.snapshot import Incident, Month, Page, Site

Documents = dict[str, bytes]


def of_site(site: Site, newest: Month | None) -> Documents:
    """The documents that every change may touch. Their number is fixed and their size bounded."""
    return {
        **assets.ASSETS,
        "index.html": pages.index(site),
        "fragments/summary.html": pages.summary_fragment(site),
        "history.html": pages.history(newest.page if newest else site.page, newest),
        "uptime.html": pages.uptime_formula(site.page),
        "404.html": pages.not_found(site.page),
        "history.atom": feeds.atom(site),
        "history.rss": feeds.rss(site),
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
    html, json = paths_of_incident(incident.id)
    return {html: pages.incident(page, incident), json: api_v2.incident(page, incident)}


def paths_of_incident(public_id: str) -> tuple[str, str]:
    return f"incidents/{public_id}.html", f"api/v2/incidents/{public_id}.json"


def of_month(month: Month) -> Documents:
    return {path_of_month(month.month): pages.month(month)}


def path_of_month(month: str) -> str:
    return f"history/{month}.html"
