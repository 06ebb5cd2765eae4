from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from incidents.models.base import AppendOnly, AppendOnlyQuerySet
from incidents.models.incident import Incident
from incidents.models.people import User
from incidents.record_time import WrittenAt


class TimelineQuerySet(AppendOnlyQuerySet["TimelineEntry"]):
    def running(self) -> TimelineQuerySet:
        """Mitigation attempts of which nobody has said yet how they ended."""
        return self.filter(kind=TimelineEntry.Kind.MITIGATION, outcome="", outcomes=None)


class TimelineEntry(AppendOnly):
    """What staff saw, decided and tried. Internal; `is_public` only offers it to who writes the postmortem."""

    class Kind(models.TextChoices):
        OBSERVATION = "observation", _("Observation")
        DECISION = "decision", _("Decision")
        ALERT = "alert", _("Alert")
        MITIGATION = "mitigation", _("Mitigation attempt")

    class Outcome(models.TextChoices):
        NONE = "none", _("No effect")
        PARTIAL = "partial", _("Partial")
        FULL = "full", _("Full")
        WORSE = "worse", _("Made it worse")

    class Precision(models.TextChoices):
        EXACT = "exact", _("Exact")
        APPROXIMATE = "approximate", _("Approximate")
        RANGE = "range", _("Range")

    incident = models.ForeignKey(Incident, models.PROTECT, related_name="timeline")
    kind = models.CharField(_("kind"), max_length=12, choices=Kind.choices, default=Kind.OBSERVATION)
    text = models.TextField(_("text"), max_length=10_000)
    occurred_at = models.DateTimeField(_("when"))
    ended_at = models.DateTimeField(_("until"), null=True, blank=True)
    precision = models.CharField(_("precision"), max_length=12, choices=Precision.choices, default=Precision.EXACT)
    outcome = models.CharField(_("outcome"), max_length=8, choices=Outcome.choices, blank=True)
    is_public = models.BooleanField(
        _("may stand in the postmortem"), default=False, help_text=_("Offered for the public timeline of the report.")
    )
    done_by = models.CharField(
        _("who"), max_length=100, blank=True, help_text=_("Who did it, if it was not who writes this.")
    )
    attempt: models.ForeignKey[TimelineEntry | None, TimelineEntry | None] = models.ForeignKey(
        "self",
        models.PROTECT,
        related_name="outcomes",
        null=True,
        editable=False,
        help_text="Whose outcome this tells.",
    )
    author = models.ForeignKey(User, models.PROTECT, related_name="+", verbose_name=_("author"))
    created_at = WrittenAt(_("recorded at"), auto_now_add=True)

    objects = TimelineQuerySet.as_manager()

    class Meta:
        verbose_name = _("timeline entry")
        verbose_name_plural = _("timeline entries")
        ordering = ("-occurred_at", "-id")
        constraints = (
            models.CheckConstraint(
                condition=models.Q(precision="range", ended_at__isnull=False, ended_at__gt=models.F("occurred_at"))
                | (~models.Q(precision="range") & models.Q(ended_at=None)),
                name="timeline_range_has_an_end",
                violation_error_message=_("A range needs an end that lies after its start; other times have no end."),
            ),
            models.CheckConstraint(
                condition=models.Q(kind="mitigation") | models.Q(outcome=""),
                name="timeline_outcome_of_mitigation",
                violation_error_message=_("Only a mitigation attempt has an outcome."),
            ),
            models.CheckConstraint(
                condition=models.Q(attempt=None) | (models.Q(kind="mitigation") & ~models.Q(outcome="")),
                name="timeline_conclusion_has_outcome",
                violation_error_message=_("Say how the attempt ended."),
            ),
        )

    def __str__(self) -> str:
        return self.text[:60]
