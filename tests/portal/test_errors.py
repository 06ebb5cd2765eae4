"""What a page says that is not there, not allowed, or broken."""

from __future__ import annotations

import json

from django.test import Client, RequestFactory
from django.urls import reverse

from incidents.models import User
from portal.api.errors import server_error


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


def test_a_program_is_told_of_it_in_json(rf: RequestFactory, client: Client) -> None:
    assert "look whether it was" in json.loads(server_error(rf.post("/api/v1/pages")).content)["error"].lower()
    answer = client.get("/api/v1/pages", headers={"Host": "not a host"})
    assert (answer.status_code, answer.json()) == (400, {"error": "The request is malformed."})
