from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from rest_framework import serializers

from incidents.models import Metric
from portal.api.serializers.base import Always, Input, Timestamp, enveloped


class MetricInput(Input):
    name = serializers.CharField(required=False, max_length=100)
    metric_identifier = serializers.CharField(required=False, allow_blank=True, max_length=200)
    suffix = serializers.CharField(required=False, allow_blank=True, max_length=20)
    y_axis_min = serializers.FloatField(required=False, allow_null=True)
    y_axis_max = serializers.FloatField(required=False, allow_null=True)
    y_axis_hidden = serializers.BooleanField(required=False)
    display = serializers.BooleanField(required=False, help_text="Whether the page shows it.")
    decimal_places = serializers.IntegerField(required=False, min_value=0, max_value=6)
    tooltip_description = serializers.CharField(required=False, allow_blank=True, max_length=500)
    transform = serializers.CharField(required=False, allow_blank=True, max_length=20)
    application_id = serializers.CharField(required=False, allow_blank=True, max_length=100)

    def validate(self, given: dict[str, Any]) -> dict[str, Any]:
        for name in ("transform", "application_id"):
            if given.pop(name, None):
                raise serializers.ValidationError({name: _("This is for metrics that are pulled. Leave it out.")})
        if given.get("y_axis_min") == given.get("y_axis_max") == 0:  # what clients say that know no null
            given |= {"y_axis_min": None, "y_axis_max": None}
        return given


class NewMetricInput(MetricInput):
    name = serializers.CharField(max_length=100)


MetricRequest = enveloped("metric", MetricInput, title="MetricRequest")
NewMetricRequest = enveloped("metric", NewMetricInput, title="NewMetricRequest")
FIELDS = {
    "metric_identifier": "identifier",
    "y_axis_min": "y_min",
    "y_axis_max": "y_max",
    "y_axis_hidden": "is_axis_hidden",
    "display": "is_shown",
    "tooltip_description": "description",
}


class MetricAnswer(serializers.Serializer[Any]):
    id = serializers.CharField(source="public_id")
    metrics_provider_id = serializers.CharField(source="page.public_id")
    metric_identifier = serializers.CharField(source="identifier")
    name = serializers.CharField()
    display = serializers.BooleanField(source="is_shown")
    tooltip_description = serializers.CharField(source="description")
    backfilled = Always(False)
    y_axis_min = serializers.FloatField(source="y_min", allow_null=True)
    y_axis_max = serializers.FloatField(source="y_max", allow_null=True)
    y_axis_hidden = serializers.BooleanField(source="is_axis_hidden")
    suffix = serializers.CharField()
    decimal_places = serializers.IntegerField()
    most_recent_data_at = Timestamp(source="feed.newest_at", allow_null=True)
    created_at = Timestamp()
    updated_at = Timestamp()
    last_fetched_at = Always(None)
    backfill_percentage = Always(None)
    reference_name = serializers.CharField(source="identifier")

    def to_representation(self, metric: Metric) -> dict[str, Any]:
        """An axis of which nothing was chosen is 0 to 0: clients that know no null send it back like that."""
        shown: dict[str, Any] = super().to_representation(metric)
        if metric.y_min is None and metric.y_max is None:
            shown |= {"y_axis_min": 0.0, "y_axis_max": 0.0}
        return shown


class PointInput(Input):
    timestamp = serializers.FloatField(min_value=0, max_value=4_102_444_800, help_text="Seconds since 1970.")
    value = serializers.FloatField()


PointRequest = enveloped("data", PointInput, title="PointRequest")


class PointsRequest(Input):
    data = serializers.DictField(  # type: ignore[assignment]  # Statuspage's name is also a serializer's property
        child=serializers.ListField(child=PointInput(), max_length=10_000), help_text="Metric id to its data points."
    )


class ProviderAnswer(serializers.Serializer[Any]):
    """The one provider of a page: programs that push."""

    id = serializers.CharField(source="public_id")
    type = Always("Self")
    disabled = Always(False)
    metric_base_uri = Always(None)
    last_revalidated_at = Always(None)
    created_at = Timestamp()
    updated_at = Timestamp(source="created_at")
    page_id = Always(None)
