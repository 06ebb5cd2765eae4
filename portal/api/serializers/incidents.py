from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from incidents.lifecycle import ComponentStatus, Impact, IncidentStatus
from portal.api.serializers.base import Always, Ids, Input, Instant, Slice, enveloped
from portal.api.serializers.components import ComponentAnswer
from status.snapshot import Incident

REFUSED = (
    *("reminder_intervals", "scheduled_remind_prior"),
    *("scheduled_auto_in_progress", "scheduled_auto_completed", "scheduled_auto_transition"),
    *("auto_transition_to_maintenance_state", "auto_transition_to_operational_state"),
)
"""What Statuspage would do and this API does not: refused, because to accept it and not do it would be a lie."""
NOT_ASKED_FOR: tuple[object, ...] = (None, False, "", "false", "f", "0", {})
IMPACTS = [*Impact.choices, ("maintenance", _("Maintenance"))]


# --- What a request says ----------------------------------------------------------------------------------------------
class IncidentInput(Input):
    name = serializers.CharField(required=False, help_text="At most 255 characters.")
    status = serializers.ChoiceField(IncidentStatus.choices, required=False, allow_blank=True)
    body = serializers.CharField(
        required=False, allow_blank=True, help_text="Markdown. Without it, the usual sentence of the status is posted."
    )
    message = serializers.CharField(required=False, allow_blank=True, help_text="The old name of `body`.")
    impact_override = serializers.ChoiceField(IMPACTS, required=False, allow_null=True, allow_blank=True)
    components = serializers.DictField(
        child=serializers.ChoiceField(ComponentStatus.choices, allow_blank=True, allow_null=True),
        required=False,
        help_text="Component id to status. Written together with an update.",
    )
    component_ids = Ids(required=False, help_text="Components to name without changing them.")
    scheduled_for = serializers.DateTimeField(required=False, help_text="Makes it a maintenance.")
    scheduled_until = serializers.DateTimeField(required=False)
    deliver_notifications = serializers.BooleanField(required=False, help_text="True if left out.")
    metadata = serializers.DictField(
        required=False, help_text="What a program attaches for itself: objects by name. The public does not see it."
    )

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if isinstance(data, dict) and isinstance(data.get("components"), list):  # some clients list ids here
            data = {**data, "component_ids": data["components"]}
            del data["components"]
        refused = [name for name in REFUSED if isinstance(data, dict) and data.get(name) not in NOT_ASKED_FOR]
        if refused:
            raise serializers.ValidationError(
                {name: _("This cannot be set through this API. Leave it out.") for name in refused}
            )
        return super().to_internal_value(data)


class NewIncidentInput(IncidentInput):
    name = serializers.CharField(help_text="At most 255 characters.")
    backfilled = serializers.BooleanField(
        required=False, help_text="It was over before it got here: nobody is told, and no component changes."
    )
    backfill_date = serializers.CharField(required=False, max_length=40, help_text="When that was: 2023-01-17.")


NewIncidentRequest = enveloped("incident", NewIncidentInput, title="NewIncidentRequest")
IncidentRequest = enveloped("incident", IncidentInput, title="IncidentRequest")


class IncidentUpdateInput(Input):
    body = serializers.CharField(
        required=False, help_text="The corrected text. Readers see that it was edited; the old one is kept."
    )
    deliver_notifications = serializers.BooleanField(
        required=False, help_text="Whether subscribers are told of the correction; false if left out."
    )
    display_at = serializers.DateTimeField(required=False, help_text="Cannot be changed once it is published.")
    wants_twitter_update = serializers.BooleanField(required=False)


IncidentUpdateRequest = enveloped("incident_update", IncidentUpdateInput, title="IncidentUpdateRequest")


class IncidentQuery(Slice):
    q = serializers.CharField(required=False, help_text="Only incidents with this text in their name or updates.")


# --- What an answer says ----------------------------------------------------------------------------------------------
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
    """Of a snapshot; needs `page` (a snapshot's) and `own` (what it does not have, by incident id) in its context."""

    id = serializers.CharField()
    components = ComponentAnswer(many=True)
    created_at = Instant()
    impact = serializers.ChoiceField(IMPACTS)
    impact_override = serializers.SerializerMethodField()
    incident_updates = IncidentUpdateAnswer(source="updates", many=True)
    metadata = serializers.SerializerMethodField()
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
        override: str | None = self.context["own"][incident.id]["impact_override"]
        return override

    @extend_schema_field(serializers.DictField())
    def get_metadata(self, incident: Incident) -> Any:
        return self.context["own"][incident.id]["metadata"]

    @extend_schema_field(serializers.ChoiceField(IncidentStatus.choices))
    def get_status(self, incident: Incident) -> str:
        """In v1 an incident stays resolved when its postmortem is published."""
        return incident.updates[0].status

    def get_shortlink(self, incident: Incident) -> str:
        return f"{self.context['page'].url}/incidents/{incident.id}"
