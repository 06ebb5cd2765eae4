"""Pages and what is on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin, messages
from django.contrib.admin.utils import model_ngettext
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from incidents import catalogue, metrics
from incidents.admin import history
from incidents.admin.base import Deleted, RecordAdmin, acting, sent
from incidents.forms.components import StatusForm
from incidents.models import Component, ComponentGroup, ComponentListing, EmbedConfig, Metric, Page, User
from incidents.permissions import Verb, allows

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise


class CatalogueAdmin(RecordAdmin):
    verb = Verb.EDIT_CATALOGUE
    list_filter: ClassVar[tuple[Any, ...]] = ("page", Deleted)
    list_select_related: ClassVar[tuple[str, ...]] = ("page",)
    search_fields: ClassVar[tuple[str, ...]] = ("name", "public_id")

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        catalogue.save(obj, author=acting(request))

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        catalogue.delete(obj, author=acting(request))

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Only the row itself, which stays in the record."""
        return [str(obj) for obj in objs], {model_ngettext(self.opts, len(objs)): len(objs)}, set(), []


@admin.register(Page)
class PageAdmin(CatalogueAdmin):
    list_display = ("name", "url", "time_zone", "language")
    list_filter = (Deleted,)
    list_select_related = ()

    def view_on_site(self, page: Page) -> str:
        return page.url


@admin.register(ComponentGroup)
class ComponentGroupAdmin(CatalogueAdmin):
    list_display = ("name", "page", "position")


@admin.register(ComponentListing)
class ComponentListingAdmin(CatalogueAdmin):
    list_display = ("component", "page", "position")
    list_select_related = ("page", "component__group")
    search_fields = ("component__name",)


@admin.register(EmbedConfig)
class EmbedConfigAdmin(CatalogueAdmin):
    list_display = ("page", "position", "incident_background", "maintenance_background")
    list_filter = ()
    search_fields = ("page__name",)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A page always has a look."""
        return False


@admin.register(Metric)
class MetricAdmin(CatalogueAdmin):
    list_display = ("name", "page", "suffix", "is_shown", "newest")
    list_select_related = ("page", "feed")

    @admin.display(description=gettext_lazy("newest value from"), ordering="feed__newest_at")
    def newest(self, metric: Metric) -> str:
        return history.moment(metric.feed.newest_at) if metric.feed.newest_at else _("never")

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        metrics.save_metric(obj, author=acting(request))

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        metrics.delete_metric(obj, author=acting(request))


@admin.register(Component)
class ComponentAdmin(CatalogueAdmin):
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

    def history_of(self, obj: Component) -> Sequence[history.Entry]:
        return history.of_component(obj)

    def status_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        component = get_object_or_404(Component.objects.live().select_related("page", "group"), pk=pk)
        form = StatusForm(acting(request), component, sent(request))

        def done() -> HttpResponse:
            messages.success(
                request,
                _("%(component)s: %(status)s.") % {"component": component, "status": form.cleaned_data["status"].label},
            )
            return redirect("admin:incidents_component_changelist")

        return self.answer(request, form, original=component, done=done)
