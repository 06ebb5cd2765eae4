"""A mailbox of staff: nudged by mail, which goes before everybody else's and has no link to unsubscribe."""

from __future__ import annotations

from dataclasses import replace

from django.conf import settings

from incidents import duties
from incidents.models import Incident
from status.delivery import nudges, places
from status.delivery.channels import email
from status.delivery.mails.message import Message, both_times, compose, in_language_of, render
from status.models import Delivery, Nudge


def nudge_mail(nudge: Nudge) -> Message:
    page = nudge.page
    with in_language_of(page):
        content = render(
            "nudge",
            page,
            subject=f"[{page.name}] {nudges.sentence(nudge)}",
            sentence=nudges.sentence(nudge),
            times=both_times(nudge.due_at, page),
            link=f"{settings.SITE_URL}{nudge.path}",
            no_news_link=_no_news_link(nudge) if nudge.key in duties.PROMISES else "",
        )
        return compose(page, content, {}, is_for_staff=True)


def _no_news_link(nudge: Nudge) -> str:
    """Where one click says that there is nothing new."""
    incident = Incident.objects.get(public_id=nudge.subject)
    return f"{settings.SITE_URL}{places.NO_CHANGE.format(incident.pk)}"


CHANNEL = replace(email.CHANNEL, writes={Delivery.Purpose.NUDGE: nudge_mail})
