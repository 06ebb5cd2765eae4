from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import Group
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from incidents.admin import history
from incidents.admin.base import RecordAdmin, acting, sent
from incidents.admin.history import moment
from incidents.forms.verb import MomentField, VerbForm, one_line
from incidents.models import ApiKey, Page, User
from incidents.people import create_key, revoke_key, save_staff
from incidents.permissions import STAFF_ROLES, Scope, Verb, allows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from incidents.forms.verb import Data


@admin.register(User)
class StaffAdmin(UserAdmin):  # type: ignore[type-arg]  # not generic at run time
    """Accounts of staff. Their second factor and sessions are theirs; an administrator may take the factor away."""

    list_display = ("username", "first_name", "last_name", "email", "is_active", "is_service", "last_login")
    list_filter = ("is_active", "is_service", "is_superuser", "groups")
    readonly_fields = ("is_service", "last_login", "date_joined")
    filter_horizontal = ()
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        (gettext_lazy("Person"), {"fields": ("first_name", "last_name", "email")}),
        (gettext_lazy("Rights"), {"fields": ("is_active", "is_staff", "is_superuser", "groups")}),
        (gettext_lazy("Times"), {"fields": ("last_login", "date_joined")}),
    )

    def has_module_permission(self, request: HttpRequest) -> bool:
        return request.user.is_authenticated and allows(acting(request), Verb.MANAGE_STAFF)

    def has_view_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return allows(acting(request), Verb.MANAGE_STAFF)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return allows(acting(request), Verb.MANAGE_STAFF)

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        author = acting(request)
        return allows(author, Verb.MANAGE_STAFF) and (author.is_superuser or not (obj and obj.is_superuser))

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Their name stands in the history: whoever leaves is made inactive."""
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        fields = super().get_readonly_fields(request, obj)
        return fields if acting(request).is_superuser else (*fields, "is_superuser")

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "groups":  # those of programs are not for people
            kwargs["queryset"] = Group.objects.filter(name__in=STAFF_ROLES).order_by("name")
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        if not change:
            obj.is_staff = True
        roles = form.cleaned_data.get("groups", obj.groups.all() if obj.pk else ())
        save_staff(obj, roles=roles, author=acting(request))

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return RecordAdmin.history_view(self, request, object_id, extra_context)  # type: ignore[arg-type]  # it needs no more of a RecordAdmin

    def history_of(self, obj: User) -> Sequence[history.Entry]:
        return history.of_row(obj)


class KeyForm(VerbForm):
    """A new key for a program; `key` is there once it was made, and never again."""

    verb = Verb.EDIT_CATALOGUE
    heading = gettext_lazy("Create API key")

    name = one_line(gettext_lazy("Name"), most=100, help_text=gettext_lazy("Of the program that will use it."))
    scopes = forms.MultipleChoiceField(
        label=gettext_lazy("Scopes"),
        choices=Scope.choices,
        initial=[Scope.READ],
        widget=forms.CheckboxSelectMultiple,
        help_text=gettext_lazy("What the key opens. Choose no more than the program needs."),
    )
    page = forms.ModelChoiceField(
        Page.objects.live(), label=gettext_lazy("Page"), required=False, empty_label=gettext_lazy("Every page")
    )
    expires_at = MomentField(
        label=gettext_lazy("Expires"), required=False, help_text=gettext_lazy("Empty: not until it is revoked.")
    )

    key: str

    def act(self) -> None:
        facts = {**self.cleaned_data, "scopes": [Scope(each) for each in self.cleaned_data["scopes"]]}
        self.key, _row = create_key(author=self.author, **facts)


class RevocationForm(VerbForm):
    verb = Verb.EDIT_CATALOGUE
    heading = gettext_lazy("Revoke API key")

    def __init__(self, author: User, key: ApiKey, data: Data = None) -> None:
        super().__init__(author, data)
        self.key = key

    def act(self) -> None:
        revoke_key(self.key, author=self.author)


@admin.register(ApiKey)
class ApiKeyAdmin(RecordAdmin):
    verb = Verb.EDIT_CATALOGUE
    list_display = ("name", "scope", "page", "ending", "created", "used", "expires", "revoked")
    list_filter = (("revoked_at", admin.EmptyFieldListFilter), "page")
    list_select_related = ("page", "use")
    list_display_links = None
    search_fields = ("name",)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_urls(self) -> list[URLPattern]:
        revoke = self.admin_site.admin_view(self.revoke_view)
        return [path("<int:pk>/revoke/", revoke, name="incidents_apikey_revoke"), *super().get_urls()]

    @admin.display(description=gettext_lazy("ends with"))
    def ending(self, key: ApiKey) -> str:
        return f"…{key.last_four}"

    @admin.display(description=gettext_lazy("created"), ordering="created_at")
    def created(self, key: ApiKey) -> str:
        return moment(key.created_at)

    @admin.display(description=gettext_lazy("last used"), ordering="use__used_at")
    def used(self, key: ApiKey) -> str:
        return moment(key.use.used_at) if key.use.used_at else _("never")

    @admin.display(description=gettext_lazy("expires"), ordering="expires_at")
    def expires(self, key: ApiKey) -> str:
        return moment(key.expires_at) if key.expires_at else _("never")

    @admin.display(description=gettext_lazy("revoked"), ordering="revoked_at")
    def revoked(self, key: ApiKey) -> str:
        if key.revoked_at:
            return moment(key.revoked_at)
        return format_html('<a href="{}">{}</a>', reverse("admin:incidents_apikey_revoke", args=[key.pk]), _("Revoke"))

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        form = KeyForm(acting(request), sent(request))
        return self.answer(request, form, done=lambda: self._show(request, form))

    def _show(self, request: HttpRequest, form: KeyForm) -> HttpResponse:
        """The only page that ever shows the key."""
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("API key “%(name)s”") % {"name": form.cleaned_data["name"]},
            "key": form.key,
        }
        return render(request, "admin/incidents/key.html", context)

    def revoke_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        key = get_object_or_404(ApiKey, pk=pk)
        form = RevocationForm(acting(request), key, sent(request))

        def done() -> HttpResponse:
            messages.success(request, _("The key “%(name)s” opens nothing any more.") % {"name": key})
            return redirect("admin:incidents_apikey_changelist")

        return self.answer(request, form, original=key, done=done)
