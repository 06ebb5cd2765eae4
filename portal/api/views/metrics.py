"""Metrics that programs push. Statuspage keeps them below a provider; here each page has one, of the type “Self”."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.http import Http404
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer

from incidents import metrics
from incidents.models import Metric
from incidents.models.base import TrackedQuerySet
from incidents.permissions import Scope
from portal.api.errors import NotOffered
from portal.api.serializers.base import ErrorAnswer, Slice
from portal.api.serializers.metrics import (
    FIELDS,
    MetricAnswer,
    MetricRequest,
    NewMetricRequest,
    PointRequest,
    PointsRequest,
    ProviderAnswer,
)
from portal.api.views.base import REFUSALS, WRITE_REFUSALS, One, PageView, documented

TAG = ["metrics"]


class MetricView(PageView):
    writes = Scope.COMPONENTS

    def metrics(self) -> TrackedQuerySet[Metric]:
        return Metric.objects.live().filter(page=self.page).select_related("feed", "page")

    def facts(self, form: type[Serializer[Any]]) -> Any:
        """What was sent, as `MetricFacts`."""
        return {FIELDS.get(name, name): value for name, value in self.read(form)["metric"].items()}


class Metrics(MetricView):
    @extend_schema(
        summary="List metrics",
        tags=TAG,
        parameters=[Slice],
        responses={200: MetricAnswer(many=True)} | REFUSALS,
    )
    def get(self, request: Request, **kwargs: Any) -> Response:
        return Response(MetricAnswer(self.slice(self.metrics()), many=True).data)


@documented(read="Read a metric", change="Change a metric", tags=TAG, request=MetricRequest, answer=MetricAnswer)
class OneMetric(MetricView, One):
    def target(self) -> Metric:
        return get_object_or_404(self.metrics(), public_id=self.kwargs["metric_id"])

    def show(self) -> Any:
        return MetricAnswer(self.target()).data

    def patch(self, request: Request, **kwargs: Any) -> Response:
        metrics.edit_metric(self.target(), author=self.author, **self.facts(MetricRequest))
        return Response(self.show())

    @extend_schema(summary="Take a metric off the page", tags=TAG, responses={200: MetricAnswer} | WRITE_REFUSALS)
    def delete(self, request: Request, **kwargs: Any) -> Response:
        metric, shown = self.target(), self.show()
        metrics.delete_metric(metric, author=self.author)
        return Response(shown)


class Points(OneMetric):
    http_method_names = ["post", "delete", "options"]

    @extend_schema(
        summary="Push a data point",
        description="The last value of each minute is kept, for 31 days. The chart follows within a minute.",
        tags=TAG,
        request=PointRequest,
        responses={201: PointRequest} | WRITE_REFUSALS,
    )
    def post(self, request: Request, **kwargs: Any) -> Response:
        metric, point = self.target(), self.read(PointRequest)["data"]
        metrics.add_points({metric: {_instant(point): point["value"]}}, author=self.author)
        return Response({"data": _as_sent(point)}, status.HTTP_201_CREATED)

    @extend_schema(summary="Drop all data points of a metric", tags=TAG, responses={200: MetricAnswer} | WRITE_REFUSALS)
    def delete(self, request: Request, **kwargs: Any) -> Response:
        metrics.clear_points(self.target(), author=self.author)
        return Response(self.show())


class ManyPoints(MetricView):
    @extend_schema(
        operation_id="v1_pages_metrics_data_create_many",
        summary="Push data points of several metrics",
        tags=TAG,
        request=PointsRequest,
        responses={202: PointsRequest} | WRITE_REFUSALS,
    )
    def post(self, request: Request, **kwargs: Any) -> Response:
        sent = self.read(PointsRequest)["data"]
        # PostgreSQL refuses to look for a NUL
        known = {metric.public_id: metric for metric in self.metrics().filter(public_id__in=filter(str.isalnum, sent))}
        if unknown := [public_id for public_id in sent if public_id not in known]:
            raise Http404(_("This page has no metric “%(id)s”.") % {"id": unknown[0][:40]})
        points = {known[key]: {_instant(each): each["value"] for each in values} for key, values in sent.items()}
        metrics.add_points(points, author=self.author)
        shown = {key: [_as_sent(each) for each in values] for key, values in sent.items()}
        return Response({"data": shown}, status.HTTP_202_ACCEPTED)


class Providers(PageView):
    @extend_schema(
        summary="List metrics providers",
        description="The one that there is: programs that push.",
        tags=TAG,
        responses={200: ProviderAnswer(many=True)} | REFUSALS,
    )
    def get(self, request: Request, **kwargs: Any) -> Response:
        return Response([ProviderAnswer(self.page).data])

    @extend_schema(
        summary="Not offered: providers that are pulled", tags=TAG, request=None, responses={501: ErrorAnswer}
    )
    def post(self, request: Request, **kwargs: Any) -> Response:
        raise pulling()


class OneProvider(PageView):
    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if kwargs["provider_id"] not in (self.page.public_id, "self"):  # some clients say its type for its id
            raise Http404

    @extend_schema(summary="Read a metrics provider", tags=TAG, responses={200: ProviderAnswer} | REFUSALS)
    def get(self, request: Request, **kwargs: Any) -> Response:
        return Response(ProviderAnswer(self.page).data)

    @extend_schema(summary="Not offered", tags=TAG, request=None, responses={501: ErrorAnswer})
    def patch(self, request: Request, **kwargs: Any) -> Response:
        raise pulling()

    @extend_schema(summary="Not offered", tags=TAG, request=None, responses={501: ErrorAnswer})
    def put(self, request: Request, **kwargs: Any) -> Response:
        raise pulling()

    @extend_schema(summary="Not offered", tags=TAG, responses={501: ErrorAnswer})
    def delete(self, request: Request, **kwargs: Any) -> Response:
        raise pulling()


@extend_schema_view(get=extend_schema(summary="List the metrics of a provider"))
class ProviderMetrics(Metrics, OneProvider):
    http_method_names = ["get", "head", "post", "options"]

    @extend_schema(
        summary="Add a metric",
        tags=TAG,
        request=NewMetricRequest,
        responses={201: MetricAnswer} | WRITE_REFUSALS,
    )
    def post(self, request: Request, **kwargs: Any) -> Response:
        metric = metrics.create_metric(self.page, author=self.author, **self.facts(NewMetricRequest))
        return Response(MetricAnswer(metric).data, status.HTTP_201_CREATED)


def pulling() -> NotOffered:
    return NotOffered(_("Metrics are pushed here, never pulled: there is the provider “Self” alone."))


def _instant(point: dict[str, Any]) -> datetime:
    return datetime.fromtimestamp(point["timestamp"], UTC)


def _as_sent(point: dict[str, Any]) -> dict[str, Any]:
    return {"timestamp": int(point["timestamp"]), "value": point["value"]}
