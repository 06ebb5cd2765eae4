from __future__ import annotations

from typing import Any

from rest_framework import serializers

from incidents.lifecycle import ComponentStatus
from portal.api.serializers.base import Always, Ids, Input, Timestamp, enveloped


class ComponentInput(Input):
    name = serializers.CharField(required=False, max_length=100)
    description = serializers.CharField(required=False, allow_null=True, allow_blank=True, max_length=500)
    status = serializers.ChoiceField(ComponentStatus.choices, required=False, allow_blank=True)
    group_id = serializers.CharField(
        required=False, allow_null=True, allow_blank=True, max_length=40, help_text="Null takes it out of its group."
    )
    only_show_if_degraded = serializers.BooleanField(required=False)
    showcase = serializers.BooleanField(required=False, help_text="Whether its uptime is shown.")
    start_date = serializers.DateField(required=False, allow_null=True, help_text="Uptime counts from this day.")


class NewComponentInput(ComponentInput):
    name = serializers.CharField(max_length=100)


ComponentRequest = enveloped("component", ComponentInput, title="ComponentRequest")
NewComponentRequest = enveloped("component", NewComponentInput, title="NewComponentRequest")


class ComponentAnswer(serializers.Serializer[Any]):
    id = serializers.CharField()
    page_id = serializers.CharField()
    group_id = serializers.CharField(allow_null=True)
    created_at = Timestamp()
    updated_at = Timestamp()
    group = Always(False)
    name = serializers.CharField()
    description = serializers.CharField(allow_null=True)
    position = serializers.IntegerField()
    status = serializers.ChoiceField(ComponentStatus.choices)
    showcase = serializers.BooleanField()
    only_show_if_degraded = serializers.BooleanField()
    automation_email = Always(None)
    start_date = serializers.DateField(allow_null=True)


class GroupInput(Input):
    name = serializers.CharField(required=False, max_length=100)
    description = serializers.CharField(required=False, allow_null=True, allow_blank=True, max_length=500)
    components = Ids(required=False, help_text="All that belong to it, in their order.")


class NewGroupInput(GroupInput):
    name = serializers.CharField(max_length=100)
    components = Ids(min_length=1)


class GroupRequest(Input):
    description = serializers.CharField(
        required=False, allow_null=True, allow_blank=True, max_length=500, help_text="Statuspage has it here."
    )
    component_group = GroupInput()


class NewGroupRequest(GroupRequest):
    component_group = NewGroupInput()


class GroupAnswer(serializers.Serializer[Any]):
    id = serializers.CharField()
    page_id = serializers.CharField()
    name = serializers.CharField()
    description = serializers.CharField(allow_null=True)
    components = serializers.ListField(child=serializers.CharField(), source="component_ids")
    position = serializers.IntegerField()
    created_at = Timestamp()
    updated_at = Timestamp()


class UptimeQuery(Input):
    start = serializers.CharField(required=False, max_length=40, help_text="As 2026-03-10.")
    end = serializers.CharField(required=False, max_length=40, help_text="As 2026-06-09; today, if left out.")
    skip_related_events = serializers.BooleanField(required=False, default=False)


class RelatedEventsAnswer(serializers.Serializer[Any]):
    id = serializers.CharField(allow_null=True, help_text="The newest incident that touched it.")
    ids = serializers.ListField(child=serializers.CharField(), help_text="All of them, newest first.")


class UptimeAnswer(serializers.Serializer[Any]):
    range_start = Timestamp()
    range_end = Timestamp()
    uptime_percentage = serializers.FloatField(allow_null=True)
    major_outage = serializers.IntegerField(help_text="Seconds.")
    partial_outage = serializers.IntegerField(help_text="Seconds.")
    warnings = serializers.CharField(allow_null=True)
    id = serializers.CharField()
    name = serializers.CharField()
    related_events = RelatedEventsAnswer(allow_null=True)
