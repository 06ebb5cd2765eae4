"""How a postmortem is read before it is published: who read it when, and their comments."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from incidents.models.base import Tracked
from incidents.models.people import User
from incidents.models.postmortem import Postmortem, PostmortemSection
from incidents.record_time import WrittenAt


class PostmortemComment(Tracked):
    """A remark on a section, until somebody has settled it."""

    section = models.ForeignKey(PostmortemSection, models.PROTECT, related_name="comments")
    text = models.TextField(_("comment"), max_length=5_000)
    author = models.ForeignKey(User, models.PROTECT, related_name="+", verbose_name=_("author"))
    settled_by = models.ForeignKey(
        User, models.PROTECT, related_name="+", verbose_name=_("settled by"), null=True, editable=False
    )

    class Meta:
        verbose_name = _("comment")
        verbose_name_plural = _("comments")
        ordering = ("id",)
        constraints = (models.CheckConstraint(condition=~models.Q(text=""), name="postmortem_comment_has_text"),)

    def __str__(self) -> str:
        return self.text[:60]


class PostmortemReading(models.Model):
    """When somebody last read a postmortem as a whole; what changed since is in its sections' history."""

    postmortem = models.ForeignKey(Postmortem, models.PROTECT, related_name="readings")
    reader = models.ForeignKey(User, models.PROTECT, related_name="+")
    at = WrittenAt(auto_now_add=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["postmortem", "reader"], name="postmortem_reading_of_reader"),)

    def __str__(self) -> str:
        return f"{self.reader}: {self.at:%Y-%m-%d %H:%M}"
