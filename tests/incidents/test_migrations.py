"""What a new installation begins with."""

from __future__ import annotations

import pytest

from incidents.models import IncidentTemplate, UpdateCadence

pytestmark = pytest.mark.django_db


def test_a_new_installation_begins_with_words_and_times_that_have_an_author() -> None:
    rows = [*IncidentTemplate.objects.all(), *UpdateCadence.objects.all()]
    assert len(rows) == 9 + 16
    for row in rows:
        begun = row.history.get()
        assert (begun.history_type, begun.history_user.username) == ("+", "setup")
        assert not begun.history_user.has_usable_password()
        assert all(getattr(begun, fact.attname) == getattr(row, fact.attname) for fact in row._meta.concrete_fields)
