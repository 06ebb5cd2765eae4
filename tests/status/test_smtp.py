"""The SMTP client, against a real server that may be difficult."""

from __future__ import annotations

import contextlib
import select
import ssl
import subprocess
import threading
from base64 import b64encode
from pathlib import Path

import pytest
from pytest_django import Settings

from status.delivery.mails import smtp
from status.delivery.mails.smtp import Mail, Reply, Stage
from status.delivery.protocol import Meaning, Unavailable
from tests.servers import free_port
from tests.sink import Sink, mail_server
from tests.waiting import stretched, within


@pytest.fixture(autouse=True)
def acme_sender(sink: Sink, settings: Settings) -> None:
    settings.DEFAULT_FROM_EMAIL = "Acme <status@acme.example>"


def mails(count: int) -> list[Mail]:
    return [
        Mail(number, f"reader-{number}@example.com", f"Message-ID: <{number}@acme>\r\n\r\nHello\r\n".encode())
        for number in range(count)
    ]


def outcomes(sent: list[Mail], connections: int = 1) -> dict[int, Reply]:
    found: dict[int, Reply] = {}
    for answered in smtp.send(sent, connections=connections):
        found |= {mail.key: answer for mail, answer in answered}
    return found


def test_many_mails_go_over_few_connections(sink: Sink) -> None:
    found = outcomes(mails(50), connections=3)
    assert len(found) == 50
    assert all(answer.meaning is Meaning.SENT for answer in found.values())
    assert {mail.recipient for mail in sink.received} == {f"reader-{number}@example.com" for number in range(50)}
    assert {mail.sender for mail in sink.received} == {"status@acme.example"}
    assert sink.sessions == 3


def test_a_server_without_pipelining_is_asked_one_thing_at_a_time(sink: Sink) -> None:
    sink.extensions = ["8BITMIME"]
    sink.answers["RCPT TO:<reader-1@"] = "550 5.1.1 no such user"
    found = outcomes(mails(3))
    assert [found[number].meaning for number in range(3)] == [Meaning.SENT, Meaning.GONE, Meaning.SENT]
    assert sink.commands.count("DATA") == 2


def test_lines_that_begin_with_a_dot_arrive_as_they_were(sink: Sink) -> None:
    content = b"Subject: dots\r\n\r\n.\r\n..two\r\n.one\r\nend.\r\n"
    outcomes([Mail(1, "reader@example.com", content)])
    assert sink.received[0].content == content


@pytest.mark.parametrize("is_lax", [False, True])
def test_one_refused_address_stops_no_other(sink: Sink, is_lax: bool) -> None:
    sink.is_lax = is_lax
    sink.answers["RCPT TO:<reader-1@"] = "550 no such user"
    found = outcomes(mails(3))
    assert [found[number].meaning for number in range(3)] == [Meaning.SENT, Meaning.GONE, Meaning.SENT]
    assert found[1] == Reply(Stage.RECIPIENT, 550, "no such user")
    assert sink.sessions == 1


@pytest.mark.parametrize(
    ("reply", "meaning"),
    [
        (Reply(Stage.RECIPIENT, 550, "5.1.1 no such user"), Meaning.GONE),
        (Reply(Stage.RECIPIENT, 550, "no such user"), Meaning.GONE),
        (Reply(Stage.CONTENT, 552, "5.2.2 mailbox full"), Meaning.GONE),
        (Reply(Stage.CONTENT, 554, "5.7.1 looks like spam"), Meaning.REFUSED),
        (Reply(Stage.CONTENT, 554, "no"), Meaning.REFUSED),
        (Reply(Stage.RECIPIENT, 550, "5.7.1 you may not relay"), Meaning.RETRY),
        (Reply(Stage.RECIPIENT, 553, "5.1.8 unknown sender"), Meaning.RETRY),
        (Reply(Stage.RECIPIENT, 451, "4.7.1 greylisted"), Meaning.RETRY),
        (Reply(Stage.CONTENT, 0, "connection lost"), Meaning.RETRY),
    ],
)
def test_what_is_about_the_mailbox_is_distinguished_from_what_is_about_us(reply: Reply, meaning: Meaning) -> None:
    assert reply.meaning is meaning


def test_a_mail_put_off_leaves_the_others_alone(sink: Sink) -> None:
    sink.answers["RCPT TO:<reader-0@"] = "451 4.7.1 try later"
    found = outcomes(mails(2))
    assert (found[0].code, found[1].code) == (451, 250)


def test_a_server_that_ends_sessions_is_connected_to_again(sink: Sink) -> None:
    sink.mails_per_session = 3
    assert all(answer.meaning is Meaning.SENT for answer in outcomes(mails(10)).values())
    assert sink.sessions == 4


def test_a_server_that_takes_no_sender_now_is_left_alone(sink: Sink) -> None:
    sink.answers["MAIL"] = "452 4.3.1 out of space"
    with pytest.raises(Unavailable, match="out of space"):
        outcomes(mails(100), connections=2)
    assert sink.sessions <= 2


def test_a_server_that_hangs_up_while_mails_go_out_loses_none_without_a_word(sink: Sink) -> None:
    found: dict[int, Reply] = {}

    def send_until_it_hangs_up() -> None:
        for answered in smtp.send(mails(20), connections=2):
            found.update({mail.key: answer for mail, answer in answered})
            sink.is_refusing = len(found) >= 6

    with pytest.raises(Unavailable):
        send_until_it_hangs_up()
    assert {key for key, answer in found.items() if answer.meaning is Meaning.SENT} == {
        int(name.strip("<").partition("@")[0]) for name in sink.ids()
    }


def test_a_server_that_is_not_there_is_unavailable_at_once(settings: Settings) -> None:
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", free_port()
    with pytest.raises(Unavailable, match="refused"):
        outcomes(mails(5), connections=4)


@pytest.mark.parametrize(("command", "said"), [("MAIL", ""), ("MAIL", "250-and"), ("ehlo", "")])
def test_a_server_that_says_nothing_is_given_up_after_the_timeout(
    sink: Sink, settings: Settings, command: str, said: str
) -> None:
    settings.EMAIL_TIMEOUT = 0.3
    sink.answers |= {command: said, "RCPT": "", "DATA": ""}
    with within(5), pytest.raises(Unavailable):
        outcomes(mails(2), connections=1)


@pytest.mark.parametrize("connections", [1, 3])
def test_a_recipient_about_whom_the_server_is_silent_holds_up_no_other(
    sink: Sink, settings: Settings, connections: int
) -> None:
    settings.EMAIL_TIMEOUT = 0.3
    sink.answers["RCPT TO:<reader-0@"] = ""
    found = outcomes(mails(20), connections)
    assert found.pop(0) == Reply(Stage.RECIPIENT, 0, "the mail server did not answer in time")
    assert len(found) == 19
    assert all(answer.meaning is Meaning.SENT for answer in found.values())


def test_a_sender_that_stood_still_sends_no_message_and_gives_it_to_no_other_connection(
    sink: Sink, settings: Settings
) -> None:
    connection = smtp.Connection()
    connection.begin(mails(1)[0])
    connection.overdue_at = 0.0
    select.select([connection], [], [], stretched(5))
    with pytest.raises(TimeoutError):
        connection.advance()
    connection.close()
    settings.EMAIL_TIMEOUT = 0.2
    sink.answers["RCPT"] = ""
    with contextlib.suppress(Unavailable):
        assert [reply.meaning for reply in outcomes(mails(1), connections=2).values()] == [Meaning.RETRY]
    assert sink.received == []
    assert len([line for line in sink.commands if line.startswith("RCPT")]) == 2


def test_a_message_that_the_server_ponders_holds_up_no_other(sink: Sink) -> None:
    sink.answers["CONTENT"] = ""
    sending = smtp.send(mails(20), connections=2)
    threading.Timer(0.3, sink.answers.clear).start()  # for all that come after the first two
    with contextlib.closing(sending), pytest.MonkeyPatch.context() as patch:
        patch.setattr(smtp, "CONTENT_TIMEOUT", 1.0)
        found = {mail.key: answer.meaning is Meaning.SENT for answered in sending for mail, answer in answered}
    assert found == {number: number > 1 for number in range(20)}


def test_an_answer_of_several_lines_is_one(sink: Sink) -> None:
    sink.answers["CONTENT"] = "250-2.0.0 queued\r\n250 2.0.0 as 1"
    assert outcomes(mails(1))[0] == Reply(Stage.CONTENT, 250, "2.0.0 queued 2.0.0 as 1")


@pytest.mark.parametrize("said", ["250-x\r\n" * 2000, "x" * 100_000, "¡hola!"])
def test_a_server_that_makes_no_sense_is_left_alone(sink: Sink, said: str) -> None:
    sink.answers["MAIL"] = said
    with pytest.raises(Unavailable, match="the mail server"):
        outcomes(mails(2))


def test_a_mail_whose_answer_never_comes_is_not_sent_again_by_another_connection(
    sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smtp, "CONTENT_TIMEOUT", 0.2)
    sink.answers["CONTENT"] = ""
    (answered,) = next(smtp.send(mails(1), connections=1))
    assert (answered[1].code, answered[1].stage) == (0, Stage.CONTENT)


def test_mail_is_recorded_before_its_connection_takes_the_next(sink: Sink) -> None:
    recorded: set[int] = set()
    for answered in smtp.send(mails(40), connections=4):
        assert len(sink.received) - len(recorded) <= 4
        recorded |= {mail.key for mail, _answer in answered}
    assert len(recorded) == 40


def test_it_encrypts_and_logs_in_where_that_is_asked_for(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-keyout", str(key), "-out", str(certificate), "-days", "2", "-subj", "/CN=127.0.0.1"),
            *("-addext", "subjectAltName=IP:127.0.0.1"),
        ],
        check=True,
        capture_output=True,
    )
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    with mail_server(tls=context) as sink:
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", sink.port
        settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD = "portal", "open sesame"
        for mechanism, starttls in (("PLAIN", ["STARTTLS"]), ("LOGIN", ["STARTTLS"]), ("PLAIN", [])):
            settings.EMAIL_USE_TLS, settings.EMAIL_USE_SSL = bool(starttls), not starttls
            sink.extensions = ["PIPELINING", *starttls, f"AUTH {mechanism}"]
            assert all(answer.meaning is Meaning.SENT for answer in outcomes(mails(5), connections=2).values())
    plain = b64encode(b"\0portal\0open sesame").decode()
    assert f"PLAIN {plain}" in sink.logins
    assert any(login.startswith("LOGIN") for login in sink.logins)
