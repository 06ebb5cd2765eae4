"""How long it took to notice, to say, to repair: from the record, never typed.

Vendors define these measures differently, so each is shown with its formula. An interval that ends before it begins
is no number but a mistake in the record, and is said to need fixing.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import Any

from django.db.models import OuterRef, Subquery, TextChoices
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from incidents.lifecycle import ENDED, IncidentStatus
from incidents.models import Component, ComponentStatusChange, Incident, IncidentUpdate, PostmortemRevision
from incidents.models.incident import IncidentQuerySet


class Milestone(TextChoices):
    """What a measure counts from or to; the names of the columns that `measured` reads."""

    IMPACT_BEGAN = "impact_began_at", _("impact began")
    DETECTED = "detected_at", _("detected")
    ACKNOWLEDGED = "acknowledged_at", _("acknowledged")
    FIRST_WORD = "first_word_at", _("first public update, on the server's clock")
    IDENTIFIED = "identified_at", _("first update “Identified”")
    IMPACT_ENDED = "impact_ended_at", _("impact ended")
    RESOLVED = "resolved_at", _("last update “Resolved”")
    REPORTED = "reported_at", _("postmortem published")


class Measure(TextChoices):
    DETECT = "detect", _("Time to detect")
    ACKNOWLEDGE = "acknowledge", _("Time to acknowledge")
    FIRST_WORD = "first_word", _("Time to the first public word")
    IDENTIFY = "identify", _("Time to identify")
    MITIGATE = "mitigate", _("Time to mitigate")
    RESOLVE = "resolve", _("Time to resolve")
    REPORT = "report", _("Time to the published postmortem")


FORMULAS: dict[Measure, tuple[Milestone, Milestone]] = {  # (later, earlier)
    Measure.DETECT: (Milestone.DETECTED, Milestone.IMPACT_BEGAN),
    Measure.ACKNOWLEDGE: (Milestone.ACKNOWLEDGED, Milestone.DETECTED),
    Measure.FIRST_WORD: (Milestone.FIRST_WORD, Milestone.IMPACT_BEGAN),
    Measure.IDENTIFY: (Milestone.IDENTIFIED, Milestone.DETECTED),
    Measure.MITIGATE: (Milestone.IMPACT_ENDED, Milestone.IMPACT_BEGAN),
    Measure.RESOLVE: (Milestone.RESOLVED, Milestone.IMPACT_BEGAN),
    Measure.REPORT: (Milestone.REPORTED, Milestone.RESOLVED),
}


# What is entered so long after its end was published elsewhere first: our clock knows nothing of that.
AFTERWARDS = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Duration:
    """One measure of one incident; `length` is None while an instant is missing, or when the record is wrong."""

    measure: Measure
    later: datetime | None
    earlier: datetime | None

    @property
    def needs_fixing(self) -> bool:
        return self.later is not None and self.earlier is not None and self.later < self.earlier

    @property
    def length(self) -> timedelta | None:
        if self.later is None or self.earlier is None or self.needs_fixing:
            return None
        return self.later - self.earlier

    @property
    def formula(self) -> tuple[str, str]:
        """The words for (later, earlier)."""
        later, earlier = FORMULAS[self.measure]
        return str(later.label), str(earlier.label)


@dataclass(frozen=True, slots=True)
class Measured:
    """An incident with all its measures."""

    public_id: str
    title: str
    severity: str
    components: tuple[str, ...]
    durations: tuple[Duration, ...]


@dataclass(frozen=True, slots=True)
class Spread:
    """Of some incidents: half of them took at most `median`, nine of ten at most `p90`."""

    label: str | Promise
    count: int
    median: timedelta
    p90: timedelta


def measured(incidents: IncidentQuerySet) -> list[Measured]:
    """The measures of each, in the order given, with three questions to the database."""
    updates = IncidentUpdate.objects.standing().filter(incident=OuterRef("pk")).order_by("display_at", "pk")
    instants = {
        Milestone.FIRST_WORD: updates.exclude(published_at=None).order_by("published_at").values("published_at"),
        Milestone.IDENTIFIED: updates.filter(status=IncidentStatus.IDENTIFIED).values("display_at"),
        Milestone.RESOLVED: updates.filter(status=IncidentStatus.RESOLVED).reverse().values("display_at"),
        Milestone.REPORTED: PostmortemRevision.objects.filter(
            number=1, postmortem__incidents=OuterRef("pk"), postmortem__withdrawn_at=None
        ).values("display_at"),
    }
    facts = ("pk", "public_id", "title", "severity", "status")
    rows = incidents.annotate(**{name.value: Subquery(query[:1]) for name, query in instants.items()})
    found = list(rows.values(*facts, *Milestone.values))
    components = _components(incidents)
    return [
        Measured(row["public_id"], row["title"], row["severity"], tuple(components[row["pk"]]), _durations(row))
        for row in found
    ]


def of_incident(incident: Incident) -> tuple[Duration, ...]:
    """The measures of one incident."""
    return measured(Incident.objects.filter(pk=incident.pk))[0].durations


def spreads(
    measure: Measure, incidents: Iterable[Measured], labels: Callable[[Measured], Mapping[str, str | Promise]]
) -> list[Spread]:
    """How `measure` is spread in each of the groups that `labels` names by key, in the order of the keys."""
    seconds: dict[str, list[float]] = defaultdict(list)
    words: dict[str, str | Promise] = {}
    for incident in incidents:
        length = next(duration.length for duration in incident.durations if duration.measure is measure)
        if length is not None:
            for key, label in labels(incident).items():
                seconds[key].append(length.total_seconds())
                words[key] = label
    return [
        Spread(
            words[key],
            len(found),
            timedelta(seconds=median(found)),
            timedelta(seconds=sorted(found)[math.ceil(0.9 * len(found)) - 1]),
        )
        for key, found in sorted(seconds.items())
    ]


def _durations(row: dict[str, Any]) -> tuple[Duration, ...]:
    resolved_at = row[Milestone.RESOLVED]
    if row["status"] not in ENDED:  # it was reopened
        row[Milestone.RESOLVED] = None
    elif resolved_at and row[Milestone.FIRST_WORD] and row[Milestone.FIRST_WORD] > resolved_at + AFTERWARDS:
        row[Milestone.FIRST_WORD] = None
    return tuple(Duration(measure, row[later], row[earlier]) for measure, (later, earlier) in FORMULAS.items())


def _components(incidents: IncidentQuerySet) -> dict[int, list[str]]:
    """Names of what each incident affected."""
    changes = ComponentStatusChange.objects.standing().filter(update__incident__in=incidents.order_by().values("pk"))
    pairs = changes.values_list("update__incident", "component").distinct()
    names = dict(Component.objects.values_list("pk", "name"))
    found: dict[int, list[str]] = defaultdict(list)
    for incident, component in pairs.order_by("component"):
        found[incident].append(names[component])
    return found
