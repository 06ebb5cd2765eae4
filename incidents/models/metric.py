from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from incidents.models.base import Tracked, TrackedQuerySet
from incidents.models.page import Page


class Metric(Tracked):
    """A number that a program pushes, shown as a chart of its last 24 hours."""

    page = models.ForeignKey(Page, models.PROTECT, related_name="metrics", verbose_name=_("page"))
    name = models.CharField(_("name"), max_length=100)
    identifier = models.CharField(_("identifier"), max_length=200, blank=True, help_text=_("The program's own name."))
    description = models.CharField(_("description"), max_length=500, blank=True)
    suffix = models.CharField(_("unit"), max_length=20, blank=True, help_text="ms")
    decimal_places = models.PositiveSmallIntegerField(_("decimal places"), default=0)
    y_min = models.FloatField(_("axis from"), null=True, blank=True)
    y_max = models.FloatField(_("axis to"), null=True, blank=True)
    is_axis_hidden = models.BooleanField(_("hide the axis"), default=False)
    is_shown = models.BooleanField(_("show on the page"), default=True)

    objects = TrackedQuerySet["Metric"].as_manager()

    class Meta:
        verbose_name = _("metric")
        verbose_name_plural = _("metrics")
        ordering = ("page", "id")
        constraints = (
            models.CheckConstraint(
                condition=models.Q(y_min=None) | models.Q(y_max=None) | models.Q(y_max__gt=models.F("y_min")),
                name="metric_axis_goes_up",
                violation_error_message=_("The axis must end above where it begins."),
            ),
            models.CheckConstraint(condition=models.Q(decimal_places__lte=6), name="metric_decimal_places"),
        )

    def __str__(self) -> str:
        return self.name


class MetricPoint(models.Model):
    """The last value of a minute. Measurements are no facts that staff state, so they have no history."""

    metric = models.ForeignKey(Metric, models.CASCADE, related_name="points")
    at = models.DateTimeField()
    value = models.FloatField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=["metric", "at"], name="metric_point_once"),)

    def __str__(self) -> str:
        return f"{self.metric_id} {self.at}: {self.value}"


class MetricFeed(models.Model):
    """How far a metric is: its newest point, and whether its chart has what came."""

    metric = models.OneToOneField(Metric, models.CASCADE, related_name="feed")
    newest_at = models.DateTimeField(null=True)
    changed_at = models.DateTimeField(null=True)
    charted_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.metric_id}: {self.newest_at}"
