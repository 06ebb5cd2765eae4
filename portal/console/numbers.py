"""How long incidents took, over many of them: medians and 90th percentiles, and no averages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from django import forms
from django.contrib import admin
from django.db.models import DateTimeField
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from incidents import durations
from incidents.durations import FORMULAS, Measure, Measured, Spread
from incidents.lifecycle import ENDED, Severity
from incidents.models import Incident, Page
from incidents.record_time import record_time
from portal.console.requests import staff_view

WIDTH = 240  # of a bar, in its own units
PERIODS = [("90", gettext_lazy("90 days")), ("365", gettext_lazy("A year")), ("all", gettext_lazy("All time"))]
Labels = Callable[[Measured], Mapping[str, str | Promise]]


class ChoiceForm(forms.Form):
    page = forms.ModelChoiceField(
        label=gettext_lazy("Page"),
        queryset=Page.objects.live(),
        required=False,
        empty_label=gettext_lazy("All pages"),
    )
    period = forms.ChoiceField(label=gettext_lazy("Period"), choices=PERIODS, required=False)


@dataclass(frozen=True, slots=True)
class Bar:
    spread: Spread
    median: int
    p90: int


@dataclass(frozen=True, slots=True)
class Chart:
    measure: Measure
    formula: tuple[str, str]
    groups: list[tuple[str, list[Bar]]]  # (what is grouped by, the bars)


@staff_view
def numbers(request: HttpRequest) -> HttpResponse:
    form = ChoiceForm({"period": "365", **request.GET.dict()})
    incidents = Incident.objects.live().realtime().filter(status__in=ENDED).order_by("-pk")
    if form.is_valid():
        if page := form.cleaned_data["page"]:
            incidents = incidents.filter(page=page)
        if (period := form.cleaned_data["period"]).isdigit():
            since = record_time() - timedelta(days=int(period))
            began = Coalesce("first_posted_at", "created_at", output_field=DateTimeField())
            incidents = incidents.alias(began=began).filter(began__gte=since)
    found = durations.measured(incidents)
    context = {
        **admin.site.each_context(request),
        "title": _("Numbers"),
        "form": form,
        "charts": [_chart(measure, found) for measure in Measure],
        "count": len(found),
        "wrong": [
            (incident, duration) for incident in found for duration in incident.durations if duration.needs_fixing
        ],
        "width": WIDTH,
    }
    return render(request, "console/numbers.html", context)


def _chart(measure: Measure, found: list[Measured]) -> Chart:
    groups: list[tuple[str, Labels]] = [
        (_("Severity"), lambda incident: {incident.severity: Severity(incident.severity).label}),
        (_("Component"), lambda incident: {name: name for name in incident.components}),
    ]
    spreads = [(words, durations.spreads(measure, found, labels)) for words, labels in groups]
    longest = max((spread.p90 for _words, rows in spreads for spread in rows), default=timedelta(0))

    def width(length: timedelta) -> int:
        return max(2, round(WIDTH * (length / longest))) if longest else 2

    later, earlier = FORMULAS[measure]
    return Chart(
        measure,
        (str(later.label), str(earlier.label)),
        [(words, [Bar(row, width(row.median), width(row.p90)) for row in rows]) for words, rows in spreads if rows],
    )
