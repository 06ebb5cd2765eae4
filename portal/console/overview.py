"""The staff's first page: what is open, what is coming, and what is waiting for somebody."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import F, OuterRef, Q, Subquery
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _

from incidents.lifecycle import ComponentStatus, IncidentStatus
from incidents.models import ActionItem, Component, Incident, IncidentUpdate, Postmortem
from incidents.permissions import may_read
from incidents.record_time import record_time
from portal.console.requests import acting

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise

SHOWN = 20  # of each kind; the lists have them all

# The lists, those that are needed most first; what is not named here comes after them.
GROUPS: list[tuple[StrPromise, list[str]]] = [
    (_("Incidents"), ["Incident", "Postmortem", "IncidentTemplate", "UpdateCadence"]),
    (_("Pages"), ["Component", "ComponentGroup", "ComponentListing", "Page", "Metric", "EmbedConfig"]),
    (_("People and programs"), ["Subscriber", "User", "ApiKey"]),
]


@admin.site.admin_view
def overview(request: HttpRequest) -> HttpResponse:
    """Django's index with what happens now above it, for those who may read incidents."""
    is_reader = may_read(acting(request))
    return admin.site.index(request, {"now": now() if is_reader else None, "lists": lists(request)})


def lists(request: HttpRequest) -> list[tuple[StrPromise, list[dict[str, Any]]]]:
    """(name, lists) of each group, those that this member of staff may see."""
    seen = {model["object_name"]: model for app in admin.site.get_app_list(request) for model in app["models"]}
    found = [(name, [seen.pop(each) for each in wanted if each in seen]) for name, wanted in GROUPS]
    return [(name, rows) for name, rows in [*found, (_("Sent and published"), list(seen.values()))] if rows]


def now() -> dict[str, Any]:
    at = record_time()
    updates = IncidentUpdate.objects.published().filter(incident=OuterRef("pk")).newest_first()
    unresolved = Incident.objects.live().unresolved().select_related("page", "plan")
    unresolved = unresolved.annotate(last_public_at=Subquery(updates.values("display_at")[:1]))
    components = Component.objects.live().select_related("group").with_status().with_maintenance()
    soonest = F("due_on").asc(nulls_last=True), "pk"
    return {
        "at": at,
        "today": at.date(),
        "open": unresolved.exclude(status=IncidentStatus.SCHEDULED).order_by("severity", "-pk")[:SHOWN],
        "coming": unresolved.filter(status=IncidentStatus.SCHEDULED).order_by("plan__scheduled_for", "pk")[:SHOWN],
        "components": components.filter(~Q(current=ComponentStatus.OPERATIONAL) | Q(is_under_maintenance=True))[:SHOWN],
        "reports": Postmortem.objects.unpublished().select_related("owner").order_by(*soonest)[:SHOWN],
        "measures": ActionItem.objects.unfinished().select_related("owner").order_by(*soonest)[:SHOWN],
    }
