"""Subscribers, and what became of every message to them: "did Acme get it?" """

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db import models
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from incidents.duties import Key
from incidents.history.changes import moment
from incidents.models import OutboxEvent, Page, User
from incidents.permissions import Verb, allows
from portal.console.admin.base import RecordAdmin, acting, sent
from portal.console.forms.subscribers import (
    AddForm,
    AddWebhookForm,
    ChannelForm,
    ChannelRemovalForm,
    ChannelTestForm,
    ForgetForm,
    ImportForm,
    ReleaseForm,
    RollForm,
    SubscriberForm,
)
from portal.console.forms.verb import VerbForm
from status.delivery import ledger, staff_channels
from status.delivery import messages as letters
from status.models import Delivery, DeliveryQuerySet, Nudge, Recipient
from status.rendering import labels
from status.subscriptions import csv_files, subscribers

if TYPE_CHECKING:
    from datetime import timedelta

    from django_stubs_ext import StrPromise

SHOWN_DELIVERIES = 100
SHOWN_EVENTS = 20
OF_EVENT = ("event__incident", "event__update", "event__component_change__component__group")  # what `told` reads
VERBS: dict[str, tuple[type[SubscriberForm], Callable[[Recipient], bool]]] = {
    "release": (ReleaseForm, lambda recipient: recipient.state == Recipient.State.QUARANTINED),
    "secret": (
        RollForm,
        lambda recipient: recipient.channel == Recipient.Channel.WEBHOOK and recipient.state != "unsubscribed",
    ),
    "forget": (ForgetForm, lambda recipient: True),
}
# Without the address: what is said there may be kept in the session.
DONE: dict[type[VerbForm], StrPromise] = {
    ReleaseForm: gettext_lazy("The subscriber is released."),
    ForgetForm: gettext_lazy("The address is forgotten."),
    AddForm: gettext_lazy("The address is subscribed."),
    ChannelRemovalForm: gettext_lazy("The channel is removed."),
    ChannelTestForm: gettext_lazy("The test is on its way. Load this page again in some seconds to read the answer."),
}
# The tones of the record's badges
TONES = {
    "sent": "resolved",
    "active": "resolved",
    "due": "waiting",
    "unconfirmed": "waiting",
    "failed": "critical",
    "quarantined": "critical",
}


def badge(row: Recipient | Delivery) -> str:
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


@admin.register(Recipient)
class RecipientAdmin(SubscribersAdmin):
    list_display = ("address", "standing", "reason", "channel", "page", "hears", "since")
    list_filter = ("state", "channel", "page")
    list_select_related = ("page",)
    search_fields = ("address", "public_id")
    ordering = ("-id",)

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Recipient]:
        return Recipient.objects.subscribers().filter(deleted_at=None).annotate(followed=Count("follows"))

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        verbs = [
            path(f"<int:pk>/{name}/", wrap(self.verb_view), {"form_class": form}, name=f"status_recipient_{name}")
            for name, (form, _fits) in VERBS.items()
        ]
        return [
            path("import/", wrap(self.import_view), name="status_recipient_import"),
            path("webhook/", wrap(self.add_webhook_view), name="status_recipient_webhook"),
            path("export/<int:page_pk>/", wrap(self.export_view), name="status_recipient_export"),
            *verbs,
            *super().get_urls(),
        ]

    @admin.display(description=gettext_lazy("state"), ordering="state")
    def standing(self, recipient: Recipient) -> str:
        return badge(recipient)

    @admin.display(description=gettext_lazy("hears about"))
    def hears(self, recipient: Any) -> str:
        what = _("everything") if recipient.everything else _("%d chosen") % recipient.followed
        parts = [what, _("postmortems only")] if recipient.postmortems_only else [what]
        if recipient.minimum_impact != "none":
            parts.append(_("from %(impact)s") % {"impact": recipient.get_minimum_impact_display().lower()})
        return ", ".join(parts)

    @admin.display(description=gettext_lazy("since"), ordering="created_at")
    def since(self, recipient: Recipient) -> str:
        return moment(recipient.created_at)

    def tools(self, user: User, obj: Recipient) -> list[tuple[str, StrPromise]]:
        if obj.deleted_at:
            return []
        return [
            (reverse(f"admin:status_recipient_{name}", args=[obj.pk]), form.heading)
            for name, (form, fits) in VERBS.items()
            if fits(obj)
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return super().changelist_view(request, {"pages": Page.objects.live(), **(extra_context or {})})

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        recipient = self.get_object(request, unquote(object_id))
        context = extra_context or {}
        if recipient:
            newest = recipient.deliveries.select_related(*OF_EVENT).order_by("-id")
            context |= {
                "deliveries": [(row, told(row.event), badge(row)) for row in newest[:SHOWN_DELIVERIES]],
                "follows": recipient.follows.select_related("component__group", "incident"),
            }
        return super().change_view(request, object_id, form_url, context)

    # --- Verbs ------------------------------------------------------------------------------------------------------

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return self._answer_and_list(request, AddForm(acting(request), sent(request)))

    def add_webhook_view(self, request: HttpRequest) -> HttpResponse:
        form = AddWebhookForm(acting(request), sent(request))
        return self.answer(request, form, done=lambda: self._show_secret(request, form.recipient))

    def verb_view(self, request: HttpRequest, pk: int, form_class: type[SubscriberForm]) -> HttpResponse:
        recipient = get_object_or_404(Recipient.objects.subscribers().select_related("page"), pk=pk, deleted_at=None)
        form = form_class(acting(request), recipient, sent(request))
        if form_class is RollForm:
            return self.answer(request, form, original=recipient, done=lambda: self._show_secret(request, recipient))
        return self._answer_and_list(request, form, original=recipient)

    def _answer_and_list(self, request: HttpRequest, form: VerbForm, original: Recipient | None = None) -> HttpResponse:
        def done() -> HttpResponse:
            messages.success(request, DONE[type(form)])
            return redirect("admin:status_recipient_changelist")

        return self.answer(request, form, original=original, done=done)

    def _show_secret(self, request: HttpRequest, recipient: Recipient) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": recipient,
            "title": _("The webhook's secret"),
        }
        return render(request, "admin/status/secret.html", context)

    def import_view(self, request: HttpRequest) -> HttpResponse:
        form = ImportForm(acting(request), sent(request), request.FILES)

        def done() -> HttpResponse:
            faults = [line for line in form.report if line.fault]
            context = {
                **self.admin_site.each_context(request),
                "opts": self.opts,
                "title": _("Import subscribers"),
                "faults": faults,
                "count": len(form.report) - len(faults),
            }
            return render(request, "admin/status/imported.html", context)

        return self.answer(request, form, done=done)

    def export_view(self, request: HttpRequest, page_pk: int) -> HttpResponse:
        self.check_right(request)
        page = get_object_or_404(Page.objects.live(), pk=page_pk)
        return HttpResponse(
            csv_files.export_csv(page),
            content_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": 'attachment; filename="subscribers.csv"'},
        )


@admin.register(Delivery)
class DeliveryAdmin(SubscribersAdmin):
    """Search for an address or a domain: every message, when it went, and what the other side said to it."""

    list_display = ("recipient_link", "what", "standing", "reason", "attempts", "at", "answer")
    list_display_links = None
    list_filter = ("state", "purpose", "event__page")
    list_select_related = ("recipient", *OF_EVENT, "nudge")
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
        if delivery.recipient.channel in Recipient.OF_STAFF:
            return str(delivery.recipient)
        address = reverse("admin:status_recipient_change", args=[delivery.recipient_id])
        return format_html('<a href="{}">{}</a>', address, delivery.recipient)

    @admin.display(description=gettext_lazy("event"), ordering="event")
    def what(self, delivery: Delivery) -> str:
        return told(delivery.event) or (str(delivery.nudge) if delivery.nudge else delivery.get_purpose_display())

    @admin.display(description=gettext_lazy("state"), ordering="state")
    def standing(self, delivery: Delivery) -> str:
        return badge(delivery)

    @admin.display(description=gettext_lazy("finished or due"), ordering="finished_at")
    def at(self, delivery: Delivery) -> str:
        return moment(delivery.finished_at or delivery.due_at)

    @admin.action(description=gettext_lazy("Send again"))
    def retry(self, request: HttpRequest, deliveries: DeliveryQuerySet) -> None:
        count = subscribers.retry(deliveries, author=acting(request))
        sentence = ngettext("%(count)d delivery is due again.", "%(count)d deliveries are due again.", count)
        messages.info(request, sentence % {"count": count})

    @admin.action(description=gettext_lazy("Cancel"))
    def cancel(self, request: HttpRequest, deliveries: DeliveryQuerySet) -> None:
        count = subscribers.cancel(deliveries, author=acting(request))
        sentence = ngettext("%(count)d delivery is cancelled.", "%(count)d deliveries are cancelled.", count)
        messages.info(request, sentence % {"count": count})

    def ledger_view(self, request: HttpRequest) -> HttpResponse:
        """Of each of the newest facts: how many are owed its message, have it, and how long that took."""
        self.check_right(request)
        if request.method == "POST":
            event = get_object_or_404(OutboxEvent, pk=request.POST.get("event"))
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
            rows.append((event, told(event), {state: row.get(state, 0) for state in ledger.COUNTS}, took))
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Ledger"),
            "rows": rows,
            "states": [_("Due"), _("Sent"), _("Failed"), _("Quarantined"), _("Cancelled")],
        }
        return render(request, "admin/status/ledger.html", context)


class DutyFilter(admin.SimpleListFilter):
    title = gettext_lazy("duty")
    parameter_name = "duty"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(key.value, str(key.label) % {"title": "…"}) for key in Key]

    def queryset(self, request: HttpRequest, queryset: models.QuerySet[Nudge]) -> models.QuerySet[Nudge]:
        return queryset.filter(key=self.value()) if self.value() else queryset


@admin.register(Nudge)
class NudgeAdmin(SubscribersAdmin):
    """What staff were reminded of, and where they are reached."""

    list_display = ("says", "page", "due", "outcome", "note")
    list_display_links = None
    list_filter = ("page", DutyFilter)
    list_select_related = ("page",)
    search_fields = ("title",)
    ordering = ("-id",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Nudge]:
        return Nudge.objects.prefetch_related("deliveries__recipient")

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        remove, release = {"form_class": ChannelRemovalForm}, {"form_class": ReleaseForm}
        test = {"form_class": ChannelTestForm}
        return [
            path("channels/", wrap(self.channels_view), name="status_nudge_channels"),
            path("channels/add/", wrap(self.channel_add_view), name="status_nudge_channel_add"),
            path("channels/<int:pk>/test/", wrap(self.channel_view), test, name="status_nudge_channel_test"),
            path("channels/<int:pk>/remove/", wrap(self.channel_view), remove, name="status_nudge_channel_remove"),
            path("channels/<int:pk>/release/", wrap(self.channel_view), release, name="status_nudge_channel_release"),
            *super().get_urls(),
        ]

    @admin.display(description=gettext_lazy("nudge"))
    def says(self, nudge: Nudge) -> str:
        return format_html('<a href="{}">{}</a>', nudge.path, letters.sentence(nudge))

    @admin.display(description=gettext_lazy("due"), ordering="due_at")
    def due(self, nudge: Nudge) -> str:
        return moment(nudge.due_at)

    @admin.display(description=gettext_lazy("told"))
    def outcome(self, nudge: Nudge) -> str:
        told = [(row.recipient, badge(row)) for row in nudge.deliveries.all()]
        return format_html_join(", ", "{} {}", told)

    def channels_view(self, request: HttpRequest) -> HttpResponse:
        self.check_right(request)
        channels = list(Recipient.objects.staff().select_related("page", "user").order_by("page", "user", "pk"))
        tests = {key: (test, badge(test)) for key, test in staff_channels.tests_of(channels).items()}
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Staff channels"),
            "channels": [(channel, badge(channel), tests.get(channel.pk)) for channel in channels],
        }
        return render(request, "admin/status/channels.html", context)

    def channel_add_view(self, request: HttpRequest) -> HttpResponse:
        form = ChannelForm(acting(request), sent(request))
        return self.answer(request, form, done=partial(self._channels, request, _("The channel is added.")))

    def channel_view(self, request: HttpRequest, pk: int, form_class: type[SubscriberForm]) -> HttpResponse:
        channel = get_object_or_404(Recipient.objects.staff().select_related("page"), pk=pk)
        form = form_class(acting(request), channel, sent(request))
        return self.answer(request, form, done=partial(self._channels, request, DONE[form_class]))

    def _channels(self, request: HttpRequest, sentence: StrPromise | str) -> HttpResponse:
        messages.success(request, sentence)
        return redirect("admin:status_nudge_channels")


def told(event: OutboxEvent | None) -> str:
    """ "Identified: Checkout fails" """
    if event is None:
        return ""
    if change := event.component_change:
        return f"{change.get_status_display()}: {change.component}"
    word = event.update.get_status_display() if event.update else event.get_kind_display()
    return f"{word}: {event.incident}"


def _span(took: timedelta) -> str:
    seconds = round(took.total_seconds())
    return _("%d s") % seconds if seconds < 120 else labels.duration(took)
