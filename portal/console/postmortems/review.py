"""Reading a postmortem before it is approved: what changed since this reader last read it, and the comments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db.models import Prefetch
from django.utils.safestring import SafeString

from incidents.models import Postmortem, PostmortemComment, PostmortemReading, PostmortemSection, User
from portal.console.postmortems import changes
from status.rendering.instants import Zones
from status.rendering.markdown import to_html

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Reading:
    """A section as a reviewer reads it; the two texts show what changed since, and are None where nothing did."""

    section: PostmortemSection
    html: SafeString
    public: SafeString | None
    internal: SafeString | None
    is_new: bool


@dataclass(frozen=True, slots=True)
class Review:
    since: datetime | None  # when this reader last marked it as read
    readings: list[Reading]
    removed: list[str]  # headings of sections that are gone since

    @property
    def has_changes(self) -> bool:
        return bool(self.removed) or any(each.is_new or each.public or each.internal for each in self.readings)


def review_of(postmortem: Postmortem, reader: User) -> Review:
    last_read = PostmortemReading.objects.filter(postmortem=postmortem, reader=reader).first()
    since = last_read.at if last_read else None
    before = {}
    if since:
        versions = PostmortemSection.history.filter(postmortem_id=postmortem.pk, history_date__lte=since)
        newest = {version.id: version for version in versions.order_by("history_id")}
        before = {key: version for key, version in newest.items() if not version.deleted_at}
    comments = PostmortemComment.objects.select_related("author", "settled_by")
    sections = list(postmortem.live_sections().prefetch_related(Prefetch("comments", comments)))
    zones = Zones.named(postmortem.time_zone, postmortem.page.time_zone)

    def reading(section: PostmortemSection) -> Reading:
        old = before.get(section.pk)
        differs = {
            name: changes.shown(getattr(old, name), getattr(section, name))
            for name in ("public", "internal")
            if old and getattr(old, name) != getattr(section, name)
        }
        html = to_html(section.public, 4, zones)
        return Reading(
            section, html, differs.get("public"), differs.get("internal"), is_new=bool(since and old is None)
        )

    present = {section.pk for section in sections}
    gone = [old.heading for key, old in before.items() if key not in present]
    return Review(since, [reading(section) for section in sections], gone)
