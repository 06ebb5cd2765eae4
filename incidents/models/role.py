from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from incidents.models.base import Tracked
from incidents.models.incident import Incident
from incidents.models.people import User
from incidents.record_time import WrittenAt


class IncidentRoleQuerySet(models.QuerySet["IncidentRole"]):
    def active(self) -> IncidentRoleQuerySet:
        return self.filter(renounced_at=None)


class IncidentRole(Tracked):
    """Who has a role in an incident, from when until when. One person at a time has it; one may have several."""

    class Role(models.TextChoices):
        COMMANDER = "commander", _("Commander")
        COMMS_LEAD = "comms_lead", _("Comms lead")
        SCRIBE = "scribe", _("Scribe")

    incident = models.ForeignKey(Incident, models.PROTECT, related_name="roles")
    role = models.CharField(_("role"), max_length=10, choices=Role.choices)
    user = models.ForeignKey(User, models.PROTECT, related_name="incident_roles", verbose_name=_("who"))
    assumed_at = WrittenAt(_("assumed"), auto_now_add=True)
    renounced_at = models.DateTimeField(_("renounced"), null=True, blank=True)
    handover_note = models.TextField(_("handover note"), max_length=2000, blank=True)

    objects = IncidentRoleQuerySet.as_manager()

    class Meta:
        verbose_name = _("role")
        verbose_name_plural = _("roles")
        ordering = ("assumed_at", "id")
        constraints = (
            models.UniqueConstraint(
                fields=["incident", "role"],
                condition=models.Q(renounced_at=None),
                name="role_has_one_holder",
                violation_error_message=_("Somebody else has this role already."),
            ),
            models.CheckConstraint(
                condition=models.Q(role__in=["commander", "comms_lead", "scribe"]), name="role_known"
            ),
            models.CheckConstraint(
                condition=models.Q(renounced_at=None) | models.Q(renounced_at__gte=models.F("assumed_at")),
                name="role_renounced_after_assumed",
            ),
        )

    def __str__(self) -> str:
        return f"{self.get_role_display()}: {self.user}"
