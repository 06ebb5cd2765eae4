"""What staff are reminded of, and the channels in which they are reached."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.contrib import admin, messages
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from incidents.duties import Key
from incidents.history.changes import format_time
from portal.console.admin.sending import SubscribersAdmin, badge
from portal.console.forms.subscribers import (
    ChannelForm,
    ChannelReleaseForm,
    ChannelRemovalForm,
    ChannelTestForm,
    StaffChannelForm,
)
from portal.console.forms.verb import VerbForm
from portal.console.requests import acting, sent
from status.delivery import staff_channels
from status.delivery.nudges import sentence
from status.models import Delivery, Nudge, StaffChannel


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

    list_display = ("says", "page", "due", "outcome", "why")
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
        remove, release = {"form_class": ChannelRemovalForm}, {"form_class": ChannelReleaseForm}
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
        return format_html('<a href="{}">{}</a>', nudge.path, sentence(nudge))

    @admin.display(description=gettext_lazy("due"), ordering="due_at")
    def due(self, nudge: Nudge) -> str:
        return format_time(nudge.due_at)

    @admin.display(description=gettext_lazy("notified"))
    def outcome(self, nudge: Nudge) -> str:
        return format_html_join(", ", "{} {}", ((row.recipient, badge(row)) for row in nudge.deliveries.all()))

    @admin.display(description=gettext_lazy("note"))
    def why(self, nudge: Nudge) -> str:
        is_over = any(row.reason == Delivery.WITHDRAWN for row in nudge.deliveries.all())
        return nudge.note or (_("It was done before anybody was notified.") if is_over else "")

    def channels_view(self, request: HttpRequest) -> HttpResponse:
        self.check_right(request)
        channels = list(StaffChannel.objects.select_related("page", "user").order_by("page", "user", "pk"))
        tests = {key: (test, badge(test)) for key, test in staff_channels.newest_tests(channels).items()}
        listed = [(channel, badge(channel), tests.get(channel.pk)) for channel in channels]
        return self.show(request, "staff_channels", _("Staff channels"), channels=listed)

    def channel_add_view(self, request: HttpRequest) -> HttpResponse:
        form = ChannelForm(acting(request), sent(request))
        return self.answer(request, form, done=partial(self._list_channels, request, form))

    def channel_view(self, request: HttpRequest, pk: int, form_class: type[StaffChannelForm]) -> HttpResponse:
        channel = get_object_or_404(StaffChannel.objects.select_related("page"), pk=pk)
        form = form_class(acting(request), channel, sent(request))
        return self.answer(request, form, done=partial(self._list_channels, request, form))

    def _list_channels(self, request: HttpRequest, form: VerbForm) -> HttpResponse:
        messages.success(request, form.done)
        return redirect("admin:status_nudge_channels")
