"""What a stolen dump of the database gives, and how each key is replaced without breaking what it protects."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import time_machine
from allauth.mfa.models import Authenticator
from cryptography.fernet import Fernet
from django.core.mail import EmailMessage
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from incidents import people
from incidents.errors import InvalidInput
from incidents.history import seals
from incidents.incidents import declare_incident
from incidents.isolation import PAUSES, try_again
from incidents.models import Failure, Page, User
from incidents.permissions import Scope
from portal.accounts import mails
from portal.models import AccountMail, KeptAnswer
from status import tokens
from status.delivery import staff_channels
from status.models import Recipient, SignUp, StaffChannel, Subscriber
from status.publication.publishing import publish
from status.secrets import Locked, decrypt, encrypt
from status.subscriptions import signups, subscribers
from tests.embedded import ROOT
from tests.portal.signing_in import PASSWORD, code, is_in, link_in, outbox, set_up_second_factor, sign_in

OLD, NEW = "first-" * 10, "second-" * 10
CHAT = "slack://T00000001/B00000001/pL4nt3dS3cr3t"
HOOKS = "https://hooks.example.com/"


@pytest.fixture
def factor(client: Client, author: User) -> str:
    """The secret of somebody's second factor, who has recovery codes, too."""
    sign_in(client, author)
    return set_up_second_factor(client)


@pytest.fixture
def rolled_hook(page: Page, admin: User) -> Subscriber:
    """A webhook whose secret was just replaced."""
    hook = subscribers.add_webhook(page, url=f"{HOOKS}?key=r0ll3d", contact="ann@example.com", author=admin)
    subscribers.roll_secret(hook, author=admin)
    hook.refresh_from_db()
    return hook


@pytest.fixture
def one_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every name of the outside world leads to one public address."""
    public = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.215.14", 443))
    monkeypatch.setattr(socket, "getaddrinfo", lambda _host, _port, **_kind: [public])


def dump() -> str:
    """Every value of every table, as who stole it would search it."""
    with connection.cursor() as cursor:
        found = []
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')
            found += [str(bytes(value) if isinstance(value, memoryview) else value) for row in cursor for value in row]
    return "\n".join(found)


@pytest.mark.usefixtures("one_address")
def test_a_stolen_dump_holds_no_secret_in_clear(
    client: Client, factor: str, rolled_hook: Subscriber, page: Page, admin: User, author: User, settings: Settings
) -> None:
    settings.EMAIL_HOST_PASSWORD = "pL4nt3dM41lP4ss"
    key, _row = people.create_key("robot", scopes=[Scope.SUBSCRIBERS], author=admin)
    staff_channels.add_channel(page, channel=StaffChannel.Channel.CHAT, address="On call", url=CHAT, author=admin)
    waiting = {"url": f"{HOOKS}w41t1ng", "contact": "bob@example.com", "network": "192.0.2.0/24"}
    signups.ask_for_webhook(page, **waiting, author=subscribers.subscriber())
    forgotten = subscribers.add_webhook(page, url=f"{HOOKS}f0rg0tt3n", contact="bob@example.com", author=admin)
    subscribers.forget(forgotten.address, author=admin)
    program = {"subscriber": {"email": "eve@example.com", "endpoint": f"{HOOKS}pr0gr4m"}}
    headers = {"Authorization": f"OAuth {key}", "Idempotency-Key": "once"}
    path = f"/api/v1/pages/{page.public_id}/subscribers"
    for _time in range(2):
        added = Client().post(path, program, content_type="application/json", headers=headers)
        assert (added.status_code, added.json()["endpoint"]) == (201, f"{HOOKS}pr0gr4m"), added.text
    recovery = Authenticator.objects.get(type="recovery_codes").wrap()
    secrets = {
        "the second factor": factor,
        "the seed of recovery codes": decrypt(recovery.instance.data["seed"]),
        "the webhook's secret": rolled_hook.signing_secrets[0],
        "the webhook's secret of before": rolled_hook.signing_secrets[1],
        "the chat's address": CHAT,
        "a webhook's address": "r0ll3d",
        "that of one that waits": "w41t1ng",
        "that of one that is forgotten": "f0rg0tt3n",
        "that of one that a program added": "pr0gr4m",
        "the API key": key,
        "the password": PASSWORD,
        "the mail server's password": settings.EMAIL_HOST_PASSWORD,
        **{f"recovery code {number}": one for number, one in enumerate(recovery.get_unused_codes())},
    }
    client.get(reverse("mfa_deactivate_totp"))
    client.post(reverse("mfa_deactivate_totp"))
    (planned,) = set(re.findall(r'value="([A-Z2-7]{32})"', client.get(reverse("mfa_activate_totp")).text))
    secrets["the second factor that is being set up"] = planned
    secrets["the key of a session"] = client.session.session_key
    author.email = "grace@acme.example"
    author.save()
    assert Client().post(reverse("account_reset_password"), {"email": author.email}).status_code == 302
    stolen = dump()
    (asked,) = (mail for mail in outbox() if "/password/reset/key/" in str(mail.body))
    secrets["a link to set a password"] = link_in(asked)
    assert author.get_username() in stolen, "the dump holds what it should"
    assert [what for what, secret in secrets.items() if secret in stolen] == []


def wait_at_the_door(page: Page) -> None:
    """A sign-up of a webhook, and a mail to a member of staff."""
    asked = {"url": f"{HOOKS}w41t1ng", "contact": "bob@example.com", "network": "192.0.2.0/24"}
    signups.ask_for_webhook(page, **asked, author=subscribers.subscriber())
    mails.owe(EmailMessage("Hello", "A link.", to=["grace@acme.example"]))


def encrypted_fields() -> list[Any]:
    """Every field that says so, of every model."""
    fields = (field for model in seals.every_model() for field in model._meta.get_fields() if field.concrete)
    return [field for field in fields if str(getattr(field, "help_text", "")).startswith("Encrypted")]


def test_the_key_that_encrypts_is_replaced_and_everything_opens_as_before(
    client: Client, factor: str, rolled_hook: Subscriber, page: Page, admin: User, author: User, settings: Settings
) -> None:
    before = rolled_hook.signing_secrets
    wait_at_the_door(page)
    _text, key = people.create_key("robot", scopes=[Scope.SUBSCRIBERS], author=admin)
    KeptAnswer.objects.create(key=key, content=encrypt("{}"))
    (old,) = settings.ENCRYPTION_KEYS
    new = Fernet.generate_key().decode()
    settings.ENCRYPTION_KEYS = [new, old]
    said = StringIO()
    call_command("rotate_encryption_keys", stdout=said)
    assert "1 webhooks and chats, 2 second factors" in said.getvalue()
    settings.ENCRYPTION_KEYS = [new]
    kept = {field: field.model.objects.exclude(**{field.name: ""}) for field in encrypted_fields()}
    assert {field.model for field in kept} == {Recipient, SignUp, AccountMail, KeptAnswer}
    assert all(rows.exists() for rows in kept.values())
    tokens_there = re.findall(r"gAAAAA[\w-]{60,}=*", dump())
    assert len(tokens_there) > 8
    for token in tokens_there:
        decrypt(token)
    rolled_hook.refresh_from_db()
    assert rolled_hook.signing_secrets == before
    url = decrypt(rolled_hook.endpoint)
    with pytest.raises(InvalidInput, match="subscribed already"):
        subscribers.add_webhook(page, url=url, contact="bob@example.com", author=admin)
    assert is_in(client), "nobody is signed out"
    fresh = Client()
    with time_machine.travel(timezone.now() + timedelta(minutes=2)):  # the code of now is used
        sign_in(fresh, author)
        fresh.post(reverse("mfa_authenticate"), {"code": code(factor)})
        assert is_in(fresh)
    settings.ENCRYPTION_KEYS = [old]
    with pytest.raises(Locked, match="No key of ENCRYPTION_KEYS fits"):
        _ = rolled_hook.signing_secrets


def test_what_waits_when_its_key_is_taken_away_is_parked_with_the_reason_and_done_once_it_is_back(
    page: Page, admin: User, settings: Settings
) -> None:
    wait_at_the_door(page)
    before = settings.ENCRYPTION_KEYS
    settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    call_command("rotate_encryption_keys", stdout=StringIO())
    with time_machine.travel(timezone.now(), tick=False) as clock:
        for pause in [*PAUSES, mails.GIVE_UP]:
            assert (signups.take_up(), mails.send()) == (0, 0)
            clock.shift(pause + timedelta(seconds=1))
        assert (signups.take_up(), mails.send()) == (0, 0)
        parked = Failure.objects.parked().order_by("kind")
        assert [row.kind for row in parked] == ["account_mail", "sign_up"]
        assert all("No key of ENCRYPTION_KEYS fits" in row.reason for row in parked)
        settings.ENCRYPTION_KEYS = before
        try_again(Failure.objects.filter(kind="sign_up"), author=admin)
        assert signups.take_up() == 1
        assert Subscriber.objects.get().contact == "bob@example.com"
        assert AccountMail.objects.exists(), "too old to be sent, but nobody has looked at it"
        try_again(Failure.objects.all(), author=admin)
        mails.send()
        assert not AccountMail.objects.exists()


def test_without_the_key_that_fits_a_second_factor_is_refused_with_a_sentence(
    client: Client, factor: str, author: User, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    sign_in(fresh := Client(), author)
    answer = fresh.post(reverse("mfa_authenticate"), {"code": code(factor)})
    assert answer.status_code == 200
    assert "Have an administrator take it away" in answer.text
    assert "No key of ENCRYPTION_KEYS fits" in caplog.text
    assert not is_in(fresh)


def test_secret_key_is_replaced_while_old_links_work_and_the_history_verifies(
    page: Page, admin: User, settings: Settings
) -> None:
    settings.SECRET_KEY = OLD
    recipient = subscribers.add_by_staff(page, address="ann@example.com", author=admin)
    link = reverse("subscription", args=[tokens.subscription(recipient.public_id)])
    declare_incident(page, title="Errors", author=admin)
    publish(page)
    seals.seal()
    browser = Client(headers={"host": "status.acme.example"})
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = NEW, [OLD]
    assert browser.get(link).status_code == 200
    assert list(seals.verify()) == []
    settings.SECRET_KEY_FALLBACKS = []
    assert browser.get(link).status_code == 404
    assert list(seals.verify()) == []


def settings_with(data: Path, **environment: str) -> Any:
    """The keys that the settings have in a process with this environment, or the sentence that they end with."""
    program = (
        "import json; from django.conf import settings as s;"
        "print(json.dumps([s.SECRET_KEY, s.SECRET_KEY_FALLBACKS, s.AUDIT_KEY, s.ENCRYPTION_KEYS]))"
    )
    environment = {
        "PATH": os.environ["PATH"],
        "DATA_DIR": str(data),
        "DJANGO_SETTINGS_MODULE": "portal.settings",
        **environment,
    }
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    return json.loads(done.stdout) if done.returncode == 0 else done.stderr.strip().splitlines()[-1]


def test_the_embedded_mode_makes_its_keys_once_for_itself_alone(tmp_path: Path) -> None:
    data = tmp_path / "data"
    first = settings_with(data)
    assert settings_with(data) == first
    assert len({first[0], first[2], "", *first[3]}) == 4
    assert settings_with(data, SECRET_KEY=NEW, SECRET_KEY_FALLBACKS=OLD) == [NEW, [OLD], *first[2:]]
    for file in ("audit-key", "encryption-key", "secret-key"):
        assert (data / file).stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in data.iterdir()) == ["audit-key", "encryption-key", "secret-key"]
    assert data.stat().st_mode & 0o777 == 0o700


def test_a_folder_of_everybody_is_not_taken_for_ones_own(tmp_path: Path) -> None:
    shared = tmp_path / "tmp"
    shared.mkdir()
    shared.chmod(0o1777)
    assert "name a folder that belongs to this user" in settings_with(shared, SECRET_KEY=OLD)
    assert shared.stat().st_mode & 0o7777 == 0o1777


@pytest.mark.parametrize(
    ("lacking", "said"),
    [
        ("SECRET_KEY", "SECRET_KEY is not set. Put a random value of 40 or more characters"),
        ("ENCRYPTION_KEYS", "ENCRYPTION_KEYS is not set. Put a key into the environment. Make it with: python3"),
        ("AUDIT_KEY", "AUDIT_KEY is not set. Put a random value of 40 or more characters"),
    ],
)
def test_production_does_not_start_without_a_key_of_its_own_for_each(tmp_path: Path, lacking: str, said: str) -> None:
    given = {
        "SECRET_KEY": OLD,
        "AUDIT_KEY": NEW,
        "ENCRYPTION_KEYS": Fernet.generate_key().decode(),
        "DATABASE_URL": "postgresql://portal:r4nd0mLetters@127.0.0.1/portal",
    }
    assert settings_with(tmp_path, **given)[0] == OLD
    assert said in settings_with(tmp_path, **{**given, lacking: ""})
    assert f"{lacking} " in settings_with(tmp_path, **{**given, lacking: "changeme"})
