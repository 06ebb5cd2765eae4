"""How soon the public hears more, and how well that was kept."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from incidents import promises
from incidents.models import IncidentUpdate, UpdateCadence
from incidents.permissions import Verb
from incidents.record_time import record_time
from portal.console.admin.base import RecordAdmin
from portal.console.requests import acting

DAYS = 90


@admin.register(UpdateCadence)
class UpdateCadenceAdmin(RecordAdmin):
    verb = Verb.EDIT_CATALOGUE
    fields = ("minutes",)
    list_display = ("__str__", "severity", "status_label", "promise")
    list_filter = ("severity",)
    list_per_page = 100

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.display(description=gettext_lazy("status"), ordering="id")
    def status_label(self, cadence: UpdateCadence) -> str:
        return cadence.get_status_display()

    @admin.display(description=gettext_lazy("next update after"), ordering="minutes")
    def promise(self, cadence: UpdateCadence) -> str:
        return f"{cadence.minutes} min" if cadence.minutes else _("nothing promised")

    def save_model(self, request: HttpRequest, obj: UpdateCadence, form: Any, change: bool) -> None:
        promises.set_cadence(obj, minutes=form.cleaned_data["minutes"], author=acting(request))

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        since = record_time() - timedelta(days=DAYS)
        kept = promises.kept(IncidentUpdate.objects.filter(published_at__gte=since))
        return super().changelist_view(request, {"kept": kept, "days": DAYS, **(extra_context or {})})
