"""Everything that the incident room shows, read in a number of queries that no row adds to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Count, Exists, OuterRef, Prefetch, Subquery
from django.utils import timezone
from django.utils.functional import cached_property

from incidents.admin import history
from incidents.admin.incident import updates_of
from incidents.lifecycle import ENDED
from incidents.models import (
    ActionItem,
    Component,
    Incident,
    IncidentRole,
    IncidentUpdate,
    PlannedUpdate,
    TimelineEntry,
    User,
)
from portal.console import advice
from status.models import Delivery

SHOWN = 100  # entries of each kind; the history has them all
COUNTED = 3  # newest updates of which the deliveries are counted
SIMILAR = 5


@dataclass(frozen=True, slots=True)
class Item:
    """One line of the timeline. `kind` says what `row` is: an update, a note or a change of facts."""

    at: datetime
    kind: str
    row: Any
    deliveries: Sequence[tuple[str, str, int]] = ()  # (channel, state, how many)


class Room:
    """An incident as its room shows it at `now`. Whoever renders it has set the time zone."""

    def __init__(self, incident: Incident, now: datetime) -> None:
        self.incident = incident
        self.now = now

    @cached_property
    def updates(self) -> list[Any]:
        return list(updates_of(self.incident)[:SHOWN])

    @cached_property
    def notes(self) -> list[TimelineEntry]:
        return list(self.incident.timeline.select_related("author")[:SHOWN])

    @cached_property
    def latest(self) -> IncidentUpdate | None:
        return next((update for update in self.updates if update.withdrawn_at is None), None)

    @cached_property
    def planned(self) -> list[PlannedUpdate]:
        return list(self.incident.planned.open().select_related("author"))

    @cached_property
    def last_public(self) -> IncidentUpdate | None:
        return next((row for row in self.updates if row.published_at and row.withdrawn_at is None), None)

    @cached_property
    def held(self) -> IncidentUpdate | None:
        """The update that can still be taken back."""
        return self.latest if self.latest and self.held_until(self.latest) else None

    def held_until(self, update: IncidentUpdate) -> datetime | None:
        until = update.published_at and update.published_at + timedelta(seconds=settings.NOTIFY_HOLD)
        return until if until and until > self.now else None

    @property
    def hold_ends_at(self) -> datetime | None:
        return self.held_until(self.latest) if self.latest else None

    @cached_property
    def components(self) -> list[Component]:
        return list(self.incident.components().live().select_related("group").with_status())

    @cached_property
    def attempts(self) -> list[TimelineEntry]:
        return list(self.incident.timeline.running().select_related("author")[:SHOWN])

    @cached_property
    def roles(self) -> list[tuple[str, str, User | None]]:
        """(role, its name, who has it); once it is over, only those that somebody still has."""
        holders = {row.role: row.user for row in self.incident.roles.active().select_related("user")}
        return [
            (role.value, str(role.label), holders.get(role))
            for role in IncidentRole.Role
            if role in holders or not self.incident.is_ended
        ]

    @cached_property
    def alerts(self) -> list[TimelineEntry]:
        return [note for note in self.notes if note.kind == TimelineEntry.Kind.ALERT]

    @cached_property
    def items(self) -> list[Item]:
        """Newest first: what was said, noted and changed, each at the time when it was so."""
        told = self._deliveries()
        items = [Item(row.display_at, "update", row, told.get(row.pk, ())) for row in self.updates]
        items += [Item(row.occurred_at, "note", row) for row in self.notes]
        items += [Item(row.at, "fact", row) for row in history.facts_of(self.incident)[:SHOWN]]
        return sorted(items, key=lambda item: item.at, reverse=True)

    def _deliveries(self) -> dict[int, list[tuple[str, str, int]]]:
        newest = [update.pk for update in self.updates if update.published_at][:COUNTED]
        found = (
            Delivery.objects.filter(event__incident=self.incident, event__update__in=newest)
            .values_list("event__update", "recipient__channel", "state")
            .annotate(count=Count("pk"))
            .order_by("recipient__channel", "state")
        )
        told: dict[int, list[tuple[str, str, int]]] = {}
        for update, channel, state, count in found:
            words = dict(Delivery._meta.get_field("state").flatchoices)[state]
            told.setdefault(update, []).append((channel, str(words).lower(), count))
        return told

    @cached_property
    def step(self) -> advice.Step | None:
        return None if self.incident.deleted_at else advice.next_step(self.incident, self.latest)

    @cached_property
    def answer(self) -> str:
        public = [component for component in self.components if component.visibility == "public"]
        return advice.customer_answer(self.incident, public, self.last_public)

    @cached_property
    def measures(self) -> list[ActionItem]:
        """The unfinished ones of its postmortem."""
        return list(ActionItem.objects.unfinished().filter(postmortem=self.incident.postmortem_id)[:SHOWN])

    @cached_property
    def missing(self) -> list[advice.Missing]:
        return advice.missing(self.incident, self.components, self.latest, self.attempts, self.measures)

    @cached_property
    def similar(self) -> list[Any]:
        """Past incidents on the same components, with their `unfinished` measures."""
        named = [component.pk for component in self.components]
        standing = IncidentUpdate.objects.standing()
        same = standing.filter(incident=OuterRef("pk"), component_changes__component__in=named)
        last = standing.filter(incident=OuterRef("pk")).newest_first()
        return list(
            Incident.objects.live()
            .realtime()
            .filter(Exists(same), status__in=ENDED)
            .exclude(pk=self.incident.pk)
            .annotate(ended_at=Subquery(last.values("display_at")[:1]))
            .prefetch_related(
                Prefetch("postmortem__action_items", ActionItem.objects.unfinished(), to_attr="unfinished")
            )[:SIMILAR]
        )


def room_of(incident: Incident) -> Room:
    return Room(incident, timezone.now())
