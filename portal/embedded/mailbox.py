"""The mails that the demonstration would have sent, from the folder where Django's file-based backend keeps them.

Only with DEMO=1; anywhere else these pages do not exist.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path

SEPARATOR = b"\n" + b"-" * 79 + b"\n"  # what the backend writes after each message
SHOWN = 200


@dataclass(frozen=True, slots=True)
class Mail:
    file: str
    number: int  # of this message in its file
    message: EmailMessage

    @property
    def headers(self) -> list[tuple[str, str]]:
        return [(name, str(value)) for name, value in self.message.items()]

    @property
    def text(self) -> str:
        return self._part("plain")

    @property
    def html(self) -> str:
        return self._part("html")

    def _part(self, kind: str) -> str:
        part = self.message.get_body((kind,))
        return str(part.get_content()) if part else ""


def mail_list(request: HttpRequest) -> HttpResponse:
    return render(request, "portal/demo_mails.html", {"mails": list(_newest())})


def mail(request: HttpRequest, file: str, number: int) -> HttpResponse:
    return render(request, "portal/demo_mail.html", {"mail": _find(file, number)})


def mail_html(request: HttpRequest, file: str, number: int) -> HttpResponse:
    """The HTML part as it is. It may style itself, as mail does, but has no script, no request and no origin."""
    response = HttpResponse(_find(file, number).html)
    response["Content-Security-Policy"] = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    return response


urlpatterns = [
    path("mail", mail_list, name="demo-mails"),
    path("mail/<str:file>/<int:number>", mail, name="demo-mail"),
    path("mail/<str:file>/<int:number>/html", mail_html, name="demo-mail-html"),
]


def _newest() -> Iterator[Mail]:
    """The mails of the folder, newest first, at most SHOWN."""
    if not settings.DEMO:
        raise Http404
    left = SHOWN
    for file in sorted(Path(settings.EMAIL_FILE_PATH).glob("*.log"), reverse=True):  # named by the time
        for mail in list(_in(file))[::-1][:left]:
            left -= 1
            yield mail


def _in(file: Path) -> Iterator[Mail]:
    # The rest behind the last separator is a message that is being written.
    for number, content in enumerate(file.read_bytes().split(SEPARATOR)[:-1]):
        message = BytesParser(EmailMessage, policy=policy.default).parsebytes(content)
        yield Mail(file.name, number, message)


def _find(file: str, number: int) -> Mail:
    for mail in _newest():
        if (mail.file, mail.number) == (file, number):
            return mail
    raise Http404
