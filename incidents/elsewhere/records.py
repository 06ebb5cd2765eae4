"""An incident as another place tells it, with that place's ids, words and times."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from incidents.lifecycle import ComponentStatus, Impact, IncidentStatus, Kind
from incidents.models.base import PUBLIC_ID_ALPHABET, PUBLIC_ID_LENGTH


@dataclass(frozen=True, slots=True)
class AffectedComponent:
    """What an update said of a component; `code` is whatever names it there."""

    code: str
    name: str
    old_status: ComponentStatus
    status: ComponentStatus


@dataclass(frozen=True, slots=True)
class Update:
    id: str
    status: IncidentStatus
    body: str
    display_at: datetime
    created_at: datetime
    updated_at: datetime
    components: Sequence[AffectedComponent] = ()
    deliver_notifications: bool = False  # whether subscribers were notified there


@dataclass(frozen=True, slots=True)
class PostmortemRecord:
    """A published postmortem, whole, in Markdown."""

    id: str
    title: str
    body: str
    display_at: datetime
    published_at: datetime
    deliver_notifications: bool = False  # whether subscribers were notified there


@dataclass(frozen=True, slots=True)
class Record:
    """An incident, or with a `window` a scheduled maintenance."""

    id: str
    title: str
    created_at: datetime
    updated_at: datetime
    updates: Sequence[Update]  # in any order; of those that show the same time the earlier one first
    impact: Impact = Impact.NONE
    began_at: datetime | None = None  # the impact
    ended_at: datetime | None = None
    window: tuple[datetime, datetime] | None = None
    report: PostmortemRecord | None = None

    @property
    def kind(self) -> Kind:
        return Kind.MAINTENANCE if self.window else Kind.REALTIME

    @property
    def affected(self) -> Iterator[AffectedComponent]:
        for update in self.updates:
            yield from update.components

    @property
    def text(self) -> str:
        """All that its readers read."""
        report = [self.report.title, self.report.body] if self.report else []
        return "\n\n".join([self.title, *(update.body for update in self.updates), *report])

    def content(self, known: Mapping[str, str]) -> dict[str, Any]:
        """As JSON: updates by their ids; each component with the id that it has here by `known`, or null."""
        facts = asdict(self)
        for update in facts["updates"]:
            for each in update["components"]:
                each["here"] = known.get(each["code"])
        facts["updates"] = {update["id"]: update for update in facts["updates"]}
        content: dict[str, Any] = json.loads(json.dumps(facts, default=_utc))
        return content


def public_id(source: str, foreign: str) -> str:
    """The id itself if it could be one of ours, as Statuspage's are; else one of ours that follows from it."""
    if len(foreign) == PUBLIC_ID_LENGTH and set(foreign) <= set(PUBLIC_ID_ALPHABET):
        return foreign
    number = int.from_bytes(sha256(f"{source} {foreign}".encode()).digest(), "big")
    base = len(PUBLIC_ID_ALPHABET)
    return "".join(PUBLIC_ID_ALPHABET[number // base**position % base] for position in range(PUBLIC_ID_LENGTH))


def _utc(value: datetime) -> str:
    return value.astimezone(UTC).isoformat()
