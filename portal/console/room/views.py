"""The room's pages: they read the input, call one service by its form, and show the answer."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from incidents.errors import Forbidden
from incidents.incidents import warning_of
from incidents.lifecycle import IncidentStatus, Visibility
from incidents.models import Incident, TimelineEntry
from incidents.permissions import allows, require
from incidents.record_time import record_time
from portal.console.admin.base import TWICE, accepted
from portal.console.admin.incident import verbs
from portal.console.forms.incident import IncidentForm
from portal.console.forms.message import MessageFields
from portal.console.forms.planned import ComposeForm, PlanUpdateForm
from portal.console.forms.timeline import NoteForm, OutcomeForm, QuickNoteForm
from portal.console.forms.update import CorrectionForm, MessageForm, PublishIncidentForm, UpdateForm, WithdrawalForm
from portal.console.preview import dry_run
from portal.console.requests import acting, staff_view
from portal.console.room.contents import Room
from status.requests import HtmxRequest

# What needs no page of its own beside it
ON_THE_ROOM = (UpdateForm, PublishIncidentForm, WithdrawalForm, NoteForm, PlanUpdateForm)


@staff_view
def room(request: HttpRequest, public_id: str) -> HttpResponse:
    return show(request, found(public_id))


@staff_view
def live(request: HttpRequest, public_id: str) -> HttpResponse:
    """The parts of the room that change by themselves."""
    incident = found(public_id)
    with timezone.override(incident.page.zone):
        return render(request, "console/live.html", parts(request, incident))


@staff_view
@require_POST
def act(request: HtmxRequest, public_id: str, form_class: type[IncidentForm]) -> HttpResponse:
    incident = found(public_id)
    form = form_class(acting(request), incident, request.POST)
    try:
        require(form.author, form.verb)
        with timezone.override(form.zone):
            if isinstance(form, MessageFields) and "template" in request.POST:
                form.use_template(request.POST)
                return show(request, incident, form)
            if form.has_preview and "preview" in request.POST:
                shown = {"form": form, "is_previewed": True, "preview": dry_run(form)}
                if request.htmx:
                    return render(request, "console/preview.html", shown)
                return show(request, incident, form, **shown)
            if not form.perform():
                return refused(request, form)
    except Forbidden as refusal:
        context = {**admin.site.each_context(request), "title": _("Not allowed"), "sentence": str(refusal)}
        return render(request, "console/refused.html", context, status=403)
    if form.repeated:
        messages.info(request, TWICE)
    else:
        messages.success(request, form.done)
        if isinstance(form, UpdateForm) and form.posted and (warning := warning_of(form.posted)):
            messages.warning(request, warning)
    return accepted(redirect("room", public_id), form)


def refused(request: HttpRequest, form: IncidentForm) -> HttpResponse:
    """The room with what was typed and why it was not taken; a button has typed nothing, and gets a sentence."""
    if isinstance(form, MessageForm | QuickNoteForm):
        return show(request, form.incident, form)
    for sentences in form.errors.values():
        messages.error(request, " ".join(map(str, sentences)))
    return redirect("room", form.incident.public_id)


def found(public_id: str) -> Incident:
    rows = Incident.objects.select_related("page", "postmortem", "caused_by", "plan__series")
    return get_object_or_404(rows, public_id=public_id)


def show(request: HttpRequest, incident: Incident, sent: IncidentForm | None = None, **more: Any) -> HttpResponse:
    """The room; `sent` is a form that is shown again as it was sent."""
    with timezone.override(incident.page.zone):
        context = {
            **admin.site.each_context(request),
            "title": incident.title,
            **parts(request, incident),
            **forms_of(request, incident, sent),
            **more,
        }
        return render(request, "console/room.html", context)


def parts(request: HttpRequest, incident: Incident) -> dict[str, Any]:
    """What the parts need that change by themselves."""
    author = acting(request)
    is_live = incident.is_in_use
    return {
        "room": Room(incident, record_time()),
        "may_correct": is_live and allows(author, CorrectionForm.verb),
        "may_note": is_live and allows(author, OutcomeForm.verb),
        "outcomes": TimelineEntry.Outcome.choices,
    }


def forms_of(request: HttpRequest, incident: Incident, sent: IncidentForm | None) -> dict[str, Any]:
    """The forms that fit, for those who may use them."""
    author = acting(request)

    def form_of(form_class: type[IncidentForm], auto_id: str) -> IncidentForm | None:
        form = sent if isinstance(sent, form_class) else None
        if form is None and form_class.fits(incident) and allows(author, form_class.verb):
            form = form_class(author, incident)
        if form:
            form.auto_id = auto_id
        return form

    is_publishing = "publish" in request.GET and incident.visibility == Visibility.INTERNAL
    if is_publishing or isinstance(sent, PublishIncidentForm):
        compose, address = (
            form_of(PublishIncidentForm, "publish_%s"),
            reverse("room_publish", args=[incident.public_id]),
        )
    else:
        compose, address = form_of(ComposeForm, "update_%s"), reverse("room_update", args=[incident.public_id])
    wanted = request.GET.get("status")
    if isinstance(compose, MessageForm) and not compose.is_bound and wanted in IncidentStatus.values:
        compose.propose(IncidentStatus(wanted))
    return {
        "compose": compose,
        "compose_address": address,
        "is_publishing": isinstance(compose, PublishIncidentForm),
        "note": form_of(QuickNoteForm, "note_%s"),
        "withdrawal": form_of(WithdrawalForm, "withdraw_%s"),
        "verbs": [(address, form.heading) for address, form in verbs(incident, author) if form not in ON_THE_ROOM],
    }
