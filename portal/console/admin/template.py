"""Templates of updates."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from incidents.models import Component, IncidentTemplate
from incidents.permissions import Verb
from incidents.templates import delete_template, save_template
from portal.console.admin.base import Deleted, RecordAdmin, RecordForm
from portal.console.requests import acting


class TemplateForm(RecordForm):
    components = forms.ModelMultipleChoiceField(
        Component.objects.live().select_related("group"),
        label=_("components"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=_("Which an update from this template names."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.fields["components"].initial = self.instance.components()


@admin.register(IncidentTemplate)
class IncidentTemplateAdmin(RecordAdmin):
    verb = Verb.EDIT_CATALOGUE
    form = TemplateForm
    fields = ("page", "name", "update_status", "title", "body", "components", "deliver_notifications")
    list_display = ("name", "update_status", "page")
    list_filter = ("page", "update_status", Deleted)
    list_select_related = ("page",)
    search_fields = ("name", "title", "body")

    def save_model(self, request: HttpRequest, obj: IncidentTemplate, form: Any, change: bool) -> None:
        save_template(obj, components=form.cleaned_data["components"], author=acting(request))

    def delete_model(self, request: HttpRequest, obj: IncidentTemplate) -> None:
        delete_template(obj, author=acting(request))

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Only the row itself, which stays in the record."""
        return [str(obj) for obj in objs], {self.opts.verbose_name_plural: len(objs)}, set(), []
