from __future__ import annotations

from collections.abc import Sequence

from django.db import models
from django.utils.translation import gettext_lazy as _

from incidents.lifecycle import ENDED, OPEN, Impact, IncidentStatus, Kind, Severity, Visibility
from incidents.models.base import Tracked, TrackedQuerySet
from incidents.models.component import Component, ComponentQuerySet
from incidents.models.page import Page
from incidents.models.people import User
from incidents.record_time import WrittenAt

TITLE_LENGTH = 255  # Statuspage's limits
BODY_LENGTH = 25_000


class IncidentQuerySet(TrackedQuerySet["Incident"]):
    def live(self) -> IncidentQuerySet:
        """Those that were not deleted, nor their home page."""
        return self.filter(deleted_at=None, page__deleted_at=None)

    def public(self) -> IncidentQuerySet:
        return self.live().filter(visibility=Visibility.PUBLIC, first_posted_at__isnull=False)

    def realtime(self) -> IncidentQuerySet:
        return self.filter(kind=Kind.REALTIME)

    def maintenances(self) -> IncidentQuerySet:
        return self.filter(kind=Kind.MAINTENANCE)

    def unresolved(self) -> IncidentQuerySet:
        return self.filter(status__in=OPEN)

    def on(self, page: Page) -> IncidentQuerySet:
        """Those at home on `page`, and those affecting a public component that it shares with another page.

        A component whose home page was deleted is on no page; such an incident is not `live`.
        """
        here = models.Q(listings__page=page, listings__deleted_at=None)
        elsewhere = models.Q(page=page, listings__isnull=False)
        shared = Component.objects.filter(here | elsewhere, visibility=Visibility.PUBLIC, page__deleted_at=None)
        if not shared.exists():  # the common case stays one index scan
            return self.filter(page=page)
        affecting = IncidentUpdate.objects.published().filter(component_changes__component__in=shared.values("pk"))
        return self.filter(models.Q(page=page) | models.Q(pk__in=affecting.values("incident")))


class Incident(Tracked):
    """Something that happens to live services, or (kind maintenance) is planned to.

    Three spans are kept apart: when it hurt (`impact_began_at`, `impact_ended_at`), when we knew
    (`detected_at`, `acknowledged_at`), and when it was talked about (its updates).
    """

    page = models.ForeignKey(
        Page, models.PROTECT, related_name="incidents", verbose_name=_("page"), help_text=_("Its home page.")
    )
    kind = models.CharField(_("kind"), max_length=12, choices=Kind.choices, default=Kind.REALTIME, editable=False)
    title = models.CharField(_("title"), max_length=TITLE_LENGTH, help_text=_("For staff."))
    public_title = models.CharField(
        _("public title"), max_length=TITLE_LENGTH, blank=True, help_text=_("As customers read it.")
    )
    status = models.CharField(_("status"), max_length=16, choices=IncidentStatus.choices, editable=False)
    impact = models.CharField(
        _("impact"),
        max_length=10,
        choices=Impact.choices,
        default=Impact.NONE,
        editable=False,
        help_text=_("The peak, computed from the affected components."),
    )
    impact_override = models.CharField(  # noqa: DJ001  (null says: not chosen)
        _("impact, chosen"), max_length=10, choices=Impact.choices, null=True, blank=True
    )
    severity = models.CharField(_("severity"), max_length=5, choices=Severity.choices, default=Severity.SEV3)
    visibility = models.CharField(
        _("visibility"), max_length=10, choices=Visibility.choices, default=Visibility.PUBLIC, editable=False
    )
    first_posted_at = models.DateTimeField(
        null=True, editable=False, help_text="The time shown on the first public update; history is filed by it."
    )
    next_update_due_at = models.DateTimeField(
        _("next update due"), null=True, editable=False, help_text=_("What its newest public update promised.")
    )
    impact_began_at = models.DateTimeField(_("impact began"), null=True, blank=True)
    impact_ended_at = models.DateTimeField(_("impact ended"), null=True, blank=True)
    detected_at = models.DateTimeField(_("detected"), null=True, blank=True)
    acknowledged_at = models.DateTimeField(_("acknowledged"), null=True, blank=True)
    caused_by = models.ForeignKey(
        "self", models.PROTECT, related_name="caused", verbose_name=_("caused by"), null=True, blank=True
    )
    postmortem = models.ForeignKey(
        "incidents.Postmortem",
        models.PROTECT,
        related_name="incidents",
        verbose_name=_("postmortem"),
        null=True,
        editable=False,
    )

    metadata = models.JSONField(
        default=dict, blank=True, editable=False, help_text="What programs attach for themselves: objects by name."
    )

    objects = IncidentQuerySet.as_manager()

    class Meta:
        verbose_name = _("incident")
        verbose_name_plural = _("incidents")
        ordering = ("-id",)
        permissions = (
            ("declare_incident", "Declare incidents and keep their facts"),
            ("note_timeline", "Write into an incident's internal timeline"),
        )
        indexes = (
            models.Index(fields=["page", "-first_posted_at"], name="incident_history"),
            models.Index(fields=["page", "kind", "-first_posted_at"], name="incident_history_of_kind"),
            models.Index(fields=["page", "status", "-first_posted_at"], name="incident_history_of_status"),
            models.Index(
                fields=["next_update_due_at"],
                condition=models.Q(next_update_due_at__isnull=False),
                name="incident_promised",
            ),
        )
        constraints = (
            models.CheckConstraint(condition=models.Q(kind__in=Kind.values), name="incident_kind"),
            models.CheckConstraint(condition=models.Q(status__in=IncidentStatus.values), name="incident_status"),
            models.CheckConstraint(condition=models.Q(impact__in=Impact.values), name="incident_impact"),
            models.CheckConstraint(condition=models.Q(visibility__in=Visibility.values), name="incident_visibility"),
            models.CheckConstraint(condition=~models.Q(title=""), name="incident_has_title"),
            models.CheckConstraint(
                condition=~models.Q(visibility="public") | ~models.Q(public_title=""),
                name="incident_has_public_title",
                violation_error_message=_("A public incident needs a title that customers read."),
            ),
            models.CheckConstraint(
                condition=models.Q(next_update_due_at=None) | ~models.Q(status__in=["resolved", "completed"]),
                name="incident_that_ended_promises_nothing",
            ),
            models.CheckConstraint(
                condition=models.Q(impact_ended_at=None)
                | models.Q(impact_began_at=None)
                | models.Q(impact_ended_at__gte=models.F("impact_began_at")),
                name="incident_impact_ends_after_it_began",
                violation_error_message=_("The impact cannot end before it began."),
            ),
        )

    def __str__(self) -> str:
        return self.title

    @property
    def is_public(self) -> bool:
        return self.visibility == Visibility.PUBLIC and self.first_posted_at is not None and self.deleted_at is None

    @property
    def is_ended(self) -> bool:
        return self.status in ENDED

    def pages(self) -> models.QuerySet[Page]:
        """Where it shows, as `IncidentQuerySet.on` says: its home page, and those that share a component it affects."""
        affected = Component.objects.filter(
            visibility=Visibility.PUBLIC, page__deleted_at=None, status_changes__update__in=self.updates.published()
        )
        listing = models.Q(listings__component__in=affected, listings__deleted_at=None)
        lent = models.Q(components__in=affected.filter(listings__isnull=False))
        home = Page.objects.live().filter(pk=self.page_id)
        found = Page.objects.live().filter(models.Q(pk=self.page_id) | lent | listing, models.Exists(home))
        return found.distinct()

    def components(self) -> ComponentQuerySet:
        """Those that its updates name, in page order."""
        standing = self.updates.standing()
        return Component.objects.filter(status_changes__update__in=standing).distinct()

    def latest_update(self) -> IncidentUpdate | None:
        return self.updates.standing().newest_first().first()


class IncidentUpdateQuerySet(models.QuerySet["IncidentUpdate"]):
    def newest_first(self) -> IncidentUpdateQuerySet:
        return self.order_by("-display_at", "-id")

    def standing(self) -> IncidentUpdateQuerySet:
        """Those that were not taken back."""
        return self.filter(withdrawn_at=None)

    def published(self) -> IncidentUpdateQuerySet:
        return self.standing().exclude(published_at=None)


class IncidentUpdate(Tracked):
    """One statement about an incident. Append-only; a correction keeps the old text in the history and says so."""

    incident = models.ForeignKey(Incident, models.PROTECT, related_name="updates")
    status = models.CharField(_("status"), max_length=16, choices=IncidentStatus.choices)
    body = models.TextField(_("message"), max_length=BODY_LENGTH, help_text=_("Markdown."))
    author = models.ForeignKey(User, models.PROTECT, related_name="+", verbose_name=_("author"))
    updated_at = WrittenAt(
        auto_now_add=True, help_text="Public; of what was said elsewhere, when it was changed there."
    )
    display_at = models.DateTimeField(_("time shown"))
    published_at = models.DateTimeField(
        _("published at"),
        null=True,
        editable=False,
        help_text=_("The server's clock when it became public, here or elsewhere; empty for what only staff may read."),
    )
    next_update_due_at = models.DateTimeField(
        _("next update by"), null=True, blank=True, help_text=_("When the public was promised to hear more.")
    )
    edited_at = models.DateTimeField(_("edited at"), null=True, editable=False)
    withdrawn_at = models.DateTimeField(_("taken back at"), null=True, editable=False)
    deliver_notifications = models.BooleanField(_("notify subscribers"), default=True)

    left_down: Sequence[Component] = ()  # of an end that was just posted, with their status; see `post_update`

    objects = IncidentUpdateQuerySet.as_manager()

    class Meta:
        verbose_name = _("incident update")
        verbose_name_plural = _("incident updates")
        ordering = ("-display_at", "-id")
        permissions = (("correct_update", "Correct a published text"), ("post_update", "Post public updates"))
        indexes = (models.Index(fields=["incident", "-display_at", "-id"], name="update_newest"),)
        constraints = (
            models.CheckConstraint(condition=models.Q(status__in=IncidentStatus.values), name="update_status"),
            models.CheckConstraint(condition=~models.Q(body=""), name="update_has_body"),
            models.CheckConstraint(
                condition=models.Q(next_update_due_at=None)
                | (models.Q(published_at__isnull=False) & ~models.Q(status__in=["resolved", "completed"])),
                name="update_promises_to_the_public",
                violation_error_message=_("Only a public update of something that goes on promises another one."),
            ),
        )

    def __str__(self) -> str:
        return f"{IncidentStatus(self.status).label}: {self.body[:60]}"

    def lags(self) -> bool:
        """Whether it was published noticeably later than the time it shows."""
        return self.published_at is not None and (self.published_at - self.display_at).total_seconds() > 300
