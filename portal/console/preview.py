"""What would be published and sent if staff sent a form: the very same form is performed, and then undone.

Nothing of it stays: its transaction is always rolled back, so that nothing is published and nobody is notified.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings
from django.db import transaction
from django.db.models import Count

from incidents import checking, outbox
from incidents.linter import Finding
from incidents.models import OutboxEvent, Page
from portal.console.forms.verb import VerbForm
from status import projection
from status.delivery import owing
from status.delivery.mails import events
from status.delivery.mails.message import Content
from status.models import Subscriber
from status.rendering import pages

Kind = OutboxEvent.Kind


@dataclass(frozen=True, slots=True)
class PagePreview:
    """What a page would show of an incident, and what its recipients would be sent."""

    page: Page
    document: str  # the incident's own page, a whole document
    mail: Content | None  # None when nobody is notified
    recipients: list[tuple[str, int]]  # (channel, how many) where there are any


@dataclass(frozen=True, slots=True)
class Preview:
    pages: list[PagePreview]  # none when nothing of it is public
    findings: list[Finding]  # what the linter says of the text
    hold: int  # seconds in which it can be taken back

    @property
    def notifies(self) -> bool:
        return any(each.mail for each in self.pages)


def dry_run(form: VerbForm) -> Preview | None:
    """What sending `form` would do; None when it is refused, and then the form says why. Writes nothing.

    It holds the locks of the form's service while it renders, some hundredths of a second.
    """
    with transaction.atomic():
        with outbox.watched() as events:
            is_done = form.perform()
        # The last fact about an incident on a page says all.
        newest = {(event.page_id, event.incident_id): event for event in events if event.incident_id}
        found = [_page_preview(event) for event in newest.values()]
        posted = {event.update for event in events if event.kind in (Kind.UPDATE_POSTED, Kind.UPDATE_CORRECTED)}
        findings = [finding for update in posted if update for finding in checking.check_update(update)]
        transaction.set_rollback(True)
    return Preview([each for each in found if each], findings, settings.NOTIFY_HOLD) if is_done else None


def _page_preview(event: OutboxEvent) -> PagePreview | None:
    assert event.incident_id
    reader = projection.Reader(event.page, projection.today(event.page))
    incident = next(iter(reader.incidents([event.incident_id])), None)
    if incident is None:
        return None
    message = events.event_mail(event) if event.notify else None
    channels = owing.recipients_of(event).order_by("channel").values_list("channel") if message else None
    return PagePreview(
        page=event.page,
        document=pages.incident(reader.page, incident).decode(),
        mail=message.shown if message else None,
        recipients=[
            (str(Subscriber.Channel(channel).label), count)
            for channel, count in (channels.annotate(Count("pk")) if channels is not None else ())
        ],
    )
