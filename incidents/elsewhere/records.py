"""An incident as another place tells it, with that place's ids, words and times."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import Any

from incidents.lifecycle import ComponentStatus, Impact, IncidentStatus, Kind


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
    def instants(self) -> Iterator[tuple[str, datetime]]:
        """All its times, each with the name of its field."""
        rows: list[Any] = [self, *self.updates, *([self.report] if self.report else [])]
        for row in rows:
            for field in fields(row):
                if isinstance(at := getattr(row, field.name), datetime):
                    yield field.name, at
        for at in self.window or ():
            yield "window", at

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
        facts["order"] = [update["id"] for update in facts["updates"]]
        facts["updates"] = {update["id"]: update for update in facts["updates"]}
        content: dict[str, Any] = json.loads(json.dumps(facts, default=_utc))
        return content


def _utc(value: datetime) -> str:
    return value.astimezone(UTC).isoformat()
