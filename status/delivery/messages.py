"""What recipients read in their mailbox: rendered once for an event, then filled in for each of them."""

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
from urllib.parse import urlsplit

from django.conf import settings
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.encoding import iri_to_uri
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from incidents import duties
from incidents.models import Incident, OutboxEvent, Page
from status import projection, tokens
from status.models import Nudge, Recipient
from status.rendering import calendars, labels, snapshot
from status.rendering.markdown import to_html
from status.rendering.stories import report_html, report_text

# Nobody can write what they cannot guess: a text that contains one of these would be filled in, too.
_ADDRESS, _NUMBER, _TOKEN = (f"{name}{secrets.token_hex(8)}" for name in ("address", "number", "token"))
# The encoding of a part may have broken a line within one.
_PLACES = re.compile("|".join("(?:=\r\n)?".join(place) for place in (_ADDRESS, _NUMBER, _TOKEN)).encode())

# What may stand in a header and in an SMTP command as it is.
_BARE_ADDRESS = re.compile(r"[!-;=?-~]+@[!-;=?A-~-]+")


class BadAddress(ValueError):
    """Not an address to which mail can be sent."""


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
            self.content.subject, self.content.text.replace(_TOKEN, "…"), self.content.html.replace(_TOKEN, "…")
        )

    def to(self, address: str, number: int, public_id: str) -> bytes:
        """The mail to a `bare` address: of the delivery with this number, to the recipient with this public id.

        The same on every try but for its date.
        """
        values = {
            _ADDRESS.encode(): address.encode(),
            _NUMBER.encode(): f"{number}.{public_id}".encode(),
            _TOKEN.encode(): tokens.subscription(public_id).encode(),
        }
        return b"".join([values.get(part, part) for part in self._parts])


def bare(address: str) -> str:
    """The address, if it can stand in a header and in an SMTP command. Raises `BadAddress`."""
    if not _BARE_ADDRESS.fullmatch(address):
        raise BadAddress(_("This is not an address to which mail can be sent."))
    return address


def of_event(event: OutboxEvent) -> Message | None:
    """What its recipients are sent; None when there is nothing to tell any more: taken back, or no longer public."""
    page = event.page
    assert event.incident is not None, "only facts about incidents are told"
    with projection.consistent():
        reader = projection.Reader(page, projection.today(page))
        incident = next(iter(reader.incidents([event.incident.pk])), None)
    if incident is None or not page.is_published:
        return None
    told: snapshot.IncidentUpdate | snapshot.Postmortem | snapshot.Commitment | None
    if event.kind == OutboxEvent.Kind.COMMITMENT_FULFILLED:
        told = _fulfilled(incident, event)
    elif event.is_report:
        told = incident.postmortem
    elif event.kind == OutboxEvent.Kind.MAINTENANCE_REMINDER:
        told = incident.updates[0] if incident.is_ahead else None
    else:
        wanted = event.update and event.update.public_id
        told = next((update for update in incident.updates if update.id == wanted), None)
    if told is None:
        return None
    with _reading(page):
        content = _tell(page, incident, told, event)
        thread = f"<incident.{incident.id}@{_host(page)}>"
        # Until it begins it has its place in calendars; then what was moved or called off must be moved there, too.
        has_entry = incident.is_ahead or incident.is_cancelled or incident.expected_until is not None
        calendar = calendars.maintenance(reader.page, incident) if incident.is_maintenance and has_entry else None
        return _compose(page, content, {"In-Reply-To": thread, "References": thread}, calendar)


def _fulfilled(incident: snapshot.Incident, event: OutboxEvent) -> snapshot.Commitment | None:
    """The promise that was kept, unless it turned out since that it was not."""
    assert event.action_item is not None, "it says which one"
    promised = incident.postmortem.commitments if incident.postmortem else ()
    wanted = event.action_item.public_id
    return next((each for each in promised if each.id == wanted and each.state in ("done", "verified")), None)


def of_subscription(recipient: Recipient) -> Message:
    """Asks whether this address wants to be told. Who is told already gets the link that changes what."""
    page = recipient.page
    with _reading(page):
        asked = _("Somebody, hopefully you, asked that %(name)s tells this address about incidents and maintenance.")
        if recipient.channel == Recipient.Channel.WEBHOOK:
            asked = _("Somebody, hopefully you, asked that %(name)s sends what happens to a program at %(host)s.")
        if recipient.state == Recipient.State.ACTIVE:
            template, subject = "subscribed", _("You are subscribed already")
            link = f"{page.url}/subscriptions/{_TOKEN}"
        else:
            template, subject = "confirmation", _("Please confirm your subscription")
            assert recipient.confirmation_sent_at is not None, "whoever owes this mail has set it"
            token = tokens.confirmation(recipient.public_id, asked_at=recipient.confirmation_sent_at)
            link = f"{page.url}/subscriptions/{token}/confirm"
        # No more than the host of a webhook: a stranger may have written the rest for whoever reads this.
        asked %= {"name": page.name, "host": urlsplit(recipient.address).hostname}
        content = _render(template, page, subject=f"[{page.name}] {subject}", link=link, asked=asked)
        return _compose(page, content, {})


def of_warning(recipient: Recipient) -> Message:
    """Tells a webhook's owner that it fails."""
    page = recipient.page
    with _reading(page):
        content = _render(
            "warning",
            page,
            subject=f"[{page.name}] " + _("Your webhook does not answer"),
            address=recipient.address,
            moments=_moments(recipient.failing_since or timezone.now(), page),
            link=f"{page.url}/subscriptions/{_TOKEN}",
        )
        return _compose(page, content, {})


def of_nudge(nudge: Nudge) -> Message:
    """Reminds staff. It has no link to unsubscribe: that is for an administrator to change."""
    page = nudge.page
    with _reading(page):
        content = _render(
            "nudge",
            page,
            subject=f"[{page.name}] {sentence(nudge)}",
            sentence=sentence(nudge),
            moments=_moments(nudge.due_at, page),
            link=f"{settings.SITE_URL}{nudge.path}",
            still=_still(nudge) if nudge.key in duties.PROMISES else "",
        )
        return _compose(page, content, {}, is_for_staff=True)


def _still(nudge: Nudge) -> str:
    """Where one click says that there is nothing new."""
    incident = Incident.objects.get(public_id=nudge.subject)
    return f"{settings.SITE_URL}{reverse('admin:incidents_incident_no_change', args=[incident.pk])}"


def sentence(nudge: Nudge) -> str:
    """What it says, in one sentence."""
    words = dict(duties.Key.choices).get(nudge.key, "%(title)s")
    return str(words) % {"title": nudge.title}


def _tell(
    page: Page,
    incident: snapshot.Incident,
    told: snapshot.IncidentUpdate | snapshot.Postmortem | snapshot.Commitment,
    event: OutboxEvent,
) -> Content:
    kind = event.kind
    affected: tuple[snapshot.AffectedComponent, ...] = ()
    due_at: datetime | None = None
    intro, body, html = "", "", SafeString()
    if isinstance(told, snapshot.Postmortem):
        step, tone = _("Postmortem"), "none"
        body, html = report_text(told, page.time_zone), report_html(told, top=3)
        if kind == OutboxEvent.Kind.POSTMORTEM_AMENDED and told.amendments:
            step, intro = _("Postmortem updated"), told.amendments[-1].text
    elif isinstance(told, snapshot.Commitment):
        step, tone, body = _("Promise kept"), "resolved", told.text
        html = format_html("<p>{}</p>", told.text)
    else:
        body, html = told.body, to_html(told.body, top=3)
        step, tone = str(labels.STATUSES[told.status]), told.status
        affected, due_at = told.affected_components, told.next_update_due_at
        if incident.is_cancelled and told.status == "completed":
            step = _("Cancelled")
        if kind == OutboxEvent.Kind.UPDATE_CORRECTED:
            step = _("Correction (%(status)s)") % {"status": step}
        elif kind == OutboxEvent.Kind.MAINTENANCE_REMINDER:
            step = _("Reminder")
    is_news = kind in (OutboxEvent.Kind.POSTMORTEM_AMENDED, OutboxEvent.Kind.COMMITMENT_FULFILLED)
    at = event.created_at if is_news or isinstance(told, snapshot.Commitment) else told.display_at
    return _render(
        "incident",
        page,
        subject=f"[{page.name}] {step}: {incident.name}",
        step=step,
        tone=tone,
        incident=incident,
        impact=labels.IMPACTS[incident.impact],
        intro=intro,
        body=body,
        html=html,
        moments=_moments(at, page),
        due=_moments(due_at, page) if due_at else [],
        affected=[
            (
                each.name,
                labels.STATUSES[each.old_status],
                labels.STATUSES[each.new_status],
                each.old_status != each.new_status,
            )
            for each in affected
        ],
        link=f"{page.url}/incidents/{incident.id}",
        manage=f"{page.url}/subscriptions/{_TOKEN}",
    )


def _moments(at: datetime, page: Page) -> list[str]:
    """In the page's zone and in UTC, once where they are the same."""
    return list(dict.fromkeys([labels.instant(at, page.zone), labels.instant(at, UTC)]))


def _render(template: str, page: Page, *, subject: str, **context: Any) -> Content:
    subject = " ".join(subject.split())  # one line, whatever its parts contain
    context |= {"page": page, "subject": subject, "language": page.language}
    text = render_to_string(f"email/{template}.txt", context)
    return Content(
        subject=subject,
        text=re.sub(r"\n{3,}", "\n\n", text.strip()) + "\n",  # what a tag leaves behind
        html=render_to_string(f"email/{template}.html", context),
    )


def _compose(
    page: Page, content: Content, headers: dict[str, str], calendar: bytes | None = None, *, is_for_staff: bool = False
) -> Message:
    mail = EmailMessage(policy=SMTP)
    mail["Subject"] = content.subject
    mail["From"] = Address(" ".join(page.name.split()), addr_spec=parseaddr(settings.DEFAULT_FROM_EMAIL)[1])
    mail["Date"] = format_datetime(timezone.now())
    mail["Auto-Submitted"] = "auto-generated"
    if page.support_email:
        mail["Reply-To"] = Address(addr_spec=page.support_email)
    mail.set_content(content.text, cte="quoted-printable")
    mail.add_alternative(content.html, subtype="html", cte="quoted-printable")
    if calendar:
        name, method = "maintenance.ics", {"method": "PUBLISH", "charset": "utf-8"}
        mail.add_attachment(calendar, maintype="text", subtype="calendar", filename=name, params=method)
    # Written by hand: the standard library would encode one that has no place to break within 78 characters.
    leave = f"{iri_to_uri(page.url)}/subscriptions/{_TOKEN}/unsubscribe"
    headers |= {
        "To": _ADDRESS,
        "Message-ID": f"<{_NUMBER}@{_host(page)}>",
        "List-Id": f"<{page.public_id}.{_host(page)}>",
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


def _host(page: Page) -> str:
    return page.host.encode("idna").decode()


@contextmanager
def _reading(page: Page) -> Iterator[None]:
    """In the page's language and time zone."""
    with translation.override(page.language), timezone.override(page.zone):
        yield
