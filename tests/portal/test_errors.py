"""What a page says that is not there, not allowed, or broken."""

from __future__ import annotations

from django.test import Client, RequestFactory
from django.urls import reverse
from django.views.defaults import server_error

from incidents.models import User


def test_an_unknown_address_of_staff_is_a_page_that_leads_back(client: Client, author: User) -> None:
    client.force_login(author)
    answer = client.get("/admin/incidents/nothing/")
    assert answer.status_code == 404
    assert "There is no such page" in answer.text
    assert f'href="{reverse("admin:index")}"' in answer.text


def test_what_a_role_does_not_open_says_whom_to_ask(client: Client, author: User) -> None:
    client.force_login(author)
    answer = client.get(reverse("admin:incidents_user_changelist"))
    assert answer.status_code == 403
    assert "Ask an administrator" in answer.text


def test_a_failure_says_what_to_do_and_asks_no_database(rf: RequestFactory) -> None:
    answer = server_error(rf.get("/admin/"))  # without the fixture that opens the database
    assert "look whether it was" in answer.content.decode()
