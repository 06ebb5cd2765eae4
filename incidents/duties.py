"""What staff must not forget, each as a query on rows.

A row of such a query is about one thing (an incident, a postmortem, an action item ...), by these names: `public_id`
and `pk` of the thing, `title`, `on_page` (a page's key), `base_at` (the instant that counts), `person` (a user's key,
or None), and `within`: the public id of the incident, or the key of the postmortem, in which it is dealt with
(`Duty.within` says which). To add a duty is to add a query here; `status.delivery.nudges` finds the recipients, and
notifies each once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from enum import Enum
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import (
    Case,
    DateTimeField,
    Exists,
    F,
    IntegerField,
    OuterRef,
    QuerySet,
    Subquery,
    TextChoices,
    Value,
    When,
)
from django.db.models.functions import Cast
from django.utils.translation import gettext_lazy as _

from incidents.lifecycle import ENDED, IncidentStatus, Severity, Visibility
from incidents.models import (
    ActionItem,
    Component,
    ComponentStatusChange,
    Incident,
    IncidentUpdate,
    Page,
    PlannedUpdate,
    Postmortem,
    UpdateCadence,
)
from incidents.models.cadence import NOT_YET
from incidents.record_time import record_time

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
MORNING = 8 * HOUR  # on a day on which something is due
FORGOTTEN = 14 * DAY  # what is due for so long was imported, or a nudge would not help any more


class Key(TextChoices):
    """Each with what is said of it; the words take the `title`."""

    ACTION_DUE = "action_due", _("This measure is due: “%(title)s”.")
    POSTMORTEM_DUE = "postmortem_due", _("The postmortem “%(title)s” is due, and is not published.")
    POSTMORTEM_MISSING = "postmortem_missing", _("“%(title)s” has no postmortem yet.")
    WATCHED_LONG = "watched_long", _("“%(title)s” has been monitored for hours. Is it resolved?")
    LEFT_DOWN = "left_down", _("“%(title)s” is over, and a component that it left is not operational. Which is true?")
    SILENT = "silent", _("The public has heard nothing of “%(title)s” for an hour.")
    FIRST_WORD = "first_word", _("The public does not know of “%(title)s” yet.")
    PLANNED_HELD = (
        "planned_held",
        _("Your planned update of “%(title)s” was held back. Read why, and whether it still holds."),
    )
    PROMISE_SOON = "promise_soon", _("The next update of “%(title)s” is due soon.")
    PROMISE_DUE = "promise_due", _("The next update of “%(title)s” is due.")
    PROMISE_LATE = "promise_late", _("The promised update of “%(title)s” is late.")
    PROMISE_BROKEN = "promise_broken", _("The promised update of “%(title)s” is very late.")


PROMISES = (Key.PROMISE_SOON, Key.PROMISE_DUE, Key.PROMISE_LATE, Key.PROMISE_BROKEN)


class Within(Enum):
    """What a duty is dealt with in."""

    INCIDENT = "incident"
    POSTMORTEM = "postmortem"


class Responsible(Enum):
    """Who is notified. A role that nobody has goes to the commander, and then to whoever is on call."""

    COMMS_LEAD = "comms_lead"
    COMMANDER = "commander"
    ON_CALL = "on_call"
    PERSON = "person"


@dataclass(frozen=True, slots=True)
class Duty:
    """Staff are notified `after` the instant that counts, before it if that is negative.

    From `pointless` after that instant on it is too late for this: another duty notifies somebody else.
    """

    key: Key
    rows: QuerySet[Any]
    after: timedelta
    to: Responsible
    pointless: timedelta | None = None
    within: Within = Within.INCIDENT


def due_at(duty: Duty, base_at: datetime) -> datetime:
    """When the thing itself is due, also for a duty of which staff are notified before."""
    return base_at + max(duty.after, timedelta())


def duties() -> list[Duty]:
    """All of them, the most urgent last, as that is the order in which staff are notified."""
    live = Incident.objects.live().filter(visibility=Visibility.PUBLIC)
    ours = live.realtime().filter(origin=None)  # what was recorded afterwards, others have cared for
    posted = ours.unresolved().filter(first_posted_at__isnull=False)
    promised = _about(live.filter(next_update_due_at__isnull=False), F("next_update_due_at"))
    updates = IncidentUpdate.objects.published()
    silent = _about(posted.filter(next_update_due_at=None), _newest(updates))
    watching = _about(posted.filter(status=IncidentStatus.MONITORING), _watched_since())
    severe = ours.filter(status__in=ENDED, severity__in=[Severity.SEV1, Severity.SEV2], postmortem=None)
    over = _about(ours.filter(status__in=ENDED, pk__in=_left_down()), _newest(updates))
    reports = Postmortem.objects.unpublished().filter(due_on__isnull=False)
    items = ActionItem.objects.unfinished().filter(due_on__isnull=False).annotate(title=F("text"))
    held = PlannedUpdate.objects.filter(state=PlannedUpdate.State.HELD, incident__in=Incident.objects.live())
    first = UpdateCadence.objects.filter(status=NOT_YET, minutes__isnull=False).values_list("severity", "minutes")
    unsaid = ours.filter(first_posted_at=None)
    zones = list(Page.objects.live().order_by().values_list("time_zone", flat=True).distinct())
    measures = _about(
        items,
        _morning(zones, "postmortem__page__time_zone"),
        page=F("postmortem__page"),
        person=F("owner"),
        within=F("postmortem"),
    )
    planned = _about(
        held.annotate(title=F("incident__title")),
        F("updated_at"),
        page=F("incident__page"),
        person=F("author"),
        within=F("incident__public_id"),
    )
    unreported = _about(reports, _morning(zones, "page__time_zone"), person=F("owner"), within=F("pk"))
    now = timedelta()
    return [
        Duty(Key.ACTION_DUE, measures, now, Responsible.PERSON, within=Within.POSTMORTEM),
        Duty(Key.POSTMORTEM_DUE, unreported, now, Responsible.PERSON, within=Within.POSTMORTEM),
        Duty(Key.POSTMORTEM_MISSING, _about(severe, _newest(updates)), 2 * DAY, Responsible.COMMANDER),
        Duty(Key.WATCHED_LONG, watching, 4 * HOUR, Responsible.COMMANDER),
        Duty(Key.LEFT_DOWN, over, 10 * MINUTE, Responsible.COMMANDER),
        Duty(Key.SILENT, silent, HOUR, Responsible.COMMS_LEAD),
        *(
            Duty(
                Key.FIRST_WORD,
                _about(unsaid.filter(severity=severity), F("created_at")),
                minutes * MINUTE,
                Responsible.COMMS_LEAD,
            )
            for severity, minutes in first
            if minutes
        ),
        Duty(Key.PLANNED_HELD, planned, now, Responsible.PERSON),
        Duty(Key.PROMISE_SOON, promised, -5 * MINUTE, Responsible.COMMS_LEAD, pointless=now),
        Duty(Key.PROMISE_DUE, promised, now, Responsible.COMMS_LEAD),
        Duty(Key.PROMISE_LATE, promised, 5 * MINUTE, Responsible.COMMANDER),
        Duty(Key.PROMISE_BROKEN, promised, 10 * MINUTE, Responsible.ON_CALL),
    ]


def _about(
    rows: QuerySet[Any], base: Any, *, page: Any = None, person: Any = None, within: Any = None
) -> QuerySet[Any]:
    nobody = Value(None, output_field=IntegerField())
    about: QuerySet[Any] = rows.order_by().annotate(
        base_at=base, on_page=page or F("page"), person=person or nobody, within=within or F("public_id")
    )
    return about


def _newest(updates: QuerySet[IncidentUpdate]) -> Subquery:
    newest = updates.filter(incident=OuterRef("pk")).order_by("-pk")
    return Subquery(newest.values("created_at")[:1])


def _left_down() -> QuerySet[Any]:
    """The incidents that had the last word about a component which is not operational."""
    newest = ComponentStatusChange.objects.standing().filter(component=OuterRef("pk")).newest_first()
    down = Component.objects.live().not_operational().order_by()
    incidents: QuerySet[Any] = down.annotate(said_by=Subquery(newest.values("update__incident")[:1])).values("said_by")
    return incidents


def _watched_since() -> Subquery:
    """When it was first said to be monitored, since anything else was said."""
    standing = IncidentUpdate.objects.standing()
    others = standing.exclude(status=IncidentStatus.MONITORING).filter(incident=OuterRef("incident"))
    watched = standing.filter(
        ~Exists(others.filter(pk__gt=OuterRef("pk"))), incident=OuterRef("pk"), status=IncidentStatus.MONITORING
    )
    return Subquery(watched.order_by("pk").values("created_at")[:1])


def _morning(zones: Iterable[str], zone_of_page: str) -> Case:
    """The morning of the day on which it is due, where its page is: by the clock of that day, and not of today."""
    day = Cast("due_on", DateTimeField())  # its first instant, in UTC
    today = record_time().date()
    days = [today + timedelta(days=number) for number in range(2, -FORGOTTEN.days - 2, -1)]
    whens = []
    for zone in zones:
        local = ZoneInfo(zone)
        ahead = [(datetime.combine(each, time(), local) + MORNING).utcoffset() or timedelta() for each in days]
        whens += [  # one for each time at which the clocks are changed
            When(**{zone_of_page: zone, "due_on__gte": each}, then=day + (MORNING - offset))
            for each, offset, before in zip(days, ahead, ahead[1:], strict=False)
            if offset != before
        ]
        whens.append(When(**{zone_of_page: zone}, then=day + (MORNING - ahead[-1])))
    return Case(*whens, default=day + MORNING, output_field=DateTimeField())
