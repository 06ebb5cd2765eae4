"""What the admins of recipients, deliveries and nudges share."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.utils.html import format_html

from incidents.models import OutboxEvent
from incidents.permissions import Verb, allows
from portal.console.admin.base import RecordAdmin
from portal.console.requests import acting
from status.models import Delivery, StaffChannel, Subscriber

EVENT_ROWS = ("event__incident", "event__update", "event__component_change__component__group")  # for `event_label`
# The tones of the record's badges
TONES = {
    "sent": "resolved",
    "active": "resolved",
    "due": "waiting",
    "unconfirmed": "waiting",
    "failed": "critical",
    "quarantined": "critical",
}


def badge(row: Subscriber | StaffChannel | Delivery) -> str:
    return format_html('<span class="badge {}">{}</span>', TONES.get(row.state, ""), row.get_state_display())


class SubscribersAdmin(RecordAdmin):
    """Rows that nobody edits: they are personal, so that seeing them takes the right to act on them."""

    verb = Verb.MANAGE_SUBSCRIBERS
    show_full_result_count = False

    def has_module_permission(self, request: HttpRequest) -> bool:
        return allows(acting(request), self.verb) if request.user.is_authenticated else False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return allows(acting(request), self.verb)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def check_right(self, request: HttpRequest) -> None:
        if not self.has_view_permission(request):
            raise PermissionDenied


def event_label(event: OutboxEvent | None) -> str:
    """ "Identified: Checkout fails" """
    if event is None:
        return ""
    if change := event.component_change:
        return f"{change.get_status_display()}: {change.component}"
    word = event.update.get_status_display() if event.update else event.get_kind_display()
    return f"{word}: {event.incident}"
