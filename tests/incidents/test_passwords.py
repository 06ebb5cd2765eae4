"""Staff who forgot their password get a new one by mail."""

from __future__ import annotations

import re

from django.core import mail
from django.test import Client

from incidents.models import User
from incidents.people import service_user
from tests.incidents.filled import filled

RESET = "/admin/password_reset/"


def test_a_forgotten_password_is_replaced_by_mail(client: Client, author: User) -> None:
    author.email = "grace@acme.example"
    author.save()
    assert RESET in client.get("/admin/login/").text
    answer = client.post(RESET, {"email": author.email}, follow=True)
    assert "Incident portal" in answer.text
    (message,) = mail.outbox
    (link,) = re.findall(r"http://testserver(\S+)", str(message.body))
    chosen = {"new_password1": "a much better battery", "new_password2": "a much better battery"}
    form = client.get(link, follow=True)
    assert client.post(form.redirect_chain[-1][0], filled(form, **chosen), follow=True).status_code == 200
    assert client.login(username=author.username, password="a much better battery")


def test_nobody_learns_who_has_an_account_and_programs_get_no_password(client: Client, author: User) -> None:
    program = service_user("key:monitoring", role="viewer")
    program.email = "monitoring@acme.example"
    program.save()
    for address in ("stranger@acme.example", program.email):
        assert client.post(RESET, {"email": address}).status_code == 302
    assert not mail.outbox
