"""Incidents: the list, their facts, and a page for each verb."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from incidents.history import changes as history
from incidents.incidents import PUBLIC_FACTS, IncidentFacts, edit_incident, warning_of
from incidents.lifecycle import Impact, IncidentStatus, Kind, Visibility
from incidents.models import ComponentStatusChange, Incident, IncidentUpdate, OutboxEvent, User
from incidents.permissions import Verb, allows
from portal.console.admin.base import Deleted, RecordAdmin
from portal.console.forms.deletion import IncidentRestoreForm
from portal.console.forms.incident import DeclareForm, DeletionForm, IncidentForm
from portal.console.forms.maintenance import AutomationForm, CancelForm, ExtendForm, MaintenanceForm, MoveForm
from portal.console.forms.planned import PlanCancellationForm, PlannedForm, PlanUpdateForm
from portal.console.forms.postmortem import StartPostmortemForm
from portal.console.forms.role import RoleForm
from portal.console.forms.timeline import NoteForm
from portal.console.forms.update import CorrectionForm, NoChangeForm, PublishIncidentForm, UpdateForm, WithdrawalForm
from portal.console.requests import acting, sent

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise

# (address, form, URL name) of the verbs that have a page of their own; the buttons stand in this order.
VERBS: list[tuple[str, type[IncidentForm], str]] = [
    ("update", UpdateForm, "incidents_incident_update"),
    ("extend", ExtendForm, "incidents_incident_extend"),
    ("move", MoveForm, "incidents_incident_move"),
    ("cancel", CancelForm, "incidents_incident_cancel"),
    ("automation", AutomationForm, "incidents_incident_automation"),
    ("no-change", NoChangeForm, "incidents_incident_no_change"),
    ("plan", PlanUpdateForm, "incidents_incident_plan"),
    ("withdraw", WithdrawalForm, "incidents_incident_withdraw"),
    ("publish", PublishIncidentForm, "incidents_incident_publish"),
    ("note", NoteForm, "incidents_incident_note"),
    ("role", RoleForm, "incidents_incident_role"),
    ("postmortem", StartPostmortemForm, "incidents_incident_postmortem"),
]


@admin.register(Incident)
class IncidentAdmin(RecordAdmin):
    verb = Verb.DECLARE_INCIDENT
    restoring = IncidentRestoreForm
    list_display = ("titled", "state", "peak", "weight", "page", "visibility", "last_update")
    list_display_links = None
    list_filter = ("kind", "status", "visibility", "severity", "page", Deleted)
    list_select_related = ("page",)
    search_fields = ("title", "public_title", "public_id")
    raw_id_fields = ("caused_by",)

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Incident]:
        published = IncidentUpdate.objects.published().filter(incident=models.OuterRef("pk")).newest_first()
        waiting = OutboxEvent.objects.unpublished().filter(incident=models.OuterRef("pk"))
        return Incident.objects.annotate(
            last_public_at=models.Subquery(published.values("display_at")[:1]), is_waiting=models.Exists(waiting)
        )

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        verbs = [
            path(f"<int:pk>/{address}/", wrap(self.verb_view), {"form_class": form}, name=name)
            for address, form, name in VERBS
        ]
        correct, planned = wrap(self.correct_view), wrap(self.planned_view)
        change, cancel = {"form_class": PlannedForm}, {"form_class": PlanCancellationForm}
        return [
            path("<int:pk>/planned/<int:planned_pk>/", planned, change, name="incidents_incident_planned"),
            path("<int:pk>/planned/<int:planned_pk>/cancel/", planned, cancel, name="incidents_incident_unplan"),
            path("schedule/", wrap(self.schedule_view), name="incidents_incident_schedule"),
            path("<int:pk>/updates/<int:update_pk>/", correct, name="incidents_incident_correct"),
            *verbs,
            *super().get_urls(),
        ]

    # --- The list ---------------------------------------------------------------------------------------------------

    @admin.display(description=gettext_lazy("title"), ordering="title")
    def titled(self, incident: Incident) -> str:
        return format_html('<a href="{}">{}</a>', home(incident), incident.title)

    @admin.display(description=gettext_lazy("status"), ordering="status")
    def state(self, incident: Incident) -> str:
        label = IncidentStatus(incident.status).label
        return format_html('<span class="badge {}">{}</span>', incident.status, label)

    @admin.display(description=gettext_lazy("impact"), ordering="impact")
    def peak(self, incident: Incident) -> str:
        if incident.kind == Kind.MAINTENANCE:
            return format_html('<span class="badge maintenance">{}</span>', _("Maintenance"))
        impact = Impact(incident.impact_override or incident.impact)
        return format_html('<span class="badge {}">{}</span>', impact.value, impact.label)

    @admin.display(description=gettext_lazy("severity"), ordering="severity")
    def weight(self, incident: Incident) -> str:
        return incident.get_severity_display().partition(",")[0]

    @admin.display(description=gettext_lazy("last public update"), ordering="last_public_at")
    def last_update(self, incident: Any) -> str:
        if incident.last_public_at is None:
            return _("none yet")
        with timezone.override(incident.page.zone):
            shown_at = history.format_time(incident.last_public_at)
        if incident.is_waiting:
            return format_html('{} <span class="badge waiting">{}</span>', shown_at, _("Not yet published"))
        return shown_at

    # --- Facts ------------------------------------------------------------------------------------------------------

    def get_fieldsets(self, request: HttpRequest, obj: Incident | None = None) -> Any:
        times = ["impact_began_at", "impact_ended_at", "detected_at", "acknowledged_at"]
        titles = ["title"] if obj and obj.visibility == Visibility.INTERNAL else ["title", "public_title"]
        return (
            (_("Facts"), {"fields": [*titles, "severity", "impact_override", "caused_by"]}),
            (_("Times"), {"fields": times}),
        )

    def get_readonly_fields(self, request: HttpRequest, obj: Incident | None = None) -> tuple[str, ...]:
        """What the public reads already, for those who may not post an update."""
        if obj is None or not obj.is_public or allows(acting(request), Verb.POST_UPDATE):
            return ()
        return ("title", *PUBLIC_FACTS) if obj.title == obj.public_title else PUBLIC_FACTS

    def save_model(self, request: HttpRequest, obj: Incident, form: Any, change: bool) -> None:
        facts = {name: form.cleaned_data[name] for name in form.changed_data}
        edit_incident(obj, author=acting(request), **cast(IncidentFacts, facts))

    def response_post_save_change(self, request: HttpRequest, obj: Incident) -> HttpResponseRedirect:
        return redirect(home(obj))

    def address_of(self, row: Incident) -> str:
        return home(row)

    def view_on_site(self, incident: Incident) -> str | None:
        return f"{incident.page.url}/incidents/{incident.public_id}" if incident.is_public else None

    def tools(self, user: User, obj: Incident) -> list[tuple[str, StrPromise]]:
        return [(home(obj), gettext_lazy("Room")), *((address, form.heading) for address, form in verbs(obj, user))]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        incident = self.get_object(request, unquote(object_id))
        context = {"badges": badges(incident)} if incident else {}
        return super().change_view(request, object_id, form_url, context | (extra_context or {}))

    def history_of(self, obj: Incident) -> Sequence[history.Entry]:
        return history.of_incident(obj)

    # --- Verbs ------------------------------------------------------------------------------------------------------

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        form = DeclareForm(acting(request), sent(request))
        return self.answer(request, form, done=lambda: self._began(request, form))

    def schedule_view(self, request: HttpRequest) -> HttpResponse:
        form = MaintenanceForm(acting(request), sent(request))
        return self.answer(request, form, done=lambda: self._began(request, form))

    def _began(self, request: HttpRequest, form: DeclareForm | MaintenanceForm) -> HttpResponse:
        if form.incident.first_posted_at:
            messages.success(request, _("The public page shows it now."))
        else:
            messages.success(request, _("Recorded. The public does not see it yet."))
        return redirect(home(form.incident))

    def verb_view(self, request: HttpRequest, pk: int, form_class: type[IncidentForm]) -> HttpResponse:
        incident = live_or_404(pk)
        form = form_class(acting(request), incident, sent(request))
        return self.answer(request, form, original=incident, done=partial(self._done, request, form))

    def _done(self, request: HttpRequest, form: IncidentForm) -> HttpResponse:
        incident = form.incident
        messages.success(request, form.done)
        if isinstance(form, UpdateForm) and form.posted and (warning := warning_of(form.posted)):
            messages.warning(request, warning)
        if isinstance(form, StartPostmortemForm):
            return redirect("admin:incidents_postmortem_change", form.postmortem.pk)
        return redirect(home(incident))

    def correct_view(self, request: HttpRequest, pk: int, update_pk: int) -> HttpResponse:
        incident = live_or_404(pk)
        update = get_object_or_404(incident.updates, pk=update_pk)
        form = CorrectionForm(acting(request), update, sent(request))
        return self.answer(request, form, original=incident, done=partial(self._done, request, form))

    def planned_view(
        self, request: HttpRequest, pk: int, planned_pk: int, form_class: type[PlannedForm | PlanCancellationForm]
    ) -> HttpResponse:
        incident = live_or_404(pk)
        planned = get_object_or_404(incident.planned.open(), pk=planned_pk)
        form = form_class(acting(request), planned, sent(request))
        return self.answer(request, form, original=incident, done=partial(self._done, request, form))

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        incident = self.get_object(request, unquote(object_id))
        if incident is None or incident.deleted_at:
            raise Http404
        form = DeletionForm(acting(request), incident, sent(request))

        def done() -> HttpResponse:
            messages.success(request, _("“%(title)s” is on no page any more.") % {"title": incident})
            return redirect("admin:incidents_incident_changelist")

        return self.answer(request, form, original=incident, done=done)


def home(incident: Incident) -> str:
    """The address at which staff work on it."""
    return reverse("room", args=[incident.public_id])


def verbs(incident: Incident, user: User) -> list[tuple[str, type[IncidentForm]]]:
    """(address, form) of what `user` may do now on a page of its own."""
    return [
        (reverse(f"admin:{name}", args=[incident.pk]), form)
        for _address, form, name in VERBS
        if form.fits(incident) and allows(user, form.verb)
    ]


def badges(incident: Incident) -> list[tuple[str, StrPromise | str]]:
    """(tone, words) of what is true of it, to be read at one glance."""
    plan = getattr(incident, "plan", None)
    found: list[tuple[str, StrPromise | str]] = [(incident.status, incident.get_status_display())]
    if incident.kind == Kind.MAINTENANCE:
        found.insert(0, ("maintenance", _("Maintenance")))
    else:
        impact = Impact(incident.impact_override or incident.impact)
        found.insert(0, (incident.severity, incident.get_severity_display()))
        found.append((impact, _("Impact: %(impact)s") % {"impact": impact.label}))
    if plan and plan.cancelled_at:
        found.append(("waiting", _("Cancelled")))
    elif plan and plan.is_overrunning:
        found.append(("major", _("Overrunning")))
    if incident.deleted_at:
        found.append(("waiting", _("Deleted")))
    elif not incident.is_in_use:
        found.append(("waiting", _("Its page is deleted")))
    elif incident.visibility == Visibility.INTERNAL:
        found.append(("waiting", _("Internal")))
    elif not incident.is_public:
        found.append(("waiting", _("Not public before its first update")))
    return found


def live_or_404(pk: int) -> Incident:
    return get_object_or_404(Incident.objects.filter(deleted_at=None).select_related("page", "postmortem"), pk=pk)


def updates_of(incident: Incident) -> models.QuerySet[IncidentUpdate]:
    """Newest first, with the status changes of each, and whether it waits to be published."""
    waiting = OutboxEvent.objects.unpublished().filter(update=models.OuterRef("pk"))
    changes = ComponentStatusChange.objects.select_related("component__group").order_by("pk")
    return (
        incident.updates.newest_first()
        .select_related("author")
        .prefetch_related(models.Prefetch("component_changes", changes))
        .annotate(is_waiting=models.Exists(waiting))
    )
