"""The record's rows, split by noun."""

from incidents.models.cadence import UpdateCadence
from incidents.models.component import Component, ComponentGroup, ComponentListing, ComponentStatusChange
from incidents.models.incident import Incident, IncidentUpdate
from incidents.models.maintenance import MaintenancePlan, MaintenanceReminder, MaintenanceSeries
from incidents.models.outbox import OutboxEvent
from incidents.models.page import Page
from incidents.models.people import ApiKey, ApiKeyUse, User
from incidents.models.postmortem import Postmortem
from incidents.models.role import IncidentRole
from incidents.models.seal import Seal
from incidents.models.template import IncidentTemplate, TemplateComponent
from incidents.models.timeline import TimelineEntry

__all__ = [
    "ApiKey",
    "ApiKeyUse",
    "Component",
    "ComponentGroup",
    "ComponentListing",
    "ComponentStatusChange",
    "Incident",
    "IncidentRole",
    "IncidentTemplate",
    "IncidentUpdate",
    "MaintenancePlan",
    "MaintenanceReminder",
    "MaintenanceSeries",
    "OutboxEvent",
    "Page",
    "Postmortem",
    "Seal",
    "TemplateComponent",
    "TimelineEntry",
    "UpdateCadence",
    "User",
]
