"""Everything that the incident room shows, read in a number of queries that no row adds to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Count, Exists, F, OuterRef, Prefetch, Q, Subquery
from django.db.models.functions import Coalesce
from django.utils.functional import cached_property
from django.utils.translation import gettext as _

from incidents import durations, promises
from incidents.durations import Duration
from incidents.history import changes
from incidents.lifecycle import ENDED, OPEN, RUNNING, IncidentStatus, Kind
from incidents.models import (
    ActionItem,
    Component,
    Incident,
    IncidentRole,
    IncidentUpdate,
    MaintenancePlan,
    MaintenanceReminder,
    OutboxEvent,
    PlannedUpdate,
    TimelineEntry,
    User,
)
from incidents.models.incident import IncidentQuerySet
from portal.console.admin.incident import badges, updates_of
from portal.console.room import advice
from status.models import Delivery

SHOWN = 100  # entries of each kind; the history has them all
COUNTED = 3  # newest updates of which the deliveries are counted
SIMILAR = 5
DeliveryCounts = list[tuple[str, str, int]]  # (channel, state, how many)


@dataclass(frozen=True, slots=True)
class Item:
    """One line of the timeline. `kind` says what `row` is: an update, a note or a change of facts."""

    at: datetime
    kind: str
    row: Any
    deliveries: Sequence[tuple[str, str, int]] = ()


class Room:
    """An incident or a maintenance as its room shows it at `now`. Whoever renders it has set the time zone."""

    def __init__(self, incident: Incident, now: datetime) -> None:
        self.incident = incident
        self.now = now

    @property
    def badges(self) -> list[Any]:
        return badges(self.incident)

    @property
    def plan(self) -> MaintenancePlan | None:
        return getattr(self.incident, "plan", None)

    @property
    def deadlines(self) -> list[tuple[str, datetime]]:
        """(what, when) of what is to come, and of what is late."""
        promised = self.incident.next_update_due_at
        found = [(_("Next update by"), promised)] if promised else []
        if self.plan and self.incident.status == IncidentStatus.SCHEDULED:
            found.append((_("Starts"), self.plan.scheduled_for))
        if self.plan and not self.incident.is_ended:
            found.append((_("Ends"), self.plan.ends_at))
        return found

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

    @property
    def hold_ends_at(self) -> datetime | None:
        """Until when the newest update can be taken back; None when it cannot any more."""
        if self.latest is None or self.latest.published_at is None:
            return None
        until = self.latest.published_at + timedelta(seconds=settings.NOTIFY_HOLD)
        return until if until > self.now else None

    @cached_property
    def components(self) -> list[Component]:
        return list(self.incident.components().live().select_related("group").with_status())

    @cached_property
    def attempts(self) -> list[TimelineEntry]:
        return list(self.incident.timeline.running().select_related("author")[:SHOWN])

    @cached_property
    def roles(self) -> list[tuple[str, User | None]]:
        """(its name, who has it). Those that nobody has are only those of an incident that goes on."""
        holders = {row.role: row.user for row in self.incident.roles.active().select_related("user")}
        are_wanted = self.incident.kind == Kind.REALTIME and not self.incident.is_ended
        return [(str(role.label), holders.get(role)) for role in IncidentRole.Role if role in holders or are_wanted]

    @cached_property
    def alerts(self) -> list[TimelineEntry]:
        return [note for note in self.notes if note.kind == TimelineEntry.Kind.ALERT]

    @cached_property
    def items(self) -> list[Item]:
        """Newest first: updates, notes and changes, each at the time when it was so."""
        newest = [update.pk for update in self.updates if update.published_at][:COUNTED]
        counts = self._delivery_counts("event__update", event__update__in=newest)
        items = [Item(row.display_at, "update", row, counts.get(row.pk, ())) for row in self.updates]
        items += [Item(row.occurred_at, "note", row) for row in self.notes]
        items += [Item(row.at, "fact", row) for row in changes.facts_of(self.incident)[:SHOWN]]
        return sorted(items, key=lambda item: item.at, reverse=True)

    def _delivery_counts(self, by: str, **which: Any) -> dict[Any, DeliveryCounts]:
        """Of the deliveries of these events, how many are in each state, by this column."""
        found = (
            Delivery.objects.filter(event__incident=self.incident, **which)
            .values_list(by, "recipient__channel", "state")
            .annotate(count=Count("pk"))
            .order_by(by, "recipient__channel", "state")
        )
        states = dict(Delivery._meta.get_field("state").flatchoices)
        counts: dict[Any, DeliveryCounts] = {}
        for key, channel, state, count in found:
            counts.setdefault(key, []).append((channel, str(states[state]).lower(), count))
        return counts

    @cached_property
    def reminders(self) -> list[tuple[MaintenanceReminder, DeliveryCounts]]:
        """Those of a maintenance, and what became of the deliveries of each."""
        rows = list(MaintenanceReminder.objects.filter(plan=self.plan, deleted_at=None)) if self.plan else []
        reminding = OutboxEvent.Kind.MAINTENANCE_REMINDER
        counts = self._delivery_counts("event__created_at", event__kind=reminding) if rows else {}
        found: dict[int, DeliveryCounts] = {row.pk: [] for row in rows}
        for at, of_event in counts.items():  # it was sent when it was settled, in one transaction
            sent = [row for row in rows if row.settled_at and row.settled_at <= at and not row.note]
            if sent:
                found[max(sent, key=lambda row: row.settled_at or at).pk] += of_event
        return [(row, found[row.pk]) for row in rows]

    @cached_property
    def durations(self) -> Sequence[Duration]:
        """How long it took, once it is over; of a maintenance its plan says so."""
        is_measured = self.incident.kind == Kind.REALTIME and self.incident.is_ended
        return durations.of_incident(self.incident) if is_measured else ()

    @cached_property
    def kept(self) -> promises.Kept:
        return promises.kept(self.incident.updates.all())

    @cached_property
    def step(self) -> advice.NextStep | None:
        return advice.next_step(self.incident, self.latest) if self.incident.is_in_use else None

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

    def _others(self) -> IncidentQuerySet:
        """What else named the same components."""
        standing = IncidentUpdate.objects.standing().filter(incident=OuterRef("pk"))
        same = standing.filter(component_changes__component__in=[component.pk for component in self.components])
        return Incident.objects.live().filter(Exists(same)).exclude(pk=self.incident.pk)

    @cached_property
    def similar(self) -> list[Any]:
        """Past incidents on the same components, with their `unfinished` measures."""
        last = IncidentUpdate.objects.standing().filter(incident=OuterRef("pk")).newest_first()
        return list(
            self._others()
            .realtime()
            .filter(status__in=ENDED)
            .annotate(ended_at=Subquery(last.values("display_at")[:1]))
            .prefetch_related(
                Prefetch("postmortem__action_items", ActionItem.objects.unfinished(), to_attr="unfinished")
            )[:SIMILAR]
        )

    @cached_property
    def concurrent(self) -> list[Incident]:
        """What happens to the same components at the same time: open incidents, and maintenances whose windows meet."""
        incident, plan = self.incident, self.plan
        start = plan.scheduled_for if plan else incident.impact_began_at or incident.created_at
        end = plan.ends_at if plan else incident.impact_ended_at or self.now
        ends_at = Coalesce("plan__expected_until", "plan__scheduled_until")
        meets = Q(plan__scheduled_for__lte=end, _ends_at__gte=start, plan__cancelled_at=None)
        if not incident.is_ended:
            meets |= Q(kind=Kind.REALTIME, status__in=OPEN) | Q(status__in=RUNNING)
        rows = self._others().alias(_ends_at=ends_at).filter(meets).select_related("plan")
        return list(rows.order_by(F("plan__scheduled_for").asc(nulls_first=True), "pk")[:SHOWN])
