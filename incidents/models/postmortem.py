from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from incidents.models.base import Tracked
from incidents.models.incident import Incident
from incidents.models.people import User


class Postmortem(Tracked):
    """The published report on an incident."""

    incident = models.OneToOneField(Incident, models.PROTECT, related_name="postmortem")
    body = models.TextField(_("text"), help_text=_("Markdown."))
    author = models.ForeignKey(User, models.PROTECT, related_name="+", verbose_name=_("author"))
    display_at = models.DateTimeField(_("time shown"))
    published_at = models.DateTimeField(_("published at"), editable=False)

    class Meta:
        verbose_name = _("postmortem")
        verbose_name_plural = _("postmortems")
        permissions = (("publish_postmortem", "Publish postmortems"),)

    def __str__(self) -> str:
        return str(self.incident)
