"""What programs are sent: Statuspage's payloads, signed as Standard Webhooks (standardwebhooks.com) says.

Nothing here reads the record but `messages_of`; `send` may run in any thread, and never trusts the other side.
"""

from __future__ import annotations

import base64
import hmac
import json
import ssl
import time
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING, Any

from django.utils import timezone
from django.utils.translation import gettext as _

from incidents.models import OutboxEvent
from status import projection, tokens
from status.addresses import INTERNET, Network, Refused, Target, parse
from status.models import Delivery
from status.rendering import api_v2, snapshot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from _typeshed import ReadableBuffer, WriteableBuffer

TIMEOUT = 30.0  # seconds for all that one delivery sends, from the name server to the last answer
READ_AT_MOST = 64 * 1024
SHOWN_OF_ANSWER = 300
DOCUMENTATION = "https://www.standardwebhooks.com/"

# After the first failed try, the second ...: as Standard Webhooks recommends, a little more than 75 hours in all.
RETRIES = [
    timedelta(seconds=5),
    *(timedelta(minutes=minutes) for minutes in (5, 30)),
    *(timedelta(hours=hours) for hours in (2, 5, 10, 14, 20, 24)),
]

# The keys of Statuspage's payloads, in its order. They are those of API v2 but for what `_incident` adds.
_INCIDENT = (
    *("name", "status", "created_at", "updated_at", "monitoring_at", "resolved_at", "impact", "shortlink"),
    *("scheduled_for", "scheduled_until", "scheduled_remind_prior", "scheduled_reminded_at", "impact_override"),
    *("scheduled_auto_in_progress", "scheduled_auto_completed", "metadata", "started_at", "reminder_intervals"),
    *("id", "page_id", "incident_updates", "components"),
)
_UPDATE = ("status", "body", "created_at", "updated_at", "display_at", "id", "incident_id", "affected_components")
_COMPONENT_OF_INCIDENT = (
    *("status", "name", "created_at", "updated_at", "position", "description", "showcase", "id", "page_id", "group_id"),
)
_COMPONENT = ("created_at", "id", "name", "page_id", "position", "status", "updated_at", "showcase")

READ = ("page", "incident", "update", "component_change__component")  # of an event, with it

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Message:
    """What one event tells; `key` sets several of one event apart, so that each has an id of its own."""

    key: str
    content: Json


@dataclass(frozen=True, slots=True)
class Answer:
    """What the other side said. `is_gone`: it wants nothing more, ever."""

    is_accepted: bool
    text: str
    is_gone: bool = False


def next_attempt(attempts: int) -> timedelta | None:
    """How long to wait after so many failed attempts; None when there is no further one."""
    return RETRIES[attempts - 1] if attempts <= len(RETRIES) else None


# --- What it says -----------------------------------------------------------------------------------------------------


def messages_of(event: OutboxEvent) -> list[Message]:
    """The incident, and one for each component that the update changed; none when there is nothing to tell any more.

    What was taken back, or is no longer public, is not told.
    """
    page, update, change = event.page, event.update, event.component_change
    if not page.is_published:
        return []
    with projection.consistent():
        reader = projection.Reader(page, projection.today(page))
        incident = next(iter(reader.incidents([event.incident_id])), None) if event.incident_id else None
        site = reader.site()
    head = {
        "meta": {
            "unsubscribe": f"{page.url}/subscriptions/",  # each recipient's token comes behind it
            "documentation": DOCUMENTATION,
            "generated_at": _instant(timezone.now()),
        },
        "page": {"id": site.page.id, "status_indicator": site.indicator, "status_description": site.description},
    }
    if change:
        row = _row(site, change.component.public_id)
        number = sha256(f"{change.pk} {change.component.public_id}".encode()).hexdigest()[:12]
        said = (change.old_status, change.status, change.created_at, number)
        return [Message("", head | _component(row, *said))] if row else []
    if incident is None:
        return []
    document = _incident(site.page, incident)
    if event.is_report:
        return [Message("", head | {"incident": document})] if incident.postmortem else []
    if event.kind == OutboxEvent.Kind.MAINTENANCE_REMINDER:
        return [Message("", head | {"incident": document})] if incident.is_ahead else []
    told = next((each for each in incident.updates if update and each.id == update.public_id), None)
    if told is None:
        return []
    changed = [each for each in told.affected_components if each.old_status != each.new_status]
    rows = {row["id"]: row for row in document["components"]}
    return [
        Message("", head | {"incident": document}),
        *(
            Message(
                f"_{each.code}",
                head | _component(rows[each.code], each.old_status, each.new_status, told.created_at, told.id),
            )
            for each in changed
        ),
    ]


def _incident(page: snapshot.Page, incident: snapshot.Incident) -> Json:
    # Webhooks say instants in UTC, whatever the page's zone.
    public = json.loads(api_v2.incident(replace(page, time_zone="Etc/UTC"), incident))["incident"]
    plan = incident.plan
    values = {
        "scheduled_for": None,
        "scheduled_until": None,
        "scheduled_remind_prior": bool(plan and plan.reminders),
        "scheduled_reminded_at": _instant(plan.reminded_at) if plan and plan.reminded_at else None,
        "impact_override": incident.impact_override,
        "scheduled_auto_in_progress": bool(plan and plan.starts_by_itself),
        "scheduled_auto_completed": bool(plan and plan.ends_by_itself),
        # Statuspage's place for what others add: each of its keys holds an object
        "metadata": {"next_update": {"due_at": _instant(due_at)}} if (due_at := incident.next_update_due_at) else {},
        "reminder_intervals": None,
        **public,
        "incident_updates": [_only(_UPDATE, update) for update in public["incident_updates"]],
        "components": [_only(_COMPONENT_OF_INCIDENT, component) for component in public["components"]],
    }
    return _only(_INCIDENT, values)


def _row(site: snapshot.Site, public_id: str) -> Json | None:
    """A component as API v2 has it, with instants in UTC; None when it is not public here."""
    in_utc = replace(site, page=replace(site.page, time_zone="Etc/UTC"))
    rows: list[Json] = json.loads(api_v2.components(in_utc))["components"]
    return next((row for row in rows if row["id"] == public_id), None)


def _component(row: Json, old_status: str, new_status: str, at: datetime, update_id: str) -> Json:
    return {
        "component": _only(_COMPONENT, row | {"status": new_status}),
        "component_update": {
            "old_status": old_status,
            "new_status": new_status,
            "created_at": _instant(at),
            "component_type": "Component",
            "state": "sn_created",
            "id": update_id,
            "component_id": row["id"],
        },
    }


def _only(keys: Sequence[str], values: Json) -> Json:
    return {key: values[key] for key in keys}


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def payload(message: Message, delivery: Delivery) -> bytes:
    """The message as it goes to one recipient, with its own link to unsubscribe."""
    meta = message.content["meta"]
    link = meta["unsubscribe"] + tokens.subscription(delivery.recipient.public_id)
    content = message.content | {"meta": meta | {"unsubscribe": link}}
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


# --- How it is signed and sent ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Request:
    """One POST, ready but for its time. `id` is the same on every try: by it the other side knows a repetition."""

    url: str
    secrets: list[str]
    id: str
    body: bytes


def requests(messages: Sequence[Message], delivery: Delivery) -> list[Request]:
    recipient = delivery.recipient
    return [
        Request(
            url=recipient.address,
            secrets=recipient.signing_secrets,
            id=f"msg_{delivery.pk}_{recipient.public_id}{message.key}",
            body=payload(message, delivery),
        )
        for message in messages
    ]


def signature(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """One of the `webhook-signature` header."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.digest(key, b"%s.%d.%s" % (message_id.encode(), timestamp, body), "sha256")
    return f"v1,{base64.b64encode(digest).decode()}"


def send(wanted: Sequence[Request], network: Network = INTERNET, *, timeout: float = TIMEOUT) -> Answer:
    """Send these, one after the other, until one is not accepted; the answer is the last one's.

    Takes `timeout` seconds at the most, and what the name server needs. Reads no database.
    """
    deadline = time.monotonic() + timeout
    answer = Answer(is_accepted=True, text=_("There was nothing to send."))
    for request in wanted:
        try:
            answer = _post(request, parse(request.url), network, deadline)
        except TimeoutError:
            answer = Answer(False, _("There was no answer in time."))
        except (Refused, OSError, HTTPException) as error:
            answer = Answer(False, _clean(str(error) or type(error).__name__))
        if not answer.is_accepted:
            break
    return answer


class _Line(ssl.SSLSocket):
    """Takes until `deadline` for everything together, and reads so much in all, whatever the other side does."""

    deadline = 0.0
    left = READ_AT_MOST

    def send(self, data: ReadableBuffer, flags: int = 0) -> int:
        self.settimeout(_left(self.deadline))
        return super().send(data, flags)

    def recv_into(self, buffer: WriteableBuffer, nbytes: int | None = None, flags: int = 0) -> int:
        self.settimeout(_left(self.deadline))
        count = super().recv_into(buffer, nbytes, flags)
        self.left -= count
        if self.left < 0:
            raise ConnectionAbortedError(_("The answer was too long."))
        return count


def _post(request: Request, target: Target, network: Network, deadline: float) -> Answer:
    timestamp = int(time.time())
    headers = {
        "Host": target.authority,
        "Content-Type": "application/json",
        "User-Agent": "incident-portal",
        "Connection": "close",
        "webhook-id": request.id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(
            signature(secret, request.id, timestamp, request.body) for secret in request.secrets
        ),
    }
    with closing(HTTPConnection(target.host, target.port)) as connection:
        connection.auto_open = 0  # it would look the name up by itself
        connection.sock = _encrypted(target, network, deadline)
        connection.request("POST", target.path, body=request.body, headers=headers)
        with connection.getresponse() as response:
            words = _clean(f"{response.status} {response.reason}")
            if 200 <= response.status < 300:
                return Answer(True, words)  # what else it has to say is nobody's business
            if 300 <= response.status < 400:
                return Answer(False, _("%(status)s: redirects are not followed.") % {"status": words})
            with suppress(OSError, HTTPException):  # the status has said what matters
                words = f"{words}: {_clean(response.read(SHOWN_OF_ANSWER).decode(errors='replace'))}".removesuffix(": ")
            return Answer(False, words, is_gone=response.status == 410)


def _encrypted(target: Target, network: Network, deadline: float) -> _Line:
    context = network.context()
    context.sslsocket_class = _Line
    plain = network.dial(target, deadline=deadline)
    try:
        plain.settimeout(_left(deadline))
        line = context.wrap_socket(plain, server_hostname=target.host)
    finally:
        plain.close()  # the encrypted one has taken its descriptor over
    assert isinstance(line, _Line)
    line.deadline = deadline
    return line


def _left(deadline: float) -> float:
    if (left := deadline - time.monotonic()) <= 0:
        raise TimeoutError
    return left


def _clean(text: str) -> str:
    """What can be kept in a row and shown on one line: PostgreSQL takes no NUL."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:500]
