"""The record's rows, split by noun."""

from incidents.models.action import ActionItem
from incidents.models.cadence import UpdateCadence
from incidents.models.clock import Clock
from incidents.models.component import Component, ComponentGroup, ComponentListing, ComponentStatusChange
from incidents.models.failure import Failure
from incidents.models.finding import FindingDismissal
from incidents.models.incident import Incident, IncidentUpdate
from incidents.models.maintenance import MaintenancePlan, MaintenanceReminder, MaintenanceSeries
from incidents.models.metric import Metric, MetricFeed, MetricPoint
from incidents.models.origin import Origin
from incidents.models.outbox import OutboxEvent
from incidents.models.page import EmbedConfig, Page
from incidents.models.people import ApiKey, ApiKeyUse, SignInMemory, User
from incidents.models.planned import PlannedComponent, PlannedUpdate
from incidents.models.postmortem import Postmortem, PostmortemRevision, PostmortemSection
from incidents.models.review import PostmortemComment, PostmortemReading
from incidents.models.role import IncidentRole
from incidents.models.seal import Seal
from incidents.models.submission import Submission
from incidents.models.template import IncidentTemplate, TemplateComponent
from incidents.models.timeline import TimelineEntry

__all__ = [
    "ActionItem",
    "ApiKey",
    "ApiKeyUse",
    "Clock",
    "Component",
    "ComponentGroup",
    "ComponentListing",
    "ComponentStatusChange",
    "EmbedConfig",
    "Failure",
    "FindingDismissal",
    "Incident",
    "IncidentRole",
    "IncidentTemplate",
    "IncidentUpdate",
    "MaintenancePlan",
    "MaintenanceReminder",
    "MaintenanceSeries",
    "Metric",
    "MetricFeed",
    "MetricPoint",
    "Origin",
    "OutboxEvent",
    "Page",
    "PlannedComponent",
    "PlannedUpdate",
    "Postmortem",
    "PostmortemComment",
    "PostmortemReading",
    "PostmortemRevision",
    "PostmortemSection",
    "Seal",
    "SignInMemory",
    "Submission",
    "TemplateComponent",
    "TimelineEntry",
    "UpdateCadence",
    "User",
]
