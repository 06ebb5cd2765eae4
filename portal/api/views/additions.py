"""What Statuspage lacks, in its style: the timeline, the deliveries of an update, the audit log. Lists go by cursor."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import status
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.utils.urls import replace_query_param

from incidents import timeline
from incidents.history import changes
from incidents.models import Component, IncidentUpdate, TimelineEntry
from incidents.permissions import Scope
from portal.api.serializers.base import CursorQuery
from portal.api.serializers.postmortems import AuditEntryAnswer, DeliveryAnswer, NoteAnswer, NoteRequest
from portal.api.views.base import MOST, REFUSALS, WRITE_REFUSALS, KeyView, PageView
from portal.api.views.incidents import IncidentView
from status.models import Delivery


class NewestFirst(BasePagination):
    """The newest first, `limit` at once. `next` is the address of those before them, null at the end.

    A cursor is the place of the last one that was shown: the key of its row, or how many entries are older. What is
    added meanwhile has a place of its own, so nothing is shown twice and nothing is missed.
    """

    rest: int | None = None

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        self.address = request.build_absolute_uri()
        query = view.read(CursorQuery, request.query_params)
        count, cursor = min(query["limit"], MOST), query.get("cursor")
        if isinstance(queryset, QuerySet):
            older = queryset.order_by("-pk") if cursor is None else queryset.order_by("-pk").filter(pk__lt=cursor)
            found = list(older[: count + 1])
            self.rest = found[count - 1].pk if len(found) > count else None
        else:
            found = queryset if cursor is None else queryset[max(len(queryset) - cursor, 0) :]
            self.rest = len(found) - count if len(found) > count else None
        return found[:count]

    def get_paginated_response(self, data: Any) -> Response:
        if self.rest is None:
            return Response({"next": None, "results": data})
        following = replace_query_param(self.address, "cursor", self.rest)
        return Response({"next": following, "results": data}, headers={"Link": f'<{following}>; rel="next"'})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        address = {
            "type": ["string", "null"],
            "format": "uri",
            "description": "Of those before them; also in the header `Link`.",
        }
        return {"type": "object", "required": ["next", "results"], "properties": {"next": address, "results": schema}}


class Listed(KeyView):
    pagination_class = NewestFirst

    def page_of(self, rows: QuerySet[Any] | list[Any], answer: type[Serializer[Any]]) -> Response:
        paginator = NewestFirst()
        found = paginator.paginate_queryset(rows, self.request, view=self)
        return paginator.get_paginated_response(answer(found, many=True).data)


class Timeline(Listed, IncidentView):
    reads = Scope.INCIDENTS

    @extend_schema(
        summary="Read the internal timeline of an incident",
        tags=["timeline"],
        parameters=[CursorQuery],
        responses={200: NoteAnswer(many=True)} | REFUSALS,
    )
    def get(self, request: Request, **kwargs: Any) -> Response:
        rows = TimelineEntry.objects.filter(incident=self.one()).select_related("author")
        return self.page_of(rows, NoteAnswer)

    @extend_schema(
        summary="Write into the internal timeline",
        tags=["timeline"],
        request=NoteRequest,
        responses={201: NoteAnswer} | WRITE_REFUSALS,
    )
    def post(self, request: Request, **kwargs: Any) -> Response:
        given = self.read(NoteRequest)["timeline_entry"]
        entry = timeline.note(self.one(), author=self.author, **given)
        return Response(NoteAnswer(entry).data, status.HTTP_201_CREATED)


class Deliveries(Listed, IncidentView):
    reads = Scope.SUBSCRIBERS

    @extend_schema(
        summary="Who was notified of an update, and what became of it",
        tags=["incident updates"],
        parameters=[CursorQuery],
        responses={200: DeliveryAnswer(many=True)} | REFUSALS,
    )
    def get(self, request: Request, **kwargs: Any) -> Response:
        updates = IncidentUpdate.objects.published().filter(incident=self.one())
        update = get_object_or_404(updates, public_id=kwargs["update_id"])
        rows = Delivery.objects.filter(event__update=update, event__page=self.page).select_related("recipient")
        return self.page_of(rows, DeliveryAnswer)


class Audit(Listed, PageView):
    reads = Scope.ADMIN

    def history(self) -> list[changes.Entry]:
        raise NotImplementedError  # REST framework's views are no abstract classes

    def get(self, request: Request, **kwargs: Any) -> Response:
        return self.page_of(self.history(), AuditEntryAnswer)


AUDIT: dict[str, Any] = {
    "tags": ["audit"],
    "parameters": [CursorQuery],
    "responses": {200: AuditEntryAnswer(many=True)} | REFUSALS,
}


@extend_schema_view(get=extend_schema(summary="Who did what to an incident", **AUDIT))
class IncidentAudit(Audit, IncidentView):
    def history(self) -> list[changes.Entry]:
        return changes.of_incident(self.one())


@extend_schema_view(get=extend_schema(summary="Who did what to a component", **AUDIT))
class ComponentAudit(Audit):
    def history(self) -> list[changes.Entry]:
        components = Component.objects.public().on(self.page)
        return changes.of_component(get_object_or_404(components, public_id=self.kwargs["component_id"]))
