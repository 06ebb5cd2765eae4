"""What became of every message: "did Acme get it?" """

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from incidents.history.changes import format_time
from incidents.models import OutboxEvent
from portal.console.admin.sending import EVENT_ROWS, SubscribersAdmin, badge, event_label
from portal.console.requests import acting
from status.delivery import ledger, owing
from status.models import Delivery, DeliveryQuerySet
from status.rendering import labels

if TYPE_CHECKING:
    from datetime import timedelta

SHOWN_EVENTS = 20


@admin.register(Delivery)
class DeliveryAdmin(SubscribersAdmin):
    """Search for an address or a domain: every message, when it was sent, and what the other side answered."""

    list_display = ("recipient_link", "what", "state_badge", "reason", "attempts", "at", "answer")
    list_display_links = None
    list_filter = ("state", "purpose", "event__page")
    list_select_related = ("recipient", *EVENT_ROWS, "nudge")
    search_fields = ("recipient__address", "event__incident__title")
    ordering = ("-id",)
    actions: Any = ("retry", "cancel")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def get_urls(self) -> list[URLPattern]:
        ledger = self.admin_site.admin_view(self.ledger_view)
        return [path("ledger/", ledger, name="status_delivery_ledger"), *super().get_urls()]

    @admin.display(description=gettext_lazy("to"), ordering="recipient__address")
    def recipient_link(self, delivery: Delivery) -> str:
        if delivery.recipient.is_of_staff:
            return str(delivery.recipient)
        address = reverse("admin:status_subscriber_change", args=[delivery.recipient_id])
        return format_html('<a href="{}">{}</a>', address, delivery.recipient)

    @admin.display(description=gettext_lazy("event"), ordering="event")
    def what(self, delivery: Delivery) -> str:
        return event_label(delivery.event) or (
            str(delivery.nudge) if delivery.nudge else delivery.get_purpose_display()
        )

    @admin.display(description=gettext_lazy("state"), ordering="state")
    def state_badge(self, delivery: Delivery) -> str:
        return badge(delivery)

    @admin.display(description=gettext_lazy("finished or due"), ordering="finished_at")
    def at(self, delivery: Delivery) -> str:
        return format_time(delivery.finished_at or delivery.due_at)

    @admin.action(description=gettext_lazy("Send again"))
    def retry(self, request: HttpRequest, deliveries: DeliveryQuerySet) -> None:
        count = owing.retry(deliveries, author=acting(request))
        sentence = ngettext("%(count)d delivery is due again.", "%(count)d deliveries are due again.", count)
        messages.info(request, sentence % {"count": count})

    @admin.action(description=gettext_lazy("Cancel"))
    def cancel(self, request: HttpRequest, deliveries: DeliveryQuerySet) -> None:
        count = owing.cancel(deliveries, author=acting(request))
        sentence = ngettext("%(count)d delivery is cancelled.", "%(count)d deliveries are cancelled.", count)
        messages.info(request, sentence % {"count": count})

    def ledger_view(self, request: HttpRequest) -> HttpResponse:
        """Of each of the newest facts: how many are owed its message, have it, and how long that took."""
        self.check_right(request)
        if request.method == "POST":
            sent = request.POST.get("event", "")
            event = get_object_or_404(OutboxEvent, pk=sent if re.fullmatch("[0-9]{1,18}", sent) else None)
            act = self.cancel if "cancel" in request.POST else self.retry
            act(request, Delivery.objects.filter(event=event))
            return redirect("admin:status_delivery_ledger")
        related = ("page", "incident", "update", "component_change__component__group")
        events = list(OutboxEvent.objects.filter(notify=True).select_related(*related)[:SHOWN_EVENTS])
        found = ledger.totals(events)
        rows = []
        for event in events:
            row = found.get(event.pk, {})
            took = _span(row["last"] - event.created_at) if row.get("last") else ""
            rows.append((event, event_label(event), {state: row.get(state, 0) for state in ledger.COUNTS}, took))
        states = [_("Due"), _("Sent"), _("Failed"), _("Quarantined"), _("Cancelled")]
        return self.show(request, "ledger", _("Ledger"), rows=rows, states=states)


def _span(took: timedelta) -> str:
    seconds = round(took.total_seconds())
    return _("%d s") % seconds if seconds < 120 else labels.duration(took)
