"""The staff's pages that need the whole: they read the input, call one service by its form, and show the answer."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from incidents.errors import Forbidden
from incidents.lifecycle import IncidentStatus, Visibility
from incidents.models import Incident, TimelineEntry
from incidents.permissions import allows, require
from portal.console import preview
from portal.console import search as searching
from portal.console.admin.base import TWICE, accepted, acting
from portal.console.admin.incident import verbs
from portal.console.forms.incident import CorrectionForm, IncidentForm, MessageForm, PublishForm, WithdrawalForm
from portal.console.forms.planned import ComposeForm
from portal.console.forms.template import is_chosen
from portal.console.forms.timeline import OutcomeForm, QuickNoteForm
from portal.console.room.contents import Room
from status.requests import HtmxRequest

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise

View = Callable[..., HttpResponse]

# The verbs that the room has forms for, by their address.
FORMS: dict[str, type[IncidentForm]] = {
    "update": ComposeForm,
    "publish": PublishForm,
    "withdraw": WithdrawalForm,
    "note": QuickNoteForm,
    "outcome": OutcomeForm,
}
BESIDE = {*FORMS, "plan"}  # what the composer does needs no link
DONE: dict[type[IncidentForm], StrPromise] = {
    ComposeForm: gettext_lazy("The update is posted."),
    PublishForm: gettext_lazy("The incident is public."),
    WithdrawalForm: gettext_lazy("The update is taken back. Nobody was told of it."),
    QuickNoteForm: gettext_lazy("Noted."),
    OutcomeForm: gettext_lazy("Noted."),
}


def staff_view(view: View) -> View:
    """For members of staff who may read incidents, as the admin decides it."""

    @wraps(view)
    def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not acting(request).has_perm("incidents.view_incident"):
            raise PermissionDenied
        return view(request, *args, **kwargs)

    return admin.site.admin_view(checked)


@staff_view
def room(request: HttpRequest, public_id: str) -> HttpResponse:
    return show(request, found(public_id))


@staff_view
def search(request: HttpRequest) -> HttpResponse:
    asked = request.GET.get("q", "").replace("\x00", "").strip()
    found = searching.search(asked)
    context = {**admin.site.each_context(request), "title": _("Search"), "asked": asked, "found": found}
    return render(request, "console/search.html", context)


@staff_view
def live(request: HttpRequest, public_id: str) -> HttpResponse:
    """The parts of the room that change by themselves."""
    incident = found(public_id)
    with timezone.override(incident.page.zone):
        return render(request, "console/live.html", parts(request, incident))


@staff_view
@require_POST
def act(request: HtmxRequest, public_id: str, name: str) -> HttpResponse:
    incident = found(public_id)
    form = FORMS[name](acting(request), incident, request.POST)
    try:
        require(form.author, form.verb)
        with timezone.override(form.zone):
            if is_chosen(form, request.POST):
                form.use(request.POST)
                return show(request, incident, {name: form})  # type: ignore[dict-item]  # it is still an IncidentForm
            if form.tells and "preview" in request.POST:
                shown = {"form": form, "is_previewed": True, "preview": preview.of(form)}
                if request.htmx:
                    return render(request, "console/preview.html", shown)
                return show(request, incident, {name: form}, **shown)
            if not form.perform():
                return refused(request, form, name)
    except Forbidden as refusal:
        context = {**admin.site.each_context(request), "title": _("Not allowed"), "sentence": str(refusal)}
        return render(request, "console/refused.html", context, status=403)
    if form.repeated:
        messages.info(request, TWICE)
    elif form.cleaned_data.get("due_at"):
        messages.success(request, _("The update is planned. It stands beside the timeline until its time."))
    else:
        messages.success(request, DONE[type(form)])
    return accepted(redirect("room", public_id), form)


def refused(request: HttpRequest, form: IncidentForm, name: str) -> HttpResponse:
    """The room with what was typed and why it was not taken; a button has typed nothing, and gets a sentence."""
    if isinstance(form, MessageForm | QuickNoteForm):
        return show(request, form.incident, {name: form})
    for sentences in form.errors.values():
        messages.error(request, " ".join(map(str, sentences)))
    return redirect("room", form.incident.public_id)


def found(public_id: str) -> Incident:
    rows = Incident.objects.select_related("page", "postmortem", "caused_by", "plan__series")
    return get_object_or_404(rows, public_id=public_id)


def show(
    request: HttpRequest, incident: Incident, sent: dict[str, IncidentForm] | None = None, **more: Any
) -> HttpResponse:
    """The room; `sent` is a form that came back with what was refused, by its name."""
    with timezone.override(incident.page.zone):
        context = {
            **admin.site.each_context(request),
            "title": incident.title,
            **parts(request, incident),
            **forms_of(request, incident, sent or {}),
            **more,
        }
        return render(request, "console/room.html", context)


def parts(request: HttpRequest, incident: Incident) -> dict[str, Any]:
    """What the parts need that change by themselves."""
    author = acting(request)
    is_live = incident.deleted_at is None
    return {
        "room": Room(incident, timezone.now()),
        "may_correct": is_live and allows(author, CorrectionForm.verb),
        "may_note": is_live and allows(author, OutcomeForm.verb),
        "outcomes": TimelineEntry.Outcome.choices,
    }


def forms_of(request: HttpRequest, incident: Incident, sent: dict[str, IncidentForm]) -> dict[str, Any]:
    """The forms that fit, for those who may use them."""
    author = acting(request)

    def form_of(name: str) -> IncidentForm | None:
        form = sent.get(name)
        if form is None:
            form_class = FORMS[name]
            if not (form_class.fits(incident) and allows(author, form_class.verb)):
                return None
            form = form_class(author, incident)
        form.auto_id = f"{name}_%s"
        return form

    is_publishing = "publish" in sent or ("publish" in request.GET and incident.visibility == Visibility.INTERNAL)
    compose_name = "publish" if is_publishing else "update"
    compose = form_of(compose_name)
    wanted = request.GET.get("status")
    if isinstance(compose, MessageForm) and not compose.is_bound and wanted in IncidentStatus.values:
        compose.propose(IncidentStatus(wanted))
    return {
        "compose": compose,
        "compose_name": compose_name,
        "note": form_of("note"),
        "withdrawal": form_of("withdraw"),
        "verbs": [(address, words) for name, address, words in verbs(incident, author) if name not in BESIDE],
    }
