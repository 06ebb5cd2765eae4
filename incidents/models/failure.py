from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from incidents.record_time import WrittenAt


class FailureQuerySet(models.QuerySet["Failure"]):
    def parked(self) -> FailureQuerySet:
        return self.exclude(parked_at=None)


class Failure(models.Model):
    """One thing that the clock cannot do (`incidents.isolation`): how often it was tried, and why it failed.

    It is gone once the thing is done, or need not be done any more.
    """

    kind = models.CharField(_("work"), max_length=20)
    key = models.CharField(_("what"), max_length=60, help_text=_("As that work knows it, mostly a primary key."))
    attempts = models.PositiveIntegerField(_("attempts"), default=0)
    reason = models.CharField(_("reason"), max_length=500, help_text=_("Of the last attempt."))
    since = WrittenAt(_("since"), auto_now_add=True)
    due_at = models.DateTimeField(_("next attempt"), null=True)
    parked_at = models.DateTimeField(_("parked"), null=True)

    objects = FailureQuerySet.as_manager()

    class Meta:
        verbose_name = _("failure")
        verbose_name_plural = _("failures")
        ordering = ("-since", "-pk")
        constraints = (
            models.UniqueConstraint(fields=["kind", "key"], name="failure_once"),
            models.CheckConstraint(
                condition=models.Q(parked_at=None, due_at__isnull=False)
                | models.Q(parked_at__isnull=False, due_at=None),
                name="failure_is_parked_or_due",
            ),
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.key}"
