"""Bounces and spam complaints, from the mail provider's webhook, read by django-anymail.

`/mail/events` exists only with MAIL_EVENTS, and takes nothing without MAIL_EVENTS_SECRET.
"""

from __future__ import annotations

from typing import Any

from anymail.signals import AnymailTrackingEvent, EventType, RejectReason
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.module_loading import import_string
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt

from incidents.people import service_user
from status.delivery import quarantine

# Those that need nothing else installed. Each sends the secret as Basic authentication; Mailgun signs as well.
PROVIDERS = {
    "brevo": "brevo.BrevoTrackingWebhookView",
    "mailgun": "mailgun.MailgunTrackingWebhookView",
    "mailjet": "mailjet.MailjetTrackingWebhookView",
    "postmark": "postmark.PostmarkTrackingWebhookView",
    "sendgrid": "sendgrid.SendGridTrackingWebhookView",
    "sparkpost": "sparkpost.SparkPostTrackingWebhookView",
}
# What is about the mailbox. Other refusals may be about us (a policy, a blocked sender) and cost nobody a subscription.
FINAL = {RejectReason.INVALID, RejectReason.BOUNCED, RejectReason.SPAM}


@csrf_exempt
def events(request: HttpRequest) -> HttpResponse:
    """The provider's events; 400 for a request that is not the provider's."""
    if not settings.MAIL_EVENTS:
        raise Http404
    view = import_string(f"anymail.webhooks.{PROVIDERS[settings.MAIL_EVENTS]}")
    answer: HttpResponse = view.as_view()(request)
    return answer


def on_event(*, event: AnymailTrackingEvent, **_signal: Any) -> None:
    """Anymail's signal."""
    is_complaint = event.event_type == EventType.COMPLAINED
    is_back = event.event_type in (EventType.BOUNCED, EventType.REJECTED) and event.reject_reason in FINAL
    if event.recipient and (is_complaint or is_back):
        said = event.mta_response or event.description or event.reject_reason or ""
        reason = _("Marked as spam by its owner. %(said)s") if is_complaint else _("Came back: %(said)s")
        quarantine.quarantine_address(
            event.recipient,
            reason=(reason % {"said": said}).strip(),
            author=service_user("mail", role="subscriptions"),
        )
