"""What happened elsewhere is written down as it was."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from django.contrib.auth.models import Permission
from django.utils import timezone

from incidents import catalogue, duties
from incidents.elsewhere.recording import Recorded, record_elsewhere
from incidents.elsewhere.records import AffectedComponent, PostmortemRecord, Record, Update
from incidents.errors import DomainError, Forbidden, InvalidInput, InvalidTransition
from incidents.incidents import (
    correct_update,
    declare_incident,
    delete_incident,
    edit_incident,
    post_update,
    withdraw_update,
)
from incidents.lifecycle import Impact, IncidentStatus, Kind, Severity
from incidents.maintenance import clockwork
from incidents.maintenance.plans import PlanFacts
from incidents.models import Component, Incident, IncidentUpdate, Origin, OutboxEvent, Page, User
from incidents.models.origin import public_id
from incidents.permissions import Verb
from status import relay
from status.delivery import nudges
from status.models import Delivery
from status.subscriptions import subscribers
from tests.elsewhere import DOWN, KINDS, MAINTENANCE, RECORD, REPORT, SLOW, TWICE, UP, at, moved, update
from tests.rows import everything, refused


@pytest.fixture
def record(page: Page, component: Component, author: User) -> Callable[[Record], Recorded]:
    def write(wanted: Record) -> Recorded:
        return record_elsewhere(page, wanted, source="them", components=dict.fromkeys("12", component), author=author)

    return write


Write = Callable[[Record], Recorded]


def test_an_incident_is_written_as_it_was(record: Write, component: Component) -> None:
    found = record(RECORD)
    incident = Incident.objects.get()
    assert (found.incident, found.is_new, found.is_changed, found.unknown) == (incident, True, True, ())
    assert (incident.title, incident.status, incident.kind) == ("Errors", "resolved", Kind.REALTIME)
    assert incident.impact == Impact.MINOR, "as it was recorded, not as the cascade has it"
    assert (incident.created_at, incident.first_posted_at, incident.impact_began_at) == (at(0), at(0), at(-1))
    assert incident.public_id == public_id("them", "4711")
    last, first = incident.updates.newest_first()
    assert (last.public_id, first.public_id) == ("000000000001", public_id("them", "first0000000")), "i is no letter"
    assert (first.created_at, first.updated_at, first.display_at, first.published_at) == (at(0),) * 4
    assert [row.edited_at for row in (first, last)] == [None, None]
    assert component.status_at(at(30)) is DOWN
    assert component.status is UP
    assert Origin.objects.get().source_id == "4711"
    assert "Recorded afterwards from them" in incident.history.get().history_change_reason


def test_a_maintenance_keeps_its_window_and_is_laid_over_its_components(record: Write, component: Component) -> None:
    affected = [AffectedComponent("1", "API", *pair) for pair in ((UP, UP), (UP, MAINTENANCE), (MAINTENANCE, UP))]
    window = at(10), at(40)
    planned = replace(
        RECORD,
        updates=(
            update("a", "scheduled", 0, affected[0]),
            update("b", "in_progress", 10, affected[1]),
            update("c", "completed", 40, affected[2]),
        ),
        window=window,
    )
    incident = record(planned).incident
    assert (incident.kind, incident.plan.scheduled_for, incident.plan.scheduled_until) == ("maintenance", *window)
    assert not incident.plan.reminders.exists()
    assert {change.status for change in component.status_changes.all()} == {UP}, "it lies over them while it runs"
    moved = record(replace(planned, window=(at(10), at(50)))).incident
    assert (moved.plan.scheduled_until, moved.plan.sequence) == (at(50), 1)


def test_what_is_newer_stays(record: Write, component: Component, author: User) -> None:
    catalogue.set_component_status(component, status=SLOW, author=author)
    left_red = replace(RECORD, updates=RECORD.updates[:1])
    record(left_red)
    assert component.status is SLOW
    assert component.status_at(at(1)) is DOWN


def test_a_report_is_a_published_revision(record: Write, author: User) -> None:
    report = PostmortemRecord(
        "77", "Errors", "## What\n\nIt broke.\n\n## Why\n\nA disk.", display_at=at(90), published_at=at(91)
    )
    postmortem = record(replace(RECORD, report=report)).incident.postmortem
    assert postmortem
    assert postmortem.is_public
    assert postmortem.state == postmortem.State.PUBLISHED
    revision = postmortem.revisions.get()
    assert (revision.display_at, revision.published_at, revision.number) == (at(90), at(91), 1)
    assert [(each["heading"], each["text"]) for each in revision.content["sections"]] == [
        ("What", "It broke."),
        ("Why", "A disk."),
    ]
    record(replace(RECORD, report=replace(report, body="## What\n\nIt broke twice.")))
    assert [each.number for each in postmortem.revisions.order_by("number")] == [1, 2]
    assert postmortem.revision
    assert postmortem.revision.what_changed


def test_the_same_again_changes_nothing(record: Write) -> None:
    report = PostmortemRecord("77", "Errors", "It broke.", display_at=at(90), published_at=at(91))
    record(replace(RECORD, report=report))
    before = everything()
    again = record(replace(RECORD, report=report, updates=RECORD.updates[::-1]))
    assert (again.is_new, again.is_changed, again.kept) == (False, False, ())
    assert everything() == before


def test_only_what_has_changed_there_is_changed_here(record: Write, author: User) -> None:
    incident = record(RECORD).incident
    edit_incident(incident, title="Many errors", author=author)
    first, last = incident.updates.order_by("display_at")
    correct_update(last, body="Solved.", author=author)
    news = replace(
        RECORD,
        impact=Impact.MAJOR,
        updates=(
            replace(RECORD.updates[0], body="Some calls fail."),
            update("000000000002", "monitoring", 30),
            RECORD.updates[1],
        ),
    )
    found = record(news)
    assert (found.is_new, found.is_changed) == (False, True)
    incident.refresh_from_db()
    assert (incident.title, incident.impact, incident.status) == ("Many errors", Impact.MAJOR, "resolved")
    assert [row.body for row in incident.updates.order_by("display_at")] == [
        "Some calls fail.",
        "Said: monitoring.",
        "Solved.",
    ]
    assert [row.body for row in first.history.all()] == ["Some calls fail.", "Said: investigating."]
    first.refresh_from_db()
    assert first.edited_at is not None
    assert first.updated_at == at(0), "as it is there"
    gone = record(replace(news, updates=news.updates[:2]))
    incident.refresh_from_db()
    assert (gone.is_changed, incident.status) == (True, "monitoring")
    assert IncidentUpdate.objects.get(pk=last.pk).withdrawn_at


FIRST, LAST = RECORD.updates


@pytest.mark.parametrize(
    "changed",
    [
        replace(FIRST, components=[AffectedComponent("1", "API", UP, SLOW)]),
        replace(FIRST, components=[]),
        replace(FIRST, display_at=at(5)),
    ],
)
def test_rows_of_components_stay_as_they_were_recorded(record: Write, component: Component, changed: Update) -> None:
    record(RECORD)
    (sentence,) = record(replace(RECORD, updates=(changed, LAST))).kept
    assert "API stays as it was recorded" in sentence
    assert component.status_at(at(1)) is DOWN


def test_a_name_that_becomes_another_component_is_added_and_the_first_one_stays(
    page: Page, component: Component, author: User, admin: User
) -> None:
    record_elsewhere(page, RECORD, source="them", components={"1": component}, author=author)
    other = catalogue.create_component(page, name="Search", author=admin)
    kept = record_elsewhere(page, RECORD, source="them", components={"1": other}, author=author).kept
    assert ["API stays as it was recorded" in sentence for sentence in kept] == [True, True]
    assert (component.status_at(at(1)), other.status_at(at(1))) == (DOWN, DOWN)


def test_a_report_that_is_there_no_more_stays(record: Write) -> None:
    incident = record(replace(RECORD, report=REPORT)).incident
    (sentence,) = record(RECORD).kept
    assert sentence == "The postmortem is there no more, and stays as it was recorded."
    incident.refresh_from_db()
    assert incident.postmortem
    assert incident.postmortem.is_public
    assert record(RECORD).kept == (), "said once"


def test_updates_of_one_time_stay_in_the_order_in_which_they_were_recorded(record: Write) -> None:
    one, two, three = (replace(FIRST, id=name, body=name) for name in ("one", "two", "three"))
    incident = record(replace(RECORD, updates=(one, three, LAST))).incident
    between = record(replace(RECORD, updates=(one, two, three, LAST)))
    assert between.kept == ("Updates that show the same time stay in the order in which they were recorded.",)
    assert [row.body for row in incident.updates.newest_first()][1:] == ["two", "three", "one"]
    swapped = record(replace(RECORD, updates=(three, two, one, LAST)))
    assert (swapped.is_changed, swapped.kept) == (True, between.kept)


def test_a_withdrawn_update_stays_away_until_it_changes_there(record: Write, author: User) -> None:
    """Nothing stands meanwhile, and what else has changed there is written down all the same."""
    now = timezone.now()
    only = replace(FIRST, display_at=now, created_at=now, updated_at=now)
    news = replace(RECORD, created_at=now, updated_at=now, updates=(only,))
    incident = record(news).incident
    withdraw_update(incident.updates.get(), author=author)
    record(renamed := replace(news, title="Many errors"))
    incident.refresh_from_db()
    assert (incident.title, incident.status, incident.first_posted_at) == ("Many errors", "investigating", None)
    record(replace(renamed, updates=[replace(only, status=IncidentStatus.IDENTIFIED)]))
    incident.refresh_from_db()
    assert (incident.status, incident.first_posted_at) == ("identified", now)
    row = incident.updates.standing().get()
    assert row.edited_at is None, "its text is the same"


def test_an_update_that_is_taken_back_here_leaves_the_impact_as_it_was_recorded(
    record: Write, component: Component, author: User
) -> None:
    incident = record(replace(RECORD, updates=(FIRST,))).incident
    said = post_update(incident, status=IncidentStatus.IDENTIFIED, body="A disk.", author=author)
    incident.refresh_from_db()
    assert incident.impact == Impact.CRITICAL, "by the components that are down"
    withdraw_update(said, author=author)
    incident.refresh_from_db()
    assert incident.impact == Impact.MINOR


def test_a_component_that_is_none_here_is_named_and_added_once_it_is_known(
    page: Page, component: Component, author: User
) -> None:
    found = record_elsewhere(page, RECORD, source="them", author=author)
    assert found.unknown == ("API",)
    assert not component.status_changes.exists()
    again = record_elsewhere(page, RECORD, source="them", components={"1": component}, author=author)
    assert (again.unknown, component.status_changes.count()) == ((), 2)


def test_an_open_incident_goes_on_here(record: Write, author: User) -> None:
    incident = record(replace(RECORD, updates=RECORD.updates[:1])).incident
    post_update(incident, status=IncidentStatus.RESOLVED, body="Done.", author=author)
    incident.refresh_from_db()
    assert incident.status == "resolved"
    record(replace(RECORD, title="Errors everywhere", updates=RECORD.updates[:1]))
    incident.refresh_from_db()
    assert (incident.status, incident.title) == ("resolved", "Errors everywhere")


BY_ITSELF: PlanFacts = {"starts_by_itself": True, "ends_by_itself": True}


def work() -> None:
    """Let the clock and the relay make of it what they would."""
    clockwork.advance()
    relay.relay()
    relay.owe()
    nudges.nudge()


def difference(record: Record, incident: Incident) -> list[str]:
    """What was not so there."""
    incident.refresh_from_db()
    said = [(each.status, each.body, each.display_at, each.created_at) for each in record.updates]
    facts = {
        "notified": Delivery.objects.exists() or OutboxEvent.objects.filter(notify=True).exists(),
        "a duty": any(duty.rows.exists() for duty in duties.duties()),
        "impact": incident.impact != record.impact,
        "updates": said
        != [(row.status, row.body, row.display_at, row.created_at) for row in incident.updates.newest_first()][::-1],
        "first posted": incident.first_posted_at != record.updates[0].display_at,
        "created": incident.created_at != record.created_at,
    }
    return [name for name, differs in facts.items() if differs]


@pytest.mark.slow
@pytest.mark.parametrize("plan", [{}, BY_ITSELF], ids=["by hand", "by itself"])
def test_nothing_is_recomputed_and_nobody_hears_of_it(
    page: Page, author: User, admin: User, component: Component, plan: PlanFacts
) -> None:
    subscribers.add_by_staff(page, address="ann@example.com", author=admin)
    written = {}
    for kind, wanted in KINDS.items():
        updates = [replace(each, id=f"{kind} {each.id}") for each in wanted.updates]  # ids of its own
        one = replace(wanted, updates=updates)
        found = record_elsewhere(page, one, source=kind, components={"1": component}, plan=plan, author=author)
        written[kind] = edit_incident(found.incident, severity=Severity.SEV1, author=author)
    work()
    for kind, incident in written.items():
        assert difference(KINDS[kind], incident) == [], kind


@pytest.mark.slow
def test_the_same_said_by_the_usual_verb_is_heard_and_counted(
    page: Page, component: Component, author: User, admin: User
) -> None:
    subscribers.add_by_staff(page, address="ann@example.com", author=admin)
    incident = declare_incident(page, title="Errors", author=author)
    for each in RECORD.updates:
        post_update(
            incident,
            status=each.status,
            body=each.body,
            display_at=each.display_at,
            components=[(component, affected.status) for affected in each.components],
            author=author,
        )
    work()
    assert difference(RECORD, incident) == ["notified", "impact", "updates", "created"]


@pytest.mark.slow
def test_a_report_without_headings_is_kept_without_one(
    record: Write, page: Page, published: Callable[[Page, str], str]
) -> None:
    postmortem = record(replace(RECORD, report=REPORT)).incident.postmortem
    assert postmortem
    assert postmortem.revision
    assert [each["heading"] for each in postmortem.revision.content["sections"]] == [""]
    assert postmortem.live_sections().get().heading == "Summary", "for staff, who may go on with it"
    relay.relay()
    assert "It broke." in published(page, f"postmortems/{postmortem.public_id}.html")
    assert "Summary" not in published(page, f"postmortems/{postmortem.public_id}.html")


def test_words_that_are_public_there_are_reported_and_never_refused(record: Write) -> None:
    secret = "AKIA" + "IOSFODNN7EXAMPLE"
    found = record(replace(RECORD, updates=(update("a", "resolved", 0, body=f"The key {secret} was used."),)))
    assert [secret in finding.quote for finding in found.findings] == [True]
    assert secret in IncidentUpdate.objects.get().body


def test_bodies_are_kept_as_they_were_written(record: Write) -> None:
    body = " <ul><li>Two  spaces</li></ul>\r\n"
    record(replace(RECORD, updates=(update("a", "resolved", 0, body=body),)))
    assert IncidentUpdate.objects.get().body == body


NOT_KEPT: list[tuple[Record, type[DomainError], str]] = [
    (replace(RECORD, updates=()), InvalidInput, "at least one update"),
    (replace(RECORD, updates=(*RECORD.updates, RECORD.updates[0])), InvalidInput, "the same id"),
    (replace(RECORD, window=(at(0), at(1))), InvalidTransition, "not a status of this kind"),
    (replace(RECORD, title=" \n"), InvalidInput, "blank"),
    *((wrong, InvalidInput, "in the future") for wrong in moved(at(9**8))),
    *((wrong, InvalidInput, "no time zone") for wrong in moved(at(0).replace(tzinfo=None))),
    (replace(RECORD, window=(at(0).replace(tzinfo=None), at(1))), InvalidInput, "no time zone"),
    (replace(RECORD, updates=[replace(RECORD.updates[0], components=TWICE)]), InvalidInput, "two components"),
    (
        replace(RECORD, report=PostmortemRecord("1", "Errors", " ", display_at=at(0), published_at=at(0))),
        InvalidInput,
        "Write the report",
    ),
]


@pytest.mark.slow
def test_what_cannot_be_kept_is_refused_and_leaves_no_trace(record: Write, subtests: pytest.Subtests) -> None:
    for wrong, error, sentence in NOT_KEPT:
        with subtests.test(wrong=wrong), refused(error, sentence):
            record(wrong)


def test_ids_that_are_taken_pages_and_deleted_incidents_are_refused(
    record: Write, page: Page, other_page: Page, component: Component, author: User
) -> None:
    incident = record(RECORD).incident
    with refused(InvalidInput, "Another incident's update"):
        record_elsewhere(page, RECORD, source="others", author=author)
    with refused(InvalidInput, "Another incident has the id"):
        record_elsewhere(page, replace(RECORD, id=incident.public_id), source="others", author=author)
    with refused(InvalidInput, "recorded on the page “Acme”"):
        record_elsewhere(other_page, RECORD, source="them", author=author)
    with refused(InvalidInput, "not one of this page's"):
        record_elsewhere(other_page, RECORD, source="others", components={"1": component}, author=author)
    delete_incident(incident, reason="A drill", author=author)
    with pytest.raises(InvalidTransition, match="was deleted"):
        record(RECORD)


def test_it_takes_the_rights_to_declare_and_to_correct(page: Page, make_user: Callable[[str, str], User]) -> None:
    users = [make_user(role, role) for role in ("viewer", "responder", "clock")]
    for number, verb in enumerate((Verb.CORRECT_UPDATE, Verb.DECLARE_INCIDENT)):
        users.append(User.objects.create_user(f"half {number}", is_staff=True))
        users[-1].user_permissions.add(Permission.objects.get(codename=verb.rpartition(".")[2]))
    for user in users:
        with pytest.raises(Forbidden):
            record_elsewhere(page, RECORD, source="them", author=user)
