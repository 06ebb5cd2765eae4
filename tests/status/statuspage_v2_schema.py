"""Statuspage's API v2 as JSON Schema, as strict as 1,299 recorded documents of seven real pages allow.

`DOCUMENTS` maps the path below `/api/v2/` to the schema of that document. A key is optional only where older
recordings lack it; an unknown key is always an error.
"""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

COMPONENT_STATUSES = ["operational", "degraded_performance", "partial_outage", "major_outage", "under_maintenance"]
INCIDENT_STATUSES = ["investigating", "identified", "monitoring", "resolved", "postmortem"]
MAINTENANCE_STATUSES = ["scheduled", "in_progress", "verifying", "completed", "postmortem"]
IMPACTS = ["none", "minor", "major", "critical", "maintenance"]


def _object(properties: Schema, optional: Schema | None = None) -> Schema:
    return {
        "type": "object",
        "properties": properties | (optional or {}),
        "required": list(properties),
        "additionalProperties": False,
    }


def _array(items: Schema, **limits: int) -> Schema:
    return {"type": "array", "items": items} | limits


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


NULL: Schema = {"type": "null"}
BOOLEAN: Schema = {"type": "boolean"}
INTEGER: Schema = {"type": "integer"}
TEXT: Schema = {"type": "string"}
NAME: Schema = {"type": "string", "minLength": 1}
ID: Schema = {"type": "string", "pattern": "^[0-9a-z]{12}$"}
URL: Schema = {"type": "string", "pattern": "^https?://[^/]+(/.*[^/])?$"}
DATE: Schema = {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}$"}
TIMESTAMP: Schema = {
    "type": "string",
    "pattern": r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}(Z|[+-]\d{2}:\d{2})$",
}

PAGE = _object({"id": ID, "name": NAME, "url": URL, "time_zone": NAME, "updated_at": TIMESTAMP})
STATUS = _object({"indicator": {"enum": IMPACTS}, "description": NAME})

_ROW = {
    "id": ID,
    "name": NAME,
    "status": {"enum": COMPONENT_STATUSES},
    "created_at": TIMESTAMP,
    "updated_at": TIMESTAMP,
    "position": INTEGER,
    "description": _or_null(TEXT),
    "showcase": BOOLEAN,
    "start_date": _or_null(DATE),
    "group_id": _or_null(ID),
    "page_id": ID,
    "group": {"const": False},
    "only_show_if_degraded": BOOLEAN,
}
COMPONENT = _object(_ROW)
GROUP = _object(_ROW | {"group": {"const": True}, "group_id": NULL, "start_date": NULL, "components": _array(ID)})

AFFECTED_COMPONENT = _object(
    {"code": ID, "name": NAME, "old_status": {"enum": COMPONENT_STATUSES}, "new_status": {"enum": COMPONENT_STATUSES}}
)


def _update(statuses: list[str]) -> Schema:
    return _object(
        {
            "id": ID,
            "status": {"enum": statuses},
            "body": TEXT,
            "incident_id": ID,
            "created_at": TIMESTAMP,
            "updated_at": TIMESTAMP,
            "display_at": TIMESTAMP,
            "affected_components": _or_null(_array(AFFECTED_COMPONENT, minItems=1)),
            "deliver_notifications": BOOLEAN,
            "custom_tweet": NULL,
            "tweet_id": _or_null(INTEGER),
        }
    )


def _incident(statuses: list[str]) -> Schema:
    return {
        "id": ID,
        "name": NAME,
        "status": {"enum": statuses},
        "created_at": TIMESTAMP,
        "updated_at": TIMESTAMP,
        "monitoring_at": _or_null(TIMESTAMP),
        "resolved_at": _or_null(TIMESTAMP),
        "impact": {"enum": IMPACTS},
        "shortlink": URL,
        "started_at": TIMESTAMP,
        "page_id": ID,
        "incident_updates": _array(_update(statuses), minItems=1),
        "components": _array(COMPONENT),
    }


INCIDENT = _object(_incident(INCIDENT_STATUSES), optional={"reminder_intervals": _or_null(TEXT)})
MAINTENANCE = _object(_incident(MAINTENANCE_STATUSES) | {"scheduled_for": TIMESTAMP, "scheduled_until": TIMESTAMP})


def _document(**parts: Schema) -> Schema:
    return _object({"page": PAGE, **parts})


_MAINTENANCES = _array(MAINTENANCE, maxItems=50)
DOCUMENTS: dict[str, Schema] = {
    "summary.json": _document(
        components=_array({"anyOf": [COMPONENT, GROUP]}),
        incidents=_array(INCIDENT, maxItems=50),
        scheduled_maintenances=_MAINTENANCES,
        status=STATUS,
    ),
    "status.json": _document(status=STATUS),
    "components.json": _document(components=_array({"anyOf": [COMPONENT, GROUP]})),
    "incidents.json": _document(incidents=_array(INCIDENT, maxItems=50)),
    "incidents/unresolved.json": _document(incidents=_array(INCIDENT, maxItems=50)),
    "incidents/<id>.json": _document(incident={"anyOf": [INCIDENT, MAINTENANCE]}),
    "scheduled-maintenances.json": _document(scheduled_maintenances=_MAINTENANCES),
    "scheduled-maintenances/upcoming.json": _document(scheduled_maintenances=_MAINTENANCES),
    "scheduled-maintenances/active.json": _document(scheduled_maintenances=_MAINTENANCES),
}
