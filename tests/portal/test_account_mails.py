"""Mails to staff about their own accounts leave, whatever happens to the process that wrote them."""

from __future__ import annotations

import logging
from datetime import timedelta

import pytest
import time_machine
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from incidents.models import User
from portal.accounts import mails
from portal.models import AccountMail
from portal.tasks import mail as tick


class Closed(EmailBackend):
    """A mail server that takes nothing now."""

    def send_messages(self, _messages: object) -> int:
        raise ConnectionRefusedError


def ask(grace: User) -> None:
    assert Client().post(reverse("account_reset_password"), {"email": grace.email}).status_code == 302


def test_a_mail_is_written_down_with_what_was_asked_and_sent_by_the_clock_once(grace: User) -> None:
    ask(grace)
    assert (mail.outbox, AccountMail.objects.count()) == ([], 1)
    tick.run()
    tick.run()
    (sent,) = mail.outbox
    assert sent.to == [grace.email]
    assert "/password/reset/key/" in str(sent.body)
    assert AccountMail.objects.count() == 0, "a link that opens an account is not kept"


def test_what_the_mail_server_does_not_take_is_tried_again_for_a_day(
    grace: User, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    usual = settings.EMAIL_BACKEND
    settings.EMAIL_BACKEND = f"{__name__}.Closed"
    now = timezone.now()
    with time_machine.travel(now, tick=False) as clock:
        ask(grace)
        for pause in (0, 10, 60, 3600):
            clock.shift(timedelta(seconds=pause))
            assert mails.send() == 0
        settings.EMAIL_BACKEND = usual
        assert mails.send() == 0, "it is left alone for a while"
        clock.shift(mails.LONGEST_PAUSE)
        assert mails.send() == 1

        settings.EMAIL_BACKEND = f"{__name__}.Closed"
        ask(grace)
        clock.shift(mails.GIVE_UP)
        with caplog.at_level(logging.ERROR):
            mails.send()
        assert "could not be sent for a day" in caplog.text
        assert AccountMail.objects.count() == 0


def test_two_that_send_at_once_send_it_once_and_one_that_died_is_replaced(
    grace: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Dead(BaseException):
        pass

    tries: list[object] = []

    def die(message: object) -> None:
        tries.append(message)
        if len(tries) == 1:
            mails.send()  # another clock, meanwhile
            raise Dead

    with time_machine.travel(timezone.now(), tick=False) as clock:
        ask(grace)
        with monkeypatch.context() as patch:
            patch.setattr("django.core.mail.EmailMessage.send", die)
            with pytest.raises(Dead):
                mails.send()
        assert len(tries) == 1
        clock.shift(mails.LEASE)
        assert mails.send() == 1


def test_one_that_stood_still_leaves_the_mail_to_whoever_has_it_now(
    grace: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stand_still(_message: object) -> None:
        AccountMail.objects.update(due_at=theirs)
        raise ConnectionResetError

    with time_machine.travel(timezone.now(), tick=False) as clock:
        theirs = timezone.now() + 2 * mails.LEASE
        ask(grace)
        monkeypatch.setattr("django.core.mail.EmailMessage.send", stand_still)
        assert mails.send() == 0
        assert AccountMail.objects.get().due_at == theirs
        clock.shift(mails.LEASE)
        assert mails.send() == 0
