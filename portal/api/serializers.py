"""The words of the manage API: what a request may say, and an incident and a component as Statuspage returns them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from incidents.lifecycle import ComponentStatus, Impact, IncidentStatus
from status.snapshot import Incident

REFUSED = (
    *("backfilled", "backfill_date", "metadata", "reminder_intervals", "scheduled_remind_prior"),
    *("scheduled_auto_in_progress", "scheduled_auto_completed", "scheduled_auto_transition"),
    *("auto_transition_to_maintenance_state", "auto_transition_to_operational_state"),
)
"""What Statuspage would do and this API does not: refused, because to accept it and not do it would be a lie."""
NOT_ASKED_FOR: tuple[object, ...] = (None, False, "", "false", "f", "0", {})


# --- What a request says ----------------------------------------------------------------------------------------------
class IncidentInput(serializers.Serializer[Any]):
    name = serializers.CharField(required=False, help_text="At most 255 characters.")
    status = serializers.ChoiceField(IncidentStatus.choices, required=False)
    body = serializers.CharField(
        required=False, allow_blank=True, help_text="Markdown. Without it, the usual sentence of the status is posted."
    )
    message = serializers.CharField(required=False, allow_blank=True, help_text="The old name of `body`.")
    impact_override = serializers.ChoiceField(Impact.choices, required=False, allow_null=True, allow_blank=True)
    components = serializers.DictField(
        child=serializers.ChoiceField(ComponentStatus.choices, allow_blank=True),
        required=False,
        help_text="Component id to status. Written together with an update.",
    )
    component_ids = serializers.ListField(
        child=serializers.CharField(), required=False, help_text="Components to name without changing them."
    )
    scheduled_for = serializers.DateTimeField(required=False, allow_null=True, help_text="Makes it a maintenance.")
    scheduled_until = serializers.DateTimeField(required=False, allow_null=True)
    deliver_notifications = serializers.BooleanField(required=False, help_text="True if left out.")

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        refused = [name for name in REFUSED if isinstance(data, dict) and data.get(name) not in NOT_ASKED_FOR]
        if refused:
            raise serializers.ValidationError(
                {name: _("This cannot be set through this API. Leave it out.") for name in refused}
            )
        values: dict[str, Any] = super().to_internal_value(data)
        return values


class NewIncidentInput(IncidentInput):
    name = serializers.CharField(help_text="At most 255 characters.")


class NewIncidentRequest(serializers.Serializer[Any]):
    incident = NewIncidentInput()


class IncidentRequest(serializers.Serializer[Any]):
    incident = IncidentInput()


class IncidentUpdateInput(serializers.Serializer[Any]):
    body = serializers.CharField(help_text="The corrected text. Readers see that it was edited; the old one is kept.")


class IncidentUpdateRequest(serializers.Serializer[Any]):
    incident_update = IncidentUpdateInput()


class ComponentInput(serializers.Serializer[Any]):
    status = serializers.ChoiceField(ComponentStatus.choices)


class ComponentRequest(serializers.Serializer[Any]):
    component = ComponentInput()


class IncidentQuery(serializers.Serializer[Any]):
    q = serializers.CharField(required=False, help_text="Only incidents with this text in their name or updates.")
    limit = serializers.IntegerField(min_value=1, max_value=100, default=100)
    page = serializers.IntegerField(min_value=1, max_value=1_000_000, default=1)


class ComponentQuery(serializers.Serializer[Any]):
    per_page = serializers.IntegerField(min_value=1, max_value=100, default=100)
    page = serializers.IntegerField(min_value=1, max_value=1_000_000, default=1)


# --- What an answer says ----------------------------------------------------------------------------------------------
class Instant(serializers.DateTimeField):
    """In UTC, with milliseconds."""

    def to_representation(self, value: datetime) -> str:
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@extend_schema_field({})
class Always(serializers.Field[Any, Any, Any, Any]):
    """A key that clients look for and that says the same for everything here."""

    def __init__(self, value: object) -> None:
        super().__init__(read_only=True)
        self.value = value

    def get_attribute(self, instance: object) -> object:
        return self.value

    def to_representation(self, value: object) -> object:
        return value


class ComponentAnswer(serializers.Serializer[Any]):
    id = serializers.CharField()
    page_id = serializers.CharField()
    group_id = serializers.CharField(allow_null=True)
    created_at = Instant()
    updated_at = Instant()
    group = Always(False)
    name = serializers.CharField()
    description = serializers.CharField(allow_null=True)
    position = serializers.IntegerField()
    status = serializers.ChoiceField(ComponentStatus.choices)
    showcase = serializers.BooleanField()
    only_show_if_degraded = serializers.BooleanField()
    automation_email = Always(None)
    start_date = serializers.DateField(allow_null=True)


class AffectedComponentAnswer(serializers.Serializer[Any]):
    code = serializers.CharField()
    name = serializers.CharField()
    old_status = serializers.ChoiceField(ComponentStatus.choices)
    new_status = serializers.ChoiceField(ComponentStatus.choices)


class IncidentUpdateAnswer(serializers.Serializer[Any]):
    id = serializers.CharField()
    incident_id = serializers.CharField()
    affected_components = AffectedComponentAnswer(many=True)
    body = serializers.CharField()
    created_at = Instant()
    custom_tweet = Always(None)
    deliver_notifications = serializers.BooleanField()
    display_at = Instant()
    status = serializers.ChoiceField(IncidentStatus.choices)
    tweet_id = Always(None)
    twitter_updated_at = Always(None)
    updated_at = Instant()
    wants_twitter_update = Always(False)


class IncidentAnswer(serializers.Serializer[Any]):
    """Of a snapshot; needs `page` (a snapshot's) and `overrides` (of the impact, by incident id) in its context."""

    id = serializers.CharField()
    components = ComponentAnswer(many=True)
    created_at = Instant()
    impact = serializers.ChoiceField([*Impact.values, "maintenance"])
    impact_override = serializers.SerializerMethodField()
    incident_updates = IncidentUpdateAnswer(source="updates", many=True)
    metadata = Always({})
    monitoring_at = Instant(allow_null=True)
    name = serializers.CharField()
    page_id = serializers.CharField()
    postmortem_body = serializers.CharField(source="postmortem.body", default=None)
    postmortem_body_last_updated_at = Instant(source="postmortem.updated_at", default=None)
    postmortem_ignored = Always(False)
    postmortem_notified_subscribers = Always(False)
    postmortem_notified_twitter = Always(False)
    postmortem_published_at = Instant(source="postmortem.published_at", default=None)
    resolved_at = Instant(allow_null=True)
    scheduled_auto_completed = Always(False)
    scheduled_auto_in_progress = Always(False)
    scheduled_for = Instant(allow_null=True)
    auto_transition_deliver_notifications_at_end = Always(None)
    auto_transition_deliver_notifications_at_start = Always(None)
    auto_transition_to_maintenance_state = Always(None)
    auto_transition_to_operational_state = Always(None)
    scheduled_remind_prior = Always(False)
    scheduled_reminded_at = Always(None)
    scheduled_until = Instant(allow_null=True)
    shortlink = serializers.SerializerMethodField()
    status = serializers.SerializerMethodField()
    updated_at = Instant()
    reminder_intervals = Always(None)

    @extend_schema_field(serializers.ChoiceField(Impact.choices, allow_null=True))
    def get_impact_override(self, incident: Incident) -> str | None:
        override: str | None = self.context["overrides"].get(incident.id)
        return override

    @extend_schema_field(serializers.ChoiceField(IncidentStatus.choices))
    def get_status(self, incident: Incident) -> str:
        """In v1 an incident stays resolved when its postmortem is published."""
        return incident.updates[0].status

    def get_shortlink(self, incident: Incident) -> str:
        return f"{self.context['page'].url}/incidents/{incident.id}"


class ErrorAnswer(serializers.Serializer[Any]):
    error = serializers.CharField(help_text="What was refused, why, and what to do.")
