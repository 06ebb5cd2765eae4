"""A program's owner subscribes a webhook: by the form, confirmed by mail, with a secret that can be replaced."""

from __future__ import annotations

import logging
import re
import socket
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from incidents.models import Page, User
from status import addresses
from status.delivery import engine
from status.models import Delivery, SignUp, SignUpCount, Subscriber
from status.subscriptions import signups, subscribers
from status.subscriptions.subscribers import State
from tests.incidents.html_forms import filled
from tests.rows import everything
from tests.status.strangers import path
from tests.waiting import let_pass

ANN, HOOK = "ann@example.com", "https://hooks.example.com/in?key=1"
LIST = "/admin/status/subscriber/"
LookUp = Callable[..., list[Any]]


@pytest.fixture(autouse=True)
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The name server of the outside world."""
    known = {"hooks.example.com": "93.184.215.14", "inside.example.com": "10.0.0.1"}

    def look_up(host: str, port: int, **_kind: Any) -> list[Any]:
        if host not in known:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        if known[host] == "hangs":
            let_pass(0.5)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (known[host], port))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return known


def ask(public: Client, url: str = HOOK, contact: str = ANN, **headers: str) -> Any:
    answer = public.post("/subscribe/webhook", {"url": url, "contact": contact}, headers=headers)
    signups.take_up()
    return answer


def hook() -> Subscriber:
    return Subscriber.objects.get(channel=Subscriber.Channel.WEBHOOK, deleted_at=None)


def shown_secret(page: str) -> str:
    found = re.search(r'value="(whsec_[^"]+)"', page)
    assert found
    return found[1]


def test_from_the_form_to_the_secret_and_out(public: Client) -> None:
    assert '"/subscribe/webhook"' in public.get("/subscribe").text
    assert '"/subscribe/webhook"' in public.get("/").text
    assert 'type="url"' in public.get("/subscribe/webhook").text
    assert "a mail to it is on its way" in ask(public).text
    recipient = hook()
    assert (recipient.address, recipient.contact, recipient.state) == (addresses.shown(HOOK), ANN, State.UNCONFIRMED)
    assert recipient.deliveries.get().purpose == Delivery.Purpose.CONFIRMATION
    assert not Subscriber.objects.active().exists()

    assert "hooks.example.com" in public.get(path(recipient, "confirm")).text
    assert public.post(path(recipient, "confirm"))["Location"] == path(recipient)
    first = shown_secret(public.get(path(recipient)).text)
    assert first == hook().signing_secrets[0]
    assert public.post(path(recipient, "secret")).status_code == 302
    page = public.get(path(recipient)).text
    assert shown_secret(page) == hook().signing_secrets[0] != first
    assert "still signs beside it" in page
    public.post(path(recipient, "unsubscribe"))
    assert hook().state == State.UNSUBSCRIBED
    answer = public.post(path(recipient, "secret"))
    assert (answer.status_code, "Only a webhook that is subscribed" in answer.text) == (409, True)


def test_an_email_subscriber_has_no_secret_to_replace(public: Client, page: Page, admin: User) -> None:
    ann = subscribers.add_by_staff(page, address=ANN, author=admin)
    assert "whsec_" not in public.get(path(ann)).text
    assert public.post(path(ann, "secret")).status_code == 409


@pytest.mark.parametrize(
    ("url", "contact", "sentence"),
    [
        ("https://inside.example.com/", ANN, "inside.example.com is not an address on the public internet."),
        ("https://nobody.example.com/", ANN, "The name nobody.example.com cannot be found."),
        ("http://hooks.example.com/", ANN, "The address must begin with https://"),
        ("https://169.254.169.254/latest", ANN, "a public host name such as example.com, not a number."),
        ("https://localhost/", ANN, "a public host name such as example.com, not a number."),
        ("https://hooks.example.com:22/", ANN, "Only port 443 and ports from 1024 on can be used."),
        ("https://me:pw@hooks.example.com/", ANN, "must not contain a user name or a password."),
        (HOOK, "ann", "This is not an e-mail address."),
        (HOOK, "ann@example.com\r\nBcc: all@example.com", "This is not an e-mail address."),
    ],
)
def test_what_cannot_be_is_refused_with_a_sentence_and_kept_in_the_form(
    public: Client, url: str, contact: str, sentence: str, caplog: pytest.LogCaptureFixture
) -> None:
    before = everything()
    with caplog.at_level(logging.INFO, "status"):
        answer = ask(public, url, contact)
    assert answer.status_code == 422
    assert sentence in answer.text
    assert f'value="{url}"' in answer.text
    SignUpCount.objects.all().delete()  # a question to a name server counts
    assert everything() == before
    assert "was refused" in caplog.text
    assert contact not in caplog.text
    assert url not in caplog.text


def test_a_name_server_that_hangs_holds_nobody_up(
    public: Client, names: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(addresses, "LOOK_UP", 0.1)
    names["hooks.example.com"] = "hangs"
    answer = ask(public)
    assert (answer.status_code, "too slow" in answer.text) == (422, True)
    assert not SignUp.objects.exists()


def test_no_name_server_is_asked_for_whoever_asks_too_often(
    public: Client, monkeypatch: pytest.MonkeyPatch, names: dict[str, str]
) -> None:
    monkeypatch.setattr(signups, "PER_HOUR", 1)
    assert ask(public, "https://nobody.example.com/").status_code == 422
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_asked, **_kind: pytest.fail("it was asked"))
    assert ask(public).status_code == 429


def test_another_sites_form_and_a_flood_are_refused(public: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signups, "PER_HOUR", 4)  # for the question to the name server, too
    assert ask(public, **{"sec-fetch-site": "cross-site"}).status_code == 403
    codes = [ask(public, f"https://hooks.example.com/{number}").status_code for number in range(3)]
    assert codes == [200, 200, 429]
    assert Delivery.objects.count() == 1, "one mail an hour to one mailbox, whatever it is for"


def test_a_webhook_of_somebody_else_stays_theirs_and_nobody_learns_of_it(public: Client, page: Page) -> None:
    first = ask(public).content
    bob = hook()
    public.post(path(bob, "confirm"))
    secret = hook().signing_secrets[0]
    assert ask(public, contact="eve@example.com").content == first
    assert (hook().contact, hook().signing_secrets[0], hook().deliveries.count()) == (ANN, secret, 1)


def test_the_link_of_who_asked_before_opens_nothing_of_who_asks_after(public: Client) -> None:
    ask(public, contact="eve@example.com")
    stale = hook()
    links = [path(stale, verb) for verb in ("confirm", "", "secret")]
    ask(public)
    assert hook().contact == ANN
    for link in links:
        assert public.post(link).status_code == 410
    assert hook().state == State.UNCONFIRMED


def test_staff_add_a_webhook_and_are_shown_its_secret(administrator: Client, page: Page) -> None:
    assert f"{LIST}webhook/" in administrator.get(LIST).text
    form = filled(administrator.get(f"{LIST}webhook/"))
    for typed, sentence in (
        ({"address": "https://inside.example.com/", "contact": ANN}, "not an address on the public internet"),
        ({"address": HOOK, "contact": "ann"}, "This is not an e-mail address."),
    ):
        assert sentence in administrator.post(f"{LIST}webhook/", form | typed).text
    assert not Subscriber.objects.exists()
    answer = administrator.post(f"{LIST}webhook/", form | {"address": HOOK, "contact": ANN})
    assert shown_secret(answer.text) == hook().signing_secrets[0]
    assert hook().state == State.ACTIVE
    again = filled(administrator.get(f"{LIST}webhook/"), address=HOOK, contact=ANN)
    assert "subscribed already" in administrator.post(f"{LIST}webhook/", again).text

    change = f"{LIST}{hook().pk}/change/"
    roll = f"{LIST}{hook().pk}/secret/"
    assert roll in administrator.get(change).text
    assert "whsec_" not in administrator.get(change).text
    first = hook().signing_secrets[0]
    answer = administrator.post(roll, filled(administrator.get(roll)))
    assert shown_secret(answer.text) == hook().signing_secrets[0] != first
    assert [row.history_user.username for row in hook().history.all()] == ["ada"] * hook().history.count()


def test_a_mail_that_asks_an_owner_names_no_more_of_the_address_than_its_host(
    public: Client, page: Page, admin: User, settings: Any, tmp_path: Any
) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    settings.EMAIL_FILE_PATH = tmp_path / "mail"
    ask(public, "https://hooks.example.com/click-here-to-win")
    assert engine.deliver(Subscriber.Channel.EMAIL) == 1
    (file,) = (tmp_path / "mail").iterdir()
    mail = file.read_text()
    assert f"To: {ANN}" in mail
    assert "hooks.example.com" in mail
    assert "win" not in mail


def test_forgetting_an_owner_reaches_what_waits_at_the_door(public: Client, page: Page, admin: User) -> None:
    public.post("/subscribe/webhook", {"url": HOOK, "contact": ANN})
    public.post("/subscribe", {"address": ANN})
    subscribers.forget(ANN, author=admin)
    assert not SignUp.objects.exists()
    assert ANN not in str(everything())
