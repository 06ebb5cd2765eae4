"""Templates of updates."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from incidents import templates
from incidents.models import Component, IncidentTemplate
from portal.console.admin.base import Deleted, RecordForm
from portal.console.admin.catalogue import CatalogueAdmin


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
class IncidentTemplateAdmin(CatalogueAdmin):
    services = (templates.create_template, templates.edit_template, templates.delete_template)
    form = TemplateForm
    fields = ("page", "name", "update_status", "title", "body", "components", "deliver_notifications")
    list_display = ("name", "update_status", "page")
    list_filter = ("page", "update_status", Deleted)
    list_select_related = ("page",)
    search_fields = ("name", "title", "body")
