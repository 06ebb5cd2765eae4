from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from incidents.lifecycle import IncidentStatus
from incidents.models.base import Tracked, TrackedQuerySet
from incidents.models.component import Component
from incidents.models.incident import BODY_LENGTH, TITLE_LENGTH
from incidents.models.page import Page


class IncidentTemplateQuerySet(TrackedQuerySet["IncidentTemplate"]):
    def for_page(self, page: Page) -> IncidentTemplateQuerySet:
        """Those of `page`, and those for every page."""
        return self.filter(models.Q(page=page) | models.Q(page=None))


class IncidentTemplate(Tracked):
    """Words that an update begins with. What stands in braces, like {components}, is for the writer to fill in."""

    page: models.ForeignKey[Page | None, Page | None] = models.ForeignKey(
        Page,
        models.PROTECT,
        related_name="templates",
        verbose_name=_("page"),
        null=True,
        blank=True,
        help_text=_("Empty: for every page."),
    )
    name = models.CharField(_("name"), max_length=100, help_text=_("For the list that staff choose from."))
    title = models.CharField(
        _("title"),
        max_length=TITLE_LENGTH,
        blank=True,
        help_text=_("Of a new incident; empty for words that only make an update."),
    )
    body = models.TextField(
        _("message"),
        max_length=BODY_LENGTH,
        help_text=_("Markdown. Leave places to fill in as {components}, {symptom} or {next_update}."),
    )
    update_status = models.CharField(
        _("status"),
        max_length=16,
        choices=IncidentStatus.choices,
        blank=True,
        help_text=_("Which the update moves to; empty for any."),
    )
    deliver_notifications = models.BooleanField(_("notify subscribers"), default=True)

    objects = IncidentTemplateQuerySet.as_manager()

    class Meta:
        verbose_name = _("incident template")
        verbose_name_plural = _("incident templates")
        ordering = ("id",)
        constraints = (
            models.CheckConstraint(
                condition=models.Q(update_status__in=["", *IncidentStatus.values]), name="template_status"
            ),
            models.CheckConstraint(condition=~models.Q(body=""), name="template_has_body"),
        )

    def __str__(self) -> str:
        return self.name

    def components(self) -> models.QuerySet[Component]:
        """Those that it begins with."""
        return Component.objects.live().filter(template_mentions__template=self, template_mentions__deleted_at=None)


class TemplateComponent(Tracked):
    """A component that a template names; a row instead of a many-to-many field, so that it has a history."""

    template = models.ForeignKey(IncidentTemplate, models.PROTECT, related_name="mentions")
    component = models.ForeignKey(Component, models.PROTECT, related_name="template_mentions")

    class Meta:
        verbose_name = _("component of a template")
        verbose_name_plural = _("components of templates")
        constraints = (
            models.UniqueConstraint(
                fields=["template", "component"],
                condition=models.Q(deleted_at=None),
                name="component_once_per_template",
            ),
        )

    def __str__(self) -> str:
        return f"{self.template}: {self.component}"
