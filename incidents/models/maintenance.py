from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from incidents.models.base import Tracked
from incidents.models.incident import Incident


class MaintenancePlan(Tracked):
    """The announced window of an incident of kind maintenance."""

    incident = models.OneToOneField(Incident, models.PROTECT, related_name="plan")
    scheduled_for = models.DateTimeField(_("planned start"))
    scheduled_until = models.DateTimeField(_("planned end"))

    class Meta:
        verbose_name = _("maintenance plan")
        verbose_name_plural = _("maintenance plans")
        constraints = (
            models.CheckConstraint(
                condition=models.Q(scheduled_until__gt=models.F("scheduled_for")),
                name="maintenance_ends_after_it_starts",
                violation_error_message=_("The window must end after it starts."),
            ),
        )

    def __str__(self) -> str:
        return f"{self.scheduled_for:%Y-%m-%d %H:%M} - {self.scheduled_until:%Y-%m-%d %H:%M}"
