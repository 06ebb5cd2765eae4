"""Subscribers, and what was sent to each of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.db import models
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from incidents.history.changes import format_time
from incidents.models import Page, User
from portal.console.admin.sending import EVENT_ROWS, SubscribersAdmin, badge, event_label
from portal.console.forms.subscribers import (
    AddForm,
    AddWebhookForm,
    ForgetForm,
    ImportForm,
    ReleaseForm,
    RollForm,
    SubscriberForm,
)
from portal.console.forms.verb import VerbForm
from portal.console.requests import acting, sent
from status.models import Subscriber
from status.subscriptions import csv_files

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise

SHOWN_DELIVERIES = 100
# (address, form, URL name) of the verbs that have a page of their own; the buttons stand in this order.
VERBS: list[tuple[str, type[SubscriberForm], str]] = [
    ("release", ReleaseForm, "status_subscriber_release"),
    ("secret", RollForm, "status_subscriber_secret"),
    ("forget", ForgetForm, "status_subscriber_forget"),
]


@admin.register(Subscriber)
class SubscriberAdmin(SubscribersAdmin):
    list_display = ("address", "state_badge", "reason", "channel", "page", "hears", "since")
    list_filter = ("state", "channel", "page")
    list_select_related = ("page",)
    search_fields = ("address", "public_id")
    ordering = ("-id",)

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Subscriber]:
        return Subscriber.objects.annotate(followed=Count("follows"))

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        verbs = [
            path(f"<int:pk>/{address}/", wrap(self.verb_view), {"form_class": form}, name=name)
            for address, form, name in VERBS
        ]
        return [
            path("import/", wrap(self.import_view), name="status_subscriber_import"),
            path("webhook/", wrap(self.add_webhook_view), name="status_subscriber_webhook"),
            path("export/<int:page_pk>/", wrap(self.export_view), name="status_subscriber_export"),
            *verbs,
            *super().get_urls(),
        ]

    @admin.display(description=gettext_lazy("state"), ordering="state")
    def state_badge(self, recipient: Subscriber) -> str:
        return badge(recipient)

    @admin.display(description=gettext_lazy("hears about"))
    def hears(self, recipient: Any) -> str:
        what = _("everything") if recipient.everything else _("%d chosen") % recipient.followed
        parts = [what, _("postmortems only")] if recipient.postmortems_only else [what]
        if recipient.minimum_impact != "none":
            parts.append(_("from %(impact)s") % {"impact": recipient.get_minimum_impact_display().lower()})
        return ", ".join(parts)

    @admin.display(description=gettext_lazy("since"), ordering="created_at")
    def since(self, recipient: Subscriber) -> str:
        return format_time(recipient.created_at)

    def tools(self, user: User, obj: Subscriber) -> list[tuple[str, StrPromise]]:
        return [
            (reverse(f"admin:{name}", args=[obj.pk]), form.heading) for _address, form, name in VERBS if form.fits(obj)
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return super().changelist_view(request, {"pages": Page.objects.live(), **(extra_context or {})})

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        recipient = self.get_object(request, unquote(object_id))
        context = extra_context or {}
        if recipient:
            newest = recipient.deliveries.select_related(*EVENT_ROWS).order_by("-id")
            context |= {
                "deliveries": [(row, event_label(row.event), badge(row)) for row in newest[:SHOWN_DELIVERIES]],
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
        recipient = get_object_or_404(Subscriber.objects.select_related("page"), pk=pk)
        form = form_class(acting(request), recipient, sent(request))
        if form_class is RollForm:
            return self.answer(request, form, original=recipient, done=lambda: self._show_secret(request, recipient))
        return self._answer_and_list(request, form, original=recipient)

    def _answer_and_list(
        self, request: HttpRequest, form: VerbForm, original: Subscriber | None = None
    ) -> HttpResponse:
        def done() -> HttpResponse:
            messages.success(request, form.done)
            return redirect("admin:status_subscriber_changelist")

        return self.answer(request, form, original=original, done=done)

    def _show_secret(self, request: HttpRequest, recipient: Subscriber) -> HttpResponse:
        help_text = _(
            "It signs every message. Give it to the webhook's owner over a channel that nobody else reads; it is not "
            "shown here again."
        )
        if recipient.rolled_at:
            help_text = f"{help_text} {_('The one before signs beside it for a day.')}"
        title, secret = _("The webhook's secret"), recipient.signing_secrets[0]
        return self.show_once(request, title, secret, label=_("Secret"), help_text=help_text, original=recipient)

    def import_view(self, request: HttpRequest) -> HttpResponse:
        form = ImportForm(acting(request), sent(request), request.FILES)

        def done() -> HttpResponse:
            faults = [line for line in form.report if line.fault]
            count = len(form.report) - len(faults)
            return self.show(request, "subscribers_imported", _("Import subscribers"), faults=faults, count=count)

        return self.answer(request, form, done=done)

    def export_view(self, request: HttpRequest, page_pk: int) -> HttpResponse:
        self.check_right(request)
        page = get_object_or_404(Page.objects.live(), pk=page_pk)
        return HttpResponse(
            csv_files.export_csv(page),
            content_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": 'attachment; filename="subscribers.csv"'},
        )
