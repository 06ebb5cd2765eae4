"""The public HTML: a snapshot in, the bytes of one document out, depending on the snapshot alone.

Every page is a `<main>` inside one shell. Pages that change while they are read poll that `<main>`; its
`data-version` tells the browser whether there is anything new to show.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from hashlib import sha256
from itertools import groupby
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from django.template.loader import render_to_string
from django.utils import timezone, translation
from django.utils.dateformat import format as format_date
from django.utils.safestring import SafeString
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from status.rendering import assets, bars, branding, labels
from status.rendering.stories import Story, anchors, if_late, report_html, story_of
from status.rendering.uptime import WEIGHTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from status.rendering.snapshot import (
        Component,
        Group,
        Incident,
        Month,
        Page,
        Postmortem,
        Site,
        Uptime,
        Withdrawal,
    )

FEW_COMPONENTS = 20  # up to so many, quiet groups are shown open too
SYMBOLS = {"none": "✓", "notice": "•", "minor": "▲", "major": "✕", "critical": "✕", "maintenance": "⚙"}


def index(site: Site) -> bytes:
    """`/`: how everything is, with the last 15 days."""
    with _reading(site.page):
        return _document(_summary(site), "/")


def summary_fragment(site: Site) -> bytes:
    """`/fragments/summary.html`: the `<main>` of the index and its title, for those who have the page open."""
    with _reading(site.page):
        return _render("fragment", **_summary(site))


def incident(page: Page, incident: Incident) -> bytes:
    """`/incidents/<id>`: one incident or maintenance with all of its updates; polls itself while it is open."""
    path = f"/incidents/{incident.id}"
    with _reading(page):
        story = story_of(incident, top=3)
        content = _main(
            page,
            "incident",
            title=incident.name,
            description=_("Incident Report for %(name)s") % {"name": page.name},
            tone=story.tone if incident.is_open else "none",
            poll=path if incident.is_open else None,
            story=story,
        )
        return _document(content, path)


def report(page: Page, report: Postmortem) -> bytes:
    """`/postmortems/<id>`: a report by itself, to be linked and printed; it may be about several incidents."""
    path = f"/postmortems/{report.id}"
    with _reading(page):
        headings = zip(anchors(report), report.sections, strict=True)
        content = _main(
            page,
            "report",
            title=report.title,
            description=_("Incident Report for %(name)s") % {"name": page.name},
            tone="none",
            report=report,
            path=path,
            entered_at=if_late(report.display_at, report.published_at),
            sections=[(anchor, section.heading) for anchor, section in headings if section.heading],
            html=report_html(report, top=2),
        )
        is_promising = any(each.state == "open" for each in report.commitments)
        promises_of = report.about[0].id if is_promising and report.about else ""
        return _document(content, path, kind="article", promises_of=promises_of)


def withdrawn_report(page: Page, withdrawn: Withdrawal) -> bytes:
    """What stands at the address of a report that was taken back; search engines are not led there."""
    with _reading(page):
        return _document(_main(page, "withdrawn", title=withdrawn.title, tone="none", withdrawn=withdrawn), None)


def month(month: Month) -> bytes:
    """`/history/2023-01`: what was first posted in that month; the month before is loaded below it."""
    with _reading(month.page):
        return _history(month.page, month, f"/history/{month.month}")


def history(page: Page, newest: Month | None) -> bytes:
    """`/history`: the newest month that has something to tell."""
    with _reading(page):
        return _history(page, newest, "/history")


def not_found(page: Page) -> bytes:
    """`404.html`."""
    with _reading(page):
        return _document(_main(page, "not_found", title=_("There is no such page")), None)


def uptime_formula(page: Page) -> bytes:
    """`/uptime`: how the percentages beside the bars come about."""
    with _reading(page):
        rows = [
            (tone, labels.STATUSES[status], WEIGHTS.get(status, 0))
            for status, tone in labels.TONES.items()
            if status != "operational"
        ]
        return _document(_main(page, "uptime", title=_("How uptime is computed"), weights=rows), "/uptime")


# --- The shell --------------------------------------------------------------------------------------------------------
@contextmanager
def _reading(page: Page) -> Iterator[None]:
    """In the page's language and time zone."""
    with translation.override(page.language), timezone.override(ZoneInfo(page.time_zone)):
        yield


def _render(template: str, **context: Any) -> bytes:
    return render_to_string(f"status/{template}.html", context).encode()


def _main(
    page: Page,
    template: str,
    *,
    title: str,
    description: str = "",
    tone: str = "notice",
    poll: str | None = None,
    **context: Any,
) -> dict[str, Any]:
    """What the shell and a polled fragment are made of."""
    content = _render(template, page=page, tone=tone, **context)
    name = page.name if "status" in page.name.lower() else _("%(name)s Status") % {"name": page.name}
    return {
        "page": page,
        "title": f"{title} – {name}",
        "description": description or f"{title} – {name}",
        "icon": assets.url(f"{tone}.svg"),
        "content": SafeString(content.decode()),
        "version": sha256(content).hexdigest()[:12],
        "poll": poll,
    }


def _document(main: dict[str, Any], path: str | None, *, kind: str = "website", promises_of: str = "") -> bytes:
    """A whole page; one without a path is not to be found by search engines."""
    page: Page = main["page"]
    return _render(
        "document",
        **main,
        path=path,
        kind=kind,
        promises_of=promises_of,
        css=assets.url("status.css"),
        brand_css=branding.style_url(page),
        logo=branding.logo_url(page),
        script=assets.url("status.js"),
        htmx=assets.url("htmx.js"),
        symbols=assets.SYMBOLS,
    )


# --- The history ------------------------------------------------------------------------------------------------------
def _history(page: Page, month: Month | None, path: str) -> bytes:
    if month is None:
        return _document(_main(page, "month", title=_("Incident history")), path)
    first = date.fromisoformat(f"{month.month}-01")
    by_day = groupby(month.incidents, key=lambda each: localtime(each.posted_at).date())
    days = [(day, [story_of(each, top=5) for each in posted]) for day, posted in by_day]
    title = _("History of %(month)s") % {"month": format_date(first, "F Y")}
    return _document(_main(page, "month", title=title, month=month, first=first, days=days), path)


# --- The index --------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class _Row:
    component: Component
    tone: str
    word: str
    bars: bars.Bars | None


@dataclass(frozen=True, slots=True)
class _Block:
    """A group with its components, or components beside groups."""

    group: Group | None
    rows: list[_Row]
    tone: str
    word: str
    is_open: bool


@dataclass(frozen=True, slots=True)
class _Past:
    """A day with incidents, or a run of days without; open incidents stand elsewhere on the page."""

    first: date
    last: date
    stories: list[Story]
    is_today: bool
    has_open: bool


def _summary(site: Site) -> dict[str, Any]:
    headline = _(site.description)
    return _main(
        site.page,
        "summary",
        title=f"{SYMBOLS[site.indicator]} {headline}",
        description=_("%(headline)s. Current status, incidents and maintenance of %(name)s.")
        % {"headline": headline, "name": site.page.name},
        tone=site.indicator,
        poll="/fragments/summary.html",
        headline=headline,
        named_incidents=[each for each in site.open_incidents if each.id in site.named_incidents],
        open=[story_of(each, top=4) for each in site.open_incidents],
        active=[story_of(each, top=4) for each in site.active_maintenances],
        upcoming=[story_of(each, top=4) for each in site.upcoming_maintenances],
        blocks=_blocks(site),
        has_bars=bool(site.uptimes),
        metrics=site.metrics,
        days=_past(site),
    )


def _blocks(site: Site) -> list[_Block]:
    """Components in page order, each group where its first one stands, without those that hide while operational."""
    shown = [each for each in site.components if each.status != "operational" or not each.only_show_if_degraded]
    groups = {group.id: group for group in site.groups}
    uptimes = {uptime.component_id: uptime for uptime in site.uptimes}
    members: dict[str, list[_Row]] = {}
    for component in shown:
        members.setdefault(component.group_id or component.id, []).append(
            _row(site, component, uptimes.get(component.id))
        )
    blocks = []
    for key, rows in members.items():
        group = groups.get(key)
        status = group.status if group else rows[0].component.status
        is_open = status != "operational" or len(shown) <= FEW_COMPONENTS
        blocks.append(_Block(group, rows, labels.TONES[status], str(labels.STATUSES[status]), is_open))
    return blocks


def _row(site: Site, component: Component, uptime: Uptime | None) -> _Row:
    return _Row(
        component=component,
        tone=labels.TONES[component.status],
        word=str(labels.STATUSES[component.status]),
        bars=bars.uptime_bars(component.name, uptime, partial(_incident_on, site, component)) if uptime else None,
    )


def _incident_on(site: Site, component: Component, day: date) -> str | None:
    """The address of the newest incident or maintenance that touched the component on that day, if it is known."""
    for each in (*site.open_incidents, *site.recent_incidents, *site.active_maintenances, *site.recent_maintenances):
        end = localtime(each.resolved_at).date() if each.resolved_at else site.today
        begin = localtime(each.began_at or each.scheduled_for or each.started_at).date()
        if begin <= day <= end and component.id in {its.id for its in each.components}:
            return f"/incidents/{each.id}"
    return None


def _past(site: Site) -> list[_Past]:
    """Days with incidents one by one; of the others today, and each run of them as one."""
    still_open = {localtime(each.posted_at).date() for each in site.open_incidents}
    past: list[_Past] = []
    for day in site.past_days:
        now = _Past(
            first=day.date,
            last=day.date,
            stories=[story_of(each, top=5) for each in day.incidents],
            is_today=day.date == site.today,
            has_open=day.date in still_open,
        )
        is_quiet = not (now.stories or now.has_open)
        before = past[-1] if past else now
        if is_quiet and not (before.stories or before.has_open or before.is_today):
            past[-1] = replace(before, first=now.first)
        else:
            past.append(now)
    return past
