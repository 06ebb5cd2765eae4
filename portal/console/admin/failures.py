"""What the clock cannot do, why, and since when."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from incidents import isolation
from incidents.history.changes import format_time
from incidents.models import Failure
from incidents.permissions import Verb
from portal.console.admin.base import RecordAdmin
from portal.console.requests import acting
from status.models import Delivery


@admin.register(Failure)
class FailureAdmin(RecordAdmin):
    """What is parked waits for *Try again*; the rest is tried again by itself."""

    verb = Verb.EDIT_CATALOGUE
    list_display = ("kind", "key", "attempts", "reason", "begun", "next_attempt")
    list_display_links = None
    list_filter = (("parked_at", admin.EmptyFieldListFilter), "kind")
    actions: Any = ("try_again",)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """With the messages that were given up, which have a list of their own."""
        return super().changelist_view(request, {"given_up": Delivery.objects.given_up().count()})

    @admin.display(description=gettext_lazy("since"), ordering="since")
    def begun(self, failure: Failure) -> str:
        return format_time(failure.since)

    @admin.display(description=gettext_lazy("next attempt"), ordering="due_at")
    def next_attempt(self, failure: Failure) -> str:
        return format_time(failure.due_at) if failure.due_at else _("Parked")

    @admin.action(description=gettext_lazy("Try again"))
    def try_again(self, request: HttpRequest, failures: models.QuerySet[Failure]) -> None:
        count = isolation.try_again(failures, author=acting(request))
        sentence = ngettext("%(count)d thing is tried again.", "%(count)d things are tried again.", count)
        messages.info(request, sentence % {"count": count})

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Failure | None = None) -> bool:
        return False
