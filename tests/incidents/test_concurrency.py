"""Several people at once. The threads are real, each with its own connection."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection, connections, transaction

from incidents import catalogue
from incidents.errors import Conflict, InvalidInput, InvalidTransition
from incidents.incidents import declare_incident, edit_incident, post_update
from incidents.lifecycle import ComponentStatus, IncidentStatus
from incidents.models import (
    Component,
    ComponentStatusChange,
    Incident,
    IncidentRole,
    IncidentUpdate,
    Page,
    Postmortem,
    PostmortemRevision,
    PostmortemSection,
    User,
)
from incidents.postmortems import publishing, writing
from incidents.roles import take_role
from portal.console.forms.incident import DeclareForm
from tests.concurrency import assert_one_chain, together
from tests.incidents.racing import race
from tests.reports import approved

MakeComponent = Callable[..., Component]
OPEN = [IncidentStatus.INVESTIGATING, IncidentStatus.IDENTIFIED, IncidentStatus.MONITORING]

pytestmark = [pytest.mark.both, pytest.mark.django_db(transaction=True)]


# --- People at once ---------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.postgresql
def test_of_two_who_post_at_once_one_wins_and_the_other_reads_the_winners_text(
    incident: Incident, author: User, admin: User
) -> None:
    def post(who: User, seen: str) -> Callable[[], IncidentUpdate]:
        mine = Incident.objects.get(pk=incident.pk)
        body = f"Said by {who} after {seen or 'nothing'}."
        return lambda: post_update(mine, status=OPEN[0], body=body, author=who, seen=seen)

    seen = ""
    for _round in range(10):
        results = together(post(author, seen), post(admin, seen))
        (won,) = (result for result in results if isinstance(result, IncidentUpdate))
        (refused,) = (result for result in results if isinstance(result, Conflict))
        assert refused.theirs == won
        assert won.body in str(refused)
        seen = won.public_id
    assert incident.updates.count() == 10


@pytest.mark.slow
@pytest.mark.postgresql
def test_of_two_who_save_a_section_at_once_one_wins_and_the_other_is_shown_it(
    incident: Incident, author: User, admin: User
) -> None:
    section = writing.start_postmortem(incident, author=author).live_sections()[0]

    def save(who: User, seen: str, words: str) -> Callable[[], PostmortemSection]:
        mine = PostmortemSection.objects.select_related("postmortem").get(pk=section.pk)
        texts = {"heading": "Summary", "internal": "", "public": words, "withheld": ""}
        return lambda: writing.edit_section(mine, **texts, author=who, seen=seen)

    for turn in range(10):
        seen = PostmortemSection.objects.get(pk=section.pk).version
        results = together(save(author, seen, f"Mine {turn}"), save(admin, seen, f"Theirs {turn}"))
        (won,) = (result for result in results if isinstance(result, PostmortemSection))
        (refused,) = (result for result in results if isinstance(result, Conflict))
        assert isinstance(refused.theirs, PostmortemSection)
        assert refused.theirs.public == won.public
    assert section.history.count() == 11


@pytest.mark.slow
@pytest.mark.postgresql
def test_of_an_edit_and_a_publication_at_once_what_is_published_was_approved(incident: Incident, author: User) -> None:
    post_update(incident, status=IncidentStatus.RESOLVED, body="Done.", author=author)
    for turn in range(1, 6):
        postmortem = approved(incident, f"It took {turn} minutes.", author)
        section = PostmortemSection.objects.select_related("postmortem").get(postmortem=postmortem, key="summary")
        texts = {"heading": "Summary", "internal": "", "public": "Smuggled in.", "withheld": ""}

        def publish(mine: Postmortem = postmortem) -> object:
            try:
                return publishing.publish_postmortem(mine, what_changed="More.", author=author)
            except InvalidTransition as refusal:
                return refusal

        def edit(mine: PostmortemSection = section, words: Any = texts) -> object:
            return writing.edit_section(mine, **words, author=author)

        together(publish, edit)
        for revision in PostmortemRevision.objects.all():
            assert "Smuggled in." not in str(revision.content)
        incident.refresh_from_db()


@pytest.mark.postgresql
def test_a_form_that_is_sent_twice_at_once_is_done_once(page: Page, author: User) -> None:
    def declare(token: str) -> Callable[[], bool]:
        typed = {
            "token": token,
            "page": str(page.pk),
            "title": "Errors",
            "visibility": "public",
            "status": "investigating",
        }
        form = DeclareForm(author, typed)
        return form.perform

    for turn in range(1, 6):
        token = f"token {turn}"
        assert together(declare(token), declare(token), declare(token)) == [True, True, True]
        assert Incident.objects.count() == turn


@pytest.mark.postgresql
def test_of_two_who_take_a_role_at_once_one_has_it_and_the_other_had_it(
    incident: Incident, author: User, admin: User
) -> None:
    def take(who: User) -> Callable[[], IncidentRole]:
        mine = Incident.objects.get(pk=incident.pk)
        return lambda: take_role(mine, role=IncidentRole.Role.COMMANDER, author=who)

    for _round in range(5):
        together(take(author), take(admin))
        assert incident.roles.active().count() == 1
        assert {row.user for row in incident.roles.all()} == {author, admin}


@pytest.mark.slow
@pytest.mark.postgresql
def test_of_two_who_say_that_each_incident_caused_the_other_one_is_believed(
    page: Page, author: User, admin: User
) -> None:
    def blame(which: Incident, cause: Incident, who: User) -> Callable[[], object]:
        mine, theirs = (Incident.objects.get(pk=row.pk) for row in (which, cause))

        def edit() -> object:
            try:
                return edit_incident(mine, caused_by=theirs, author=who)
            except InvalidInput as refusal:
                return refusal

        return edit

    for turn in range(10):
        one, other = (declare_incident(page, title=f"{title} {turn}", author=author) for title in ("One", "Other"))
        results = together(blame(one, other, author), blame(other, one, admin))
        assert {type(result) for result in results} == {Incident, InvalidInput}


@pytest.mark.postgresql
def test_no_circle_of_causes_is_closed_at_two_of_its_links_at_once(page: Page, author: User) -> None:
    one, two, three, four = (declare_incident(page, title=f"{number}", author=author) for number in range(4))
    edit_incident(one, caused_by=two, author=author)
    edit_incident(three, caused_by=four, author=author)
    outcome = race(
        lambda by: edit_incident(two, caused_by=three, author=by),
        author,
        lambda: edit_incident(four, caused_by=one, author=author),
    )
    assert isinstance(outcome.refusal, InvalidInput)
    assert "its own cause" in str(outcome.refusal)


@pytest.mark.postgresql
def test_a_chain_of_causes_that_has_grown_meanwhile_is_read_again(page: Page, author: User) -> None:
    one, two, three = (declare_incident(page, title=f"{number}", author=author) for number in range(3))
    outcome = race(
        lambda by: edit_incident(one, caused_by=two, author=by),
        author,
        lambda: edit_incident(two, caused_by=three, author=author),
    )
    assert isinstance(outcome.refusal, InvalidTransition)
    assert "Somebody else has just changed" in str(outcome.refusal)


@pytest.mark.slow
@pytest.mark.postgresql
def test_two_incidents_that_change_the_same_components_tell_one_story(
    page: Page, make_component: MakeComponent, author: User, admin: User
) -> None:
    """They name them in opposite orders, so that a lock taken in the order of naming would be a deadlock."""
    components = [make_component(name) for name in ("API", "Dashboard", "Jobs")]
    statuses = list(ComponentStatus)

    def post(incident: Incident, who: User, named: Sequence[Component], turn: int) -> Callable[[], IncidentUpdate]:
        affected = [(component, statuses[(turn + n) % len(statuses)]) for n, component in enumerate(named)]
        return lambda: post_update(incident, status=OPEN[0], body=f"{turn}.", author=who, components=affected)

    one, other = (declare_incident(page, title=title, author=author) for title in ("One", "Other"))
    for turn in range(4):
        together(post(one, author, components, turn), post(other, admin, components[::-1], turn + 2))
    assert ComponentStatusChange.objects.count() == 24
    for component in components:
        assert_one_chain(component)


@pytest.mark.slow
@pytest.mark.postgresql
def test_who_waited_for_a_component_speaks_after_the_one_before(
    incident: Incident, component: Component, author: User, admin: User
) -> None:
    """The time of an update is that of its turn, not of its arrival."""
    slow, down = ComponentStatus.DEGRADED_PERFORMANCE, ComponentStatus.MAJOR_OUTAGE

    def post() -> None:
        try:
            post_update(incident, status=OPEN[0], body="Down.", author=author, components=[(component, down)])
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic(), connection.cursor() as cursor:
            component.lock()
            posted = pool.submit(post)
            is_waiting = "SELECT 1 FROM pg_stat_activity WHERE pg_backend_pid() = ANY (pg_blocking_pids(pid))"
            while not cursor.execute(is_waiting).fetchone():
                assert not posted.done(), "it did not wait"
                cursor.execute("SELECT pg_stat_clear_snapshot()")
            catalogue.set_component_status(component, status=slow, author=admin)
        posted.result()
    assert [change.old_status for change in component.status_changes.order_by("pk")] == ["operational", slow]
    assert_one_chain(component)
