from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from incidents.lifecycle import ComponentStatus, IncidentStatus
from incidents.models.base import Tracked
from incidents.models.component import Component
from incidents.models.incident import BODY_LENGTH, Incident, IncidentUpdate
from incidents.models.people import User

LATEST = 10  # minutes after its time until which an update is posted, unless its author says otherwise


class PlannedUpdateQuerySet(models.QuerySet["PlannedUpdate"]):
    def open(self) -> PlannedUpdateQuerySet:
        """Those that wait for their time, or for their author."""
        return self.filter(state__in=[PlannedUpdate.State.WAITING, PlannedUpdate.State.HELD])


class PlannedUpdate(Tracked):
    """An update that is written already and posted at its time, unless somebody posts another one before."""

    class State(models.TextChoices):
        WAITING = "waiting", _("Planned")
        POSTED = "posted", _("Posted")
        HELD = "held", _("Held back")
        CANCELLED = "cancelled", _("Cancelled")

    incident = models.ForeignKey(Incident, models.PROTECT, related_name="planned")
    status = models.CharField(_("status"), max_length=16, choices=IncidentStatus.choices)
    body = models.TextField(_("message"), max_length=BODY_LENGTH)
    author = models.ForeignKey(User, models.PROTECT, related_name="+", verbose_name=_("author"))
    due_at = models.DateTimeField(_("to be posted at"))
    latest_minutes = models.PositiveSmallIntegerField(
        _("at the latest"), default=LATEST, help_text=_("So many minutes after its time; later it is held back.")
    )
    next_update = models.PositiveSmallIntegerField(
        _("next update"), null=True, blank=True, help_text=_("In so many minutes; empty: as usual, 0: no promise.")
    )
    notify = models.BooleanField(_("notify subscribers"), default=True)
    let_stand = models.JSONField(
        default=dict, blank=True, editable=False, help_text="Why findings in its message may stand, by their digests."
    )
    seen = models.CharField(max_length=12, blank=True, help_text="The newest update that its author had read.")
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.WAITING)
    reason = models.TextField(_("reason"), blank=True, help_text=_("Why it was held back."))
    update: models.OneToOneField[IncidentUpdate | None, IncidentUpdate | None] = models.OneToOneField(
        IncidentUpdate, models.PROTECT, related_name="planned", null=True, blank=True
    )

    objects = PlannedUpdateQuerySet.as_manager()

    class Meta:
        verbose_name = _("planned update")
        verbose_name_plural = _("planned updates")
        ordering = ("due_at", "id")
        indexes = (models.Index(fields=["due_at"], condition=models.Q(state="waiting"), name="planned_waiting"),)
        constraints = (
            models.CheckConstraint(condition=models.Q(status__in=IncidentStatus.values), name="planned_status"),
            models.CheckConstraint(condition=~models.Q(body=""), name="planned_has_body"),
            models.CheckConstraint(
                condition=models.Q(state="posted", update__isnull=False)
                | models.Q(state__in=["waiting", "held", "cancelled"], update=None),
                name="planned_update_when_posted",
            ),
        )

    def __str__(self) -> str:
        return f"{IncidentStatus(self.status).label}: {self.body[:60]}"


class PlannedComponent(Tracked):
    """A component that a planned update names, with its new status; "" for none."""

    planned = models.ForeignKey(PlannedUpdate, models.PROTECT, related_name="mentions")
    component = models.ForeignKey(Component, models.PROTECT, related_name="+")
    status = models.CharField(_("status"), max_length=24, choices=ComponentStatus.choices, blank=True)

    class Meta:
        verbose_name = _("component of a planned update")
        verbose_name_plural = _("components of planned updates")
        constraints = (
            models.UniqueConstraint(
                fields=["planned", "component"], condition=models.Q(deleted_at=None), name="component_once_per_plan"
            ),
        )

    def __str__(self) -> str:
        return f"{self.planned}: {self.component}"
