"""Incidents and maintenances.

What is internal (incidents, components, updates) is out of reach here: these answers have no word for it, so a program
could not tell that it has to keep it to itself.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import Any, ClassVar

from django.db import transaction
from django.db.models import Q
from django.shortcuts import get_object_or_404
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from incidents.affected import Affected
from incidents.errors import InvalidInput
from incidents.incidents import (
    IncidentFacts,
    backfill_incident,
    declare_incident,
    delete_incident,
    edit_incident,
    post_update,
    warning_of,
)
from incidents.lifecycle import ComponentStatus, Impact, IncidentStatus, Kind
from incidents.maintenance import plans
from incidents.models import Component, Incident, IncidentUpdate, Page
from incidents.models.incident import IncidentQuerySet
from incidents.permissions import Scope
from portal.api.serializers.base import Slice
from portal.api.serializers.incidents import (
    PLAN,
    IncidentAnswer,
    IncidentQuery,
    IncidentRequest,
    NewIncidentRequest,
)
from portal.api.views.base import REFUSALS, WRITE_REFUSALS, One, PageView, documented
from portal.api.views.components import named
from status.projection import Reader, today


class IncidentView(PageView):
    writes = Scope.INCIDENTS

    def incidents(self) -> IncidentQuerySet:
        return Incident.objects.public().filter(page=self.page).order_by("-first_posted_at", "-id")

    def one(self) -> Incident:
        return get_object_or_404(self.incidents().select_related("plan"), public_id=self.kwargs["incident_id"])

    def shown(self, keys: list[int]) -> Any:
        """These incidents as Statuspage returns them, in a number of queries that does not grow with them."""
        reader = Reader(self.page, today(self.page))
        metadata = dict(Incident.objects.filter(pk__in=keys).values_list("public_id", "metadata"))
        context = {"page": reader.page, "metadata": metadata}
        return IncidentAnswer(reader.incidents(keys), many=True, context=context).data

    def shown_incident(self, incident: Incident, posted: IncidentUpdate | None = None) -> Any:
        """With what there is to say of the update that was just posted."""
        warning = warning_of(posted) if posted else ""
        return self.shown([incident.pk])[0] | ({"warnings": [warning]} if warning else {})

    # --- What a request asks for ---
    def affected(self, given: dict[str, Any]) -> Affected:
        """The components that a request names, each with its new status or None."""
        wanted: dict[str, str] = dict.fromkeys(given.get("component_ids", ()), "") | given.get("components", {})
        components = named(Component.objects.public().on(self.page), wanted)
        statuses = (ComponentStatus(to) if to else None for to in wanted.values())
        return list(zip(components, statuses, strict=True))

    def body(self, given: dict[str, Any], to: IncidentStatus) -> str:
        return given.get("body") or given.get("message") or plans.usual_sentence(self.page, to)

    def post_update(self, incident: Incident, to: IncidentStatus, given: dict[str, Any]) -> IncidentUpdate:
        return post_update(
            incident,
            status=to,
            body=self.body(given, to),
            components=self.affected(given),
            notify=given.get("deliver_notifications", True),
            author=self.author,
        )


def override_of(given: dict[str, Any], kind: Kind) -> Impact | None:
    """The impact that a request chooses; a maintenance has that of its name, whoever says so."""
    chosen = given.get("impact_override") or None
    if chosen == "maintenance":
        if kind is Kind.REALTIME:
            raise InvalidInput(_("Only a maintenance has the impact “maintenance”."), field="impact_override")
        return None
    return Impact(chosen) if chosen else None


class IncidentList(IncidentView):
    """Incidents and maintenances of this page, the newest first."""

    def chosen(self) -> IncidentQuerySet:
        return self.incidents()

    def get(self, request: Request, **kwargs: Any) -> Response:
        return Response(self.shown(self.slice(self.chosen().values_list("pk", flat=True))))


LISTED: dict[str, Any] = {
    "tags": ["incidents"],
    "parameters": [Slice],
    "responses": {200: IncidentAnswer(many=True)} | REFUSALS,
}


@extend_schema_view(get=extend_schema(summary="List unresolved incidents", **LISTED))
class Unresolved(IncidentList):
    def chosen(self) -> IncidentQuerySet:
        return self.incidents().realtime().unresolved()


@extend_schema_view(get=extend_schema(summary="List maintenances, also completed ones", **LISTED))
class Scheduled(IncidentList):
    def chosen(self) -> IncidentQuerySet:
        return self.incidents().maintenances()


@extend_schema_view(get=extend_schema(summary="List maintenances that have not begun", **LISTED))
class Upcoming(IncidentList):
    def chosen(self) -> IncidentQuerySet:
        return self.incidents().maintenances().filter(status=IncidentStatus.SCHEDULED)


@extend_schema_view(get=extend_schema(summary="List maintenances that are in progress or verifying", **LISTED))
class ActiveMaintenance(IncidentList):
    active: ClassVar = (IncidentStatus.IN_PROGRESS, IncidentStatus.VERIFYING)

    def chosen(self) -> IncidentQuerySet:
        return self.incidents().maintenances().filter(status__in=self.active)


class Incidents(IncidentList):
    def chosen(self) -> IncidentQuerySet:
        text = self.read(IncidentQuery, self.request.query_params).get("q")
        if not text:
            return self.incidents()
        updates = IncidentUpdate.objects.published().filter(body__icontains=text)
        return self.incidents().filter(
            Q(public_title__icontains=text) | Q(status=text) | Q(pk__in=updates.values("incident"))
        )

    @extend_schema(
        summary="List incidents",
        description="Incidents and maintenances of this page, the newest first.",
        tags=["incidents"],
        parameters=[IncidentQuery],
        responses={200: IncidentAnswer(many=True)} | REFUSALS,
    )
    def get(self, request: Request, **kwargs: Any) -> Response:
        return super().get(request, **kwargs)

    @extend_schema(
        summary="Open an incident, or announce a maintenance",
        description="With `scheduled_for` and `scheduled_until` a maintenance, with `backfilled` a past incident.",
        tags=["incidents"],
        request=NewIncidentRequest,
        responses={201: IncidentAnswer} | WRITE_REFUSALS,
    )
    @transaction.atomic
    def post(self, request: Request, page_id: str) -> Response:
        given = self.read(NewIncidentRequest)["incident"]
        if given.get("backfilled"):
            incident = self.backfill(given)
        elif given.get("scheduled_for"):
            incident = self.schedule(given)
        else:
            incident = self.open(given)
        if metadata := given.get("metadata"):
            edit_incident(incident, metadata=metadata, author=self.author)
        return Response(self.shown_incident(incident), status.HTTP_201_CREATED)

    def open(self, given: dict[str, Any]) -> Incident:
        refuse_reminders(given)
        to = IncidentStatus(given.get("status") or IncidentStatus.INVESTIGATING)
        incident = declare_incident(
            self.page,
            title=given["name"],
            impact_override=override_of(given, Kind.REALTIME),
            author=self.author,
        )
        self.post_update(incident, to, given)
        return incident

    def backfill(self, given: dict[str, Any]) -> Incident:
        if given.get("components") or given.get("component_ids"):
            raise InvalidInput(_("A backfilled incident changes no component. Leave components out."))
        if (to := given.get("status") or IncidentStatus.RESOLVED) != IncidentStatus.RESOLVED:
            raise InvalidInput(_("A backfilled incident is resolved, not “%(status)s”.") % {"status": to})
        return backfill_incident(
            self.page,
            title=given["name"],
            body=self.body(given, IncidentStatus.RESOLVED),
            at=backfill_instant(given.get("backfill_date", ""), self.page),
            author=self.author,
        )

    def schedule(self, given: dict[str, Any]) -> Incident:
        if (given.get("status") or IncidentStatus.SCHEDULED) != IncidentStatus.SCHEDULED:
            raise InvalidInput(_("A maintenance begins as scheduled. Move it on with a second request."))
        if not given.get("scheduled_until"):
            raise InvalidInput(_("Say when the maintenance ends: scheduled_until."))
        if set(given.get("components", {}).values()) - {None, "", "operational", "under_maintenance"}:
            raise InvalidInput(
                _("Announcing a maintenance changes no component. Name those concerned in component_ids.")
            )
        override_of(given, Kind.MAINTENANCE)
        reminders = reminders_of(given)
        return plans.schedule_maintenance(
            self.page,
            title=given["name"],
            body=self.body(given, IncidentStatus.SCHEDULED),
            scheduled_for=given["scheduled_for"],
            scheduled_until=given["scheduled_until"],
            components=tuple(component for component, _status in self.affected(given)),
            notify=given.get("deliver_notifications", True),
            reminders=plans.REMIND_BEFORE if reminders is None else reminders,
            author=self.author,
            **plan_of(given),
        )


def plan_of(given: dict[str, Any]) -> dict[str, Any]:
    """What a request says that a maintenance does by itself."""
    return {ours: given[theirs] for theirs, ours in PLAN.items() if theirs in given}


def reminders_of(given: dict[str, Any]) -> tuple[int, ...] | None:
    """When a request wants subscribers to be reminded, in minutes before the start; None if it does not say."""
    if given.get("scheduled_remind_prior") is False:
        return ()
    usual = plans.REMIND_BEFORE if given.get("scheduled_remind_prior") else None
    return given.get("reminder_intervals", usual)


def refuse_reminders(given: dict[str, Any]) -> None:
    if given.get("reminder_intervals"):
        raise InvalidInput(
            _("Staff are reminded of an open incident by what its updates promise. Leave “reminder_intervals” out."),
            field="reminder_intervals",
        )


def backfill_instant(text: str, page: Page) -> datetime:
    """The instant that was sent, or noon of that day in the page's zone."""
    try:
        instant: datetime | None = parse_datetime(text) if len(text) > len("2023-01-17") else None
        day: date | None = parse_date(text) if instant is None else None
    except ValueError:
        instant = day = None
    if instant is None and day is None:
        raise InvalidInput(_("Say when it was: “backfill_date”, like 2023-01-17."), field="backfill_date")
    if day:
        return datetime.combine(day, time(12), page.zone).astimezone(UTC)
    assert instant is not None
    return instant if instant.tzinfo else instant.replace(tzinfo=page.zone)


@documented(
    read="Read an incident",
    change="Post an update, or change the name or impact",
    description="A `body`, or a `status` other than the current one, posts an update; components change with it.",
    tags=["incidents"],
    request=IncidentRequest,
    answer=IncidentAnswer,
)
class OneIncident(IncidentView, One):
    def target(self) -> Incident:
        return self.one()

    def show(self) -> Any:
        return self.shown_incident(self.one())

    @transaction.atomic
    def patch(self, request: Request, **kwargs: Any) -> Response:
        incident, given = self.locked(), self.read(IncidentRequest)["incident"]
        posted = None
        self.change_facts(incident, given)
        is_moved = self.change_plan(incident, given)
        to = IncidentStatus(given.get("status") or incident.status)
        if to != incident.status or (not is_moved and (given.get("body") or given.get("message"))):
            posted = self.post_update(incident, to, given)
        elif any(given.get("components", {}).values()):
            raise InvalidInput(_("Components change together with an update. Send a body, a status, or both."))
        return Response(self.shown_incident(self.one(), posted))

    @extend_schema(
        summary="Take an incident off the page",
        description="It stays in the record.",
        tags=["incidents"],
        responses={200: IncidentAnswer} | WRITE_REFUSALS,
    )
    def delete(self, request: Request, **kwargs: Any) -> Response:
        incident = self.one()
        shown = self.shown_incident(incident)
        delete_incident(incident, author=self.author, reason=_("Deleted through the API"))
        return Response(shown)

    def change_facts(self, incident: Incident, given: dict[str, Any]) -> None:
        facts: IncidentFacts = {}
        if (name := given.get("name")) and name != incident.public_title:
            facts["public_title"] = name
            if incident.title == incident.public_title:
                facts["title"] = name
        if "impact_override" in given:
            chosen = override_of(given, Kind(incident.kind))
            if chosen != incident.impact_override:
                facts["impact_override"] = chosen
        if "metadata" in given and given["metadata"] != incident.metadata:
            facts["metadata"] = given["metadata"]
        if facts:
            edit_incident(incident, author=self.author, **facts)

    def change_plan(self, incident: Incident, given: dict[str, Any]) -> bool:
        """Whether an update was posted with it: that the window of a maintenance is another one now."""
        plan = getattr(incident, "plan", None)
        asked = [name for name in ("scheduled_for", "scheduled_until", *PLAN) if name in given]
        if plan is None:
            if wanted := [name for name in asked if given[name]]:
                raise InvalidInput(_("This is no maintenance: it has no window and no plan."), field=wanted[0])
            refuse_reminders(given)
            return False
        facts = {name: value for name, value in plan_of(given).items() if value != getattr(plan, name)}
        reminders = reminders_of(given)
        has = set(plan.reminders.filter(deleted_at=None).values_list("minutes", flat=True))
        if has and reminders and "reminder_intervals" not in given:
            reminders = None  # it reminds already
        if facts or (reminders is not None and set(reminders) != has):
            plans.plan_maintenance(incident, reminders=reminders, author=self.author, **facts)
        begins = given.get("scheduled_for", plan.scheduled_for)
        ends = given.get("scheduled_until", plan.ends_at)
        if (begins, ends) == (plan.scheduled_for, plan.ends_at):
            return False
        announcement: dict[str, Any] = {
            "body": self.body(given, IncidentStatus(incident.status)),
            "notify": given.get("deliver_notifications", True),
            "author": self.author,
        }
        if incident.status == IncidentStatus.SCHEDULED or begins != plan.scheduled_for:
            plans.move_maintenance(incident, scheduled_for=begins, scheduled_until=ends, **announcement)
        else:
            plans.extend_maintenance(incident, expected_until=ends, **announcement)
        return True
