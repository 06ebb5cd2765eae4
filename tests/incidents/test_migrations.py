"""What a new installation begins with."""

from __future__ import annotations

import pytest
from django.db import connection
from django.db.migrations.loader import MigrationLoader

from incidents.migrations import _first_rows
from incidents.models import IncidentTemplate, UpdateCadence

pytestmark = pytest.mark.django_db


def test_a_new_installation_begins_with_words_and_times_that_have_an_author() -> None:
    if (
        not IncidentTemplate.objects.exists()
    ):  # a test that commits came before, in this process, and emptied the tables
        initial = MigrationLoader(connection).project_state(("incidents", "0001_initial")).apps
        _first_rows.write(initial, None)
    rows = [*IncidentTemplate.objects.all(), *UpdateCadence.objects.all()]
    assert len(rows) == 9 + 16
    for row in rows:
        begun = row.history.get()
        assert (begun.history_type, begun.history_user.username) == ("+", "setup")
        assert not begun.history_user.has_usable_password()
        assert all(getattr(begun, fact.attname) == getattr(row, fact.attname) for fact in row._meta.concrete_fields)
