from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _

from incidents.marks import is_same, mark
from incidents.models.action import ActionItem
from incidents.models.base import Marked
from incidents.models.component import ComponentStatusChange
from incidents.models.incident import Incident, IncidentUpdate
from incidents.models.page import Page
from incidents.record_time import WrittenAt


class OutboxEventQuerySet(models.QuerySet["OutboxEvent"]):
    def unpublished(self) -> OutboxEventQuerySet:
        return self.filter(published_at=None)

    def news(self) -> OutboxEventQuerySet:
        """Without what only counts messages sent: the page is as current as before it."""
        return self.exclude(kind=OutboxEvent.Kind.DELIVERIES_COUNTED)

    def unowed(self) -> OutboxEventQuerySet:
        return self.filter(notify=True, owed_at=None)


class OutboxEvent(Marked):
    """A public fact to publish on one page, and perhaps to notify of; written in the transaction that made it true."""

    class Kind(models.TextChoices):
        UPDATE_POSTED = "update_posted", _("Update posted")
        UPDATE_CORRECTED = "update_corrected", _("Update corrected")
        RECORDED_AFTERWARDS = "recorded_afterwards", _("Recorded afterwards")
        MAINTENANCE_REMINDER = "maintenance_reminder", _("Reminder of a maintenance")
        INCIDENT_EDITED = "incident_edited", _("Incident edited")
        POSTMORTEM_PUBLISHED = "postmortem_published", _("Postmortem published")
        POSTMORTEM_AMENDED = "postmortem_amended", _("Postmortem amended")
        COMMITMENT_FULFILLED = "commitment_fulfilled", _("Public commitment fulfilled")
        COMPONENT_CHANGED = "component_changed", _("Component status changed")
        PAGE_CHANGED = "page_changed", _("Page or its components edited")
        DELIVERIES_COUNTED = "deliveries_counted", _("Deliveries counted")

    page = models.ForeignKey(Page, models.PROTECT, related_name="events")
    kind = models.CharField(_("kind"), max_length=24, choices=Kind.choices)
    incident = models.ForeignKey(Incident, models.PROTECT, related_name="events", null=True)
    update: models.ForeignKey[IncidentUpdate | None, IncidentUpdate | None] = models.ForeignKey(
        IncidentUpdate, models.PROTECT, related_name="events", null=True
    )
    action_item = models.ForeignKey(ActionItem, models.PROTECT, related_name="events", null=True)
    component_change = models.ForeignKey(ComponentStatusChange, models.PROTECT, related_name="events", null=True)
    notify = models.BooleanField(_("notify"), default=False, help_text="Whether recipients are notified of it.")
    created_at = WrittenAt(_("created"), auto_now_add=True)
    published_at = models.DateTimeField(_("published"), null=True)
    owed_at = models.DateTimeField(_("recipients noted"), null=True, help_text="When its deliveries were written down.")

    SEALED = (
        *("page_id", "kind", "incident_id", "update_id", "action_item_id", "component_change_id"),
        *("notify", "created_at"),
    )

    objects = OutboxEventQuerySet.as_manager()

    class Meta:
        verbose_name = _("outbox event")
        verbose_name_plural = _("outbox events")
        ordering = ("-id",)
        indexes = (
            models.Index(fields=["page", "-id"], name="event_newest"),
            models.Index(fields=["page"], condition=models.Q(published_at=None), name="event_unpublished"),
            models.Index(fields=["id"], condition=models.Q(notify=True, owed_at=None), name="event_unowed"),
        )

    def __str__(self) -> str:
        return f"{self.get_kind_display()} #{self.pk}"

    def mark_owed(self, deliveries: int) -> str:
        """Its mark once that many deliveries of it are written down: one that is taken away afterwards is missed."""
        return mark(self._meta.label_lower, self.pk, self.owed_at, deliveries)

    @classmethod
    def miscounted(cls) -> Iterator[int]:
        """The keys of those whose recipients were noted by nobody, or of which other messages are there than owed."""
        noted: Any = cls.objects.exclude(owed_at=None, mark="").order_by("pk")
        for event in noted.annotate(owed=models.Count("deliveries")).iterator(chunk_size=500):
            if not is_same(event.mark, event.mark_owed(event.owed)):
                yield event.pk

    @property
    def is_report(self) -> bool:
        """Whether it is about the postmortem of its incident, and so about all incidents which that covers."""
        kinds = self.Kind
        return self.kind in (kinds.POSTMORTEM_PUBLISHED, kinds.POSTMORTEM_AMENDED, kinds.COMMITMENT_FULFILLED)
