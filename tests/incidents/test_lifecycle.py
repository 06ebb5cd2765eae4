"""The rules without a database: Statuspage's cascade, the impact of an incident, the moves between statuses."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import pytest

from incidents.errors import InvalidTransition
from incidents.lifecycle import (
    STATUS_ORDER,
    STATUSES,
    ComponentStatus,
    Impact,
    IncidentStatus,
    Kind,
    allowed_statuses,
    cascade,
    check_transition,
    component_impact,
    page_status,
    worst_impact,
    worst_status,
)

UP, SLOW, PARTIAL, MAJOR, WORKS = (
    ComponentStatus.OPERATIONAL,
    ComponentStatus.DEGRADED_PERFORMANCE,
    ComponentStatus.PARTIAL_OUTAGE,
    ComponentStatus.MAJOR_OUTAGE,
    ComponentStatus.UNDER_MAINTENANCE,
)


@pytest.mark.parametrize(
    ("components", "indicator", "description"),
    [
        ([], "none", "All Systems Operational"),
        ([UP, UP], "none", "All Systems Operational"),
        ([MAJOR], "critical", "Major System Outage"),
        ([MAJOR, MAJOR], "critical", "Major System Outage"),
        ([PARTIAL], "major", "Partial System Outage"),
        ([PARTIAL, PARTIAL], "major", "Partial System Outage"),
        ([MAJOR, UP], "major", "Partial System Outage"),
        ([MAJOR, PARTIAL], "major", "Partial System Outage"),  # Atlassian's own example
        ([MAJOR, WORKS], "major", "Partial System Outage"),
        ([PARTIAL, UP], "minor", "Minor Service Outage"),
        ([PARTIAL, SLOW], "minor", "Minor Service Outage"),
        ([PARTIAL] * 36 + [WORKS] * 22 + [SLOW] * 4 + [UP] * 408, "minor", "Minor Service Outage"),  # Cloudflare
        ([SLOW], "minor", "Degraded System Service"),
        ([SLOW, SLOW], "minor", "Degraded System Service"),
        ([SLOW, UP], "minor", "Partially Degraded Service"),
        ([SLOW, WORKS], "minor", "Partially Degraded Service"),
        ([WORKS], "maintenance", "Service Under Maintenance"),
        ([WORKS, UP], "maintenance", "Service Under Maintenance"),
    ],
)
def test_the_first_rule_of_statuspages_cascade_that_matches_wins(
    components: list[ComponentStatus], indicator: str, description: str
) -> None:
    for order in (components, components[::-1]):
        assert cascade(order) == (indicator, description)
        assert page_status(order, []) == (indicator, description)


@pytest.mark.parametrize(
    ("stages", "impact"),
    [
        ([[SLOW]], "minor"),
        ([[PARTIAL]], "major"),
        ([[MAJOR]], "critical"),
        ([[PARTIAL, PARTIAL], [PARTIAL, MAJOR]], "major"),
        ([[MAJOR], [UP]], "critical"),
        ([[SLOW], [PARTIAL], [SLOW], [UP]], "major"),
        ([[WORKS]], "none"),
        ([[UP]], "none"),
        ([[]], "none"),
    ],
)
def test_the_impact_is_the_cascade_over_the_affected_components_at_its_peak(
    stages: Sequence[Sequence[ComponentStatus]], impact: str
) -> None:
    assert worst_impact(component_impact(stage) for stage in stages) == impact


@pytest.mark.parametrize(
    ("components", "unnamed", "indicator", "description"),
    [
        ([UP], [Impact.CRITICAL], "critical", "Major System Outage"),
        ([UP], [Impact.MAJOR, Impact.MINOR], "major", "Partial System Outage"),
        ([UP], [Impact.MINOR], "minor", "Minor Service Outage"),
        ([UP], [Impact.NONE], "none", "All Systems Operational"),
        ([], [Impact.CRITICAL], "critical", "Major System Outage"),
        ([WORKS, UP], [Impact.MINOR], "minor", "Minor Service Outage"),
        ([WORKS, UP], [Impact.NONE], "maintenance", "Service Under Maintenance"),
        ([MAJOR], [Impact.MINOR], "critical", "Major System Outage"),
        ([SLOW], [Impact.MINOR], "minor", "Degraded System Service"),
    ],
)
def test_an_open_incident_that_names_no_component_keeps_the_page_from_calling_itself_operational(
    components: list[ComponentStatus], unnamed: list[Impact], indicator: str, description: str
) -> None:
    assert page_status(components, unnamed) == (indicator, description)


def test_a_group_is_as_bad_as_its_worst_component() -> None:
    assert STATUS_ORDER == [UP, WORKS, SLOW, PARTIAL, MAJOR]
    assert worst_status([]) == UP
    for one, other in product(STATUS_ORDER, repeat=2):
        assert worst_status([one, other]) == STATUS_ORDER[max(STATUS_ORDER.index(one), STATUS_ORDER.index(other))]


MAY_FOLLOW = {
    "investigating": "investigating identified monitoring resolved",
    "identified": "investigating identified monitoring resolved",
    "monitoring": "investigating identified monitoring resolved",
    "resolved": "investigating identified monitoring",  # reopened; not resolved twice
    "scheduled": "scheduled in_progress verifying completed",
    "in_progress": "in_progress verifying completed",
    "verifying": "verifying completed",
    "completed": "",
}


@pytest.mark.parametrize("kind", list(Kind))
def test_just_the_moves_of_the_table_are_allowed(kind: Kind) -> None:
    for current, new in product(STATUSES[kind], IncidentStatus):
        if new in MAY_FOLLOW[current].split():
            check_transition(kind, current, new)
            assert new in allowed_statuses(kind, current)
        else:
            with pytest.raises(InvalidTransition):
                check_transition(kind, current, new)
            assert new not in allowed_statuses(kind, current)


@pytest.mark.parametrize("kind", list(Kind))
def test_the_first_update_may_carry_any_status_of_its_kind_and_no_other(kind: Kind) -> None:
    assert allowed_statuses(kind, None) == STATUSES[kind]
    for status in set(IncidentStatus) - set(STATUSES[kind]):
        with pytest.raises(InvalidTransition, match="not a status of this kind"):
            check_transition(kind, None, status)


@pytest.mark.parametrize(
    ("kind", "current", "new", "sentence"),
    [
        (Kind.REALTIME, "resolved", "resolved", r"This is Resolved already\. .* reopen it first"),
        (Kind.REALTIME, "investigating", "completed", "Choose one of: Investigating, Identified"),
        (Kind.MAINTENANCE, "verifying", "scheduled", "“Verifying” cannot go back to “Scheduled”"),
        (Kind.MAINTENANCE, "completed", "completed", "completed and stays so"),
        (Kind.MAINTENANCE, "completed", "verifying", "completed and stays so"),
    ],
)
def test_a_refused_move_says_what_can_be_done(kind: Kind, current: str, new: str, sentence: str) -> None:
    with pytest.raises(InvalidTransition, match=sentence):
        check_transition(kind, IncidentStatus(current), IncidentStatus(new))
