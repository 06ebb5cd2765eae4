"""What staff must not forget, each as a query on rows.

A row of such a query is about one thing (an incident, a postmortem, an action item ...), by these names: `public_id`
and `pk` of the thing, `title`, `on_page` (a page's key), `base_at` (the instant that counts), `person` (a user's key,
or None) and `shown_at` (what names it in the address of the page where it is dealt with). To add a duty is to add a
query here; whoever must be told is found, and told once, by `status.nudges`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import TYPE_CHECKING, Any

from django.db.models import DateTimeField, F, IntegerField, OuterRef, QuerySet, Subquery, Value
from django.db.models.functions import Cast, Coalesce
from django.utils.translation import gettext_lazy as _

from incidents.lifecycle import ENDED, IncidentStatus, Severity, Visibility
from incidents.models import ActionItem, Incident, IncidentUpdate, PlannedUpdate, Postmortem, UpdateCadence
from incidents.models.cadence import NOT_YET

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
MORNING = 8 * HOUR  # UTC, of a day on which something is due


class To(Enum):
    """Who is told. A role that nobody has goes to the commander, and then to whoever is on call."""

    COMMS_LEAD = "comms_lead"
    COMMANDER = "commander"
    ON_CALL = "on_call"
    PERSON = "person"


@dataclass(frozen=True, slots=True)
class Duty:
    """Told `after` the instant that counts, before it if that is negative; `words` take the `title`.

    From `pointless` after that instant on it is too late to say so: somebody else is told something else.
    """

    key: str
    rows: QuerySet[Any]
    after: timedelta
    to: To
    words: StrPromise
    pointless: timedelta | None = None
    page: str = "room"  # where it can be dealt with, by the name of the address


def due_at(duty: Duty, base_at: datetime) -> datetime:
    """When the thing itself is due: what is told before it is still about its own time."""
    return base_at + max(duty.after, timedelta())


def duties() -> list[Duty]:
    """All of them, the most urgent last, as that is the order in which they are told."""
    live = Incident.objects.live().filter(visibility=Visibility.PUBLIC)
    talked = live.unresolved().realtime().filter(first_posted_at__isnull=False)
    promised = _about(live.filter(next_update_due_at__isnull=False), F("next_update_due_at"))
    silent = _about(talked.filter(next_update_due_at=None), _said(IncidentUpdate.objects.published()))
    watched = IncidentUpdate.objects.standing().exclude(status=IncidentStatus.MONITORING)
    watching = _about(talked.filter(status=IncidentStatus.MONITORING), Coalesce(_said(watched), F("created_at")))
    severe = live.filter(status__in=ENDED, severity__in=[Severity.SEV1, Severity.SEV2], postmortem=None).realtime()
    ended = _about(severe, _said(IncidentUpdate.objects.published()))
    reports = Postmortem.objects.unpublished().filter(due_on__isnull=False)
    items = ActionItem.objects.unfinished().filter(due_on__isnull=False).annotate(title=F("text"))
    held = PlannedUpdate.objects.filter(state=PlannedUpdate.State.HELD, incident__deleted_at=None)
    first = UpdateCadence.objects.filter(status=NOT_YET, minutes__isnull=False).values_list("severity", "minutes")
    unsaid = live.realtime().filter(first_posted_at=None)
    return [
        Duty(
            "action_due",
            _about(items, _day(), page=F("postmortem__page"), person=F("owner"), at=F("postmortem")),
            MORNING,
            To.PERSON,
            _("This measure is due today: “%(title)s”."),
            page="admin:incidents_postmortem_change",
        ),
        Duty(
            "postmortem_due",
            _about(reports, _day(), person=F("owner"), at=F("pk")),
            MORNING,
            To.PERSON,
            _("The postmortem “%(title)s” is due today, and is not published."),
            page="admin:incidents_postmortem_change",
        ),
        Duty("postmortem_missing", ended, 2 * DAY, To.COMMANDER, _("“%(title)s” has no postmortem yet.")),
        Duty("watched_long", watching, 4 * HOUR, To.COMMANDER, _("“%(title)s” is watched for hours. Is it resolved?")),
        Duty("silent", silent, HOUR, To.COMMS_LEAD, _("The public has heard nothing of “%(title)s” for an hour.")),
        *(
            Duty(
                "first_word",
                _about(unsaid.filter(severity=severity), F("created_at")),
                minutes * MINUTE,
                To.COMMS_LEAD,
                _("The public does not know of “%(title)s” yet."),
            )
            for severity, minutes in first
            if minutes
        ),
        Duty(
            "planned_held",
            _about(
                held.annotate(title=F("incident__title")),
                F("updated_at"),
                page=F("incident__page"),
                person=F("author"),
                at=F("incident__public_id"),
            ),
            timedelta(),
            To.PERSON,
            _("Your planned update of “%(title)s” was held back: something has changed since you wrote it."),
        ),
        Duty(
            "promise_soon",
            promised,
            -5 * MINUTE,
            To.COMMS_LEAD,
            _("The next update of “%(title)s” is due soon."),
            pointless=timedelta(),
        ),
        Duty("promise_due", promised, timedelta(), To.COMMS_LEAD, _("The next update of “%(title)s” is due now.")),
        Duty("promise_late", promised, 5 * MINUTE, To.COMMANDER, _("The promised update of “%(title)s” is late.")),
        Duty(
            "promise_broken", promised, 10 * MINUTE, To.ON_CALL, _("The promised update of “%(title)s” is very late.")
        ),
    ]


def _about(rows: QuerySet[Any], base: Any, *, page: Any = None, person: Any = None, at: Any = None) -> QuerySet[Any]:
    nobody = Value(None, output_field=IntegerField())
    about: QuerySet[Any] = rows.order_by().annotate(
        base_at=base, on_page=page or F("page"), person=person or nobody, shown_at=at or F("public_id")
    )
    return about


def _said(updates: QuerySet[IncidentUpdate]) -> Subquery:
    newest = updates.filter(incident=OuterRef("pk")).order_by("-pk")
    return Subquery(newest.values("created_at")[:1])


def _day() -> Cast:
    """Its first instant, in UTC."""
    return Cast("due_on", DateTimeField())
