"""Every word that becomes public passes one check, in the service, whatever the door.

The walk takes all services from where they are registered. A text that nobody classified makes it fail, as does one
that is called public and escapes the check.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, get_args, get_type_hints

import pytest
from django.db import transaction
from django.utils import timezone

from incidents import catalogue, checking, metrics, planned
from incidents.authorship import Service
from incidents.errors import DomainError, InvalidInput, InvalidTransition, LeakFound
from incidents.incidents import (
    backfill_incident,
    correct_update,
    declare_incident,
    edit_incident,
    post_update,
    publish_incident,
    withdraw_update,
)
from incidents.lifecycle import ComponentStatus, IncidentStatus, Visibility
from incidents.linter import Rule
from incidents.maintenance import plans, series
from incidents.models import Component, Incident, Page, Postmortem, User
from incidents.people import create_key
from incidents.permissions import Scope
from incidents.postmortems import action_items, publishing, reviewing, writing
from tests.incidents.registry import all_services
from tests.reports import publish_report
from tests.rows import everything, refused

Write = Callable[[Any], Any]  # given words by the names of facts

LEAKS = ["The password is Winter2024!", "Vault Keeper", "Queue grows on db-prod-3"]
HARMLESS = "It is slow."

# Texts that the public never reads as they are, by the fact's name; with a service's name, of that one alone.
INTERNAL = {
    *("address", "contact", "content", "incident_id", "network", "secret", "url", "components"),  # of recipients
    *("reason", "note", "break_glass", "withheld", "internal", "done_by", "evidence", "metadata"),  # for staff
    *("digest", "fingerprint", "seen", "rule", "time_zone", "tracker_url", "source"),  # no words
    *("language", "support_url", "support_email", "brand_colour", "logo", "position"),
    *("incident_background", "incident_text", "maintenance_background", "maintenance_text"),
    *("aliases", "owner", "identifier", "update_status"),
    *("username", "first_name", "last_name", "email"),
    *("create_template.name", "create_template.title", "create_template.body"),  # checked when an update uses them
    *("edit_template.name", "edit_template.title", "edit_template.body"),
    "create_key.name",
    "comment_section.text",
    *("add_action_item.text", "edit_action_item.text"),  # for staff; customers read its public wording
    "note.text",  # offered for a report, which is checked when it is published
}
# Of a report: checked all together, when it is approved and when it is published.
OF_A_REPORT = {
    "add_action_item.public_wording",
    "edit_action_item.public_wording",
    "add_section.heading",
    "edit_postmortem.title",
    "edit_section.heading",
    "edit_section.public",
    "write_report.body",
}


pytestmark = [pytest.mark.long, pytest.mark.usefixtures("vault")]


def texts_of(service: Service) -> Iterator[str]:
    """The facts that it takes which are texts, or have texts in them."""
    function = inspect.unwrap(service.function)
    hints = get_type_hints(function)
    for parameter in inspect.signature(function).parameters.values():
        hint = hints.get(parameter.name)
        if parameter.kind is parameter.VAR_KEYWORD:
            (facts,) = get_args(hint)
            yield from (name for name, inner in get_type_hints(facts).items() if _is_text(inner))
        elif _is_text(hint):
            yield parameter.name


def _is_text(hint: Any) -> bool:
    return hint is str or any(_is_text(inner) for inner in get_args(hint))


def is_refused(error: type[DomainError], act: Callable[..., Any], *args: Any) -> bool:
    """Whether this is refused, with a sentence that says which words; else it is undone."""
    try:
        with transaction.atomic():
            act(*args)
            transaction.set_rollback(True)
    except error as refusal:
        return "“" in str(refusal)
    return False


@pytest.fixture
def writes(page: Page, incident: Incident, author: User, admin: User) -> dict[str, Write]:
    """Each service with words that become public: what calls it with these words and nothing else that is wrong."""
    now = timezone.now()
    window: Any = {"scheduled_for": now + timedelta(days=1), "scheduled_until": now + timedelta(days=1, hours=1)}
    later: Any = {name: at + timedelta(days=1) for name, at in window.items()}
    facts: Any = {"components": (), "next_update": None, "notify": True, "due_at": now + timedelta(hours=1)}
    facts["status"] = IncidentStatus.MONITORING

    update = post_update(incident, status=IncidentStatus.IDENTIFIED, body="A fault.", author=author)
    waiting = planned.plan_update(incident, author=author, **facts, body="Better.")
    inside = declare_incident(page, title="Vault Keeper", author=author, visibility=Visibility.INTERNAL)
    ahead, first, running = (
        plans.schedule_maintenance(page, title="Disks", body="New ones.", **window, author=author) for _n in range(3)
    )
    series.repeat_maintenance(first, rule="FREQ=WEEKLY", author=author)
    post_update(running, status=IncidentStatus.IN_PROGRESS, body="Now.", author=author)
    over = declare_incident(page, title="Over", author=author)
    post_update(over, status=IncidentStatus.RESOLVED, body="Done.", author=author)
    report = publish_report(over, body="Why.", author=author)

    def amend(words: Any) -> None:
        writing.write_report(report, body="Because of this.", author=author)
        reviewing.submit_postmortem(report, author=author)
        reviewing.approve_postmortem(report, fingerprint=report.fingerprint(), author=admin)
        publishing.publish_postmortem(report, author=author, **words)

    status: Any = {"status": IncidentStatus.MONITORING, "author": author}
    other: Any = {"name": "Other", "url": "https://other.example"}
    component = catalogue.create_component(page, name="API", author=admin)
    group = catalogue.create_group(page, name="Edge", author=admin)
    metric = metrics.create_metric(page, name="Response time", author=admin)
    return {
        "declare_incident": lambda words: declare_incident(page, author=author, **{"title": "Slow"} | words),
        "post_update": lambda words: post_update(incident, **status, **words),
        "publish_incident": lambda words: publish_incident(
            inside, **status, **{"public_title": "Slow", "body": "Slow."} | words
        ),
        "backfill_incident": lambda words: backfill_incident(
            page, at=now, author=author, **{"title": "Slow", "body": "Slow."} | words
        ),
        "correct_update": lambda words: correct_update(update, author=author, **words),
        "edit_incident": lambda words: edit_incident(incident, author=author, **words),
        "plan_update": lambda words: planned.plan_update(incident, author=author, **facts, **words),
        "change_planned": lambda words: planned.change_planned(waiting, author=author, **facts, **words),
        "schedule_maintenance": lambda words: plans.schedule_maintenance(
            page, **window, author=author, **{"title": "Disks", "body": "New ones."} | words
        ),
        "move_maintenance": lambda words: plans.move_maintenance(ahead, **later, author=author, **words),
        "cancel_maintenance": lambda words: plans.cancel_maintenance(ahead, author=author, **words),
        "extend_maintenance": lambda words: plans.extend_maintenance(
            running, expected_until=now + timedelta(days=3), author=author, **words
        ),
        "move_following": lambda words: series.move_following(first, **later, author=author, **words),
        "cancel_following": lambda words: series.cancel_following(first, author=author, **words),
        "publish_postmortem": amend,
        "create_page": lambda words: catalogue.create_page(author=admin, **other | words),
        "edit_page": lambda words: catalogue.edit_page(page, author=admin, **words),
        "create_component": lambda words: catalogue.create_component(page, author=admin, **{"name": "Web"} | words),
        "edit_component": lambda words: catalogue.edit_component(component, author=admin, **words),
        "create_group": lambda words: catalogue.create_group(page, author=admin, **{"name": "Core"} | words),
        "edit_group": lambda words: catalogue.edit_group(group, author=admin, **words),
        "create_metric": lambda words: metrics.create_metric(page, author=admin, **{"name": "Errors"} | words),
        "edit_metric": lambda words: metrics.edit_metric(metric, author=admin, **words),
    }


def test_every_text_of_every_service_is_classified() -> None:
    unknown = [
        f"{name}.{fact}"
        for service in all_services()
        for name in [service.name.rpartition(".")[2]]
        for fact in texts_of(service)
        if fact not in service.public | INTERNAL and f"{name}.{fact}" not in INTERNAL | OF_A_REPORT
    ]
    assert not unknown, "say on the service that they are public, or why nobody outside reads them"


@pytest.mark.slow
def test_no_service_makes_a_secret_or_an_internal_name_public(writes: dict[str, Write]) -> None:
    public = {service.name.rpartition(".")[2]: service.public for service in all_services() if service.public}
    assert public.keys() == writes.keys()
    before = everything()
    escaped = [
        (name, fact, leak)
        for name, facts in public.items()
        for fact in sorted(facts)
        for leak in [HARMLESS, *LEAKS]
        if (leak == HARMLESS) == is_refused(LeakFound, writes[name], {fact: leak})
    ]
    assert escaped == []
    assert everything() == before


@pytest.fixture
def leaky(incident: Incident, author: User) -> Postmortem:
    post_update(incident, status=IncidentStatus.RESOLVED, body="Done.", author=author)
    postmortem = writing.start_postmortem(incident, author=author)
    writing.write_report(postmortem, body="The pool ran dry.", author=author)
    return postmortem


@pytest.mark.parametrize("leak", LEAKS)
def test_a_report_is_not_approved_with_a_leak_in_any_of_its_texts(
    leaky: Postmortem, author: User, admin: User, leak: str
) -> None:
    item = action_items.add_action_item(
        leaky, text="Do it", is_commitment=True, public_wording="We do it.", author=author
    )
    section = leaky.live_sections()[0]
    texts = {"heading": section.heading, "internal": "", "public": section.public, "withheld": ""}
    promise: Any = {"is_commitment": True, "public_wording": leak, "author": author}
    attempts: dict[str, Callable[[], Any]] = {
        "add_action_item.public_wording": lambda: action_items.add_action_item(leaky, text="More", **promise),
        "edit_action_item.public_wording": lambda: action_items.edit_action_item(item, **promise),
        "add_section.heading": lambda: writing.add_section(leaky, heading=leak, author=author),
        "edit_postmortem.title": lambda: writing.edit_postmortem(leaky, title=leak, author=author),
        "edit_section.heading": lambda: writing.edit_section(section, **texts | {"heading": leak}, author=author),
        "edit_section.public": lambda: writing.edit_section(section, **texts | {"public": leak}, author=author),
        "write_report.body": lambda: writing.write_report(leaky, body=leak, author=author),
    }
    assert attempts.keys() == OF_A_REPORT

    def publish(attempt: Callable[[], Any]) -> None:
        attempt()
        reviewing.submit_postmortem(leaky, author=author)
        reviewing.approve_postmortem(leaky, fingerprint=leaky.fingerprint(), author=admin)

    assert not [name for name, attempt in attempts.items() if not is_refused(InvalidTransition, publish, attempt)]


# --- Two titles -------------------------------------------------------------------------------------------------------


def test_an_incident_is_published_under_another_title_than_its_own(page: Page, author: User) -> None:
    inside = declare_incident(page, title="Queue grows on db-prod-3", author=author, visibility=Visibility.INTERNAL)
    assert inside.public_title == ""
    words: Any = {"status": IncidentStatus.IDENTIFIED, "body": "Mails are late.", "author": author}
    with refused(LeakFound, "“db-prod-3” looks like the name of a machine"):
        publish_incident(inside, public_title=inside.title, **words)
    publish_incident(inside, public_title="Mails are late", **words)
    inside.refresh_from_db()
    assert (inside.title, inside.public_title) == ("Queue grows on db-prod-3", "Mails are late")


def test_both_titles_are_the_same_until_staff_say_otherwise(incident: Incident, author: User) -> None:
    edit_incident(incident, title="Slow", author=author)
    assert (incident.title, incident.public_title) == ("Slow", "Slow")
    edit_incident(incident, public_title="Some requests are slow", author=author)
    edit_incident(incident, title="db-prod-3 is slow", author=author)
    assert (incident.title, incident.public_title) == ("db-prod-3 is slow", "Some requests are slow")


def test_an_internal_incident_gets_its_public_title_when_it_is_published(page: Page, author: User) -> None:
    inside = declare_incident(page, title="Disks", author=author, visibility=Visibility.INTERNAL)
    with refused(InvalidInput, "when it is published"):
        edit_incident(inside, public_title="Slow", author=author)


def test_the_next_of_a_series_says_what_the_public_has_read_of_this_one(page: Page, author: User) -> None:
    at = timezone.now() + timedelta(days=1)
    first = plans.schedule_maintenance(
        page,
        title="Disks of db-prod-3",
        body="It is db-prod-3.",
        scheduled_for=at,
        scheduled_until=at + timedelta(hours=1),
        visibility=Visibility.INTERNAL,
        author=author,
    )
    publish_incident(
        first, public_title="New disks", status=IncidentStatus.SCHEDULED, body="We add disks.", author=author
    )
    series.repeat_maintenance(first, rule="FREQ=WEEKLY", author=author)
    others = Incident.objects.maintenances().exclude(pk=first.pk)
    assert others
    assert {(row.title, row.public_title, row.updates.get().body) for row in others} == {
        ("Disks of db-prod-3", "New disks", "We add disks.")
    }


# --- What may stand ---------------------------------------------------------------------------------------------------


def found_in(act: Callable[[], Any]) -> LeakFound:
    with pytest.raises(LeakFound) as refusal:
        act()
    return refusal.value


def test_a_name_may_stand_with_a_reason_that_stays_in_the_history(incident: Incident, author: User) -> None:
    words: Any = {"status": IncidentStatus.IDENTIFIED, "body": "Vault Keeper is down.", "author": author}
    (finding,) = found_in(lambda: post_update(incident, **words)).findings
    with checking.letting_stand({finding.digest: "Customers call it so."}):
        update = post_update(incident, **words)
    reason = "Let stand: “Vault Keeper”. Customers call it so."
    assert update.history.get().history_change_reason == reason
    with refused(LeakFound, "Vault Keeper"):
        post_update(incident, **words)


def test_a_name_does_not_stand_without_a_reason_and_a_secret_not_at_all(incident: Incident, author: User) -> None:
    words: Any = {"status": IncidentStatus.IDENTIFIED, "author": author}
    (name,) = found_in(lambda: post_update(incident, body=LEAKS[1], **words)).findings
    (secret,) = found_in(lambda: post_update(incident, body=LEAKS[0], **words)).findings
    with refused(InvalidInput, "Say why"), checking.letting_stand({name.digest: " "}):
        post_update(incident, body=LEAKS[1], **words)
    assert secret.rule is Rule.SECRET
    with refused(LeakFound, "Take it out"), checking.letting_stand({secret.digest: "We like it."}):
        post_update(incident, body=LEAKS[0], **words)


def test_what_stands_in_a_planned_update_stands_when_it_is_posted(
    incident: Incident, author: User, at_noon: Any
) -> None:
    facts: Any = {"components": (), "next_update": None, "notify": True, "status": IncidentStatus.IDENTIFIED}
    facts |= {"due_at": timezone.now() + timedelta(hours=1), "body": "Vault Keeper is down.", "author": author}
    (finding,) = found_in(lambda: planned.plan_update(incident, **facts)).findings
    with checking.letting_stand({finding.digest: "It is known."}):
        row = planned.plan_update(incident, **facts)
    at_noon.shift(timedelta(hours=1))
    assert planned.post_due() == 1
    row.refresh_from_db()
    assert row.update
    assert row.update.history.get().history_change_reason == "Let stand: “Vault Keeper”. It is known."


def test_programs_publish_unchecked_only_where_their_page_says_so(incident: Incident, admin: User) -> None:
    _key, row = create_key("robot", scopes=[Scope.INCIDENTS], author=admin)
    words: Any = {"status": IncidentStatus.IDENTIFIED, "body": "db-prod-3 is down.", "author": row.user}
    with refused(LeakFound, "db-prod-3"):
        post_update(incident, **words)
    Page.objects.filter(pk=incident.page_id).update(programs_may_publish_unchecked=True)
    incident.page.refresh_from_db()
    update = post_update(incident, **words)
    assert update.history.get().history_change_reason == "Published unchecked: “db-prod-3”."
    with refused(LeakFound, "db-prod-3"):
        post_update(incident, **words | {"author": admin})


def test_a_program_publishes_a_report_unchecked_only_where_its_page_says_so(
    incident: Incident, author: User, admin: User
) -> None:
    post_update(incident, status=IncidentStatus.RESOLVED, body="Done.", author=author)
    report = writing.start_postmortem(incident, author=author)
    writing.write_report(report, body="Vault Keeper was down.", author=author)
    reviewing.submit_postmortem(report, author=author)
    _key, row = create_key("robot", scopes=[Scope.ADMIN], author=admin)
    words: Any = {"fingerprint": report.fingerprint(), "author": row.user}
    with refused(LeakFound, "“Vault Keeper”"):
        reviewing.approve_postmortem(report, **words)
    Page.objects.filter(pk=incident.page_id).update(programs_may_publish_unchecked=True)
    report = Postmortem.objects.get(pk=report.pk)
    with refused(InvalidTransition, "“Vault Keeper”"):
        reviewing.approve_postmortem(report, **words | {"author": admin})
    reviewing.approve_postmortem(report, **words)
    publishing.publish_postmortem(report, author=row.user)
    assert report.history.latest().history_change_reason == "Published unchecked: “Vault Keeper”."


# --- The same rules at every door -------------------------------------------------------------------------------------


def test_an_update_that_was_taken_back_is_not_corrected(incident: Incident, author: User) -> None:
    update = post_update(incident, status=IncidentStatus.IDENTIFIED, body="A fault.", author=author)
    withdraw_update(update, author=author)
    with refused(InvalidTransition, "taken back"):
        correct_update(update, body="No fault.", author=author)


def test_a_deleted_component_gets_no_status(component: Component, author: User, admin: User) -> None:
    catalogue.delete_component(component, author=admin)
    with refused(DomainError, "was deleted"):
        catalogue.set_component_status(component, status=ComponentStatus.MAJOR_OUTAGE, author=author)


def test_a_place_that_nobody_filled_in_is_refused_whoever_posts(incident: Incident, author: User) -> None:
    with refused(InvalidInput, "Fill in {symptom}"):
        post_update(incident, status=IncidentStatus.IDENTIFIED, body="We see {symptom}.", author=author)


def test_an_internal_component_becomes_public_only_under_a_name_that_may(
    vault: Component, make_component: Callable[..., Component], admin: User
) -> None:
    catalogue.edit_component(vault, visibility=Visibility.PUBLIC, author=admin)
    machine = make_component("db-prod-3", visibility=Visibility.INTERNAL)
    (finding,) = found_in(
        lambda: catalogue.edit_component(machine, visibility=Visibility.PUBLIC, author=admin)
    ).findings
    with checking.letting_stand({finding.digest: "Customers call it so."}):
        catalogue.edit_component(machine, visibility=Visibility.PUBLIC, author=admin)
    assert "“db-prod-3”. Customers" in str(machine.history.latest().history_change_reason)
