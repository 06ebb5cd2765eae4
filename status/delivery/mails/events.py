"""The mail about a public fact: an incident update, a reminder, a postmortem, a commitment that was kept."""

from __future__ import annotations

from datetime import datetime

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from incidents.models import OutboxEvent, Page
from status import projection
from status.delivery.mails.message import (
    TOKEN,
    Content,
    Message,
    both_times,
    compose,
    in_language_of,
    render,
)
from status.rendering import calendars, labels, snapshot
from status.rendering.markdown import to_html
from status.rendering.stories import report_html, report_text


def event_mail(event: OutboxEvent) -> Message | None:
    """What the recipients of an event are sent; None when it was taken back, or is no longer public."""
    page = event.page
    assert event.incident is not None, "only facts about incidents are mailed"
    with projection.consistent():
        reader = projection.Reader(page, projection.today(page))
        incident = next(iter(reader.incidents([event.incident.pk])), None)
    if incident is None or not page.is_published:
        return None
    news: snapshot.IncidentUpdate | snapshot.Postmortem | snapshot.Commitment | None
    if event.kind == OutboxEvent.Kind.COMMITMENT_FULFILLED:
        news = _fulfilled(incident, event)
    elif event.is_report:
        news = incident.postmortem
    elif event.kind == OutboxEvent.Kind.MAINTENANCE_REMINDER:
        news = incident.updates[0] if incident.is_ahead else None
    else:
        wanted = event.update and event.update.public_id
        news = next((update for update in incident.updates if update.id == wanted), None)
    if news is None:
        return None
    with in_language_of(page):
        content = _content(page, incident, news, event)
        thread = f"<incident.{incident.id}@{page.host}>"
        # Until it begins it has its place in calendars; then what was moved or called off must be moved there, too.
        has_entry = incident.is_ahead or incident.is_cancelled or incident.expected_until is not None
        calendar = calendars.maintenance(reader.page, incident) if incident.is_maintenance and has_entry else None
        return compose(page, content, {"In-Reply-To": thread, "References": thread}, calendar)


def _fulfilled(incident: snapshot.Incident, event: OutboxEvent) -> snapshot.Commitment | None:
    """The promise that was kept, unless it turned out since that it was not."""
    assert event.action_item is not None, "it says which one"
    promised = incident.postmortem.commitments if incident.postmortem else ()
    wanted = event.action_item.public_id
    return next((each for each in promised if each.id == wanted and each.state in ("done", "verified")), None)


def _content(
    page: Page,
    incident: snapshot.Incident,
    news: snapshot.IncidentUpdate | snapshot.Postmortem | snapshot.Commitment,
    event: OutboxEvent,
) -> Content:
    kind = event.kind
    affected: tuple[snapshot.AffectedComponent, ...] = ()
    due_at: datetime | None = None
    intro, body, html = "", "", SafeString()
    if isinstance(news, snapshot.Postmortem):
        step, tone = _("Postmortem"), "none"
        body, html = report_text(news, page.time_zone), report_html(news, top=3)
        if kind == OutboxEvent.Kind.POSTMORTEM_AMENDED and news.amendments:
            step, intro = _("Postmortem updated"), news.amendments[-1].text
    elif isinstance(news, snapshot.Commitment):
        step, tone, body = _("Promise kept"), "resolved", news.text
        html = format_html("<p>{}</p>", news.text)
    else:
        body, html = news.body, to_html(news.body, top=3)
        step, tone = str(labels.STATUSES[news.status]), news.status
        affected, due_at = news.affected_components, news.next_update_due_at
        if incident.is_cancelled and news.status == "completed":
            step = _("Cancelled")
        if kind == OutboxEvent.Kind.UPDATE_CORRECTED:
            step = _("Correction (%(status)s)") % {"status": step}
        elif kind == OutboxEvent.Kind.MAINTENANCE_REMINDER:
            step = _("Reminder")
    is_dated_itself = kind in (OutboxEvent.Kind.POSTMORTEM_AMENDED, OutboxEvent.Kind.COMMITMENT_FULFILLED)
    at = event.created_at if is_dated_itself or isinstance(news, snapshot.Commitment) else news.display_at
    return render(
        "incident",
        page,
        subject=f"[{page.name}] {step}: {incident.name}",
        step=step,
        tone=tone,
        incident=incident,
        impact=labels.IMPACTS[incident.impact],
        intro=intro,
        body=body,
        html=html,
        times=both_times(at, page),
        due=both_times(due_at, page) if due_at else [],
        affected=[
            (
                each.name,
                labels.STATUSES[each.old_status],
                labels.STATUSES[each.new_status],
                each.old_status != each.new_status,
            )
            for each in affected
        ],
        link=f"{page.url}/incidents/{incident.id}",
        manage=f"{page.url}/subscriptions/{TOKEN}",
    )
