"""Statuspage's manage API v1: each request reads its input, asks the domain for one thing, and shows what came of it.

What is internal (incidents, components, updates) is out of reach here: these answers have no word for it, so a program
could not tell that it has to keep it to itself.
"""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet
from django.http import Http404
from django.shortcuts import get_object_or_404
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.views import APIView

from incidents import catalogue, maintenance, services
from incidents.errors import InvalidInput
from incidents.lifecycle import ComponentStatus, Impact, IncidentStatus
from incidents.models import Component, Incident, IncidentUpdate, Page, User
from portal.api import serializers
from portal.api.parsers import FormParser, JSONParser
from status.projection import Reader, today

# What Statuspage's own forms begin with: a program need not bring a sentence, a reader needs one.
USUAL_SENTENCES = {
    IncidentStatus.INVESTIGATING: gettext_lazy("We are currently investigating this issue."),
    IncidentStatus.IDENTIFIED: gettext_lazy("The issue has been identified and a fix is being implemented."),
    IncidentStatus.MONITORING: gettext_lazy("A fix has been implemented and we are monitoring the results."),
    IncidentStatus.RESOLVED: gettext_lazy("This incident has been resolved."),
    IncidentStatus.SCHEDULED: gettext_lazy("We will be undergoing scheduled maintenance during this time."),
    IncidentStatus.IN_PROGRESS: gettext_lazy(
        "Scheduled maintenance is currently in progress. We will provide updates as necessary."
    ),
    IncidentStatus.VERIFYING: gettext_lazy("Verification is currently underway for the maintenance items."),
    IncidentStatus.COMPLETED: gettext_lazy("The scheduled maintenance has been completed."),
}

REFUSALS = dict.fromkeys((401, 403, 404), serializers.ErrorAnswer)
WRITE_REFUSALS = REFUSALS | dict.fromkeys((409, 422, 503), serializers.ErrorAnswer)


class PageView(APIView):
    """A view below `/pages/<page_id>/`; `self.page` is that page."""

    parser_classes = [JSONParser, FormParser]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        self.page = get_object_or_404(Page.objects.live(), public_id=kwargs["page_id"])

    def read(self, form: type[Serializer[Any]], data: Any) -> Any:
        """What was sent, in the types of `form`; raises its `ValidationError`."""
        serializer = form(data=data)
        serializer.is_valid(raise_exception=True)
        return serializer.validated_data

    @property
    def author(self) -> User:
        user = self.request.user
        assert isinstance(user, User), "IsAuthenticated lets nobody else in"
        return user

    # --- Rows ---
    def incidents(self) -> QuerySet[Incident]:
        return Incident.objects.public().filter(page=self.page).order_by("-first_posted_at", "-id")

    def components(self) -> QuerySet[Component]:
        return Component.objects.public().on(self.page)

    # --- Answers ---
    def shown(self, rows: QuerySet[Incident]) -> Any:
        """These incidents as Statuspage returns them, in a number of queries that does not grow with them."""
        found = list(rows.values_list("pk", "public_id", "impact_override"))
        reader = Reader(self.page, today(self.page))
        context = {"page": reader.page, "overrides": {public_id: override for _pk, public_id, override in found}}
        incidents = reader.incidents(pk for pk, _public_id, _override in found)
        return serializers.IncidentAnswer(incidents, many=True, context=context).data

    def shown_components(self) -> Any:
        rows = Reader(self.page, today(self.page)).components()
        return serializers.ComponentAnswer(rows, many=True).data

    def shown_component(self, public_id: str) -> Any:
        shown = [row for row in self.shown_components() if row["id"] == public_id]
        if not shown:
            raise Http404
        return shown[0]

    def shown_incident(self, public_id: str, code: int = status.HTTP_200_OK) -> Response:
        return Response(self.shown(self.incidents().filter(public_id=public_id))[0], code)


def usual_sentence(page: Page, to: IncidentStatus) -> str:
    with translation.override(page.language):
        return str(USUAL_SENTENCES[to])


class IncidentWriter(PageView):
    """What creating and updating an incident have in common: reading the words of a request."""

    def affected(self, given: dict[str, Any]) -> services.Affected:
        """The components that a request names, each with its new status or None."""
        wanted: dict[str, str] = dict.fromkeys(given.get("component_ids", ()), "") | given.get("components", {})
        known = {component.public_id: component for component in self.components()} if wanted else {}
        if unknown := [public_id for public_id in wanted if public_id not in known]:
            raise InvalidInput(
                _("This page has no component “%(id)s”. Ask for its components to see their ids.")
                % {"id": unknown[0][:40]},
                field="components",
            )
        return [(known[public_id], ComponentStatus(to) if to else None) for public_id, to in wanted.items()]

    def body(self, given: dict[str, Any], to: IncidentStatus) -> str:
        return given.get("body") or given.get("message") or usual_sentence(self.page, to)


class Incidents(IncidentWriter):
    @extend_schema(
        summary="List incidents",
        description="Incidents and maintenances of this page, the newest first.",
        tags=["incidents"],
        parameters=[serializers.IncidentQuery],
        responses={200: serializers.IncidentAnswer(many=True)} | REFUSALS,
    )
    def get(self, request: Request, page_id: str) -> Response:
        query = self.read(serializers.IncidentQuery, request.query_params)
        rows = self.incidents()
        if text := query.get("q"):
            told = IncidentUpdate.objects.published().filter(body__icontains=text)
            rows = rows.filter(Q(title__icontains=text) | Q(pk__in=told.values("incident")))
        first = (query["page"] - 1) * query["limit"]
        return Response(self.shown(rows[first : first + query["limit"]]))

    @extend_schema(
        summary="Open an incident, or announce a maintenance",
        description="With `scheduled_for` and `scheduled_until` it is a maintenance.",
        tags=["incidents"],
        request=serializers.NewIncidentRequest,
        responses={201: serializers.IncidentAnswer} | WRITE_REFUSALS,
    )
    def post(self, request: Request, page_id: str) -> Response:
        given = self.read(serializers.NewIncidentRequest, request.data)["incident"]
        make = self.schedule if given.get("scheduled_for") else self.open
        return self.shown_incident(make(given).public_id, status.HTTP_201_CREATED)

    @transaction.atomic
    def open(self, given: dict[str, Any]) -> Incident:
        to = IncidentStatus(given.get("status", IncidentStatus.INVESTIGATING))
        incident = services.declare_incident(
            self.page,
            title=given["name"],
            impact_override=Impact(override) if (override := given.get("impact_override")) else None,
            author=self.author,
        )
        services.post_update(
            incident,
            status=to,
            body=self.body(given, to),
            components=self.affected(given),
            notify=given.get("deliver_notifications", True),
            author=self.author,
        )
        return incident

    def schedule(self, given: dict[str, Any]) -> Incident:
        if given.get("status", IncidentStatus.SCHEDULED) != IncidentStatus.SCHEDULED:
            raise InvalidInput(_("A maintenance begins as scheduled. Move it on with a second request."))
        if not given.get("scheduled_until"):
            raise InvalidInput(_("Say when the maintenance ends: scheduled_until."))
        if any(given.get("components", {}).values()):
            raise InvalidInput(
                _("Announcing a maintenance changes no component. Name those concerned in component_ids.")
            )
        return maintenance.schedule_maintenance(
            self.page,
            title=given["name"],
            body=self.body(given, IncidentStatus.SCHEDULED),
            scheduled_for=given["scheduled_for"],
            scheduled_until=given["scheduled_until"],
            components=tuple(component for component, _status in self.affected(given)),
            notify=given.get("deliver_notifications", True),
            author=self.author,
        )


class OneIncident(IncidentWriter):
    @extend_schema(
        summary="Read an incident", tags=["incidents"], responses={200: serializers.IncidentAnswer} | REFUSALS
    )
    def get(self, request: Request, page_id: str, incident_id: str) -> Response:
        get_object_or_404(self.incidents(), public_id=incident_id)
        return self.shown_incident(incident_id)

    @extend_schema(
        summary="Post an update, or change the name or impact",
        description="A `body`, or a `status` other than the current one, posts an update; components change with it.",
        tags=["incidents"],
        request=serializers.IncidentRequest,
        responses={200: serializers.IncidentAnswer} | WRITE_REFUSALS,
    )
    def patch(self, request: Request, page_id: str, incident_id: str) -> Response:
        incident = get_object_or_404(self.incidents().select_related("plan"), public_id=incident_id)
        self.change(incident, self.read(serializers.IncidentRequest, request.data)["incident"])
        return self.shown_incident(incident_id)

    @extend_schema(
        summary="The same as PATCH",
        tags=["incidents"],
        request=serializers.IncidentRequest,
        responses={200: serializers.IncidentAnswer} | WRITE_REFUSALS,
    )
    def put(self, request: Request, page_id: str, incident_id: str) -> Response:
        return self.patch(request, page_id, incident_id)

    @transaction.atomic
    def change(self, incident: Incident, given: dict[str, Any]) -> None:
        self.check_window(incident, given)
        self.change_facts(incident, given)
        to = IncidentStatus(given.get("status", incident.status))
        if given.get("body") or given.get("message") or to != incident.status:
            services.post_update(
                incident,
                status=to,
                body=self.body(given, to),
                components=self.affected(given),
                notify=given.get("deliver_notifications", True),
                author=self.author,
            )
        elif any(given.get("components", {}).values()):
            raise InvalidInput(_("Components change together with an update. Send a body, a status, or both."))

    def change_facts(self, incident: Incident, given: dict[str, Any]) -> None:
        facts: services.IncidentFacts = {}
        if (name := given.get("name")) and name != incident.title:
            facts["title"] = name
        if "impact_override" in given and (given["impact_override"] or None) != incident.impact_override:
            facts["impact_override"] = Impact(given["impact_override"]) if given["impact_override"] else None
        if facts:
            services.edit_incident(incident, author=self.author, **facts)

    def check_window(self, incident: Incident, given: dict[str, Any]) -> None:
        plan = getattr(incident, "plan", None)
        for field in ("scheduled_for", "scheduled_until"):
            if given.get(field) not in (None, getattr(plan, field, None)):
                raise InvalidInput(_("The window of a maintenance cannot be moved through this API."), field=field)


class OneIncidentUpdate(PageView):
    @extend_schema(
        summary="Correct an update",
        tags=["incident updates"],
        request=serializers.IncidentUpdateRequest,
        responses={200: serializers.IncidentUpdateAnswer} | WRITE_REFUSALS,
    )
    def patch(self, request: Request, page_id: str, incident_id: str, update_id: str) -> Response:
        published = IncidentUpdate.objects.published().filter(incident__in=self.incidents())
        update = get_object_or_404(published, incident__public_id=incident_id, public_id=update_id)
        given = self.read(serializers.IncidentUpdateRequest, request.data)["incident_update"]
        services.correct_update(update, body=given["body"], author=self.author)
        shown = self.shown(self.incidents().filter(public_id=incident_id))[0]
        return Response(next(row for row in shown["incident_updates"] if row["id"] == update_id))

    @extend_schema(
        summary="The same as PATCH",
        tags=["incident updates"],
        request=serializers.IncidentUpdateRequest,
        responses={200: serializers.IncidentUpdateAnswer} | WRITE_REFUSALS,
    )
    def put(self, request: Request, page_id: str, incident_id: str, update_id: str) -> Response:
        return self.patch(request, page_id, incident_id, update_id)


class Components(PageView):
    @extend_schema(
        summary="List components",
        tags=["components"],
        parameters=[serializers.ComponentQuery],
        responses={200: serializers.ComponentAnswer(many=True)} | REFUSALS,
    )
    def get(self, request: Request, page_id: str) -> Response:
        query = self.read(serializers.ComponentQuery, request.query_params)
        first = (query["page"] - 1) * query["per_page"]
        return Response(self.shown_components()[first : first + query["per_page"]])


class OneComponent(PageView):
    @extend_schema(
        summary="Read a component", tags=["components"], responses={200: serializers.ComponentAnswer} | REFUSALS
    )
    def get(self, request: Request, page_id: str, component_id: str) -> Response:
        return Response(self.shown_component(component_id))

    @extend_schema(
        summary="Set the status of a component",
        description="Without an incident: nobody is told, the page shows it.",
        tags=["components"],
        request=serializers.ComponentRequest,
        responses={200: serializers.ComponentAnswer} | WRITE_REFUSALS,
    )
    def patch(self, request: Request, page_id: str, component_id: str) -> Response:
        component = get_object_or_404(self.components(), public_id=component_id)
        given = self.read(serializers.ComponentRequest, request.data)["component"]
        sent: dict[str, Any] = request.data["component"]  # type: ignore[call-overload]  # it was read above: not a list
        others = {name: value for name, value in sent.items() if name != "status"}
        shown = self.shown_component(component_id) if others else {}
        if any(shown.get(name, value) != value for name, value in others.items()):
            raise InvalidInput(_("Only the status of a component can be changed through this API."))
        catalogue.set_component_status(component, status=ComponentStatus(given["status"]), author=self.author)
        return Response(self.shown_component(component_id))

    @extend_schema(
        summary="The same as PATCH",
        tags=["components"],
        request=serializers.ComponentRequest,
        responses={200: serializers.ComponentAnswer} | WRITE_REFUSALS,
    )
    def put(self, request: Request, page_id: str, component_id: str) -> Response:
        return self.patch(request, page_id, component_id)
