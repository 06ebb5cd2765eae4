"""One search box over incidents, their updates, timelines and postmortems, and components.

`icontains` is what both databases can do. It reads each table once, whatever is asked; the newest few are shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _

from incidents.models import Component, Incident, IncidentUpdate, PostmortemSection, TimelineEntry
from portal.console.requests import staff_view

SHOWN = 10  # of each kind
LONGEST = 200  # characters of a question
BEFORE, AFTER = 60, 180  # characters shown around what was found


@dataclass(frozen=True, slots=True)
class Hit:
    address: str
    title: str
    text: str = ""
    badge: str = ""
    status: str = ""


@dataclass(frozen=True, slots=True)
class Hits:
    """The newest hits of one kind."""

    kind: str
    hits: list[Hit]
    has_more: bool


@staff_view
def search(request: HttpRequest) -> HttpResponse:
    asked = request.GET.get("q", "").replace("\x00", "").strip()
    context = {**admin.site.each_context(request), "title": _("Search"), "asked": asked, "found": find(asked)}
    return render(request, "console/search.html", context)


def find(asked: str) -> list[Hits]:
    """What contains every word of `asked`, by kind; kinds without a hit are left out."""
    words = asked[:LONGEST].split()
    if not words:
        return []
    live = {"incident__deleted_at": None}
    sections = PostmortemSection.objects.filter(deleted_at=None, postmortem__deleted_at=None)
    sections = sections.select_related("postmortem")
    components = Component.objects.live().select_related("group")
    kinds: list[tuple[str, QuerySet[Any], list[str], Callable[[Any, str], Hit]]] = [
        (_("Incidents"), Incident.objects.live(), ["title", "public_title", "public_id"], _incident),
        (
            _("Components"),
            components,
            ["name", "description", "owner"],
            _component,
        ),
        (_("Updates"), IncidentUpdate.objects.standing().filter(**live).select_related("incident"), ["body"], _update),
        (_("Postmortems"), sections, ["postmortem__title", "heading", "public", "internal"], _section),
        (_("Timelines"), TimelineEntry.objects.filter(**live).select_related("incident"), ["text"], _note),
    ]
    found = []
    for kind, rows, fields, hit in kinds:
        newest = list(rows.filter(_containing(words, fields)).order_by("-pk")[: SHOWN + 1])
        if newest:
            hits = [hit(row, words[0]) for row in newest[:SHOWN]]
            found.append(Hits(kind, hits, has_more=len(newest) > SHOWN))
    return found


def _containing(words: Iterable[str], fields: Iterable[str]) -> Q:
    wanted = Q()
    for word in words:
        wanted &= Q(*((f"{field}__icontains", word) for field in fields), _connector=Q.OR)
    return wanted


def _around(text: str, word: str) -> str:
    """The part of `text` in which `word` stands."""
    at = max(text.lower().find(word.lower()), 0)
    start, end = max(at - BEFORE, 0), at + AFTER
    part = " ".join(text[start:end].split())
    return f"{'…' if start else ''}{part}{'…' if end < len(text) else ''}"


def _room(incident: Incident) -> str:
    return reverse("room", args=[incident.public_id])


def _incident(incident: Incident, _word: str) -> Hit:
    return Hit(_room(incident), incident.title, badge=incident.get_status_display(), status=incident.status)


def _component(component: Component, _word: str) -> Hit:
    address = reverse("admin:incidents_component_change", args=[component.pk])
    return Hit(address, str(component), " · ".join(filter(None, [component.description, component.owner])))


def _update(update: IncidentUpdate, word: str) -> Hit:
    text, badge = _around(update.body, word), update.get_status_display()
    return Hit(_room(update.incident), update.incident.title, text, badge, update.status)


def _note(entry: TimelineEntry, word: str) -> Hit:
    return Hit(_room(entry.incident), entry.incident.title, _around(entry.text, word), entry.get_kind_display())


def _section(section: PostmortemSection, word: str) -> Hit:
    address = reverse("admin:incidents_postmortem_change", args=[section.postmortem_id])
    text = section.public if word.lower() in section.public.lower() else section.internal
    return Hit(address, f"{section.postmortem}: {section.heading}", _around(text, word))
