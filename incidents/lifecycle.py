"""Statuses, impacts and the moves between them: rules without a database.

The cascade, its words and the impact rule are Statuspage's; where Statuspage calls a page operational
although an incident of which no component shows is open, we take that incident's impact (decision 0002).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db.models import TextChoices
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from incidents.errors import InvalidInput, InvalidTransition


class ComponentStatus(TextChoices):
    OPERATIONAL = "operational", gettext_lazy("Operational")
    DEGRADED_PERFORMANCE = "degraded_performance", gettext_lazy("Degraded performance")
    PARTIAL_OUTAGE = "partial_outage", gettext_lazy("Partial outage")
    MAJOR_OUTAGE = "major_outage", gettext_lazy("Major outage")
    UNDER_MAINTENANCE = "under_maintenance", gettext_lazy("Under maintenance")


class Kind(TextChoices):
    REALTIME = "realtime", gettext_lazy("Incident")
    MAINTENANCE = "maintenance", gettext_lazy("Scheduled maintenance")


class IncidentStatus(TextChoices):
    INVESTIGATING = "investigating", gettext_lazy("Investigating")
    IDENTIFIED = "identified", gettext_lazy("Identified")
    MONITORING = "monitoring", gettext_lazy("Monitoring")
    RESOLVED = "resolved", gettext_lazy("Resolved")
    SCHEDULED = "scheduled", gettext_lazy("Scheduled")
    IN_PROGRESS = "in_progress", gettext_lazy("In progress")
    VERIFYING = "verifying", gettext_lazy("Verifying")
    COMPLETED = "completed", gettext_lazy("Completed")


class Impact(TextChoices):
    NONE = "none", gettext_lazy("None")
    MINOR = "minor", gettext_lazy("Minor")
    MAJOR = "major", gettext_lazy("Major")
    CRITICAL = "critical", gettext_lazy("Critical")


class Severity(TextChoices):
    SEV1 = "sev1", gettext_lazy("SEV 1, critical")
    SEV2 = "sev2", gettext_lazy("SEV 2, major")
    SEV3 = "sev3", gettext_lazy("SEV 3, minor")
    SEV4 = "sev4", gettext_lazy("SEV 4, low")


class Visibility(TextChoices):
    INTERNAL = "internal", gettext_lazy("Internal")
    PUBLIC = "public", gettext_lazy("Public")


# What Statuspage's own forms begin with: nobody has to write a sentence, and a reader gets one.
USUAL_SENTENCES = {
    IncidentStatus.INVESTIGATING: gettext_lazy("We are currently investigating this issue."),
    IncidentStatus.IDENTIFIED: gettext_lazy("The issue has been identified and a fix is being implemented."),
    IncidentStatus.MONITORING: gettext_lazy("A fix has been implemented and we are monitoring the results."),
    IncidentStatus.RESOLVED: gettext_lazy("This incident has been resolved."),
    IncidentStatus.SCHEDULED: gettext_lazy("We will be undergoing scheduled maintenance during this time."),
    IncidentStatus.IN_PROGRESS: gettext_lazy(
        "Scheduled maintenance is currently in progress. We will provide updates as necessary."
    ),
    IncidentStatus.VERIFYING: gettext_lazy("Verification is currently underway for the maintenance items."),
    IncidentStatus.COMPLETED: gettext_lazy("The scheduled maintenance has been completed."),
}
STATUSES: dict[Kind, tuple[IncidentStatus, ...]] = {
    Kind.REALTIME: (
        IncidentStatus.INVESTIGATING,
        IncidentStatus.IDENTIFIED,
        IncidentStatus.MONITORING,
        IncidentStatus.RESOLVED,
    ),
    Kind.MAINTENANCE: (
        IncidentStatus.SCHEDULED,
        IncidentStatus.IN_PROGRESS,
        IncidentStatus.VERIFYING,
        IncidentStatus.COMPLETED,
    ),
}
ENDED = frozenset({IncidentStatus.RESOLVED, IncidentStatus.COMPLETED})
OPEN = tuple(status for status in IncidentStatus if status not in ENDED)
LONG = timedelta(hours=2)  # of an incident
RUNNING = (IncidentStatus.IN_PROGRESS, IncidentStatus.VERIFYING)  # of a maintenance
IMPACT_ORDER = list(Impact)  # none < minor < major < critical
STATUS_ORDER = [
    ComponentStatus.OPERATIONAL,
    ComponentStatus.UNDER_MAINTENANCE,
    ComponentStatus.DEGRADED_PERFORMANCE,
    ComponentStatus.PARTIAL_OUTAGE,
    ComponentStatus.MAJOR_OUTAGE,
]


def allowed_statuses(kind: Kind, current: IncidentStatus | None) -> tuple[IncidentStatus, ...]:
    """The statuses an update may carry; `current` is None for the first update.

    An incident may move in any direction and be reopened, but is not resolved twice; a maintenance
    only moves forward, and once completed it stays so.
    """
    statuses = STATUSES[kind]
    if current is None:
        return statuses
    if kind is Kind.MAINTENANCE:
        return () if current in ENDED else statuses[statuses.index(current) :]
    return tuple(status for status in statuses if not (status is current and status in ENDED))


def check_transition(kind: Kind, current: IncidentStatus | None, new: IncidentStatus) -> None:
    """Raises `InvalidTransition` with a sentence when `new` may not follow `current`."""
    if new in allowed_statuses(kind, current):
        return
    if new not in STATUSES[kind]:
        words = ", ".join(str(status.label) for status in STATUSES[kind])
        raise InvalidTransition(
            _("“%(new)s” is not a status of this kind of entry. Choose one of: %(words)s.")
            % {"new": new.label, "words": words}
        )
    if kind is Kind.MAINTENANCE and current in ENDED:
        raise InvalidTransition(
            _("This maintenance is completed and stays so. Schedule another one, or declare an incident.")
        )
    if current in ENDED and new == current:
        raise InvalidTransition(_("This is %(status)s already. To say more, reopen it first.") % {"status": new.label})
    raise InvalidTransition(
        _("A maintenance that is “%(current)s” cannot go back to “%(new)s”.")
        % {"current": current.label if current else "", "new": new.label}
    )


def check_promise(due_at: datetime | None, now: datetime, told_at: datetime | None) -> None:
    """A promise is for later; of what the public has known for two hours, for no later than in two (PagerDuty's rule).

    Raises `InvalidInput` with a sentence.
    """
    if due_at is not None and due_at <= now:
        raise InvalidInput(_("Promise the next update for a time that is yet to come."), field="next_update_due_at")
    if due_at is not None and told_at is not None and told_at <= now - LONG and due_at > now + LONG:
        raise InvalidInput(
            _("This goes on for more than two hours: promise the next update for within two hours from now."),
            field="next_update_due_at",
        )


def proposed_severity(*, is_core_down: bool, is_core_degraded: bool, is_unnoticed: bool) -> Severity:
    """What the answers to three questions say; between two, the higher one (PagerDuty's rule)."""
    if is_core_down:
        return Severity.SEV1
    if is_core_degraded:
        return Severity.SEV2
    return Severity.SEV4 if is_unnoticed else Severity.SEV3


def worst_status(statuses: Iterable[ComponentStatus]) -> ComponentStatus:
    return max(statuses, key=STATUS_ORDER.index, default=ComponentStatus.OPERATIONAL)


def worst_impact(impacts: Iterable[Impact]) -> Impact:
    return max(impacts, key=IMPACT_ORDER.index, default=Impact.NONE)


def component_impact(statuses: Iterable[ComponentStatus]) -> Impact:
    """Statuspage's cascade over the components that one incident affects."""
    indicator, _description = cascade(statuses)
    return Impact.NONE if indicator == "maintenance" else Impact(indicator)


def cascade(statuses: Iterable[ComponentStatus]) -> tuple[str, str]:
    """(indicator, description) of a set of components; the first rule that matches wins (Statuspage's cascade)."""
    found = list(statuses)
    kinds = set(found)
    if kinds <= {ComponentStatus.OPERATIONAL}:
        return "none", _("All Systems Operational")
    if kinds == {ComponentStatus.MAJOR_OUTAGE}:
        return "critical", _("Major System Outage")
    if kinds == {ComponentStatus.PARTIAL_OUTAGE} or ComponentStatus.MAJOR_OUTAGE in kinds:
        return "major", _("Partial System Outage")
    if ComponentStatus.PARTIAL_OUTAGE in kinds:
        return "minor", _("Minor Service Outage")
    if kinds == {ComponentStatus.DEGRADED_PERFORMANCE}:
        return "minor", _("Degraded System Service")
    if ComponentStatus.DEGRADED_PERFORMANCE in kinds:
        return "minor", _("Partially Degraded Service")
    return "maintenance", _("Service Under Maintenance")


def page_status(components: Iterable[ComponentStatus], unnamed: Iterable[Impact]) -> tuple[str, str]:
    """(indicator, description) of a page.

    `unnamed` are the impacts of its open incidents of which no component shows there: the page may not call itself
    operational while one of them is critical.
    """
    indicator, description = cascade(components)
    impact = worst_impact(unnamed)
    known = Impact.NONE if indicator == "maintenance" else Impact(indicator)
    if IMPACT_ORDER.index(impact) <= IMPACT_ORDER.index(known):
        return indicator, description
    return impact.value, {
        Impact.MINOR: _("Minor Service Outage"),
        Impact.MAJOR: _("Partial System Outage"),
        Impact.CRITICAL: _("Major System Outage"),
    }[impact]
