"""A mail as it is composed once for all its recipients, and filled in for each of them."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from typing import Any

from django.conf import settings
from django.template.loader import render_to_string
from django.utils import timezone, translation
from django.utils.encoding import iri_to_uri

from incidents.models import Page
from incidents.record_time import record_time
from status import tokens
from status.rendering import labels

# Nobody can write what they cannot guess: a text that contains one of these would be filled in, too.
_ADDRESS, _NUMBER, TOKEN = (f"{name}{secrets.token_hex(8)}" for name in ("address", "number", "token"))
# The encoding of a part may have broken a line within one.
_PLACES = re.compile("|".join("(?:=\r\n)?".join(place) for place in (_ADDRESS, _NUMBER, TOKEN)).encode())


@dataclass(frozen=True, slots=True)
class Content:
    subject: str
    text: str
    html: str


@dataclass(frozen=True, slots=True)
class Message:
    """A mail but for what differs from one recipient to the next."""

    content: Content
    _parts: tuple[bytes, ...]

    @property
    def shown(self) -> Content:
        """For staff to read: with "…" where each recipient has a link of their own."""
        return Content(
            self.content.subject, self.content.text.replace(TOKEN, "…"), self.content.html.replace(TOKEN, "…")
        )

    def to(self, address: str, number: int, public_id: str) -> bytes:
        """The mail to a `Claimed.mailbox`: of the delivery with this number, to the recipient with this public id.

        The same on every try but for its date.
        """
        values = {
            _ADDRESS.encode(): address.encode(),
            _NUMBER.encode(): f"{number}.{public_id}".encode(),
            TOKEN.encode(): tokens.subscription(public_id).encode(),
        }
        return b"".join([values.get(part, part) for part in self._parts])


def render(template: str, page: Page, *, subject: str, **context: Any) -> Content:
    subject = " ".join(subject.split())  # one line, whatever its parts contain
    context |= {"page": page, "subject": subject, "language": page.language}
    text = render_to_string(f"email/{template}.txt", context)
    return Content(
        subject=subject,
        text=re.sub(r"\n{3,}", "\n\n", text.strip()) + "\n",  # what a tag leaves behind
        html=render_to_string(f"email/{template}.html", context),
    )


def compose(
    page: Page, content: Content, headers: dict[str, str], calendar: bytes | None = None, *, is_for_staff: bool = False
) -> Message:
    mail = EmailMessage(policy=SMTP)
    mail["Subject"] = content.subject
    mail["From"] = Address(" ".join(page.name.split()), addr_spec=parseaddr(settings.DEFAULT_FROM_EMAIL)[1])
    mail["Date"] = format_datetime(record_time())
    mail["Auto-Submitted"] = "auto-generated"
    if page.support_email:
        mail["Reply-To"] = Address(addr_spec=page.support_email)
    mail.set_content(content.text, cte="quoted-printable")
    mail.add_alternative(content.html, subtype="html", cte="quoted-printable")
    if calendar:
        name, method = "maintenance.ics", {"method": "PUBLISH", "charset": "utf-8"}
        mail.add_attachment(calendar, maintype="text", subtype="calendar", filename=name, params=method)
    # Written by hand: the standard library would encode one that has no place to break within 78 characters.
    leave = f"{iri_to_uri(page.url)}/subscriptions/{TOKEN}/unsubscribe"
    headers |= {
        "To": _ADDRESS,
        "Message-ID": f"<{_NUMBER}@{page.host}>",
        "List-Id": f"<{page.public_id}.{page.host}>",
    }
    if not is_for_staff:
        headers |= {
            "List-Unsubscribe": f"<{leave}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",  # RFC 8058
        }
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode("ascii")
    return Message(content, tuple(_split(head + mail.as_bytes())))


def _split(mail: bytes) -> Iterator[bytes]:
    """The bytes between the places that are filled in, and these places; in a body each on a line of its own."""
    body_at, end = mail.index(b"\r\n\r\n"), 0
    for match in _PLACES.finditer(mail):
        is_body = match.start() > body_at
        yield mail[end : match.start()] + (b"=\r\n" if is_body else b"")
        yield match[0].replace(b"=\r\n", b"")
        end = match.end()
        if is_body:
            yield b"=\r\n"
    yield mail[end:]


def both_times(at: datetime, page: Page) -> list[str]:
    """In the page's zone and in UTC, once where they are the same."""
    return list(dict.fromkeys([labels.instant(at, page.zone), labels.instant(at, UTC)]))


@contextmanager
def in_language_of(page: Page) -> Iterator[None]:
    """In the page's language and time zone."""
    with translation.override(page.language), timezone.override(page.zone):
        yield
