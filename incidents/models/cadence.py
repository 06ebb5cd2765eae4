from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from incidents.lifecycle import STATUSES, IncidentStatus, Kind, Severity
from incidents.models.base import Tracked

NOT_YET = ""  # before an incident's first public update


class UpdateCadence(Tracked):
    """After how many minutes the public hears more of an incident of some severity, while it has some status."""

    severity = models.CharField(_("severity"), max_length=5, choices=Severity.choices, editable=False)
    status = models.CharField(
        _("status"),
        max_length=16,
        choices=[(NOT_YET, _("Not yet posted")), *((each.value, each.label) for each in STATUSES[Kind.REALTIME][:-1])],
        blank=True,
        editable=False,
    )
    minutes = models.PositiveSmallIntegerField(
        _("minutes until the next update"), null=True, blank=True, help_text=_("Empty: nothing is promised.")
    )

    class Meta:
        verbose_name = _("update cadence")
        verbose_name_plural = _("update cadences")
        ordering = ("severity", "id")
        constraints = (
            models.UniqueConstraint(fields=["severity", "status"], name="cadence_once"),
            models.CheckConstraint(condition=models.Q(severity__in=Severity.values), name="cadence_severity"),
            models.CheckConstraint(
                condition=models.Q(status__in=[NOT_YET, "investigating", "identified", "monitoring"]),
                name="cadence_status",
            ),
            models.CheckConstraint(
                condition=models.Q(minutes=None) | models.Q(minutes__gte=1),
                name="cadence_is_a_time",
                violation_error_message=_("Give at least one minute, or leave it empty."),
            ),
        )

    def __str__(self) -> str:
        status = IncidentStatus(self.status).label if self.status else _("Not yet posted")
        return f"{Severity(self.severity).label}, {status}"
