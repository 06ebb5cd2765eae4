"""Everything below `/api/` that a database answers; `/api/v2/` is published files."""

from __future__ import annotations

from django.urls import path
from django.utils.translation import gettext_lazy as _
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from portal.api import views

DESCRIPTION = _("""
Two interfaces, both in the shapes of Atlassian Statuspage, so that programs written for it work here.

**Reading, for everybody**: `GET /api/v2/summary.json` on the address of a status page, and beside it `status.json`,
`components.json`, `incidents.json`, `incidents/unresolved.json`, `incidents/<id>.json`, `scheduled-maintenances.json`,
`scheduled-maintenances/upcoming.json` and `scheduled-maintenances/active.json`. No key, any origin, and no limit:
these are files, written when something changes, with an `ETag`.

**Writing, with a key**: what is listed below. Send the key as `Authorization: OAuth <key>`; what it writes is recorded
in its name. Bodies are JSON, or forms like `incident[name]=...`. Every path works with `.json` at its end, too.
A refusal is `{"error": "a sentence"}`, and then nothing was written.
""")

DOCUMENTATION = {
    "DESCRIPTION": DESCRIPTION,
    "TAGS": [{"name": "incidents"}, {"name": "incident updates"}, {"name": "components"}],
    "ENUM_NAME_OVERRIDES": {
        "IncidentStatus": "incidents.lifecycle.IncidentStatus",
        "ComponentStatus": "incidents.lifecycle.ComponentStatus",
        "ChosenImpact": "incidents.lifecycle.Impact",
    },
}

V1 = {
    "incidents": views.Incidents,
    "incidents/<slug:incident_id>": views.OneIncident,
    "incidents/<slug:incident_id>/incident_updates/<slug:update_id>": views.OneIncidentUpdate,
    "components": views.Components,
    "components/<slug:component_id>": views.OneComponent,
}

urlpatterns = [
    *(path(f"v1/pages/<slug:page_id>/{route}", view.as_view()) for route, view in V1.items()),
    # schema=None: the documentation names each path once
    *(path(f"v1/pages/<slug:page_id>/{route}.json", view.as_view(schema=None)) for route, view in V1.items()),
    path("schema", SpectacularAPIView.as_view(custom_settings=DOCUMENTATION), name="schema"),
    path("docs", SpectacularSwaggerSplitView.as_view(template_name="portal/api_docs.html"), name="api_docs"),
]
