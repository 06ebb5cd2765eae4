"""The words that an update begins with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from incidents import templates
from incidents.errors import InvalidInput
from incidents.lifecycle import IncidentStatus
from incidents.models import Component, IncidentTemplate, Page, User
from tests.incidents.html_forms import filled
from tests.rows import refused

LIST = "/admin/incidents/incidenttemplate/"


def test_a_template_keeps_its_words_and_components(page: Page, component: Component, admin: User) -> None:
    template = templates.create_template(
        page=page,
        name="Slow",
        title=" Slow  answers ",
        body="Slow.\r\n",
        update_status="",
        components=[component],
        author=admin,
    )
    assert (template.title, template.body) == ("Slow answers", "Slow.")
    assert list(template.components()) == [component]
    templates.edit_template(template, author=admin)
    assert list(template.components()) == [component]
    templates.edit_template(template, components=[], author=admin)
    assert not template.components()
    assert [row.history_type for row in template.mentions.get().history.order_by("history_id")] == ["+", "~"]


def test_a_template_names_only_components_of_its_page(
    page: Page, other_page: Page, make_component: Callable[..., Component], admin: User
) -> None:
    stranger = make_component("Web", page=other_page)
    for home in (page, None):
        with pytest.raises(InvalidInput):
            templates.create_template(page=home, name="n", body="b", components=[stranger], author=admin)
    assert not IncidentTemplate.objects.filter(name="n").exists()


def test_a_template_moves_to_another_page_with_components_that_are_there(
    page: Page, other_page: Page, component: Component, admin: User
) -> None:
    facts: dict[str, Any] = {"name": "Slow", "body": "Slow.", "components": [component]}
    template = templates.create_template(page=page, **facts, author=admin)
    with refused(InvalidInput, "not one of this page's"):
        templates.edit_template(template, page=other_page, author=admin)
    templates.edit_template(template, page=other_page, components=[], author=admin)
    assert list(template.components()) == []


def test_a_page_offers_its_own_templates_and_those_for_every_page(page: Page, other_page: Page, admin: User) -> None:
    for home, name in ((page, "ours"), (other_page, "theirs"), (None, "all")):
        templates.create_template(page=home, name=name, body="b", author=admin)
    offered = IncidentTemplate.objects.live().for_page(page).filter(body="b")
    assert [row.name for row in offered] == ["ours", "all"]
    templates.delete_template(offered[1], author=admin)
    assert [row.name for row in offered.all()] == ["ours"]


def test_staff_write_a_template_in_the_admin(client: Client, page: Page, component: Component, admin: User) -> None:
    client.force_login(admin)
    typed = filled(client.get(f"{LIST}add/"), name="Slow", body="We see {symptom}.", page=page.pk)
    client.post(f"{LIST}add/", typed | {"update_status": "identified", "components": [component.pk]})
    template = IncidentTemplate.objects.get(name="Slow")
    assert template.update_status == IncidentStatus.IDENTIFIED
    assert list(template.components()) == [component]
    assert "Slow" in client.get(LIST).text
    client.post(f"{LIST}{template.pk}/delete/", {"post": "yes"})
    assert not IncidentTemplate.objects.live().filter(name="Slow").exists()
