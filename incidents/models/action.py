from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from incidents.models.base import Tracked
from incidents.models.people import User
from incidents.models.postmortem import REASON_LENGTH, Postmortem

TEXT_LENGTH = 500


class ActionItemQuerySet(models.QuerySet["ActionItem"]):
    def live(self) -> ActionItemQuerySet:
        return self.filter(deleted_at=None, postmortem__deleted_at=None)

    def unfinished(self) -> ActionItemQuerySet:
        is_open = models.Q(state__in=[ActionItem.State.OPEN, ActionItem.State.IN_PROGRESS])
        return self.live().filter(is_open, postmortem__page__deleted_at=None)


class ActionItem(Tracked):
    """A measure that a postmortem asks for. As a public commitment it stands under the published report."""

    class Kind(models.TextChoices):
        CORRECTIVE = "corrective", _("Corrective")
        PREVENTATIVE = "preventative", _("Preventative")
        DETECTIVE = "detective", _("Detective")

    class State(models.TextChoices):
        OPEN = "open", _("Open")
        IN_PROGRESS = "in_progress", _("In progress")
        DONE = "done", _("Done")
        VERIFIED = "verified", _("Verified")
        DROPPED = "dropped", _("Dropped")

    postmortem = models.ForeignKey(Postmortem, models.PROTECT, related_name="action_items")
    kind = models.CharField(_("kind"), max_length=12, choices=Kind.choices, default=Kind.PREVENTATIVE)
    text = models.CharField(_("measure"), max_length=TEXT_LENGTH)
    owner = models.ForeignKey(User, models.PROTECT, related_name="+", verbose_name=_("owner"), null=True, blank=True)
    due_on = models.DateField(_("due"), null=True, blank=True)
    tracker_url = models.URLField(_("link to a tracker"), blank=True)
    is_commitment = models.BooleanField(_("public commitment"), default=False)
    public_wording = models.CharField(
        _("public wording"),
        max_length=TEXT_LENGTH,
        blank=True,
        help_text=_("As customers read it under the report. It is approved with the report."),
    )
    state = models.CharField(_("state"), max_length=12, choices=State.choices, default=State.OPEN, editable=False)
    evidence = models.CharField(
        _("evidence"), max_length=TEXT_LENGTH, blank=True, help_text=_("What shows it: a link or a sentence. Internal.")
    )
    done_on = models.DateField(_("done on"), null=True, blank=True, editable=False)
    verified_on = models.DateField(_("verified on"), null=True, blank=True, editable=False)
    dropped_because = models.CharField(_("dropped because"), max_length=REASON_LENGTH, blank=True, editable=False)

    objects = ActionItemQuerySet.as_manager()

    class Meta:
        verbose_name = _("action item")
        verbose_name_plural = _("action items")
        ordering = ("id",)
        constraints = (
            models.CheckConstraint(
                condition=Q(kind__in=["corrective", "preventative", "detective"]), name="action_item_kind"
            ),
            models.CheckConstraint(condition=~Q(text=""), name="action_item_has_text"),
            models.CheckConstraint(
                condition=Q(state__in=["open", "in_progress"], done_on=None, verified_on=None)
                | Q(state="dropped", done_on=None, verified_on=None) & ~Q(dropped_because="")
                | Q(state="done", done_on__isnull=False, verified_on=None) & ~Q(evidence="")
                | Q(state="verified", done_on__isnull=False, verified_on__isnull=False) & ~Q(evidence=""),
                name="action_item_state_has_its_facts",
            ),
            models.CheckConstraint(
                condition=Q(is_commitment=False) | ~Q(public_wording=""),
                name="action_item_commitment_has_wording",
                violation_error_message=_("A public commitment needs its public wording."),
            ),
        )

    def __str__(self) -> str:
        return self.text

    @property
    def is_promised(self) -> bool:
        return self.is_commitment and self.deleted_at is None
