"""The updates of an incident: what was posted can be corrected."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.shortcuts import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response

from incidents.incidents import correct_update
from incidents.models import Incident, IncidentUpdate
from portal.api.serializers.incidents import IncidentUpdateAnswer, IncidentUpdateRequest
from portal.api.views.base import One, documented
from portal.api.views.incidents import IncidentView


@documented(
    change="Correct an update", tags=["incident updates"], request=IncidentUpdateRequest, answer=IncidentUpdateAnswer
)
class OneIncidentUpdate(IncidentView, One):
    http_method_names = ["patch", "put", "options"]

    def target(self) -> IncidentUpdate:
        published = IncidentUpdate.objects.published().filter(incident__in=self.incidents())
        return get_object_or_404(
            published, incident__public_id=self.kwargs["incident_id"], public_id=self.kwargs["update_id"]
        )

    def parents(self, row: IncidentUpdate) -> list[Incident]:
        return [row.incident]

    def show(self) -> Any:
        update = self.target()
        shown = self.shown([update.incident_id])[0]
        return next(row for row in shown["incident_updates"] if row["id"] == update.public_id)

    def patch(self, request: Request, **kwargs: Any) -> Response:
        update = self.target()
        given = self.read(IncidentUpdateRequest)["incident_update"]
        shown_at = given.get("display_at")
        if shown_at and abs(shown_at - update.display_at) < timedelta(milliseconds=1):
            shown_at = None  # as it was answered
        correct_update(
            update,
            body=given.get("body"),
            display_at=shown_at,
            notify=given.get("deliver_notifications", False),
            author=self.author,
        )
        return Response(self.show())
