"""The report that follows one incident or several: sections that staff edit, and what was published of them."""

from __future__ import annotations

import json
import zoneinfo
from collections.abc import Iterable
from hashlib import sha256
from typing import Any

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from incidents.models.base import AppendOnly, AppendOnlyQuerySet, Tracked, TrackedQuerySet
from incidents.models.component import Component
from incidents.models.page import Page, validate_time_zone
from incidents.models.people import User
from incidents.record_time import WrittenAt

HEADING_LENGTH = 200
SECTION_LENGTH = 100_000
REASON_LENGTH = 500


class PostmortemQuerySet(TrackedQuerySet["Postmortem"]):
    def public(self) -> PostmortemQuerySet:
        """Those of which the public reads a revision now."""
        return self.live().filter(withdrawn_at=None, revisions__isnull=False).distinct()

    def unpublished(self) -> PostmortemQuerySet:
        return self.live().filter(revisions=None, page__deleted_at=None)

    def about(self, components: Iterable[Component] | models.QuerySet[Component]) -> PostmortemQuerySet:
        """Those of incidents that affected one of `components`, the newest first."""
        return (
            self.live()
            .filter(
                incidents__deleted_at=None,
                incidents__updates__withdrawn_at=None,
                incidents__updates__component_changes__component__in=components,
            )
            .distinct()
            .order_by("-id")
        )


class Postmortem(Tracked):
    """A report. What the public reads of it is its newest revision; the sections may be ahead of that."""

    class State(models.TextChoices):
        DRAFT = "draft", _("Draft")
        IN_REVIEW = "in_review", _("In review")
        APPROVED = "approved", _("Approved")
        PUBLISHED = "published", _("Published")

    page = models.ForeignKey(Page, models.PROTECT, related_name="postmortems", verbose_name=_("page"))
    title = models.CharField(_("title"), max_length=255)
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.DRAFT, editable=False)
    owner = models.ForeignKey(User, models.PROTECT, related_name="+", verbose_name=_("owner"), null=True, blank=True)
    due_on = models.DateField(_("due"), null=True, blank=True)
    time_zone = models.CharField(
        _("time zone"),
        max_length=64,
        default="Etc/UTC",
        validators=[validate_time_zone],
        help_text=_("In which the report tells times, like Etc/UTC or Europe/Rome."),
    )
    edited_by = models.ForeignKey(User, models.PROTECT, related_name="+", verbose_name=_("last edited by"))
    edited_at = WrittenAt(_("last edited"), auto_now_add=True)

    # Of the present text; an edit takes them away.
    approved_by = models.ForeignKey(
        User, models.PROTECT, related_name="+", verbose_name=_("approved by"), null=True, editable=False
    )
    approved_at = models.DateTimeField(_("approved"), null=True, editable=False)
    approved_hash = models.CharField(_("approved text"), max_length=64, blank=True, editable=False)
    break_glass = models.CharField(
        _("approved alone because"),
        max_length=REASON_LENGTH,
        blank=True,
        editable=False,
        help_text=_("Why the last editor approved their own text."),
    )
    withdrawn_at = models.DateTimeField(_("taken back"), null=True, editable=False)

    objects = PostmortemQuerySet.as_manager()

    class Meta:
        verbose_name = _("postmortem")
        verbose_name_plural = _("postmortems")
        ordering = ("-id",)
        permissions = (
            ("edit_postmortem", "Write postmortems, and note their action items"),
            ("approve_postmortem", "Approve postmortems that others wrote"),
            ("publish_postmortem", "Publish, amend and take back postmortems"),
        )
        constraints = (
            models.CheckConstraint(condition=~Q(title=""), name="postmortem_has_title"),
            models.CheckConstraint(
                condition=Q(state__in=["draft", "in_review"], approved_by=None, approved_hash="", break_glass="")
                | Q(state__in=["approved", "published"], approved_by__isnull=False) & ~Q(approved_hash=""),
                name="postmortem_approval_goes_with_state",
            ),
            models.CheckConstraint(
                condition=Q(approved_by=None) | ~Q(approved_by=models.F("edited_by")) | ~Q(break_glass=""),
                name="postmortem_four_eyes",
            ),
        )

    def __str__(self) -> str:
        return self.title

    @property
    def zone(self) -> zoneinfo.ZoneInfo:
        return zoneinfo.ZoneInfo(self.time_zone)

    @property
    def revision(self) -> PostmortemRevision | None:
        """The newest one."""
        return self.revisions.order_by("-number").first()

    @property
    def is_public(self) -> bool:
        return self.withdrawn_at is None and self.revision is not None

    def live_sections(self) -> models.QuerySet[PostmortemSection]:
        return self.sections.filter(deleted_at=None).order_by("position", "id")

    def content(self) -> dict[str, Any]:
        """What would be published: nothing internal is in it."""
        sections = [
            {"key": section.key, "heading": section.heading, "text": section.public}
            for section in self.live_sections()
            if section.public
        ]
        commitments = [
            {"id": item.public_id, "text": item.public_wording} for item in self.action_items.all() if item.is_promised
        ]
        return {
            "title": self.title,
            "time_zone": self.time_zone,
            "sections": sections,
            "commitments": commitments,
        }

    def fingerprint(self) -> str:
        """Of all that was written, internal text too, and of what it is about: an approval is of nothing else."""
        inside = [[s.key, s.heading, s.internal, s.withheld] for s in self.live_sections()]
        about = sorted(self.incidents.values_list("public_id", flat=True))
        return sha256(json.dumps([self.content(), inside, about], sort_keys=True).encode()).hexdigest()


class PostmortemSection(Tracked):
    """One heading with what staff write for themselves and what they write for the public."""

    class Key(models.TextChoices):
        """What a section is about, whatever its heading; the labels are the usual headings."""

        SUMMARY = "summary", _("Summary")
        LEADUP = "leadup", _("Leadup")
        FAULT = "fault", _("Fault")
        IMPACT = "impact", _("Impact")
        DETECTION = "detection", _("Detection")
        RESPONSE = "response", _("Response")
        TIMELINE = "timeline", _("Timeline")
        ROOT_CAUSE = "root_cause", _("Root Cause")
        MITIGATION = "mitigation_resolution", _("Mitigation and resolution")
        MEASURES = "corrective_preventative", _("Corrective and Preventative Measures")
        LESSONS = "lessons", _("Lessons learned")
        SURPRISES = "surprises", _("What surprised us")
        EVIDENCE = "evidence", _("Evidence")
        OTHER = "other", _("Other")

    postmortem = models.ForeignKey(Postmortem, models.PROTECT, related_name="sections")
    key = models.CharField(_("about"), max_length=24, choices=Key.choices, default=Key.OTHER)
    heading = models.CharField(_("heading"), max_length=HEADING_LENGTH)
    position = models.PositiveIntegerField(_("position"))
    internal = models.TextField(_("internal text"), blank=True, help_text=_("Only staff read it. Markdown."))
    public = models.TextField(_("public text"), blank=True, help_text=_("Customers read it. Markdown."))
    withheld = models.CharField(
        _("withheld because"),
        max_length=REASON_LENGTH,
        blank=True,
        help_text=_("Why there is no public text. Internal."),
    )

    class Meta:
        verbose_name = _("postmortem section")
        verbose_name_plural = _("postmortem sections")
        ordering = ("position", "id")
        constraints = (
            models.UniqueConstraint(
                fields=["postmortem", "key"],
                condition=Q(deleted_at=None) & ~Q(key="other"),
                name="postmortem_section_once",
                violation_error_message=_("There is a section about this already."),
            ),
            models.CheckConstraint(condition=~Q(heading=""), name="postmortem_section_has_heading"),
            models.CheckConstraint(
                condition=Q(
                    key__in=[
                        *("summary", "leadup", "fault", "impact", "detection", "response", "timeline", "root_cause"),
                        *("mitigation_resolution", "corrective_preventative", "lessons", "surprises", "evidence"),
                        "other",
                    ]
                ),
                name="postmortem_section_key",
            ),
        )

    def __str__(self) -> str:
        return self.heading

    @property
    def version(self) -> str:
        """Changes with every text of it: by it an editor says what they had before their eyes."""
        texts = [self.heading, self.internal, self.public, self.withheld]
        return sha256(json.dumps(texts).encode()).hexdigest()[:16]


class PostmortemRevision(AppendOnly):
    """What was published, just as it was. An amendment is a further revision."""

    postmortem = models.ForeignKey(Postmortem, models.PROTECT, related_name="revisions")
    number = models.PositiveIntegerField(_("number"))
    content = models.JSONField(_("content"), help_text="As `Postmortem.content()` gives it.")
    content_hash = models.CharField(_("approved text"), max_length=64)
    what_changed = models.CharField(_("what changed"), max_length=REASON_LENGTH, blank=True)
    edited_by = models.ForeignKey(User, models.PROTECT, related_name="+", verbose_name=_("last edited by"))
    approved_by = models.ForeignKey(User, models.PROTECT, related_name="+", verbose_name=_("approved by"))
    break_glass = models.CharField(_("approved alone because"), max_length=REASON_LENGTH, blank=True)
    author = models.ForeignKey(User, models.PROTECT, related_name="+", verbose_name=_("published by"))
    display_at = models.DateTimeField(_("time shown"))
    published_at = WrittenAt(
        _("published"), auto_now_add=True, help_text="The server's clock, or that of where it was published first."
    )
    created_at = WrittenAt(_("recorded at"), auto_now_add=True, help_text="The server's clock.")
    deliver_notifications = models.BooleanField(_("notify subscribers"), default=True)

    objects = AppendOnlyQuerySet["PostmortemRevision"].as_manager()

    class Meta:
        verbose_name = _("postmortem revision")
        verbose_name_plural = _("postmortem revisions")
        ordering = ("postmortem", "-number")
        constraints = (
            models.UniqueConstraint(fields=["postmortem", "number"], name="postmortem_revision_number"),
            models.CheckConstraint(
                condition=Q(number=1) | Q(number__gt=1) & ~Q(what_changed=""), name="postmortem_amendment_says_what"
            ),
            models.CheckConstraint(
                condition=~Q(approved_by=models.F("edited_by")) | ~Q(break_glass=""),
                name="postmortem_revision_four_eyes",
            ),
        )

    def __str__(self) -> str:
        return f"{self.postmortem} ({self.number})"
