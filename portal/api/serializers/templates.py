from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from rest_framework import serializers

from incidents.lifecycle import IncidentStatus
from incidents.models import EmbedConfig
from portal.api.serializers.base import Always, Ids, Input, enveloped
from portal.api.serializers.components import ComponentAnswer


class TemplateInput(Input):
    name = serializers.CharField(max_length=100, help_text="For the list that staff choose from.")
    title = serializers.CharField(max_length=255)
    body = serializers.CharField(help_text="Markdown; places to fill in are {components}, {next_update} ...")
    group_id = serializers.CharField(required=False, allow_blank=True, help_text="Templates have no groups here.")
    update_status = serializers.ChoiceField(IncidentStatus.choices, required=False, allow_blank=True)
    should_tweet = serializers.BooleanField(required=False)
    should_send_notifications = serializers.BooleanField(required=False)
    component_ids = Ids(required=False)

    def validate(self, given: dict[str, Any]) -> dict[str, Any]:
        for name in ("group_id", "should_tweet"):
            if given.get(name):
                raise serializers.ValidationError({name: _("There is no such thing here. Leave it out.")})
        return given


TemplateRequest = enveloped("template", TemplateInput, title="TemplateRequest")


class TemplateAnswer(serializers.Serializer[Any]):
    """Of a row; needs `components` (what templates name, by their primary key) in its context."""

    id = serializers.CharField(source="public_id")
    components = serializers.SerializerMethodField()
    name = serializers.CharField()
    title = serializers.CharField()
    body = serializers.CharField()
    group_id = Always(None)
    update_status = serializers.SerializerMethodField()
    should_tweet = Always(False)
    should_send_notifications = serializers.BooleanField(source="deliver_notifications")

    def get_components(self, template: Any) -> list[dict[str, Any]]:
        return [ComponentAnswer(component).data for component in self.context["components"][template.pk]]

    def get_update_status(self, template: Any) -> str | None:
        return template.update_status or None


class EmbedConfigInput(Input):
    position = serializers.ChoiceField(EmbedConfig.Position.choices, required=False)
    incident_background_color = serializers.CharField(required=False, max_length=7, help_text="As #8f1d1d.")
    incident_text_color = serializers.CharField(required=False, max_length=7)
    maintenance_background_color = serializers.CharField(required=False, max_length=7)
    maintenance_text_color = serializers.CharField(required=False, max_length=7)


EmbedConfigRequest = enveloped("status_embed_config", EmbedConfigInput, title="EmbedConfigRequest")
COLOURS = {
    "incident_background_color": "incident_background",
    "incident_text_color": "incident_text",
    "maintenance_background_color": "maintenance_background",
    "maintenance_text_color": "maintenance_text",
}


class EmbedConfigAnswer(serializers.Serializer[Any]):
    page_id = serializers.CharField(source="page.public_id")
    position = serializers.CharField()
    incident_background_color = serializers.CharField(source="incident_background")
    incident_text_color = serializers.CharField(source="incident_text")
    maintenance_background_color = serializers.CharField(source="maintenance_background")
    maintenance_text_color = serializers.CharField(source="maintenance_text")
