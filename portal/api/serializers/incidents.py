from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from incidents.lifecycle import ComponentStatus, Impact, IncidentStatus
from incidents.models import Incident as Row
from incidents.models import MaintenanceReminder
from portal.api.serializers.base import Always, Ids, Input, Instant, Slice, enveloped
from portal.api.serializers.components import ComponentAnswer
from status.snapshot import Incident

REFUSED = ("reminder_intervals",)
"""What Statuspage would do and this API does not: refused, because to accept it and not do it would be a lie."""
NOT_ASKED_FOR: tuple[object, ...] = (None, False, "", "false", "f", "0", {}, "[]")
PLAN = {
    "scheduled_auto_in_progress": "starts_by_itself",
    "scheduled_auto_transition": "starts_by_itself",
    "scheduled_auto_completed": "ends_by_itself",
    "auto_transition_to_maintenance_state": "shows_components",
    "auto_transition_deliver_notifications_at_start": "tells_at_start",
    "auto_transition_deliver_notifications_at_end": "tells_at_end",
}
"""What a maintenance does by itself, in Statuspage's words and in ours."""
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
    """Of a snapshot; needs `page` (a snapshot's) and `own` (the rows by public id, with plans) in its context."""

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
    scheduled_auto_completed = serializers.SerializerMethodField()
    scheduled_auto_in_progress = serializers.SerializerMethodField()
    scheduled_for = Instant(allow_null=True)
    auto_transition_deliver_notifications_at_end = serializers.SerializerMethodField()
    auto_transition_deliver_notifications_at_start = serializers.SerializerMethodField()
    auto_transition_to_maintenance_state = serializers.SerializerMethodField()
    auto_transition_to_operational_state = serializers.SerializerMethodField()
    scheduled_remind_prior = serializers.SerializerMethodField()
    scheduled_reminded_at = serializers.SerializerMethodField()
    scheduled_until = Instant(allow_null=True)
    shortlink = serializers.SerializerMethodField()
    status = serializers.SerializerMethodField()
    updated_at = Instant()
    reminder_intervals = Always(None)

    @extend_schema_field(serializers.ChoiceField(Impact.choices, allow_null=True))
    def get_impact_override(self, incident: Incident) -> str | None:
        return self._row(incident).impact_override

    @extend_schema_field(serializers.DictField())
    def get_metadata(self, incident: Incident) -> Any:
        return self._row(incident).metadata

    @extend_schema_field(serializers.ChoiceField(IncidentStatus.choices))
    def get_status(self, incident: Incident) -> str:
        """In v1 an incident stays resolved when its postmortem is published."""
        return incident.updates[0].status

    def get_scheduled_auto_completed(self, incident: Incident) -> bool:
        return bool(self._plan(incident, "ends_by_itself"))

    def get_scheduled_auto_in_progress(self, incident: Incident) -> bool:
        return bool(self._plan(incident, "starts_by_itself"))

    def get_auto_transition_deliver_notifications_at_end(self, incident: Incident) -> bool | None:
        return self._plan(incident, "tells_at_end")

    def get_auto_transition_deliver_notifications_at_start(self, incident: Incident) -> bool | None:
        return self._plan(incident, "tells_at_start")

    def get_auto_transition_to_maintenance_state(self, incident: Incident) -> bool | None:
        return self._plan(incident, "shows_components")

    def get_auto_transition_to_operational_state(self, incident: Incident) -> bool | None:
        return self._plan(incident, "shows_components")

    def get_scheduled_remind_prior(self, incident: Incident) -> bool:
        return bool(self._reminders(incident))

    @extend_schema_field(Instant(allow_null=True))
    def get_scheduled_reminded_at(self, incident: Incident) -> str | None:
        sent = [each.settled_at for each in self._reminders(incident) if each.settled_at and not each.note]
        return Instant().to_representation(max(sent)) if sent else None

    def _row(self, incident: Incident) -> Row:
        row: Row = self.context["own"][incident.id]
        return row

    def _plan(self, incident: Incident, fact: str) -> bool | None:
        plan = getattr(self._row(incident), "plan", None)
        return getattr(plan, fact) if plan else None

    def _reminders(self, incident: Incident) -> list[MaintenanceReminder]:
        plan = getattr(self._row(incident), "plan", None)
        return [each for each in plan.reminders.all() if each.deleted_at is None] if plan else []

    def get_shortlink(self, incident: Incident) -> str:
        return f"{self.context['page'].url}/incidents/{incident.id}"
