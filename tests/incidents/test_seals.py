"""The sealed history: what is done behind the portal's back is found, and named."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO

import pytest
import time_machine
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from incidents.history import seals
from incidents.incidents import edit_incident, post_update
from incidents.lifecycle import IncidentStatus, Severity
from incidents.models import ComponentStatusChange, Incident, Page, Seal, User
from status.subscriptions import subscribers

pytestmark = [pytest.mark.long, pytest.mark.both]

LATER = timedelta(minutes=11)


@pytest.fixture
def sealed(incident: Incident, author: User) -> Incident:
    """An incident whose five history rows are sealed."""
    for number in range(3):
        post_update(incident, status=IncidentStatus.INVESTIGATING, body=f"Said {number}.", author=author)
    with time_machine.travel(timezone.now() + LATER):
        assert seals.seal() > 5
    return incident


def sql(statement: str, *parameters: str | int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)


def history_of(incident: Incident) -> list[int]:
    return list(incident.history.order_by("history_id").values_list("history_id", flat=True))


def test_a_history_that_nobody_touched_is_as_it_was_sealed(sealed: Incident) -> None:
    assert list(seals.verify()) == []
    assert seals.seal() == 0, "what has just been written has not settled"


def test_what_was_written_since_is_sealed_in_its_turn(sealed: Incident, author: User) -> None:
    kept = str(seals.head())
    edit_incident(sealed, author=author, severity=Severity.SEV1)
    with time_machine.travel(timezone.now() + 2 * LATER):
        assert seals.seal() == 1
    assert list(seals.verify(kept)) == []


@pytest.mark.slow
def test_a_changed_row_is_named(sealed: Incident) -> None:
    key = history_of(sealed)[1]
    sql("UPDATE incidents_historicalincident SET title = 'All was well' WHERE history_id = %s", key)
    seal = Seal.objects.get(table="incidents.historicalincident")
    assert list(seals.verify()) == [f"historical incident, row {key} was changed after seal {seal.number}."]


def test_a_row_that_is_its_own_history_is_sealed_too(sealed: Incident, author: User) -> None:
    component_change = ComponentStatusChange._meta.db_table
    assert {each.model._meta.db_table for each in seals.sealed_models()} >= {component_change}


def test_a_row_removed_in_the_middle_is_named(sealed: Incident) -> None:
    key = history_of(sealed)[1]
    sql("DELETE FROM incidents_historicalincident WHERE history_id = %s", key)
    (found,) = seals.verify()
    assert found.startswith(f"historical incident, row {key} was removed")


def test_a_row_slipped_in_is_named(sealed: Incident) -> None:
    first, second, *_rest = history_of(sealed)
    sql("UPDATE incidents_historicalincident SET history_id = 1000000 WHERE history_id = %s", second)
    sql("UPDATE incidents_historicalincident SET history_id = %s WHERE history_id = 1000000", second)
    assert list(seals.verify()) == [], "the same row in its place is no change"
    newest = history_of(sealed)[-1]
    sql("UPDATE incidents_historicalincident SET history_id = -1 WHERE history_id = %s", first)
    sql("UPDATE incidents_historicalincident SET history_id = %s WHERE history_id = %s", first, newest)
    sentences = list(seals.verify())
    assert any(f"row {first} was changed" in each for each in sentences)
    assert any(f"row {newest} was removed" in each for each in sentences)


def test_an_end_that_was_cut_off_is_found_by_the_row_that_it_left(sealed: Incident) -> None:
    """Also when the seals of that end went with it."""
    key = history_of(sealed)[-1]
    sql("DELETE FROM incidents_historicalincident WHERE history_id = %s", key)
    sql("DELETE FROM incidents_seal")
    with time_machine.travel(timezone.now() + LATER):
        seals.seal()
    assert f"incident, row {sealed.pk} is not what its history says." in list(seals.verify())


@pytest.mark.slow
def test_an_end_that_was_cut_off_with_its_seals_is_found_by_a_head_kept_elsewhere(
    sealed: Incident, author: User
) -> None:
    with time_machine.travel(timezone.now() + 2 * LATER):
        post_update(sealed, status=IncidentStatus.IDENTIFIED, body="Ours.", author=author)
    with time_machine.travel(timezone.now() + 4 * LATER):
        seals.seal()
    kept = str(seals.head())
    sql("DELETE FROM incidents_seal WHERE number = %s", int(kept.partition(":")[0]))
    assert list(seals.verify()) == []
    (found,) = seals.verify(kept)
    assert "its end was cut off" in found


def test_a_seal_that_is_gone_or_forged_is_named(sealed: Incident, settings: Settings) -> None:
    number = Seal.objects.order_by("number")[1].number
    sql("UPDATE incidents_seal SET mac = %s WHERE number = %s", "0" * 64, number)
    assert next(iter(seals.verify())).startswith(f"Seal {number} is not the one that was made")
    sql("DELETE FROM incidents_seal WHERE number = %s", number)
    assert next(iter(seals.verify())) == f"Seals {number} to {number} are gone."


def test_a_chain_of_which_nothing_is_left_is_found(sealed: Incident) -> None:
    sql("DELETE FROM incidents_seal")
    assert list(seals.verify()) == [], "nothing has settled yet"
    with time_machine.travel(timezone.now() + LATER):
        (found,) = seals.verify()
    assert found.startswith("Nothing is sealed, though there is a history")


def test_without_the_key_nobody_makes_the_chain_anew(sealed: Incident, settings: Settings) -> None:
    settings.AUDIT_KEY = "another key"
    assert "or the key is another one" in next(iter(seals.verify()))


def test_a_row_changed_past_the_services_is_named(sealed: Incident) -> None:
    sql("UPDATE incidents_incident SET severity = 'sev4' WHERE id = %s", sealed.pk)
    assert list(seals.verify()) == [f"incident, row {sealed.pk} is not what its history says."]


def test_of_two_clocks_one_seals(sealed: Incident) -> None:
    with pytest.raises(IntegrityError):
        Seal.objects.create(number=1, table="x", columns=[], marks=[], mac="")


def test_forgetting_a_subscriber_breaks_no_seal(page: Page, admin: User) -> None:
    subscribers.add_by_staff(page, address="reader@example.com", author=admin)
    with time_machine.travel(timezone.now() + LATER):
        seals.seal()
    subscribers.forget("reader@example.com", author=admin)
    assert list(seals.verify()) == []


def test_the_command_prints_the_head_and_fails_on_a_finding(sealed: Incident) -> None:
    out = StringIO()
    call_command("audit", stdout=out)
    kept = out.getvalue().strip()
    call_command("audit", "--verify", f"--kept={kept}", stdout=StringIO())
    sql("DELETE FROM incidents_historicalincident WHERE history_id = %s", history_of(sealed)[0])
    with pytest.raises(CommandError, match="1 findings"):
        call_command("audit", "--verify", stdout=out)


def test_the_command_says_when_nothing_is_sealed_yet(page: Page) -> None:
    out = StringIO()
    call_command("audit", "--verify", stdout=out)
    assert out.getvalue() == "Nothing is sealed yet.\n"


@pytest.mark.slow
def test_the_cost_of_verifying_a_seal_does_not_grow_with_its_rows(
    sealed: Incident, author: User, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(20):
        edit_incident(sealed, author=author, title=f"Errors {number}")
    with time_machine.travel(timezone.now() + 2 * LATER):
        seals.seal()
    tracked = len(apps.get_models())
    with django_assert_max_num_queries(1 + Seal.objects.count() + 3 * tracked):
        assert list(seals.verify()) == []
