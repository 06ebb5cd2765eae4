"""One real incident, run in the room from its declaration to its report: by mouse, keyboard, touch, and in plain HTML.

The story is written once. Its words are those of the public report that `portal.embedded.replay` is made of.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import expect
from pytest_django import Settings

from incidents.lifecycle import ComponentStatus, IncidentStatus
from incidents.models import Component, Incident, Page, TimelineEntry, User
from portal.embedded import replay
from tests.e2e.conftest import NewContext
from tests.e2e.person import Keyboard, Mouse, Person, Plain, Touch

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

SAID = {status: words for _at, status, _components, words in replay.UPDATES}
INVESTIGATING, IDENTIFIED, MONITORING, RESOLVED = (SAID[status] for status in SAID)
BEGAN = timezone.localtime(timezone.now(), UTC).replace(hour=16, minute=2, second=0, microsecond=0) - timedelta(days=2)
MOST_CLICKS, MOST_KEYS = 6, 15  # from the overview to the first words published, beyond the text itself


def declare(person: Person) -> None:
    person.open("/admin/")
    person.follow("Declare incident")
    person.write("Title", replay.TITLE)
    person.write("Message", INVESTIGATING)
    person.choose("Commerce API", "Partial outage")
    person.choose("Dashboard", "Partial outage")
    person.press("Declare incident")
    person.sees(replay.TITLE, "The public page shows it now.")


def note(person: Person, when: str, text: str, kind: str = "Observation") -> None:
    person.write("When", when)
    person.write("What happened", text)
    person.choose("Kind", kind)
    person.press("Add to timeline")
    person.sees("Noted.", text)


def say(person: Person, step: str, words: str, status: str = "") -> None:
    """Do what the room names as the next step."""
    person.follow(step)
    person.write("Message", words)
    for component in ("Commerce API", "Dashboard") if status else ():
        person.choose(component, status)
    person.press("Post update")


@pytest.fixture
def components(make_component: Callable[..., Component]) -> list[Component]:
    return [make_component(name, position=place) for place, (name, _aliases) in enumerate(replay.COMPONENTS)]


@pytest.mark.parametrize(
    "kind", [Mouse, *(pytest.param(kind, marks=pytest.mark.slow) for kind in (Keyboard, Touch, Plain))]
)
def test_the_seed_incident_is_run_from_its_declaration_to_its_report(
    kind: type[Person],
    signed_in: NewContext,
    settings: Settings,
    components: list[Component],
    page: Page,
    published: Callable[[Page, str], str],
    author: User,
    admin: User,
) -> None:
    settings.NOTIFY_HOLD = 900  # so that a slow machine does not end it
    grace, ada = (kind(signed_in(user, **kind.window, timezone_id="Etc/UTC")) for user in (author, admin))
    declare(grace)
    if isinstance(grace, Mouse):
        assert_quick(grace)
    incident = Incident.objects.get()
    room = f"/admin/incident/{incident.public_id}/"
    assert INVESTIGATING in published(page, f"incidents/{incident.public_id}.html")

    # Who does what
    grace.follow("Take or hand over a role")
    grace.press("Take or hand over a role")
    grace.sees("Commander: taken by grace")

    # What is seen and tried, with its times
    note(grace, "about 16:01", "Maintenance on the primary database, completed without errors in a few seconds.")
    note(grace, "16:05-16:20", "A few restarts of the affected runtime.", "Mitigation attempt")
    grace.sees("Being tried")
    grace.press("Partial")
    grace.sees("Mitigation attempt: Partial")

    # Two people write at once: the second one reads the first one's words before anything is published
    ada.open(room)
    ada.follow("Move to identified")
    ada.write("Message", IDENTIFIED)
    ada.choose("Next update", "In 15 minutes")
    ada.press("Preview, and who will be notified")
    ada.sees("Will be notified:")
    grace.follow("Move to identified")
    grace.write("Message", MONITORING)
    ada.press("Post update")
    ada.sees("The update is posted.")
    grace.press("Post update")
    grace.sees("Someone posted while you typed", IDENTIFIED)
    assert MONITORING not in published(page, "index.html")
    expect(grace.field("Message")).to_have_value(MONITORING)
    grace.choose("Status", "Monitoring")
    for component in ("Commerce API", "Dashboard"):
        grace.choose(component, "Operational")
    grace.press("Post update")
    grace.sees("The update is posted.")
    ada.look_again()
    ada.sees(MONITORING)

    # Too early, and taken back
    say(grace, "Resolve", "It is over.")
    grace.sees("The update is posted.")
    assert "It is over." in published(page, "index.html")
    grace.press("Undo")
    grace.sees("Nobody was notified.")
    assert "It is over." not in published(page, "index.html")

    # Handed over, resolved, and what is missing then
    grace.follow("Take or hand over a role")
    grace.choose("Role", "Commander (grace)")
    grace.choose("Who has it from now on", "ada")
    grace.write("Handover note", "A cold restart helped; watch the pool.")
    grace.press("Take or hand over a role")
    grace.sees("The roles are as you said.")
    ada.look_again()
    ada.sees("Commander: taken by ada", "A cold restart helped; watch the pool.")
    say(ada, "Resolve", RESOLVED)
    ada.sees("The update is posted.", "When was it detected?", "When did the impact end?")
    ada.follow("When did the impact begin?")
    for label, moment in (
        ("Impact began", BEGAN),
        ("Impact ended", BEGAN + timedelta(minutes=28)),
        ("Detected", BEGAN - timedelta(minutes=1)),
    ):
        ada.write_time(label, moment.astimezone(page.zone))
    ada.choose("Severity", "SEV 2, major")
    ada.press("Save")
    ada.sees("The postmortem is not published.")
    ada.follow("Start the postmortem")
    ada.press("Start postmortem")
    ada.sees("The postmortem is begun.", "Root Cause")
    ada.unfold("From the record")
    ada.sees(f"{replay.TITLE} (Commerce API and Dashboard)")

    assert_kept(incident, components, admin)
    assert not grace.complaints + ada.complaints


def assert_kept(incident: Incident, components: list[Component], admin: User) -> None:
    """All of it is in the record, and nothing twice."""
    incident.refresh_from_db()
    said = incident.updates.filter(withdrawn_at=None).order_by("pk").values_list("status", "body")
    assert list(said) == [(status.value, words) for status, words in SAID.items()]
    assert incident.updates.count() == 5
    assert [component.status for component in components] == [ComponentStatus.OPERATIONAL] * 2
    maintenance, restarts, outcome = incident.timeline.order_by("pk")
    assert (maintenance.precision, f"{maintenance.occurred_at:%M}") == (TimelineEntry.Precision.APPROXIMATE, "01")
    assert restarts.ended_at == restarts.occurred_at + timedelta(minutes=15)
    assert (outcome.kind, outcome.outcome) == (TimelineEntry.Kind.MITIGATION, TimelineEntry.Outcome.PARTIAL)
    (commander,) = incident.roles.active()
    assert (commander.user, commander.role) == (admin, "commander")
    assert incident.impact_began_at == BEGAN
    assert incident.impact_ended_at == BEGAN + timedelta(minutes=28)
    assert (incident.severity, incident.status) == ("sev2", IncidentStatus.RESOLVED)
    assert incident.postmortem


def assert_quick(mouse: Mouse) -> None:
    clicks, keys = mouse.counted()
    assert clicks, "the counter counts"
    counted = f"{clicks} clicks of at most {MOST_CLICKS}, {keys} keys of at most {MOST_KEYS} beyond the text"
    assert clicks <= MOST_CLICKS, counted
    assert keys <= MOST_KEYS, counted
