"""What was deleted comes back: beside each address whose DELETE takes something off a page."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from incidents.deletion import reason_of
from incidents.errors import InvalidTransition
from incidents.lifecycle import Visibility
from incidents.models import ActionItem, Component, Incident, Metric, Postmortem
from incidents.models.base import Tracked
from incidents.restoration import RESTORES
from portal.api.serializers.components import ComponentAnswer, GroupAnswer
from portal.api.serializers.incidents import IncidentAnswer
from portal.api.serializers.metrics import MetricAnswer
from portal.api.serializers.postmortems import ActionItemAnswer, PostmortemAnswer
from portal.api.views.base import WRITE_REFUSALS, One
from portal.api.views.components import OneComponent, OneGroup
from portal.api.views.incidents import OneIncident
from portal.api.views.metrics import OneMetric
from portal.api.views.postmortems import OneActionItem, OnePostmortem, PostmortemView


def restored(view: One, rows: QuerySet[Any], **key: str) -> Response:
    """Restore one of these rows and show it."""
    row: Tracked = get_object_or_404(rows, **key)
    RESTORES[type(row)](row, author=view.author, reason=_("Restored through the API"))
    return Response(view.show())


class RestoredComponent(OneComponent):
    http_method_names = ["post", "options"]

    @extend_schema(
        summary="Restore a component that was deleted",
        tags=["components"],
        request=None,
        responses={200: ComponentAnswer} | WRITE_REFUSALS,
    )
    def post(self, request: Request, component_id: str, **kwargs: Any) -> Response:
        rows = Component.objects.filter(page=self.page, visibility=Visibility.PUBLIC)
        return restored(self, rows, public_id=component_id)


class RestoredGroup(OneGroup):
    http_method_names = ["post", "options"]

    @extend_schema(
        summary="Restore a component group that was deleted",
        description="With those of its components that have no other since.",
        tags=["component groups"],
        request=None,
        responses={200: GroupAnswer} | WRITE_REFUSALS,
    )
    def post(self, request: Request, group_id: str, **kwargs: Any) -> Response:
        return restored(self, self.page.groups.all(), public_id=group_id)


class RestoredMetric(OneMetric):
    http_method_names = ["post", "options"]

    @extend_schema(
        summary="Restore a metric that was deleted",
        tags=["metrics"],
        request=None,
        responses={200: MetricAnswer} | WRITE_REFUSALS,
    )
    def post(self, request: Request, metric_id: str, **kwargs: Any) -> Response:
        return restored(self, Metric.objects.filter(page=self.page), public_id=metric_id)


class RestoredIncident(OneIncident):
    http_method_names = ["post", "options"]

    @extend_schema(
        summary="Restore an incident that was deleted",
        description="As it was. Nobody is notified.",
        tags=["incidents"],
        request=None,
        responses={200: IncidentAnswer} | WRITE_REFUSALS,
    )
    def post(self, request: Request, incident_id: str, **kwargs: Any) -> Response:
        rows = Incident.objects.filter(page=self.page, visibility=Visibility.PUBLIC)
        return restored(self, rows, public_id=incident_id)


class RestoredPostmortem(OnePostmortem):
    http_method_names = ["post", "options"]

    @extend_schema(
        summary="Go on with a draft that was given up",
        tags=["postmortems"],
        request=None,
        responses={200: PostmortemAnswer} | WRITE_REFUSALS,
    )
    def post(self, request: Request, **kwargs: Any) -> Response:
        incident = self.one()
        if incident.postmortem:
            raise InvalidTransition(_("This incident has a postmortem already. Go on with that one."))
        were = Incident.history.filter(id=incident.pk).exclude(postmortem=None).values("postmortem")
        given_up = Postmortem.objects.filter(pk__in=were).exclude(deleted_at=None).order_by("-deleted_at")
        left = set(incident.history.values_list("history_change_reason", flat=True))
        last = [report.pk for report in given_up if reason_of(report) in left][:1]
        return restored(self, Postmortem.objects.filter(pk__in=last))


class RestoredActionItem(OneActionItem):
    http_method_names = ["post", "options"]

    @extend_schema(
        summary="Restore an action item that was removed",
        tags=["postmortems"],
        request=None,
        responses={200: ActionItemAnswer} | WRITE_REFUSALS,
    )
    def post(self, request: Request, item_id: str, **kwargs: Any) -> Response:
        return restored(self, ActionItem.objects.filter(postmortem=PostmortemView.target(self)), public_id=item_id)
