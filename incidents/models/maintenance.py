from __future__ import annotations

import zoneinfo
from datetime import datetime, timedelta

from django.db import models
from django.utils.translation import gettext_lazy as _

from incidents.lifecycle import RUNNING, IncidentStatus, Visibility
from incidents.models.base import Tracked
from incidents.models.incident import Incident, IncidentUpdate
from incidents.models.page import Page
from incidents.record_time import record_time


class MaintenanceSeries(Tracked):
    """A maintenance that repeats. Its occurrences are maintenances of their own, made ahead by the clock.

    The rule says local times in `time_zone`, which is the page's when the series began; `shift` moves them all.
    """

    page = models.ForeignKey(Page, models.PROTECT, related_name="series", verbose_name=_("page"))
    rule = models.CharField(_("rule"), max_length=200, help_text=_("As in RFC 5545, like FREQ=WEEKLY;BYDAY=SU"))
    starts_at = models.DateTimeField(_("first start"))
    time_zone = models.CharField(_("time zone"), max_length=64)
    duration = models.DurationField(_("duration"), help_text=_("From the local start to the local end."))
    shift = models.DurationField(_("moved by"), default=timedelta)
    due_at = models.DateTimeField(
        null=True, editable=False, help_text="When the next occurrence must be made; empty when there is no more."
    )

    class Meta:
        verbose_name = _("maintenance series")
        verbose_name_plural = _("maintenance series")
        indexes = (
            models.Index(fields=["due_at"], condition=models.Q(due_at__isnull=False), name="maintenance_series_due"),
        )
        constraints = (
            models.CheckConstraint(condition=models.Q(duration__gt=timedelta()), name="maintenance_series_lasts"),
        )

    def __str__(self) -> str:
        return self.rule

    @property
    def zone(self) -> zoneinfo.ZoneInfo:
        return zoneinfo.ZoneInfo(self.time_zone)


class MaintenancePlanQuerySet(models.QuerySet["MaintenancePlan"]):
    def live(self) -> MaintenancePlanQuerySet:
        """Those that were announced, or that are internal, and that were not deleted, nor their page."""
        posted = models.Q(incident__first_posted_at__isnull=False) | models.Q(incident__visibility=Visibility.INTERNAL)
        return self.filter(posted, incident__deleted_at=None, incident__page__deleted_at=None)

    def shown(self) -> MaintenancePlanQuerySet:
        """Those whose components the public sees under maintenance while they run."""
        return self.live().filter(shows_components=True, incident__visibility=Visibility.PUBLIC)

    def times(self, since: datetime) -> dict[int, tuple[datetime, datetime | None]]:
        """When these incidents, by key, really began and ended, as its updates say, whatever was planned.

        Without those that did not begin, and those over by `since`.
        """
        updates = IncidentUpdate.objects.published().filter(incident=models.OuterRef("incident")).order_by("display_at")
        # What ended since was saved since: so nothing is asked about the many that were over long ago.
        recent = self.filter(models.Q(incident__status__in=RUNNING) | models.Q(incident__updated_at__gt=since))
        rows = recent.annotate(
            began_at=models.Subquery(updates.filter(status__in=RUNNING).values("display_at")[:1]),
            ended_at=models.Subquery(updates.filter(status=IncidentStatus.COMPLETED).values("display_at")[:1]),
        ).filter(models.Q(ended_at=None) | models.Q(ended_at__gt=since), began_at__isnull=False)
        return {
            key: (began_at, ended_at)
            for key, began_at, ended_at in rows.values_list("incident", "began_at", "ended_at")
        }


class MaintenancePlan(Tracked):
    """What was announced of an incident of kind maintenance, and what the clock does with it."""

    incident = models.OneToOneField(Incident, models.PROTECT, related_name="plan")
    scheduled_for = models.DateTimeField(_("planned start"))
    scheduled_until = models.DateTimeField(_("planned end"))
    expected_until = models.DateTimeField(
        _("new expected end"), null=True, blank=True, help_text=_("When it takes longer than planned.")
    )
    overran_at = models.DateTimeField(
        _("overran"), null=True, editable=False, help_text=_("When people were notified that it takes longer.")
    )
    cancelled_at = models.DateTimeField(_("cancelled"), null=True, editable=False)
    starts_by_itself = models.BooleanField(_("starts by itself"), default=False)
    ends_by_itself = models.BooleanField(_("ends by itself"), default=False)
    shows_components = models.BooleanField(_("shows its components under maintenance while it runs"), default=True)
    tells_at_start = models.BooleanField(_("tells subscribers when it starts"), default=True)
    tells_at_end = models.BooleanField(_("tells subscribers when it ends"), default=True)
    sequence = models.PositiveIntegerField(
        default=0, editable=False, help_text="iCalendar's SEQUENCE: raised when the window is changed or called off."
    )
    moved_by = models.ForeignKey(
        IncidentUpdate, models.PROTECT, related_name="+", null=True, editable=False, help_text="Or extended, last."
    )
    series = models.ForeignKey(
        MaintenanceSeries, models.PROTECT, related_name="plans", verbose_name=_("series"), null=True, editable=False
    )
    occurrence = models.CharField(
        max_length=15, blank=True, editable=False, help_text="The local start by the series' rule, 20261025T020000."
    )

    objects = MaintenancePlanQuerySet.as_manager()

    class Meta:
        verbose_name = _("maintenance plan")
        verbose_name_plural = _("maintenance plans")
        constraints = (
            models.CheckConstraint(
                condition=models.Q(scheduled_until__gt=models.F("scheduled_for")),
                name="maintenance_ends_after_it_starts",
                violation_error_message=_("The window must end after it starts."),
            ),
            models.CheckConstraint(
                condition=models.Q(expected_until=None) | models.Q(expected_until__gt=models.F("scheduled_for")),
                name="maintenance_expected_to_end_after_it_starts",
                violation_error_message=_("The expected end must be after the start."),
            ),
            models.UniqueConstraint(
                fields=["series", "occurrence"],
                condition=models.Q(series__isnull=False),
                name="maintenance_occurrence_once",
            ),
            models.CheckConstraint(
                condition=models.Q(series=None, occurrence="")
                | models.Q(series__isnull=False) & ~models.Q(occurrence=""),
                name="maintenance_occurrence_of_series",
            ),
        )

    def __str__(self) -> str:
        return f"{self.scheduled_for:%Y-%m-%d %H:%M} - {self.ends_at:%Y-%m-%d %H:%M}"

    @property
    def ends_at(self) -> datetime:
        """When it is to end, by the newest that was said."""
        return self.expected_until or self.scheduled_until

    @property
    def is_overrunning(self) -> bool:
        return self.incident.status in RUNNING and self.ends_at < record_time()


class MaintenanceReminder(Tracked):
    """A reminder so many minutes before the planned start; once settled, `note` says why it was not sent."""

    plan = models.ForeignKey(MaintenancePlan, models.PROTECT, related_name="reminders")
    minutes = models.PositiveIntegerField(_("minutes before the start"))
    due_at = models.DateTimeField(_("due"))
    settled_at = models.DateTimeField(_("settled"), null=True, editable=False)
    note = models.CharField(_("why it was not sent"), max_length=100, blank=True, editable=False)

    class Meta:
        verbose_name = _("maintenance reminder")
        verbose_name_plural = _("maintenance reminders")
        ordering = ("due_at",)
        indexes = (
            models.Index(
                fields=["due_at"],
                condition=models.Q(settled_at=None, deleted_at=None),
                name="maintenance_reminder_due",
            ),
        )
        constraints = (
            models.UniqueConstraint(
                fields=["plan", "minutes"], condition=models.Q(deleted_at=None), name="maintenance_reminder_once"
            ),
            models.CheckConstraint(condition=models.Q(minutes__gt=0), name="maintenance_reminder_before_start"),
        )

    def __str__(self) -> str:
        return str(_("%(minutes)d minutes before") % {"minutes": self.minutes})
