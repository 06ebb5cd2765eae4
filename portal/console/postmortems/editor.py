"""Postmortems in the admin: the list, the editor, and the verbs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial, wraps
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.db.models import Prefetch, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from incidents.errors import DomainError
from incidents.history import changes
from incidents.models import ActionItem, Postmortem, PostmortemComment, PostmortemSection, User
from incidents.permissions import Verb, allows
from incidents.postmortems import checks, drafts, reviewing, writing
from incidents.record_time import record_time
from incidents.restoration import RESTORES
from portal.console.admin.base import Deleted, RecordAdmin
from portal.console.forms.action_item import ActionItemForm, MoveActionItemForm
from portal.console.forms.deletion import ActionItemDeletionForm, PostmortemRestoreForm, SectionDeletionForm
from portal.console.forms.postmortem import (
    ApproveForm,
    CoverForm,
    DismissForm,
    FactsForm,
    GiveUpForm,
    PostmortemForm,
    PublishPostmortemForm,
    ReturnForm,
    SubmitForm,
    UnpublishForm,
)
from portal.console.forms.section import AddSectionForm, CommentForm, SectionForm
from portal.console.postmortems.findings import findings_of
from portal.console.postmortems.review import review_of
from portal.console.requests import acting, sent
from status.rendering.instants import Zones
from status.rendering.markdown import to_html
from status.requests import HtmxRequest

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise

# (address, form, URL name) of the verbs that have a page of their own; the buttons stand in this order.
VERBS: list[tuple[str, type[PostmortemForm], str]] = [
    ("submit", SubmitForm, "incidents_postmortem_submit"),
    ("approve", ApproveForm, "incidents_postmortem_approve"),
    ("publish", PublishPostmortemForm, "incidents_postmortem_publish"),
    ("return", ReturnForm, "incidents_postmortem_return"),
    ("unpublish", UnpublishForm, "incidents_postmortem_unpublish"),
    ("facts", FactsForm, "incidents_postmortem_facts"),
    ("cover", CoverForm, "incidents_postmortem_cover"),
    ("measure", ActionItemForm, "incidents_postmortem_measure"),
]


@admin.register(Postmortem)
class PostmortemAdmin(RecordAdmin):
    verb = Verb.EDIT_POSTMORTEM
    restoring = PostmortemRestoreForm
    list_display = ("title", "state_badge", "owner", "due_on", "page", "edited_at")
    list_filter = ("state", "page", Deleted)
    list_select_related = ("page", "owner")
    search_fields = ("title", "public_id", "sections__heading", "sections__internal", "sections__public")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # it starts from an incident

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view

        def route(address: str, view: Any, name: str, **extra: Any) -> URLPattern:
            return path(f"<int:pk>/{address}/", wrap(show_refusals(view)), extra, name=name)

        section, measure = "sections/<int:section_pk>", "measures/<int:item_pk>"
        finding = "findings/<slug:digest>"
        edit, move = {"form_class": ActionItemForm}, {"form_class": MoveActionItemForm}
        return [
            *(route(address, self.verb_view, name, form_class=form) for address, form, name in VERBS),
            route("review", self.review_view, "incidents_postmortem_review"),
            route("sections", self.add_section_view, "incidents_postmortem_add_section"),
            route(section, self.section_view, "incidents_postmortem_section"),
            route(f"{section}/comments", self.comment_view, "incidents_postmortem_comment"),
            route(f"{section}/remove", self.remove_section_view, "incidents_postmortem_remove_section"),
            route(f"{section}/restore", self.restore_part_view, "incidents_postmortem_restore_section"),
            route(f"{section}/<str:verb>", self.arrange_view, "incidents_postmortem_arrange"),
            route("comments/<int:comment_pk>/settle", self.settle_view, "incidents_postmortem_settle"),
            route(measure, self.measure_view, "incidents_postmortem_edit_measure", **edit),
            route(f"{measure}/state", self.measure_view, "incidents_postmortem_move_measure", **move),
            route(f"{measure}/remove", self.remove_measure_view, "incidents_postmortem_remove_measure"),
            route(f"{measure}/restore", self.restore_part_view, "incidents_postmortem_restore_measure"),
            route("incidents/<int:incident_pk>/uncover", self.uncover_view, "incidents_postmortem_uncover"),
            route(f"{finding}/dismiss", self.dismiss_view, "incidents_postmortem_dismiss"),
            route(f"{finding}/fix", self.fix_view, "incidents_postmortem_fix"),
            *super().get_urls(),
        ]

    # --- The list ---------------------------------------------------------------------------------------------------

    @admin.display(description=gettext_lazy("state"), ordering="state")
    def state_badge(self, postmortem: Postmortem) -> str:
        return format_html('<span class="badge {}">{}</span>', postmortem.state, postmortem.get_state_display())

    # --- The editor -------------------------------------------------------------------------------------------------

    def review_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """To be read as a whole, and approved at its end."""
        postmortem = live_or_404(pk)
        user = acting(request)
        may_edit = allows(user, self.verb)
        if request.method == "POST":
            reviewing.record_reading(postmortem, author=user)
            messages.success(request, _("Marked as read: the next time you see what has changed since."))
            return redirect("admin:incidents_postmortem_review", pk)
        may_approve = ApproveForm.fits(postmortem) and allows(user, ApproveForm.verb)
        context = self.context(request, postmortem) | {
            "title": _("Review: %(title)s") % {"title": postmortem},
            "review": review_of(postmortem, user),
            "may_edit": may_edit,
            "approve": ApproveForm(user, postmortem) if may_approve else None,
            "is_own": postmortem.edited_by_id == user.pk,
        }
        with timezone.override(postmortem.page.zone):
            return render(request, "console/postmortem_review.html", context)

    def context(self, request: HttpRequest, postmortem: Postmortem) -> dict[str, Any]:
        """What the editor and the review have in common: where the report stands."""
        user = acting(request)
        findings = findings_of(postmortem)
        return {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": postmortem,
            "title": postmortem.title,
            "tools": self.tools(user, postmortem),
            "may_edit": allows(user, self.verb) and postmortem.is_in_use,
            "missing": checks.lacking(postmortem),
            "findings": findings,
            "stops": sum(found.stops for found in findings),
            "may_dismiss": allows(user, DismissForm.verb) and postmortem.is_in_use,
            "incidents": postmortem.incidents.order_by("first_posted_at", "pk"),
            "revisions": postmortem.revisions.select_related("author", "approved_by"),
            "measures": postmortem.action_items.filter(deleted_at=None).select_related("owner"),
            "removed_sections": postmortem.sections.exclude(deleted_at=None).order_by("pk"),
            "removed_measures": postmortem.action_items.exclude(deleted_at=None),
        }

    def tools(self, user: User, obj: Postmortem) -> list[tuple[str, StrPromise]]:
        verbs = [
            (reverse(f"admin:{name}", args=[obj.pk]), form.heading)
            for _address, form, name in VERBS
            if form.fits(obj) and allows(user, form.verb) and form is not ApproveForm  # it stands below what is read
        ]
        if obj.deleted_at:
            return self.restore_tool(user, obj)
        return [(reverse("admin:incidents_postmortem_review", args=[obj.pk]), gettext_lazy("Read and review")), *verbs]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        postmortem = self.get_object(request, unquote(object_id))
        if postmortem is None:
            raise Http404
        return self.editor(request, postmortem)

    def editor(self, request: HttpRequest, postmortem: Postmortem, typed: SectionForm | None = None) -> HttpResponse:
        """The whole report with its sections side by side; `typed` is the form of one that was refused."""
        user = acting(request)
        comments = PostmortemComment.objects.select_related("author", "settled_by")
        sections = postmortem.live_sections().prefetch_related(Prefetch("comments", comments))
        offered = drafts.offered(postmortem)
        forms = [
            typed
            if typed and typed.section == section
            else SectionForm(user, section, offered=offered.get(section.key, ""))
            for section in sections
        ]
        context = self.context(request, postmortem) | {
            "forms": [(form, public_html(form)) for form in forms],
            "add_section": AddSectionForm(user, postmortem),
        }
        with timezone.override(postmortem.page.zone):
            return render(request, "console/postmortem.html", context)

    def history_of(self, obj: Postmortem) -> Sequence[changes.Entry]:
        return changes.of_postmortem(obj)

    # --- Verbs ------------------------------------------------------------------------------------------------------

    def verb_view(self, request: HttpRequest, pk: int, form_class: type[PostmortemForm]) -> HttpResponse:
        postmortem = live_or_404(pk)
        form = form_class(acting(request), postmortem, sent(request))
        return self.answer(request, form, original=postmortem, done=partial(self._done, request, form))

    def measure_view(
        self, request: HttpRequest, pk: int, item_pk: int, form_class: type[PostmortemForm]
    ) -> HttpResponse:
        postmortem = live_or_404(pk)
        item = get_object_or_404(ActionItem.objects.live(), postmortem=postmortem, pk=item_pk)
        user, data = acting(request), sent(request)
        form: PostmortemForm
        if form_class is MoveActionItemForm:
            form = MoveActionItemForm(user, item, data)
        else:
            form = ActionItemForm(user, postmortem, data, item=item)
        return self.answer(request, form, original=postmortem, done=partial(self._done, request, form))

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        postmortem = self.get_object(request, unquote(object_id))
        if postmortem is None or postmortem.deleted_at:
            raise Http404
        form = GiveUpForm(acting(request), postmortem, sent(request))

        def done() -> HttpResponse:
            messages.success(request, form.done)
            return redirect("admin:incidents_postmortem_changelist")

        return self.answer(request, form, original=postmortem, done=done)

    def _done(self, request: HttpRequest, form: PostmortemForm) -> HttpResponse:
        messages.success(request, form.done)
        return redirect("admin:incidents_postmortem_change", form.postmortem.pk)

    # --- Sections ---------------------------------------------------------------------------------------------------

    def section_view(self, request: HtmxRequest, pk: int, section_pk: int) -> HttpResponse:
        section = section_or_404(pk, section_pk)
        if request.method != "POST":
            return redirect(address(section))
        offered = drafts.offered(section.postmortem).get(section.key, "") if request.POST.get("use") else ""
        form = SectionForm(acting(request), section, request.POST, offered=offered)
        if not allows(form.author, form.verb):
            return self.answer(request, form, original=section.postmortem, done=partial(self._done, request, form))
        with timezone.override(form.zone):
            is_saved = form.perform()
            if request.htmx and not offered:
                context = self.context(request, section.postmortem) | {"form": form, "preview": public_html(form)}
                context |= {"section": section, "is_saved": is_saved, "now": record_time()}
                return render(request, "console/postmortem_saved.html", context)
        if not is_saved:
            return self.editor(request, section.postmortem, typed=form)
        messages.success(request, _("“%(heading)s” is saved.") % {"heading": section.heading})
        response = redirect(address(section))
        if request.htmx:
            return HttpResponse(headers={"HX-Refresh": "true"})
        return response

    def add_section_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        return self.verb_view(request, pk, AddSectionForm)

    def arrange_view(self, request: HttpRequest, pk: int, section_pk: int, verb: str) -> HttpResponse:
        """Move a section `up` or `down`."""
        section = section_or_404(pk, section_pk)
        user = acting(request)
        if request.method == "POST" and verb in ("up", "down"):
            order = list(section.postmortem.live_sections())
            place = order.index(section)
            order.insert(max(0, place + (1 if verb == "down" else -1)), order.pop(place))
            writing.arrange_sections(section.postmortem, order, author=user)
        return redirect(address(section))

    def remove_section_view(self, request: HttpRequest, pk: int, section_pk: int) -> HttpResponse:
        form = SectionDeletionForm(acting(request), section_or_404(pk, section_pk), sent(request))
        return self.answer(request, form, original=form.postmortem, done=partial(self._done, request, form))

    def remove_measure_view(self, request: HttpRequest, pk: int, item_pk: int) -> HttpResponse:
        item = get_object_or_404(ActionItem.objects.live(), postmortem=pk, pk=item_pk)
        form = ActionItemDeletionForm(acting(request), item, sent(request))
        return self.answer(request, form, original=form.postmortem, done=partial(self._done, request, form))

    def restore_part_view(
        self, request: HttpRequest, pk: int, section_pk: int | None = None, item_pk: int | None = None
    ) -> HttpResponse:
        """Have a section or a measure again, by the button in the list of what was removed."""
        parts: QuerySet[Any] = PostmortemSection.objects.all() if section_pk else ActionItem.objects.all()
        part = get_object_or_404(parts.select_related("postmortem"), postmortem=pk, pk=section_pk or item_pk)
        if request.method == "POST":
            RESTORES[type(part)](part, author=acting(request))
            messages.success(request, _("“%(part)s” is restored.") % {"part": part})
        return redirect("admin:incidents_postmortem_change", pk)

    def uncover_view(self, request: HttpRequest, pk: int, incident_pk: int) -> HttpResponse:
        """Leave one of several incidents out of the report."""
        postmortem = live_or_404(pk)
        incident = get_object_or_404(postmortem.incidents, pk=incident_pk)
        if request.method == "POST":
            writing.uncover_incident(postmortem, incident, author=acting(request))
        return redirect("admin:incidents_postmortem_change", pk)

    # --- What the linter found --------------------------------------------------------------------------------------

    def dismiss_view(self, request: HttpRequest, pk: int, digest: str) -> HttpResponse:
        postmortem = live_or_404(pk)
        form = DismissForm(acting(request), postmortem, digest, sent(request))
        return self.answer(request, form, original=postmortem, done=partial(self._done, request, form))

    def fix_view(self, request: HttpRequest, pk: int, digest: str) -> HttpResponse:
        """Put what the linter proposes in the place of what it found."""
        postmortem = live_or_404(pk)
        found = next((one for one in findings_of(postmortem) if one.finding.digest == digest), None)
        if request.method == "POST":
            section, fix = (found.section, found.finding.fix) if found else (None, None)
            if found is None or section is None or fix is None:
                messages.warning(request, _("The text was changed meanwhile. Read what is found now."))
            else:
                finding = found.finding
                writing.edit_section(
                    section,
                    heading=section.heading,
                    internal=section.internal,
                    public=section.public[: finding.start] + fix + section.public[finding.end :],
                    withheld=section.withheld,
                    author=acting(request),
                    seen=section.version,
                )
                messages.success(request, _("It says “%(fix)s” now.") % {"fix": fix})
        return redirect(reverse("admin:incidents_postmortem_change", args=[pk]) + "#findings")

    # --- Comments ---------------------------------------------------------------------------------------------------

    def comment_view(self, request: HttpRequest, pk: int, section_pk: int) -> HttpResponse:
        section = section_or_404(pk, section_pk)
        form = CommentForm(acting(request), section, sent(request))
        return self.answer(request, form, original=section.postmortem, done=lambda: redirect(address(section)))

    def settle_view(self, request: HttpRequest, pk: int, comment_pk: int) -> HttpResponse:
        comment = get_object_or_404(PostmortemComment, pk=comment_pk, section__postmortem=pk)
        if request.method == "POST":
            reviewing.settle_comment(comment, author=acting(request))
        return redirect(address(comment.section))


def show_refusals(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """The view, which shows what a service refuses above the report."""

    @wraps(view)
    def answer(request: HttpRequest, pk: int, **kwargs: Any) -> HttpResponse:
        try:
            return view(request, pk, **kwargs)
        except DomainError as refusal:
            messages.error(request, str(refusal))
            return redirect("admin:incidents_postmortem_change", pk)

    return answer


def live_or_404(pk: int) -> Postmortem:
    return get_object_or_404(
        Postmortem.objects.live().select_related("page", "owner", "edited_by", "approved_by"), pk=pk
    )


def section_or_404(pk: int, section_pk: int) -> PostmortemSection:
    sections = PostmortemSection.objects.filter(postmortem=pk, postmortem__deleted_at=None, deleted_at=None)
    return get_object_or_404(sections.select_related("postmortem__page"), pk=section_pk)


def public_html(form: SectionForm) -> SafeString:
    """The public text as it was typed, the way customers will read it."""
    postmortem = form.section.postmortem
    zones = Zones.named(postmortem.time_zone, postmortem.page.time_zone)
    return to_html(form["public"].value() or "", 4, zones)


def address(section: PostmortemSection) -> str:
    page = reverse("admin:incidents_postmortem_change", args=[section.postmortem_id])
    return f"{page}#section-{section.pk}"
