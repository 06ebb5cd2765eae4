"""How components were over a range of days."""

from __future__ import annotations

import calendar
import re
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.db.models import Q
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from incidents.errors import InvalidInput
from incidents.models import Component, Incident, IncidentUpdate
from portal.api.serializers.components import UptimeAnswer, UptimeQuery
from portal.api.views.base import REFUSALS
from portal.api.views.components import OneComponent, OneGroup
from status.projection import BAR_DAYS, today, uptimes
from status.rendering.uptime import WEIGHTS

LONGEST = timedelta(days=184)  # six months
UPTIME: dict[str, Any] = {
    "tags": ["uptime"],
    "parameters": [UptimeQuery],
    "responses": {200: UptimeAnswer} | REFUSALS,
    "description": "Days are those of the page's time zone; six months at most. A year or a month will do as well.",
}


class ComponentUptime(OneComponent):
    http_method_names = ["get", "head", "options"]

    @extend_schema(summary="Uptime of a component", **UPTIME)
    def get(self, request: Request, **kwargs: Any) -> Response:
        component = self.target()
        return Response(_uptime(self, component.public_id, component.name, [component]))


class GroupUptime(OneGroup):
    http_method_names = ["get", "head", "options"]

    @extend_schema(summary="Uptime of a component group, the mean of its components'", **UPTIME)
    def get(self, request: Request, **kwargs: Any) -> Response:
        group = self.target()
        members = list(Component.objects.public().filter(group=group))
        return Response(_uptime(self, group.public_id, group.name, members))


def _uptime(view: OneComponent | OneGroup, public_id: str, name: str, components: list[Component]) -> Any:
    query = view.read(UptimeQuery, view.request.query_params)
    page, last, warnings = view.page, today(view.page), list[str]()
    counted = [row.start_date or row.created_at.astimezone(page.zone).date() for row in components]
    end = _day(query["end"], last=True) if "end" in query else last
    if end > last:
        end, adjusted = last, _("End date was adjusted to today. See range_end field in response for end date used.")
        warnings.append(adjusted)
    usual = max([end - timedelta(days=BAR_DAYS - 1), min(counted, default=end)])
    start = _day(query["start"], last=False) if "start" in query else min(usual, end)
    if start > end:
        raise InvalidInput(_("The range ends before it starts."), field="start")
    if start < end - LONGEST:
        start = end - LONGEST
        warnings.append(_("Start date was adjusted: a range has six months at most. See range_start for the one used."))
    found = uptimes(page, [row.public_id for row in components], start, end)
    seconds = {status: sum(getattr(day, status) for each in found for day in each.days) for status in WEIGHTS}
    ratios = [each.ratio for each in found if each.ratio is not None]
    related = None
    if not query["skip_related_events"]:
        ids = _touching(view, components, start, end)
        related = {"id": ids[0] if ids else None, "ids": ids}
    return UptimeAnswer(
        {
            "range_start": _midnight(start, page.zone),
            "range_end": _midnight(end, page.zone),
            "uptime_percentage": round(100 * sum(ratios) / len(ratios), 4) if ratios else None,
            "major_outage": round(seconds["major_outage"]),
            "partial_outage": round(seconds["partial_outage"]),
            "warnings": " ".join(warnings) or None,
            "id": public_id,
            "name": name,
            "related_events": related,
        }
    ).data


def _touching(view: OneComponent | OneGroup, components: list[Component], start: date, end: date) -> list[str]:
    """The public incidents that changed one of these within the range, the newest first."""
    zone = view.page.zone
    within = Q(
        component_changes__component__in=components,
        component_changes__effective_at__gte=_midnight(start, zone),
        component_changes__effective_at__lt=_midnight(end + timedelta(days=1), zone),
    )
    named = IncidentUpdate.objects.published().filter(within).values("incident")
    rows = Incident.objects.public().on(view.page).filter(pk__in=named).order_by("-first_posted_at", "-id")
    return list(rows.values_list("public_id", flat=True)[:100])


def _midnight(day: date, zone: Any) -> datetime:
    return datetime.combine(day, time.min, zone).astimezone(UTC)


def _day(text: str, *, last: bool) -> date:
    """ "2026", "2026-03" or "2026-03-10", perhaps with a time: the first or the last day that it means."""
    found = re.match(r"^(\d{4})(?:-(\d{2})(?:-(\d{2})(?:[T ].*)?)?)?$", text)
    try:
        if not found:
            raise ValueError(text)
        year, month, day = (int(part) if part else None for part in found.groups())
        assert year is not None
        month = month or (12 if last else 1)
        return max(date(year, month, day or (calendar.monthrange(year, month)[1] if last else 1)), date(1970, 1, 1))
    except (ValueError, calendar.IllegalMonthError) as error:
        raise InvalidInput(_("This is not a date. Write it like 2026-03-10."), field="start") from error
