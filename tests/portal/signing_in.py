"""What people do to be signed in."""

from __future__ import annotations

import re
import time
from typing import Any

from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value, yield_hotp_counters_from_time
from django.core import mail
from django.core.mail import EmailMessage
from django.test import Client
from django.urls import reverse

from incidents.models import User
from portal.accounts import mails
from tests.waiting import let_pass, stretched

PASSWORD = "correct horse battery"
STEP = 30  # seconds for which one code is shown
LOGIN, ADMIN = "/admin/account/login/", "/admin/"


def code(secret: str) -> str:
    """What an authenticator program shows now, and for long enough to be typed."""
    if (left := STEP - time.time() % STEP) < stretched(1):
        let_pass(left)
    return str(format_hotp_value(hotp_value(secret, next(yield_hotp_counters_from_time()))))


def sign_in(client: Client, user: User, password: str = PASSWORD, **headers: Any) -> str:
    """What is shown at the end."""
    typed = {"login": user.get_username(), "password": password}
    return str(client.post(LOGIN, typed, follow=True, headers=headers).content.decode())


def sign_in_anew(client: Client, user: User) -> None:
    """Signed in, with the password given once more: whoever sits at an open screen may not do what follows."""
    client.force_login(user)
    assert confirm_password(client).status_code == 302


def confirm_password(client: Client, password: str = PASSWORD) -> Any:
    return client.post(reverse("account_reauthenticate"), {"password": password})


def is_in(client: Client) -> bool:
    return bool(client.get(ADMIN).status_code == 200)


def set_up_second_factor(client: Client) -> str:
    """Its secret."""
    confirm_password(client)
    page = client.get(reverse("mfa_activate_totp"))
    (secret,) = set(re.findall(r'value="([A-Z2-7]{32})"', page.text))
    client.post(reverse("mfa_activate_totp"), {"code": code(secret)})
    return str(secret)


def link_in(message: Any) -> str:
    """The path of the link to set a password."""
    (link,) = re.findall(r"https?://[^/]+(/\S+/password/reset/key/\S+)", str(message.body))
    return str(link)


def set_password(client: Client, link: str, password: str) -> Any:
    form = client.get(link, follow=True)
    address = form.redirect_chain[-1][0] if form.redirect_chain else link
    return client.post(address, {"password1": password, "password2": password})


def outbox() -> list[EmailMessage]:
    """The mails to staff, once the clock has sent those that are due."""
    mails.send()
    return mail.outbox


def elsewhere(number: int) -> dict[str, str]:
    """The headers of who sits in another network."""
    return {"x-forwarded-for": f"8.8.{number}.7"}
