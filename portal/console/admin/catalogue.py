"""Pages and what is on them."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from incidents import catalogue, metrics
from incidents.history import changes as history
from incidents.models import Component, ComponentGroup, ComponentListing, EmbedConfig, Metric, Page, User
from incidents.models.page import LOGO_SIZE, validate_logo
from incidents.permissions import Verb, allows
from portal.console.admin.base import Deleted, RecordAdmin, RecordForm
from portal.console.bars import uptime_bars
from portal.console.forms.components import StatusForm
from portal.console.forms.deletion import CatalogueDeletionForm
from portal.console.requests import acting, sent

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise


SHOWN_CHANGES = 30  # of a component; the history has them all


class CatalogueAdmin(RecordAdmin):
    """Rows that three services create, edit and delete. What is `fixed` is chosen once, when a row is created."""

    verb = Verb.EDIT_CATALOGUE
    services: ClassVar[tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any]]]
    fixed: ClassVar[tuple[str, ...]] = ()
    list_filter: ClassVar[tuple[Any, ...]] = ("page", Deleted)
    list_select_related: ClassVar[tuple[str, ...]] = ("page",)
    search_fields: ClassVar[tuple[str, ...]] = ("name", "public_id")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.fixed if obj else ()

    def parents(self, request: HttpRequest) -> list[Any]:
        chosen = {Page: request.POST.get("page", ""), ComponentGroup: request.POST.get("group", "")}
        return [row for model, key in chosen.items() if key.isdecimal() for row in model._base_manager.filter(pk=key)]

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        create, edit, _delete = self.services
        if change:
            edit(obj, author=acting(request), **form.facts())
        else:
            obj.pk = create(author=acting(request), **form.facts()).pk

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        row = self.get_object(request, unquote(object_id))
        if row is None:
            raise Http404
        if not self.has_delete_permission(request, row):
            raise PermissionDenied
        form = CatalogueDeletionForm(acting(request), row, self.services[2], sent(request))

        def done() -> HttpResponse:
            messages.success(request, form.done)
            return redirect(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist")

        return self.answer(request, form, original=row, done=done)


class PageForm(RecordForm):
    image = forms.FileField(
        label=gettext_lazy("Logo"), required=False, help_text=gettext_lazy("A PNG or SVG image of up to 64 KB.")
    )
    without_logo = forms.BooleanField(label=gettext_lazy("Remove the logo"), required=False)

    def clean_image(self) -> str:
        """The image as a page keeps it; "" when none was chosen."""
        file = self.cleaned_data["image"]
        if not file:
            return ""
        content: bytes = file.read(LOGO_SIZE + 1)
        kind = "png" if content.startswith(b"\x89PNG\r\n") else "svg+xml" if b"<svg" in content[:1000] else "unknown"
        url = f"data:image/{kind};base64,{b64encode(content).decode()}"
        validate_logo(url)
        return url

    def facts(self) -> dict[str, Any]:
        facts = super().facts()
        image, is_removed = facts.pop("image", ""), facts.pop("without_logo", False)
        return {**facts, "logo": image} if image or is_removed else facts


@admin.register(Page)
class PageAdmin(CatalogueAdmin):
    services = (catalogue.create_page, catalogue.edit_page, catalogue.delete_page)
    form = PageForm
    list_display = ("name", "url", "time_zone", "language", "is_live")
    list_filter = ("is_live", Deleted)
    list_select_related = ()
    exclude = ("logo",)  # the form takes it as a file

    def tools(self, user: User, obj: Page) -> list[tuple[str, StrPromise]]:
        return [(reverse("page_preview", args=[obj.public_id, ""]), gettext_lazy("Preview"))]

    def view_on_site(self, page: Page) -> str | None:
        return page.url if page.is_live else None


@admin.register(ComponentGroup)
class ComponentGroupAdmin(CatalogueAdmin):
    services = (catalogue.create_group, catalogue.edit_group, catalogue.delete_group)
    fixed = ("page",)
    list_display = ("name", "page", "position")


@admin.register(ComponentListing)
class ComponentListingAdmin(CatalogueAdmin):
    services = (catalogue.list_component, catalogue.edit_listing, catalogue.delete_listing)
    fixed = ("component",)
    list_display = ("component", "page", "position")
    list_select_related = ("page", "component__group")
    search_fields = ("component__name",)


@admin.register(EmbedConfig)
class EmbedConfigAdmin(CatalogueAdmin):
    fixed = ("page",)
    list_display = ("page", "position", "incident_background", "maintenance_background")
    list_filter = ()
    search_fields = ("page__name",)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A page always has one."""
        return False

    def save_model(self, request: HttpRequest, obj: EmbedConfig, form: Any, change: bool) -> None:
        obj.pk = catalogue.edit_embed(author=acting(request), **{"page": obj.page, **form.facts()}).pk


@admin.register(Metric)
class MetricAdmin(CatalogueAdmin):
    services = (metrics.create_metric, metrics.edit_metric, metrics.delete_metric)
    fixed = ("page",)
    list_display = ("name", "page", "suffix", "is_shown", "newest")
    list_select_related = ("page", "feed")

    @admin.display(description=gettext_lazy("newest value from"), ordering="feed__newest_at")
    def newest(self, metric: Metric) -> str:
        return history.format_time(metric.feed.newest_at) if metric.feed.newest_at else _("never")


@admin.register(Component)
class ComponentAdmin(CatalogueAdmin):
    services = (catalogue.create_component, catalogue.edit_component, catalogue.delete_component)
    list_display = ("name", "group", "page", "status", "owner", "visibility", "position", "setting")
    list_filter = ("page", "visibility", Deleted)
    list_select_related = ("page", "group")

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Component]:
        return Component.objects.with_status().with_maintenance()

    def get_urls(self) -> list[URLPattern]:
        status = self.admin_site.admin_view(self.status_view)
        return [path("<int:pk>/status/", status, name="incidents_component_status"), *super().get_urls()]

    @admin.display(description=gettext_lazy("status"), ordering="current")
    def status(self, component: Component) -> str:
        return format_html('<span class="badge {}">{}</span>', component.shown, component.shown.label)

    @admin.display(description=gettext_lazy("by hand"))
    def setting(self, component: Component) -> str:
        address = reverse("admin:incidents_component_status", args=[component.pk])
        return format_html('<a href="{}">{}</a>', address, StatusForm.heading)

    def tools(self, user: User, obj: Component) -> list[tuple[str, StrPromise]]:
        if obj.deleted_at or not allows(user, StatusForm.verb):
            return []
        return [(reverse("admin:incidents_component_status", args=[obj.pk]), StatusForm.heading)]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """With its last days above the form: as bars, and what happened to it, and why."""
        context = extra_context or {}
        if component := self.get_object(request, unquote(object_id)):
            changes = component.status_changes.standing().exclude(status=models.F("old_status")).newest_first()
            with timezone.override(component.page.zone):
                context |= {
                    "bars": uptime_bars(component),
                    "changes": changes.select_related("author", "update__incident")[:SHOWN_CHANGES],
                }
        return super().change_view(request, object_id, form_url, context)

    def history_of(self, obj: Component) -> Sequence[history.Entry]:
        return history.of_component(obj)

    def status_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        component = get_object_or_404(Component.objects.filter(deleted_at=None).select_related("page", "group"), pk=pk)
        form = StatusForm(acting(request), component, sent(request))

        def done() -> HttpResponse:
            messages.success(
                request,
                _("%(component)s: %(status)s.") % {"component": component, "status": form.cleaned_data["status"].label},
            )
            return redirect("admin:incidents_component_changelist")

        return self.answer(request, form, original=component, done=done)
