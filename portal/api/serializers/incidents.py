from __future__ import annotations

import json
from typing import Any

from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from incidents.lifecycle import ComponentStatus, Impact, IncidentStatus
from incidents.maintenance.plans import REMIND_BEFORE
from portal.api.serializers.base import Always, Ids, Input, Slice, Timestamp, enveloped
from portal.api.serializers.components import ComponentAnswer
from status.rendering.snapshot import Incident

PLAN = {
    "scheduled_auto_in_progress": "starts_by_itself",
    "scheduled_auto_transition": "starts_by_itself",
    "scheduled_auto_completed": "ends_by_itself",
    "auto_transition_to_maintenance_state": "shows_components",
    "auto_transition_deliver_notifications_at_start": "tells_at_start",
    "auto_transition_deliver_notifications_at_end": "tells_at_end",
}
"""What a maintenance does by itself, in Statuspage's words and in ours."""
LONGEST_BEFORE = 365 * 24 * 60  # minutes
IMPACTS = [*Impact.choices, ("maintenance", _("Maintenance"))]


# --- What a request says ----------------------------------------------------------------------------------------------
@extend_schema_field(serializers.CharField())
class Hours(serializers.Field[Any, Any, Any, Any]):
    """Statuspage's "[1, 5, 24]", or "8" for every 8 hours of a day; as minutes, in order."""

    def to_internal_value(self, data: Any) -> tuple[int, ...]:
        try:
            hours = json.loads(data) if isinstance(data, str) else data
            if isinstance(hours, int) and 1 <= hours <= 24:
                hours = range(hours, 25, hours)
            minutes = {round(hour * 60) for hour in hours}
        except (TypeError, ValueError, OverflowError, RecursionError):
            minutes = {0}
        if not all(1 <= each <= LONGEST_BEFORE for each in minutes):
            raise serializers.ValidationError(_("Write hours as “[1, 24]”, or “[]” for no reminder."))
        return tuple(sorted(minutes))

    @staticmethod
    def written(minutes: tuple[int, ...]) -> str:
        return json.dumps([each // 60 if each % 60 == 0 else each / 60 for each in minutes])


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
    scheduled_auto_in_progress = serializers.BooleanField(required=False, help_text="It starts by itself.")
    scheduled_auto_transition = serializers.BooleanField(required=False, help_text="The same.")
    scheduled_auto_completed = serializers.BooleanField(required=False, help_text="It ends by itself.")
    auto_transition_to_maintenance_state = serializers.BooleanField(
        required=False, help_text="Its components read as under maintenance while it runs."
    )
    auto_transition_to_operational_state = serializers.BooleanField(
        required=False, help_text="They read as before when it is over, always: nothing must be restored."
    )
    auto_transition_deliver_notifications_at_start = serializers.BooleanField(required=False)
    auto_transition_deliver_notifications_at_end = serializers.BooleanField(required=False)
    scheduled_remind_prior = serializers.BooleanField(required=False, help_text="Subscribers are reminded before.")
    reminder_intervals = Hours(
        required=False, help_text="When a maintenance reminds, in hours before it: “[1, 24]”, “[]” for never."
    )
    deliver_notifications = serializers.BooleanField(required=False, help_text="True if left out.")
    metadata = serializers.DictField(
        required=False, help_text="What a program attaches for itself: objects by name. The public does not see it."
    )

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if isinstance(data, dict) and isinstance(data.get("components"), list):  # some clients list ids here
            data = {**data, "component_ids": data["components"]}
            del data["components"]
        return super().to_internal_value(data)


class NewIncidentInput(IncidentInput):
    name = serializers.CharField(help_text="At most 255 characters.")
    backfilled = serializers.BooleanField(
        required=False, help_text="It was over before it got here: nobody is notified, and no component changes."
    )
    backfill_date = serializers.CharField(required=False, max_length=40, help_text="When that was: 2023-01-17.")


NewIncidentRequest = enveloped("incident", NewIncidentInput, title="NewIncidentRequest")
IncidentRequest = enveloped("incident", IncidentInput, title="IncidentRequest")


class IncidentUpdateInput(Input):
    body = serializers.CharField(
        required=False, help_text="The corrected text. Readers see that it was edited; the old one is kept."
    )
    deliver_notifications = serializers.BooleanField(
        required=False, help_text="Whether subscribers are notified of the correction; false if left out."
    )
    display_at = serializers.DateTimeField(
        required=False, help_text="The corrected time. Updates keep their order, and the old time is kept, too."
    )
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
    created_at = Timestamp()
    custom_tweet = Always(None)
    deliver_notifications = serializers.BooleanField()
    display_at = Timestamp()
    status = serializers.ChoiceField(IncidentStatus.choices)
    tweet_id = Always(None)
    twitter_updated_at = Always(None)
    updated_at = Timestamp()
    wants_twitter_update = Always(False)


class IncidentAnswer(serializers.Serializer[Any]):
    """Of a snapshot; needs `page` (a snapshot's) and `metadata` (by public id) in its context."""

    id = serializers.CharField()
    components = ComponentAnswer(many=True)
    created_at = Timestamp()
    impact = serializers.ChoiceField(IMPACTS)
    impact_override = serializers.ChoiceField(Impact.choices, allow_null=True)
    incident_updates = IncidentUpdateAnswer(source="updates", many=True)
    metadata = serializers.SerializerMethodField()
    monitoring_at = Timestamp(allow_null=True)
    name = serializers.CharField()
    page_id = serializers.CharField()
    postmortem_body = serializers.CharField(source="postmortem.body", default=None, allow_null=True)
    postmortem_body_last_updated_at = Timestamp(source="postmortem.updated_at", default=None, allow_null=True)
    postmortem_ignored = Always(False)
    postmortem_notified_subscribers = Always(False)
    postmortem_notified_twitter = Always(False)
    postmortem_published_at = Timestamp(source="postmortem.published_at", default=None, allow_null=True)
    resolved_at = Timestamp(allow_null=True)
    scheduled_auto_completed = serializers.BooleanField(source="plan.ends_by_itself", default=False)
    scheduled_auto_in_progress = serializers.BooleanField(source="plan.starts_by_itself", default=False)
    scheduled_for = Timestamp(allow_null=True)
    auto_transition_deliver_notifications_at_end = serializers.BooleanField(
        source="plan.tells_at_end", default=None, allow_null=True
    )
    auto_transition_deliver_notifications_at_start = serializers.BooleanField(
        source="plan.tells_at_start", default=None, allow_null=True
    )
    auto_transition_to_maintenance_state = serializers.BooleanField(
        source="plan.shows_components", default=None, allow_null=True
    )
    auto_transition_to_operational_state = serializers.BooleanField(
        source="plan.shows_components", default=None, allow_null=True
    )
    scheduled_remind_prior = serializers.SerializerMethodField()
    scheduled_reminded_at = Timestamp(source="plan.reminded_at", default=None, allow_null=True)
    scheduled_until = Timestamp(allow_null=True)
    shortlink = serializers.SerializerMethodField()
    status = serializers.SerializerMethodField()
    updated_at = Timestamp()
    reminder_intervals = serializers.SerializerMethodField()
    warnings = serializers.ListField(
        child=serializers.CharField(),
        required=False,
        help_text="Of a request that resolves or completes: which components are not operational. Else left out.",
    )

    @extend_schema_field(serializers.DictField())
    def get_metadata(self, incident: Incident) -> Any:
        return self.context["metadata"][incident.id]

    @extend_schema_field(serializers.ChoiceField(IncidentStatus.choices))
    def get_status(self, incident: Incident) -> str:
        """In v1 an incident stays resolved when its postmortem is published."""
        return incident.updates[0].status

    def get_scheduled_remind_prior(self, incident: Incident) -> bool:
        return bool(incident.plan and incident.plan.reminders)

    def get_reminder_intervals(self, incident: Incident) -> str | None:
        """Null where nobody chose others than the usual ones."""
        if incident.plan is None or set(incident.plan.reminders) == set(REMIND_BEFORE):
            return None
        return Hours.written(incident.plan.reminders)

    def get_shortlink(self, incident: Incident) -> str:
        return f"{self.context['page'].url}/incidents/{incident.id}"
