from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from incidents.history.changes import format_time
from incidents.models import OutboxEvent
from portal.console.admin.base import RowList
from portal.console.admin.generic import AnyModelAdmin


@admin.register(OutboxEvent)
class OutboxEventAdmin(AnyModelAdmin):
    """Facts that must be published and sent, and whether they are. Nobody changes them by hand."""

    list_display = ("__str__", "page", "incident", "created", "published")
    list_filter = (("published_at", admin.EmptyFieldListFilter), "kind", "page")
    list_select_related = ("page", "incident")
    list_display_links = None
    actions = None

    @admin.display(description=_("created"), ordering="created_at")
    def created(self, event: OutboxEvent) -> str:
        return format_time(event.created_at)

    @admin.display(description=_("published"), ordering="published_at")
    def published(self, event: OutboxEvent) -> str | None:
        return format_time(event.published_at) if event.published_at else None

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[RowList]:
        return RowList

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: OutboxEvent | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: OutboxEvent | None = None) -> bool:
        return False
