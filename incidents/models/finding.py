from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from incidents.linter import Rule
from incidents.models.base import Tracked
from incidents.models.people import User
from incidents.models.postmortem import REASON_LENGTH, Postmortem


class FindingDismissal(Tracked):
    """Why something that the linter says of a report may stand. It holds for the very words it was given for."""

    postmortem = models.ForeignKey(Postmortem, models.PROTECT, related_name="dismissals")
    digest = models.CharField(max_length=64, help_text="`Finding.digest`: of the rule, the sentence and the fact.")
    rule = models.CharField(_("rule"), max_length=20, choices=Rule.choices)
    quote = models.TextField(_("quote"))
    said = models.TextField(_("said"), help_text=_("The reason that the linter gave."))
    reason = models.CharField(_("reason"), max_length=REASON_LENGTH)
    author = models.ForeignKey(User, models.PROTECT, related_name="+", verbose_name=_("dismissed by"))

    class Meta:
        verbose_name = _("dismissed finding")
        verbose_name_plural = _("dismissed findings")
        ordering = ("id",)
        constraints = (
            models.UniqueConstraint(fields=["postmortem", "digest"], name="finding_dismissed_once"),
            models.CheckConstraint(condition=~models.Q(reason=""), name="finding_dismissed_with_reason"),
            models.CheckConstraint(
                condition=models.Q(rule__in=[rule.value for rule in Rule if rule is not Rule.SECRET]),
                name="finding_that_is_a_secret_stands",
            ),
        )

    def __str__(self) -> str:
        return f"{Rule(self.rule).label}: {self.quote[:60]}"
