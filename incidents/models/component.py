from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db import models
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _

from incidents.lifecycle import RUNNING, ComponentStatus, IncidentStatus, Visibility, worst_status
from incidents.models.base import AppendOnly, AppendOnlyQuerySet, Tracked, TrackedQuerySet
from incidents.models.page import Page
from incidents.models.people import User
from incidents.record_time import WrittenAt


class ComponentGroup(Tracked):
    page = models.ForeignKey(Page, models.PROTECT, related_name="groups", verbose_name=_("page"))
    name = models.CharField(_("name"), max_length=100)
    description = models.CharField(_("description"), max_length=500, blank=True)
    position = models.PositiveIntegerField(_("position"), default=1)

    class Meta:
        verbose_name = _("component group")
        verbose_name_plural = _("component groups")
        ordering = ("page", "position", "id")

    def __str__(self) -> str:
        return self.name


# Of a change: it belongs to a maintenance whose components the public sees under maintenance while it runs.
_SHOWN = {
    "update__incident__plan__shows_components": True,
    "update__incident__visibility": Visibility.PUBLIC,
    "update__incident__deleted_at": None,
    "update__published_at__isnull": False,
}


class ComponentQuerySet(TrackedQuerySet["Component"]):
    def live(self) -> ComponentQuerySet:
        """Those that were not deleted, nor their home page."""
        return self.filter(deleted_at=None, page__deleted_at=None)

    def public(self) -> ComponentQuerySet:
        return self.live().filter(visibility=Visibility.PUBLIC)

    def on(self, page: Page) -> ComponentQuerySet:
        """Those at home on `page`, and those listed there whose home page was not deleted."""
        listed = ComponentListing.objects.filter(page=page, deleted_at=None).values("component")
        return self.filter(models.Q(page=page) | models.Q(pk__in=listed, page__deleted_at=None))

    def with_status(self, at: datetime | None = None) -> ComponentQuerySet:
        """Annotated with `current`, its own status now or `at` an instant, and `changed_at`, when what the public sees
        of it was last changed.

        To be named without a change, perhaps by an internal incident, is not one.
        """
        newest = ComponentStatusChange.objects.standing().filter(component=models.OuterRef("pk")).newest_first()
        if at is not None:
            newest = newest.filter(effective_at__lte=at)
        is_step = models.Q(**_SHOWN) & ~models.Q(update__status=IncidentStatus.SCHEDULED)
        return self.annotate(  # type: ignore[no-redef]  # django-stubs: a model may not declare them
            current=Coalesce(
                models.Subquery(newest.values("status")[:1]), models.Value(ComponentStatus.OPERATIONAL.value)
            ),
            changed_at=models.Subquery(
                newest.filter(~models.Q(status=models.F("old_status")) | is_step).values("created_at")[:1]
            ),
        )

    def not_operational(self) -> ComponentQuerySet:
        """Those that are not operational now by what was said of them; with their status."""
        return self.with_status().exclude(models.Q(current=ComponentStatus.OPERATIONAL))

    def with_maintenance(self) -> ComponentQuerySet:
        """Annotated with `is_under_maintenance`: a maintenance that shows it runs now. For `shown`."""
        # By page and status, so that the few that run are found first, however much was said of all the others.
        named = ComponentStatusChange.objects.standing().filter(
            **_SHOWN,
            update__incident__first_posted_at__isnull=False,
            update__incident__page__in=Page.objects.values("pk"),
            update__incident__status__in=RUNNING,
        )
        return self.annotate(  # type: ignore[no-redef]  # django-stubs, as above
            is_under_maintenance=models.Q(pk__in=named.values("component"))
        )


class Component(Tracked):
    """A part of the service that customers know by name.

    Its own status is the newest of its status changes. A maintenance that runs is laid over it when it is read, so
    that nothing needs to be restored when it ends.
    """

    page = models.ForeignKey(
        Page, models.PROTECT, related_name="components", verbose_name=_("page"), help_text=_("Its home page.")
    )
    group = models.ForeignKey(
        ComponentGroup, models.PROTECT, related_name="components", verbose_name=_("group"), null=True, blank=True
    )
    name = models.CharField(_("name"), max_length=100)
    description = models.CharField(_("description"), max_length=500, blank=True)
    aliases = models.CharField(
        _("also called"),
        max_length=500,
        blank=True,
        help_text=_("Names that staff use for it, with commas between them. In public texts its own name is proposed."),
    )
    owner = models.CharField(
        _("owner"), max_length=100, blank=True, help_text=_("Internal: the team or the person to ask.")
    )
    position = models.PositiveIntegerField(_("position"), default=1)
    visibility = models.CharField(
        _("visibility"),
        max_length=10,
        choices=Visibility.choices,
        default=Visibility.PUBLIC,
        help_text=_("An internal component appears nowhere in public."),
    )
    showcase = models.BooleanField(_("show uptime"), default=True)
    only_show_if_degraded = models.BooleanField(_("show only when not operational"), default=False)
    start_date = models.DateField(
        _("uptime counts from"), null=True, blank=True, help_text=_("Before this day no uptime is shown.")
    )

    if TYPE_CHECKING:  # with_status() and with_maintenance() annotate these
        current: str
        changed_at: datetime | None
        is_under_maintenance: bool

    objects = ComponentQuerySet.as_manager()

    class Meta:
        verbose_name = _("component")
        verbose_name_plural = _("components")
        ordering = ("page", "group__position", "position", "id")
        permissions = (("set_component_status", "Set the status of a component"),)
        constraints = (
            models.CheckConstraint(condition=models.Q(visibility__in=Visibility.values), name="component_visibility"),
        )

    def __str__(self) -> str:
        return f"{self.group} - {self.name}" if self.group else self.name

    @property
    def known_as(self) -> list[str]:
        """What staff call it, beside its name."""
        return [name for name in (part.strip() for part in self.aliases.split(",")) if name and name != self.name]

    def status_at(self, instant: datetime) -> ComponentStatus:
        return self._said_by(self.status_changes.filter(effective_at__lte=instant))

    @staticmethod
    def _said_by(changes: ComponentStatusChangeQuerySet) -> ComponentStatus:
        change = changes.standing().newest_first().first()
        return ComponentStatus(change.status) if change else ComponentStatus.OPERATIONAL

    @property
    def status(self) -> ComponentStatus:
        return self._said_by(self.status_changes.all())

    @property
    def shown(self) -> ComponentStatus:
        """What the public sees now: under maintenance, unless it is worse than that."""
        current = ComponentStatus(self.current)
        return worst_status([current, ComponentStatus.UNDER_MAINTENANCE]) if self.is_under_maintenance else current


class ComponentListing(Tracked):
    """A component shown on a further page; a row instead of a many-to-many field, so that it has a history."""

    page = models.ForeignKey(Page, models.PROTECT, related_name="listings", verbose_name=_("page"))
    component = models.ForeignKey(Component, models.PROTECT, related_name="listings", verbose_name=_("component"))
    position = models.PositiveIntegerField(_("position"), default=1)

    objects = TrackedQuerySet["ComponentListing"].as_manager()

    class Meta:
        verbose_name = _("listing on a further page")
        verbose_name_plural = _("listings on further pages")
        constraints = (
            models.UniqueConstraint(
                fields=["page", "component"],
                condition=models.Q(deleted_at=None),
                name="component_listed_once_per_page",
                violation_error_message=_("The component is listed on this page already."),
            ),
        )

    def __str__(self) -> str:
        return f"{self.component} / {self.page}"


class ComponentStatusChangeQuerySet(AppendOnlyQuerySet["ComponentStatusChange"]):
    def standing(self) -> ComponentStatusChangeQuerySet:
        """Without those of updates that were taken back, and of incidents that were deleted, also with their page."""
        incident = {"update__incident__deleted_at": None, "update__incident__page__deleted_at": None}
        return self.filter(update__withdrawn_at=None, **incident)

    def newest_first(self) -> ComponentStatusChangeQuerySet:
        return self.order_by("-effective_at", "-id")


NOW = timedelta(minutes=1)  # what is said of so long ago is said of now


class ComponentStatusChange(AppendOnly):
    """From `effective_at` on the component had `status`.

    An update that names a component without changing it is recorded too, with the old status as the new one.
    """

    component = models.ForeignKey(Component, models.PROTECT, related_name="status_changes")
    update = models.ForeignKey(
        "incidents.IncidentUpdate", models.PROTECT, related_name="component_changes", null=True, blank=True
    )
    old_status = models.CharField(_("from"), max_length=20, choices=ComponentStatus.choices)
    status = models.CharField(_("to"), max_length=20, choices=ComponentStatus.choices)
    effective_at = models.DateTimeField(_("effective at"))
    created_at = WrittenAt(_("recorded at"), auto_now_add=True)
    author = models.ForeignKey(User, models.PROTECT, related_name="+", verbose_name=_("author"))
    reason = models.CharField(_("reason"), max_length=200, blank=True)
    called = models.CharField(
        _("called"), max_length=200, blank=True, help_text=_("Its name where this was said, if that is another one.")
    )

    objects = ComponentStatusChangeQuerySet.as_manager()

    class Meta:
        verbose_name = _("component status change")
        verbose_name_plural = _("component status changes")
        indexes = (models.Index(fields=["component", "-effective_at", "-id"], name="status_newest"),)
        constraints = (
            models.UniqueConstraint(fields=["update", "component"], name="component_once_per_update"),
            models.CheckConstraint(
                condition=models.Q(status__in=ComponentStatus.values) & models.Q(old_status__in=ComponentStatus.values),
                name="component_status_known",
            ),
        )

    def __str__(self) -> str:
        return f"{self.component}: {self.old_status} → {self.status}"

    @property
    def corrects(self) -> bool:
        """Whether it was said of the past, without an incident."""
        return self.update_id is None and self.effective_at < self.created_at - NOW
