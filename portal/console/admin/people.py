from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.forms import UsernameField
from django.contrib.auth.models import Group
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from incidents.history.changes import format_time
from incidents.models import ApiKey, Page, User
from incidents.people import (
    create_key,
    create_staff,
    edit_staff,
    note_link,
    remove_second_factor,
    revoke_key,
    unlink_provider,
)
from incidents.permissions import STAFF_ROLES, Scope, Verb, allows
from portal.accounts import notices
from portal.accounts.notices import ask_again
from portal.console.admin.base import RecordAdmin, RecordForm
from portal.console.forms.fields import InstantField, one_line
from portal.console.forms.verb import REASON_LENGTH, VerbForm
from portal.console.requests import acting, sent

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise

    from portal.console.forms.verb import Data


def _ask_again(request: HttpRequest, verb: Verb) -> None:
    """Who is at the screen; whoever may not do this is refused."""
    if allows(acting(request), verb):
        ask_again(request)


class AccountForm(RecordForm):
    class Meta:
        field_classes = {"username": UsernameField}


class SecondFactorRemovalForm(VerbForm):
    verb = Verb.MANAGE_STAFF
    heading = gettext_lazy("Take away the second factor")

    reason = one_line(
        gettext_lazy("Reason"),
        most=REASON_LENGTH,
        help_text=gettext_lazy(
            "Make sure that it is they who ask. With the password alone they can then sign in and set up a new one."
        ),
    )

    def __init__(self, author: User, user: User, data: Data = None) -> None:
        super().__init__(author, data)
        self.user = user

    def act(self) -> None:
        remove_second_factor(self.user, author=self.author, **self.cleaned_data)


class ProviderForm(VerbForm):
    verb = Verb.MANAGE_STAFF
    heading = gettext_lazy("Remove the link to the identity provider")

    reason = one_line(
        gettext_lazy("Reason"),
        most=REASON_LENGTH,
        help_text=gettext_lazy("Whoever signs in there next with this account's e-mail address is linked to it."),
    )

    def __init__(self, author: User, user: User, data: Data = None) -> None:
        super().__init__(author, data)
        self.user = user

    def act(self) -> None:
        unlink_provider(self.user, author=self.author, **self.cleaned_data)


class LinkForm(VerbForm):
    verb = Verb.MANAGE_STAFF
    heading = gettext_lazy("Send a link to set a password")

    def __init__(self, author: User, user: User, data: Data = None) -> None:
        super().__init__(author, data)
        self.user = user

    def act(self) -> None:
        note_link(self.user, author=self.author)


@admin.register(User)
class StaffAdmin(RecordAdmin):
    """Accounts of staff. Their password, second factor and sessions are theirs; those of programs are read-only.

    An administrator sets nobody's password: its owner sets it, by a link in a mail. To an address that an administrator
    has changed another one sends it, so that nobody becomes somebody else alone. Who makes a new account for nobody can
    be two people; the history says whose account made it.
    """

    verb = Verb.MANAGE_STAFF
    form = AccountForm
    list_display = ("username", "first_name", "last_name", "email", "is_active", "is_service", "last_login")
    list_filter = ("is_active", "is_service", "is_superuser", "groups")
    search_fields = ("username", "first_name", "last_name", "email")
    ordering = ("username",)
    readonly_fields = ("is_service", "last_login", "date_joined", "keys")
    new_fields = ("username", "first_name", "last_name", "email", "groups")
    fieldsets = (
        (None, {"fields": ("username",)}),
        (gettext_lazy("Person"), {"fields": ("first_name", "last_name", "email")}),
        (gettext_lazy("Rights"), {"fields": ("is_active", "is_staff", "is_superuser", "groups", "keys")}),
        (gettext_lazy("Times"), {"fields": ("last_login", "date_joined")}),
    )

    def has_module_permission(self, request: HttpRequest) -> bool:
        return request.user.is_authenticated and allows(acting(request), Verb.MANAGE_STAFF)

    def has_view_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return allows(acting(request), Verb.MANAGE_STAFF)

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        author = acting(request)
        is_beyond = obj is not None and (obj.is_service or (obj.is_superuser and not author.is_superuser))
        return allows(author, Verb.MANAGE_STAFF) and not is_beyond

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Their name stands in the history: whoever leaves is made inactive."""
        return False

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        return super().get_fieldsets(request, obj) if obj else [(None, {"fields": self.new_fields})]

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        fields = super().get_readonly_fields(request, obj)
        return fields if acting(request).is_superuser else (*fields, "is_superuser")

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "groups":  # those of programs are not for people
            kwargs["queryset"] = Group.objects.filter(name__in=STAFF_ROLES).order_by("name")
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    @admin.display(description=gettext_lazy("API keys made"))
    def keys(self, user: User) -> str:
        names = ", ".join(user.keys_made.filter(revoked_at=None).order_by("name").values_list("name", flat=True))
        said = _("%(names)s. They stop for good when this account is made inactive: have others make new ones first.")
        return said % {"names": names} if names else _("none")

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        _ask_again(request, self.verb)
        return super().changeform_view(request, *args, **kwargs)

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        """The mail to its owner waits until it is saved."""
        before = form.initial.get("email", "")
        if change:
            edit_staff(obj, author=acting(request), **form.facts())
        else:
            obj.pk = (user := create_staff(author=acting(request), **form.facts())).pk
            transaction.on_commit(partial(notices.send_link, request, user))
            messages.info(request, _("A link to set a password is on its way to %(address)s.") % {"address": obj.email})
        if obj.address_changed_by == acting(request) and before != obj.email:
            messages.warning(
                request, _("The new address opens nothing until another administrator sends a link there.")
            )
        if change and before != obj.email:
            transaction.on_commit(partial(notices.tell_of_address, request, obj, before))

    def get_urls(self) -> list[URLPattern]:
        views = {"second-factor": self.second_factor_view, "provider": self.provider_view, "link": self.link_view}
        own = [
            path(f"<int:pk>/{name}/", self.admin_site.admin_view(view), name=f"incidents_user_{name}")
            for name, view in views.items()
        ]
        return [*own, *super().get_urls()]

    def tools(self, user: User, obj: User) -> list[tuple[str, StrPromise]]:
        if obj.is_service or (obj.is_superuser and not user.is_superuser):
            return []
        offered = {
            "link": (obj.is_active and obj.email, LinkForm.heading),
            "second-factor": (obj.authenticator_set.exists(), SecondFactorRemovalForm.heading),
            "provider": (obj.socialaccount_set.exists(), ProviderForm.heading),
        }
        return [
            (reverse(f"admin:incidents_user_{name}", args=[obj.pk]), heading)
            for name, (is_there, heading) in offered.items()
            if is_there
        ]

    def second_factor_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        said = _("“%(name)s” signs in with the password, and sets up a new one.")
        return self._on_account(request, pk, SecondFactorRemovalForm, said, notices.tell_of_second_factor)

    def provider_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        said = _("“%(name)s” is linked anew by the next sign-in at the identity provider.")
        return self._on_account(request, pk, ProviderForm, said, notices.tell_of_provider)

    def link_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        said = _("A link to set a password is on its way to the address of “%(name)s”.")
        return self._on_account(request, pk, LinkForm, said, notices.send_link)

    def _on_account(
        self,
        request: HttpRequest,
        pk: int,
        make: Callable[[User, User, Data], VerbForm],
        said: str,
        tell: Callable[[HttpRequest, User], None],
    ) -> HttpResponse:
        _ask_again(request, self.verb)
        user = get_object_or_404(User, pk=pk)
        form = make(acting(request), user, sent(request))

        def done() -> HttpResponse:
            tell(request, user)
            messages.success(request, said % {"name": user})
            return redirect("admin:incidents_user_change", pk)

        return self.answer(request, form, original=user, done=done)


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
    expires_at = InstantField(
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
    list_display = ("name", "scope", "page", "ending", "made_by", "created", "used", "expires", "revoked")
    list_filter = (("revoked_at", admin.EmptyFieldListFilter), "page")
    list_select_related = ("page", "use", "made_by")
    list_display_links = None
    search_fields = ("name",)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # it opens what it was made for, until it is revoked

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
        return format_time(key.created_at)

    @admin.display(description=gettext_lazy("last used"), ordering="use__used_at")
    def used(self, key: ApiKey) -> str:
        return format_time(key.use.used_at) if key.use.used_at else _("never")

    @admin.display(description=gettext_lazy("expires"), ordering="expires_at")
    def expires(self, key: ApiKey) -> str:
        return format_time(key.expires_at) if key.expires_at else _("never")

    @admin.display(description=gettext_lazy("revoked"), ordering="revoked_at")
    def revoked(self, key: ApiKey) -> str:
        if key.revoked_at:
            return format_time(key.revoked_at)
        return format_html('<a href="{}">{}</a>', reverse("admin:incidents_apikey_revoke", args=[key.pk]), _("Revoke"))

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        _ask_again(request, self.verb)
        form = KeyForm(acting(request), sent(request))
        return self.answer(request, form, done=lambda: self._show(request, form))

    def _show(self, request: HttpRequest, form: KeyForm) -> HttpResponse:
        title = _("API key “%(name)s”") % {"name": form.cleaned_data["name"]}
        help_text = _("Copy it now: it is not shown again.")
        return self.show_once(request, title, form.key, label=_("Key"), help_text=help_text)

    def revoke_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        key = get_object_or_404(ApiKey, pk=pk)
        form = RevocationForm(acting(request), key, sent(request))

        def done() -> HttpResponse:
            messages.success(request, _("The key “%(name)s” opens nothing any more.") % {"name": key})
            return redirect("admin:incidents_apikey_changelist")

        return self.answer(request, form, original=key, done=done)
