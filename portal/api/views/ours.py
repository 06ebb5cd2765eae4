"""What Statuspage lacks, in its style: the timeline, who was told, and who did what. Lists go on by a cursor."""

from __future__ import annotations

from typing import Any

from django.db.models import Model, QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import status
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer

from incidents import timeline
from incidents.admin import history
from incidents.models import Component, IncidentUpdate, TimelineEntry
from incidents.permissions import Scope
from portal.api.serializers import postmortems as words
from portal.api.serializers.base import Slice
from portal.api.views.base import REFUSALS, WRITE_REFUSALS, KeyView, PageView
from portal.api.views.incidents import IncidentView
from status.models import Delivery


class NewestFirst(CursorPagination):
    """What is added meanwhile moves nothing: `next` is the address of the following rows, null at the end."""

    ordering = "-id"
    page_size = 50
    page_size_query_param = "limit"
    max_page_size = 100


class Listed(KeyView):
    pagination_class = NewestFirst

    def page_of(self, rows: QuerySet[Any], answer: type[Serializer[Any]]) -> Response:
        paginator = NewestFirst()
        found = paginator.paginate_queryset(rows, self.request, view=self)
        return paginator.get_paginated_response(answer(found, many=True).data)


class Timeline(Listed, IncidentView):
    reads = Scope.INCIDENTS

    @extend_schema(
        summary="Read the internal timeline of an incident",
        tags=["timeline"],
        responses={200: words.NoteAnswer(many=True)} | REFUSALS,
    )
    def get(self, request: Request, **kwargs: Any) -> Response:
        rows = TimelineEntry.objects.filter(incident=self.one()).select_related("author")
        return self.page_of(rows, words.NoteAnswer)

    @extend_schema(
        summary="Write into the internal timeline",
        tags=["timeline"],
        request=words.NoteRequest,
        responses={201: words.NoteAnswer} | WRITE_REFUSALS,
    )
    def post(self, request: Request, **kwargs: Any) -> Response:
        given = self.read(words.NoteRequest)["timeline_entry"]
        entry = timeline.note(self.one(), author=self.author, **given)
        return Response(words.NoteAnswer(entry).data, status.HTTP_201_CREATED)


class Deliveries(Listed, IncidentView):
    reads = Scope.SUBSCRIBERS

    @extend_schema(
        summary="Who was told of an update, and what became of it",
        tags=["incident updates"],
        responses={200: words.DeliveryAnswer(many=True)} | REFUSALS,
    )
    def get(self, request: Request, **kwargs: Any) -> Response:
        updates = IncidentUpdate.objects.published().filter(incident=self.one())
        update = get_object_or_404(updates, public_id=kwargs["update_id"])
        rows = Delivery.objects.filter(event__update=update, event__page=self.page).select_related("recipient")
        return self.page_of(rows, words.DeliveryAnswer)


class Audit(PageView):
    reads = Scope.ADMIN
    tells: Any = staticmethod(history.of_row)

    def row(self) -> Model:
        raise NotImplementedError  # each has its own

    def get(self, request: Request, **kwargs: Any) -> Response:
        entries = self.slice(self.tells(self.row()))
        return Response(words.AuditEntryAnswer(entries, many=True).data)


AUDIT: dict[str, Any] = {
    "tags": ["audit"],
    "parameters": [Slice],
    "responses": {200: words.AuditEntryAnswer(many=True)} | REFUSALS,
}


@extend_schema_view(get=extend_schema(summary="Who did what to an incident", **AUDIT))
class IncidentAudit(Audit, IncidentView):
    tells = staticmethod(history.of_incident)

    def row(self) -> Model:
        return self.one()


@extend_schema_view(get=extend_schema(summary="Who did what to a component", **AUDIT))
class ComponentAudit(Audit):
    tells = staticmethod(history.of_component)

    def row(self) -> Model:
        return get_object_or_404(Component.objects.public().on(self.page), public_id=self.kwargs["component_id"])
