"""What the admins of the record share: rights from `permissions`, changes by services, one kind of history page."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, cast
from zoneinfo import ZoneInfo

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.helpers import AdminErrorList, AdminForm
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.utils import unquote
from django.contrib.admin.views.main import ChangeList
from django.contrib.admin.widgets import RelatedFieldWidgetWrapper
from django.core.exceptions import PermissionDenied
from django.db import DataError, models, transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from incidents.catalogue import lock_parents
from incidents.checking import letting_stand
from incidents.errors import DomainError, Forbidden
from incidents.history import changes
from incidents.models import Page, Submission, User
from incidents.models.base import Tracked
from incidents.permissions import Verb, allows, require
from incidents.restoration import RESTORES
from portal.console.admin.generic import AnyModelAdmin, AnyModelForm
from portal.console.forms.deletion import RestoreForm
from portal.console.forms.edit_conflict import EditConflictForm
from portal.console.forms.fields import InstantField, InstantInput
from portal.console.forms.message import MessageFields
from portal.console.forms.verb import (
    TOKEN,
    VerbForm,
    first_time,
    let_stand,
    names_found,
    new_token,
    show_refusal,
)
from portal.console.preview import dry_run
from portal.console.requests import acting, sent
from status.requests import HtmxRequest

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise

TWICE = _("This was sent twice. It was done once.")


def accepted(response: HttpResponse, form: VerbForm) -> HttpResponse:
    """With the word for the browser that it need not keep what was typed into this form any longer."""
    response.set_cookie("accepted", form.token, secure=settings.SESSION_COOKIE_SECURE, samesite="Strict")
    return response


class RecordForm(EditConflictForm, AnyModelForm):
    def facts(self) -> dict[str, Any]:
        """What was typed of a new row, or differs from the one that is there: for a service."""
        if not self.instance.pk:
            return self.cleaned_data
        bound = [self[name] for name in self.cleaned_data]
        return {
            each.name: self.cleaned_data[each.name] for each in bound if each.field.has_changed(each.initial, each.data)
        }


class Deleted(admin.SimpleListFilter):
    """Deleted rows stay in the record; the list leaves them out unless they are asked for."""

    title = _("deleted")
    parameter_name = "deleted"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, StrPromise]]:
        return [("yes", _("Yes"))]

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        everything, deleted = super().choices(changelist)
        yield {**everything, "display": _("No")}
        yield deleted

    def queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> models.QuerySet[Any]:
        return queryset.filter(deleted_at__isnull=self.value() != "yes")


class RowList(ChangeList):
    def get_results(self, request: HttpRequest) -> None:
        try:
            super().get_results(request)
        except (DataError, OverflowError):  # a filter asks for what no column can hold, such as too large a number
            raise IncorrectLookupParameters from None


class RecordAdmin(AnyModelAdmin):
    """Rows that services change. `verb` is the right to do so; without it a page is read-only."""

    verb: ClassVar[Verb]
    restoring: ClassVar[type[RestoreForm]] = RestoreForm
    form = RecordForm
    formfield_overrides = {
        models.DateTimeField: {"form_class": InstantField, "widget": InstantInput},
        models.DateField: {"widget": forms.DateInput({"type": "date"}, format="%Y-%m-%d")},
        models.URLField: {"assume_scheme": "https"},
    }
    actions = None

    def has_add_permission(self, request: HttpRequest) -> bool:
        return allows(acting(request), self.verb)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return allows(acting(request), self.verb) and getattr(obj, "is_in_use", True)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_change_permission(request, obj)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return RowList

    def tools(self, user: User, obj: Any) -> list[tuple[str, StrPromise]]:
        """(address, words) of the buttons on a row's page, the most important one first."""
        return []

    def get_urls(self) -> list[URLPattern]:
        restore, name = self.admin_site.admin_view(self.restore_view), f"{self.opts.app_label}_{self.opts.model_name}"
        own = [path("<int:pk>/restore/", restore, name=f"{name}_restore")] if self.model in RESTORES else []
        return [*own, *super().get_urls()]

    def restore_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        row = get_object_or_404(self.model._base_manager, pk=pk)
        form = self.restoring(acting(request), row, sent(request))

        def done() -> HttpResponse:
            messages.success(request, form.done)
            return redirect(self.address_of(row))

        return self.answer(request, form, original=row, done=done)

    def address_of(self, row: Any) -> str:
        """Where staff work on it."""
        return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_change", args=[row.pk])

    def restore_tool(self, user: User, row: Any) -> list[tuple[str, StrPromise]]:
        """The button for it, where there is something to restore."""
        if self.model not in RESTORES or row.deleted_at is None or not allows(user, self.restoring.verb):
            return []
        address = reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_restore", args=[row.pk])
        return [(address, self.restoring.heading)]

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Without Django's icons beside a choice, one of which deletes it."""
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field and isinstance(field.widget, RelatedFieldWidgetWrapper):
            field.widget = field.widget.widget
        return field

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if issubclass(db_field.related_model, Tracked):
            kwargs.setdefault("queryset", db_field.related_model._default_manager.filter(deleted_at=None))
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Django's, in the time zone of the row's page; what a service refuses comes back as the form's error.

        A form that adds a row carries a token, as those of the verbs do: sent twice, it adds one.
        """
        obj = self.get_object(request, unquote(object_id)) if object_id else None
        context = {"show_save_and_add_another": False, "token": new_token(), **(extra_context or {})}
        if obj:
            user = acting(request)
            context["tools"] = [*self.restore_tool(user, obj), *self.tools(user, obj)]
        with timezone.override(zone_of(obj)), letting_stand(let_stand(request.POST)):
            show = partial(super().changeform_view, request, object_id, form_url, context)
            try:
                response = self._done_once(request, obj, show) if request.method == "POST" else show()
            except DomainError as refusal:  # its transaction is rolled back
                response = self._refused(request, object_id, refusal, context)
            return rendered(response)

    def parents(self, request: HttpRequest) -> list[Any]:
        """What a row is to belong to, as it was typed."""
        return []

    @transaction.atomic
    def _done_once(self, request: HttpRequest, obj: Any, save: Callable[[], HttpResponse]) -> HttpResponse:
        """What `save` answers; a row is locked from before its form is read, a new one was not added before."""
        if obj:
            lock_parents(*self.parents(request))
            type(obj)._base_manager.select_for_update(of=("self",), no_key=True).get(pk=obj.pk)
        elif (token := request.POST.get(TOKEN, "")[:32]) and first_time(
            acting(request), token, request.POST, request.FILES
        ):
            messages.info(request, TWICE)
            return redirect(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist")
        response = save()
        if not isinstance(response, HttpResponseRedirect):  # it was refused, and may be sent again
            transaction.set_rollback(True)
        return response

    def _refused(
        self, request: HttpRequest, object_id: str | None, refusal: DomainError, context: dict[str, Any]
    ) -> HttpResponse:
        """The row's form as it was sent, with what the service said to it."""
        obj = self.get_object(request, unquote(object_id)) if object_id else None
        form = self.get_form(request, obj, change=obj is not None)(request.POST, request.FILES, instance=obj)
        show_refusal(form, refusal)
        context["found"] = names_found(refusal, request.POST)
        fieldsets: Any = self.get_fieldsets(request, obj)
        prepopulated, read_only = self.get_prepopulated_fields(request, obj), self.get_readonly_fields(request, obj)
        admin_form = AdminForm(form, fieldsets, prepopulated, read_only, model_admin=self)
        context = {
            **self.admin_site.each_context(request),
            "title": (gettext("Change %s") if obj else gettext("Add %s")) % self.opts.verbose_name,
            "subtitle": obj and str(obj),
            "adminform": admin_form,
            "object_id": object_id,
            "original": obj,
            "is_popup": False,
            "media": self.media + admin_form.media,
            "inline_admin_formsets": [],
            "errors": AdminErrorList(form, []),
            "preserved_filters": self.get_preserved_filters(request),
            **context,
        }
        return self.render_change_form(request, context, add=obj is None, change=obj is not None, obj=obj)

    def show(self, request: HttpRequest, template: str, title: StrPromise | str, **context: Any) -> HttpResponse:
        """One of the console's pages, with what each page of the admin has."""
        context |= {**self.admin_site.each_context(request), "opts": self.opts, "title": title}
        return render(request, f"console/{template}.html", context)

    def show_once(self, request: HttpRequest, title: str, secret: str, **context: Any) -> HttpResponse:
        """The only page that ever shows this secret; `label` names it, `help_text` says what to do with it."""
        return self.show(request, "secret", title, secret=secret, **context)

    def answer(
        self,
        request: HttpRequest,
        form: VerbForm,
        *,
        done: Callable[[], HttpResponse],
        original: models.Model | None = None,
    ) -> HttpResponse:
        """The page of one verb: the form, again with what was refused or a preview, or `done`; 403 with a sentence."""
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": original,
            "title": form.heading,
            "form": form,
        }
        try:
            require(form.author, form.verb)
            with timezone.override(form.zone):
                if isinstance(form, MessageFields) and "template" in request.POST:
                    form.use_template(request.POST)
                elif form.has_preview and "preview" in request.POST:
                    context |= {"is_previewed": True, "preview": dry_run(form)}
                    if cast(HtmxRequest, request).htmx:
                        return render(request, "console/preview.html", context)
                elif request.method == "POST" and form.perform():
                    answer = self._repeated(request, form.repeated, original) if form.repeated else done()
                    return accepted(answer, form)
                fields = form.fieldsets or ((None, {"fields": list(form.fields)}),)
                present = [
                    (name, {**options, "fields": [field for field in options["fields"] if field in form.fields]})
                    for name, options in fields
                ]
                context["adminform"] = AdminForm(form, present, {}, model_admin=self)  # type: ignore[arg-type]  # the stubs want a ModelForm
                return render(request, "console/verb.html", context)
        except Forbidden as refusal:
            context |= {"title": _("Not allowed"), "sentence": str(refusal)}
            return render(request, "console/forbidden.html", context, status=403)

    def _repeated(self, request: HttpRequest, first: Submission, original: models.Model | None) -> HttpResponse:
        messages.info(request, TWICE)
        if first.incident:
            return redirect("room", first.incident.public_id)
        site = f"admin:{self.opts.app_label}_{self.opts.model_name}"
        return redirect(f"{site}_change", original.pk) if original else redirect(f"{site}_changelist")

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """What happened to a row, newest first."""
        obj = self.get_object(request, unquote(object_id))
        if not hasattr(obj, "history"):  # or what is written once and never changed
            raise Http404
        if not self.has_view_or_change_permission(request, obj):
            raise PermissionDenied
        with timezone.override(zone_of(obj)):
            entries = self.history_of(obj)
            return self.show(request, "history", _("History"), original=obj, subtitle=str(obj), entries=entries)

    def history_of(self, obj: Any) -> Sequence[changes.Entry]:
        return changes.of_row(obj)


def zone_of(obj: Any) -> ZoneInfo | None:
    """The time zone in which staff read and enter an object's times; None for the server's."""
    page = obj if isinstance(obj, Page) else getattr(obj, "page", None)
    return page.zone if page else None


def rendered(response: HttpResponse) -> HttpResponse:
    """With its template rendered now, while the time zone holds."""
    return response.render() if isinstance(response, TemplateResponse) else response
